//! A simulated server, clock and disk.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::super::*;
use crate::hub::Hash;

pub(super) const CHUNK_BYTES: u64 = 8;
pub(super) const N_AT_ONCE: usize = 4;

pub(super) fn options() -> Options {
    Options { chunk_bytes: CHUNK_BYTES, n_at_once: N_AT_ONCE, n_tries: 6, ..Options::default() }
}

/// What may go wrong, each in one of so many answers; 0 is never.
#[derive(Clone, Copy, Default)]
pub(super) struct Weather {
    pub(super) breaks: u32,
    pub(super) ends_early: u32,
    pub(super) refuses: u32,
    pub(super) throttles: u32,
    pub(super) wrong_range: u32,
    /// Of all requests from the first such answer on, for a file: the server sends whole files.
    pub(super) forgets_ranges: u32,
    /// In so many steps the user pauses, and in so many closes the page.
    pub(super) pauses: u32,
    pub(super) crashes: u32,
}

/// A byte that the server changes: in which file, and which one.
pub(super) type Planted = Option<(usize, usize)>;

pub(super) struct World {
    rng: ChaCha8Rng,
    weather: Weather,
    pub(super) contents: Vec<Vec<u8>>,
    pub(super) planted: Planted,
    /// What is under way, with what the server will still do about it.
    flying: Vec<(RequestId, Vec<Arrival>)>,
    pub(super) disk: Vec<Vec<u8>>,
    /// What the reader has of each file, bytes.
    read: Vec<usize>,
    now_millis: f64,
    pub(super) n_tries: u32,
}

