//! Drives a download: makes its requests, keeps what they bring, and hands it on to whoever reads the files.
//!
//! It goes on only while somebody waits for bytes, so that a slow reader slows the network down and nothing piles up.

use std::{
    collections::VecDeque,
    future::{Future as _, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    task::Poll,
};

use wasm_bindgen::JsValue;

use super::{
    control::Control,
    flight::Flight,
    store::{NotKept, Store},
};
use crate::{
    failure::Failure,
    hub::{
        Commit, Repo, RepoFile,
        download::{Arrival, Delivered, Download, DownloadError, Options, Progress, Request, Saved, Step},
    },
    protocol::{FromEngine, RunId, Secret},
    worker::{
        pace::{self, now_millis},
        post,
    },
};

/// How often what is here is written down, and how often somebody hears of it, milliseconds.
const SAVE_MILLIS: f64 = 500.0;
const REPORT_MILLIS: f64 = 100.0;

/// Where files come from.
pub(super) struct From {
    pub(super) repo: Repo,
    pub(super) commit: Commit,
    pub(super) token: Option<Secret>,
}

/// Files on their way. Dropping it gives up what is under way and keeps what has come.
pub(in crate::worker) struct Transfer {
    from: From,
    files: Vec<RepoFile>,
    /// What of each file was not yet given to the reader, bytes.
    left_bytes: Vec<u64>,
    /// Whether some of each file was kept from before.
    was_kept: Vec<bool>,
    download: Download,
    flights: Vec<Flight>,
    ready: VecDeque<Delivered>,
    store: Result<Store, NotKept>,
    control: Rc<Control>,
    run: Option<RunId>,
    saved_millis: f64,
    reported_millis: f64,
    /// A file that was kept and turned out damaged.
    damaged: Option<RepoFile>,
}

/// What ended a wait.
enum Event {
    Came(usize, Result<JsValue, JsValue>),
    Told,
    Time,
}

impl Transfer {
    pub(super) fn new(
        from: From,
        files: Vec<RepoFile>,
        store: Result<Store, NotKept>,
        control: Rc<Control>,
        run: Option<RunId>,
    ) -> Self {
        let nothing = Saved::default();
        let saved = store.as_ref().map_or(&nothing, |store| store.cache.saved());
        let left_bytes = files.iter().map(|file| file.size_bytes).collect();
        let was_kept = files.iter().map(|file| 0 < saved.bytes_of(file)).collect();
        let download = Download::new(files.clone(), saved, Options::default());
        Self {
            from,
            files,
            left_bytes,
            was_kept,
            download,
            flights: vec![],
            ready: VecDeque::new(),
            store,
            control,
            run,
            saved_millis: now_millis(),
            reported_millis: f64::NEG_INFINITY,
            damaged: None,
        }
    }

    /// The files, in the order in which they come.
    pub(in crate::worker) fn files(&self) -> &[RepoFile] {
        &self.files
    }

    /// Where one of them is.
    pub(super) fn url(&self, file: &RepoFile) -> String {
        self.from.repo.file_url(&self.from.commit, &file.path)
    }

    pub(super) fn repo(&self) -> &Repo {
        &self.from.repo
    }

    pub(super) fn token(&self) -> Option<&Secret> {
        self.from.token.as_ref()
    }

    /// The folder on disk, if there is one.
    pub(super) fn store(&mut self) -> Option<&mut Store> {
        self.store.as_mut().ok()
    }

    /// A file that was kept and turned out damaged: with it fetched anew, all may be well.
    pub(super) fn damaged(&self) -> Option<&RepoFile> {
        self.damaged.as_ref()
    }

    /// Why nothing is kept, if nothing is.
    pub(super) fn not_kept(&self) -> Option<NotKept> {
        self.store.as_ref().err().copied()
    }

    /// The next bytes of a file; `None` at its end. Files are read one after another, in their order.
    ///
    /// Errors: the download has failed or was cancelled.
    pub(in crate::worker) async fn next(&mut self, file_idx: usize) -> Result<Option<Vec<u8>>, Failure> {
        while 0 < self.left_bytes[file_idx] {
            match self.ready.pop_front() {
                Some(Delivered { file_idx: of, bytes, .. }) if of == file_idx => {
                    self.left_bytes[file_idx] -= bytes.len() as u64;
                    return Ok(Some(bytes));
                }
                // Of a file that nobody reads to its end.
                Some(_) => continue,
                None => self.step().await.map_err(|error| self.failure(&error))?,
            }
        }
        if self.left_bytes.iter().all(|left| *left == 0) {
            self.save();
        }
        Ok(None)
    }

    async fn step(&mut self) -> Result<(), DownloadError> {
        if self.control.is_cancelled() {
            self.download.cancel();
        } else if self.control.is_paused() {
            self.download.pause();
        } else {
            self.download.resume();
        }
        let step = self.download.next(now_millis());
        self.give_up();
        match step? {
            Step::Fetch(request) => self.fetch(&request),
            Step::Reread { file_idx, start, end } => self.reread(file_idx, start, end).await?,
            Step::Wait { until_millis } => self.wait(until_millis).await?,
            Step::Paused => {
                self.save();
                self.wait(None).await?;
            }
            // Then every file was given to its end, and nobody is here.
            Step::Done => self.left_bytes.fill(0),
        }
        Ok(())
    }

    fn fetch(&mut self, request: &Request) {
        let url = self.url(&self.files[request.file_idx]);
        self.flights.push(Flight::start(request, &url, self.from.token.as_ref()));
    }

    async fn reread(&mut self, file_idx: usize, start: u64, end: u64) -> Result<(), DownloadError> {
        let bytes = match &mut self.store {
            Ok(store) => store.read(&self.files[file_idx], start, end).await,
            Err(_) => vec![],
        };
        let behind = self.download.reread(file_idx, &bytes)?;
        if !bytes.is_empty() {
            self.ready.push_back(Delivered { file_idx, start, bytes });
        }
        self.keep(behind).await;
        self.report();
        Ok(())
    }

    /// Waits for whatever comes first: bytes, a word of the user's, or a time.
    async fn wait(&mut self, until_millis: Option<f64>) -> Result<(), DownloadError> {
        let millis = until_millis.map(|until| (until - now_millis()).max(0.0).ceil() as i32);
        let mut alarm = pin!(async {
            match millis {
                Some(millis) => pace::sleep(millis).await,
                None => std::future::pending().await,
            }
        });
        let (control, flights) = (&self.control, &mut self.flights);
        let event = poll_fn(|context| {
            if control.poll(context) {
                return Poll::Ready(Event::Told);
            }
            for (nth, flight) in flights.iter_mut().enumerate() {
                if let Poll::Ready(came) = Pin::new(&mut flight.pending).poll(context) {
                    return Poll::Ready(Event::Came(nth, came));
                }
            }
            alarm.as_mut().poll(context).map(|()| Event::Time)
        });
        let Event::Came(nth, came) = event.await else { return Ok(()) };
        let (id, (arrival, is_more)) = (self.flights[nth].id, self.flights[nth].arrived(came));
        let is_head = matches!(arrival, Arrival::Head(_));
        let mut delivered = self.download.arrived(id, arrival, now_millis())?;
        if !is_more {
            self.flights.swap_remove(nth);
            if is_head {
                delivered.extend(self.download.arrived(id, Arrival::End, now_millis())?);
            }
        }
        self.give_up();
        self.keep(delivered).await;
        self.report();
        Ok(())
    }

    /// Gives up requests whose answers nobody wants any more.
    fn give_up(&mut self) {
        let superseded = self.download.superseded();
        self.flights.retain(|flight| !superseded.contains(&flight.id));
    }

    /// Writes down what has come, for as long as there is room, and then has it read.
    async fn keep(&mut self, delivered: Vec<Delivered>) {
        if delivered.is_empty() {
            return;
        }
        if let Ok(store) = &mut self.store {
            for Delivered { file_idx, start, bytes } in &delivered {
                if !store.write(&self.files[*file_idx], *start, bytes).await {
                    self.store = Err(NotKept::Full);
                    break;
                }
            }
        }
        self.ready.extend(delivered);
        if SAVE_MILLIS <= now_millis() - self.saved_millis {
            self.save();
        }
    }

    /// Notes what was written.
    fn save(&mut self) {
        self.saved_millis = now_millis();
        if let Ok(store) = &mut self.store
            && !store.save(&self.download.saved())
        {
            self.store = Err(NotKept::Full);
        }
    }

    fn report(&mut self) {
        let (now, Some(run)) = (now_millis(), self.run) else { return };
        let Progress { done_bytes, total_bytes, bytes_per_sec, left_secs, .. } = self.download.progress(now);
        if now - self.reported_millis < REPORT_MILLIS && done_bytes < total_bytes {
            return;
        }
        self.reported_millis = now;
        let of = self.left_bytes.iter().position(|left| 0 < *left);
        let file = of.map_or_else(String::new, |of| self.files[of].path.clone());
        let total_bytes = Some(total_bytes);
        post::send(FromEngine::Progress { run, file, done_bytes, total_bytes, bytes_per_sec, left_secs });
    }

    fn failure(&mut self, error: &DownloadError) -> Failure {
        if let DownloadError::Corrupt { path } = error {
            let file_idx = self.files.iter().position(|file| file.path == *path);
            self.damaged = file_idx.filter(|nth| self.was_kept[*nth]).map(|nth| self.files[nth].clone());
        }
        error.failure(&self.from.repo, &self.from.commit)
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.save();
    }
}