impl World {
    pub(super) fn new(seed: u64, weather: Weather) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let n_files = 1 + rng.next_u32() as usize % 4;
        let content = |rng: &mut ChaCha8Rng| (0..rng.next_u32() % 90).map(|_| rng.next_u32() as u8).collect();
        let contents: Vec<Vec<u8>> = (0..n_files).map(|_| content(&mut rng)).collect();
        let disk = vec![vec![]; n_files];
        Self {
            rng,
            weather,
            contents,
            planted: None,
            flying: vec![],
            disk,
            read: vec![0; n_files],
            now_millis: 0.0,
            n_tries: 50,
        }
    }

    pub(super) fn files(&self) -> Vec<RepoFile> {
        let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let hash = |nth: usize, bytes: &[u8]| match nth % 2 {
            0 => Hash::Sha256(digits(&Sha256::digest(bytes))),
            _ => {
                let head = format!("blob {}\0", bytes.len());
                Hash::GitBlob(digits(&Sha1::new().chain_update(head).chain_update(bytes).finalize()))
            }
        };
        let file = |(nth, bytes): (usize, &Vec<u8>)| RepoFile {
            path: format!("file-{nth}"),
            size_bytes: bytes.len() as u64,
            hash: hash(nth, bytes),
        };
        self.contents.iter().enumerate().map(file).collect()
    }

    fn happens(&mut self, one_in: u32) -> bool {
        one_in != 0 && self.rng.next_u32().is_multiple_of(one_in)
    }

    /// All that the server will do about a request.
    fn answers(&mut self, request: Request) -> Vec<Arrival> {
        let content = self.contents[request.file_idx].clone();
        let size_bytes = content.len() as u64;
        let status = |status, retry_after: Option<&str>| {
            let retry_after = retry_after.map(str::to_owned);
            vec![Arrival::Head(Head { status, retry_after, ..Head::default() })]
        };
        let broken = || Arrival::Broken { message: "reset".to_owned() };
        if self.happens(self.weather.refuses) {
            return status([500, 503, 416][self.rng.next_u32() as usize % 3], None);
        }
        if self.happens(self.weather.throttles) {
            return status(429, Some("3"));
        }
        let is_whole = request.is_whole || self.happens(self.weather.forgets_ranges);
        let (mut start, mut end) = if is_whole { (0, size_bytes) } else { (request.start, request.end) };
        if !is_whole && self.happens(self.weather.wrong_range) {
            start = (start + 1) % size_bytes;
            end = end.max(start + 1);
        }
        let part = Some((start, end));
        let content_range = (!is_whole).then_some(ContentRange { part, size_bytes: Some(size_bytes) });
        let head = Head { status: if is_whole { 200 } else { 206 }, content_range, ..Head::default() };
        let mut bytes = content[start as usize..end as usize].to_vec();
        if let Some((file_idx, at)) = self.planted
            && file_idx == request.file_idx
            && (start as usize..end as usize).contains(&at)
        {
            bytes[at - start as usize] ^= 1;
        }
        let mut arrivals = vec![Arrival::Head(head)];
        let stops = [self.happens(self.weather.ends_early), self.happens(self.weather.breaks)];
        if stops.contains(&true) {
            bytes.truncate(self.rng.next_u32() as usize % (bytes.len() + 1));
        }
        let portion = 1 + self.rng.next_u32() as usize % 5;
        arrivals.extend(bytes.chunks(portion).map(|part| Arrival::Bytes(part.to_vec())));
        arrivals.push(if stops[1] { broken() } else { Arrival::End });
        arrivals
    }

    /// Makes the next thing happen to one of the requests under way, whichever.
    fn something_arrives(&mut self, download: &mut Download) -> Result<(), DownloadError> {
        let nth = self.rng.next_u32() as usize % self.flying.len();
        let (id, arrivals) = &mut self.flying[nth];
        let (id, arrival) = (*id, arrivals.remove(0));
        if arrivals.is_empty() {
            self.flying.remove(nth);
        }
        self.now_millis += 10.0;
        let delivered = download.arrived(id, arrival, self.now_millis)?;
        self.keep(delivered);
        let given_up = download.superseded();
        self.flying.retain(|(id, _)| !given_up.contains(id));
        let n_waiting: usize = download.pieces.iter().map(|piece| piece.waiting.len()).sum();
        assert!(n_waiting as u64 <= CHUNK_BYTES * N_AT_ONCE as u64, "{n_waiting} bytes wait");
        assert!(self.n_at_work() <= N_AT_ONCE, "{} requests at once", self.n_at_work());
        Ok(())
    }

    /// Writes down what was handed on.
    fn keep(&mut self, delivered: Vec<Delivered>) {
        for Delivered { file_idx, start, bytes } in delivered {
            self.comes(file_idx, start, bytes.len());
            assert!(start <= self.disk[file_idx].len() as u64, "bytes come in order");
            self.disk[file_idx].truncate(start as usize);
            self.disk[file_idx].extend(bytes);
        }
    }

    /// Whoever reads the files gets each after those before it, and from its start.
    fn comes(&mut self, file_idx: usize, start: u64, n_bytes: usize) {
        assert_eq!(self.read[file_idx] as u64, start, "file {file_idx}");
        for before in 0..file_idx {
            assert_eq!(self.read[before], self.contents[before].len(), "{before} is before {file_idx}");
        }
        self.read[file_idx] += n_bytes;
    }

    /// Begins again with what was written down, of which something may be gone.
    fn crash(&mut self, download: &Download, options: Options) -> Download {
        let mut saved = download.saved();
        let files = self.files();
        let file_idx = self.rng.next_u32() as usize % files.len();
        match self.rng.next_u32() % 3 {
            0 => saved.forget(&files[file_idx]),
            1 => self.disk[file_idx].truncate(self.contents[file_idx].len() / 3),
            _ => {}
        }
        self.flying.clear();
        self.read = vec![0; files.len()];
        Download::new(files, &saved, options)
    }

    /// A request may have brought everything and not yet ended.
    fn n_at_work(&self) -> usize {
        let brings = |arrival: &Arrival| matches!(arrival, Arrival::Head(_) | Arrival::Bytes(_));
        self.flying.iter().filter(|(_, arrivals)| arrivals.iter().any(brings)).count()
    }

    /// Until the end, which is bounded.
    pub(super) fn run(&mut self) -> Result<(), DownloadError> {
        let options = Options { n_tries: self.n_tries, ..options() };
        let mut download = Download::new(self.files(), &Saved::default(), options);
        self.read = vec![0; self.contents.len()];
        for _ in 0..100_000 {
            if self.happens(self.weather.crashes) {
                download = self.crash(&download, options);
            }
            if self.happens(self.weather.pauses) {
                download.pause();
                // A failure that is not yet told comes first.
                assert_eq!(download.next(self.now_millis)?, Step::Paused);
                let given_up = download.superseded();
                self.flying.retain(|(id, _)| !given_up.contains(id));
                assert_eq!(self.n_at_work(), 0, "a pause gives up what is under way");
                download.resume();
            }
            match download.next(self.now_millis)? {
                Step::Fetch(request) => {
                    let answers = self.answers(request);
                    self.flying.push((request.id, answers));
                }
                Step::Reread { file_idx, start, end } => {
                    let kept = &self.disk[file_idx];
                    let bytes = &kept[(start as usize).min(kept.len())..(end as usize).min(kept.len())];
                    let (n_bytes, delivered) = (bytes.len(), download.reread(file_idx, bytes)?);
                    self.comes(file_idx, start, n_bytes);
                    self.keep(delivered);
                    let given_up = download.superseded();
                    self.flying.retain(|(id, _)| !given_up.contains(id));
                }
                Step::Wait { until_millis } if self.flying.is_empty() => {
                    let until_millis = until_millis.expect("nothing is under way, so it waits for a time");
                    assert!(self.now_millis < until_millis, "it waits for the past");
                    self.now_millis = until_millis;
                }
                Step::Wait { .. } => self.something_arrives(&mut download)?,
                Step::Paused => unreachable!("it was resumed"),
                Step::Done => {
                    assert_eq!(download.progress(self.now_millis).percent, 100);
                    return Ok(());
                }
            }
        }
        panic!("it neither ends nor fails");
    }
}
