//! A plan of downloads: which bytes of which file to ask for next, and what to make of the answers.
//!
//! Pure: whoever drives it makes the requests, tells the time, and keeps the bytes. Several ranges come at once and in
//! any order; they are handed on in order, file after file, so that each file is hashed as it comes and one that was
//! damaged on the way is named. What waits for its turn never exceeds the ranges that may be asked for at once.

use std::collections::VecDeque;

use super::RepoFile;

mod arrival;
mod error;
mod file;
mod hash;
mod piece;
mod rate;
#[cfg(test)]
mod tests;

pub use arrival::{Arrival, ContentRange, Head};
pub use error::{DownloadError, Fault};
pub use file::Saved;
pub use rate::Progress;

use file::FileState;
use piece::Piece;
use rate::Rate;

/// How a download goes about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// What one request asks for.
    pub chunk_bytes: u64,
    /// Requests under way together.
    pub n_at_once: usize,
    /// How often a request without a byte is made before the download is given up.
    pub n_tries: u32,
    /// The pause before the second try; each later one is twice as long.
    pub first_pause_millis: f64,
    /// The longest pause, and the longest that a server may ask for.
    pub longest_pause_millis: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            chunk_bytes: 8 << 20,
            n_at_once: 4,
            n_tries: 6,
            first_pause_millis: 500.0,
            longest_pause_millis: 60_000.0,
        }
    }
}

/// Names a request; no two of one download have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u64);

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Ask for these bytes, and bring what comes to [`Download::arrived`].
    Fetch(Request),
    /// Bring these bytes of what was kept to [`Download::reread`].
    Reread {
        /// Of which file.
        file_idx: usize,
        /// The first byte.
        start: u64,
        /// Behind the last byte.
        end: u64,
    },
    /// Nothing before something arrives or, if a time is named, before that.
    Wait {
        /// Milliseconds on the clock that the driver tells.
        until_millis: Option<f64>,
    },
    /// Nothing before [`Download::resume`].
    Paused,
    /// All files are whole, and what their hashes say.
    Done,
}

/// A request for bytes `start..end` of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its name.
    pub id: RequestId,
    /// Of which file.
    pub file_idx: usize,
    /// The first byte.
    pub start: u64,
    /// Behind the last byte.
    pub end: u64,
    /// Whether to leave the header `Range` away: this server sends whole files only.
    pub is_whole: bool,
}

/// Bytes of a file, the next ones in order. What was kept of it behind `start` is of a file that turned out damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Of which file.
    pub file_idx: usize,
    /// Where they begin.
    pub start: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Files on their way.
#[derive(Debug)]
pub struct Download {
    options: Options,
    files: Vec<FileState>,
    /// What was asked for and not yet handed on, in order.
    pieces: VecDeque<Piece>,
    state: State,
    n_requests: u64,
    /// Requests that nobody waits for any more.
    superseded: Vec<RequestId>,
    /// Before this the server wants to hear nothing.
    hold_until_millis: f64,
    rate: Rate,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Running,
    Paused,
    Failed(DownloadError),
}

impl Download {
    /// Begins; `saved` is what [`Download::saved`] said of an earlier one, if there was one.
    pub fn new(files: Vec<RepoFile>, saved: &Saved, options: Options) -> Self {
        let mut download = Self {
            options,
            files: files.into_iter().map(|file| FileState::new(file, saved)).collect(),
            pieces: VecDeque::new(),
            state: State::Running,
            n_requests: 0,
            superseded: vec![],
            hold_until_millis: 0.0,
            rate: Rate::default(),
        };
        let empty = download.files.iter_mut().filter(|file| file.wanted.size_bytes == 0);
        if let Some(error) = empty.filter_map(|file| file.check().err()).next() {
            download.state = State::Failed(error);
        }
        download
    }

    /// What to do next, to be asked until it says to wait.
    ///
    /// Errors: the download has failed or was cancelled, and says so from then on.
    pub fn next(&mut self, now_millis: f64) -> Result<Step, DownloadError> {
        match &self.state {
            State::Failed(error) => return Err(error.clone()),
            State::Paused => return Ok(Step::Paused),
            State::Running => {}
        }
        // Files come in order, what was kept of them too.
        let Some((file_idx, file)) = self.files.iter().enumerate().find(|(_, file)| !file.is_whole()) else {
            return Ok(Step::Done);
        };
        if file.done_bytes < file.kept_bytes {
            let (start, kept) = (file.done_bytes, file.kept_bytes);
            return Ok(Step::Reread { file_idx, start, end: kept.min(start + self.options.chunk_bytes) });
        }
        if now_millis < self.hold_until_millis {
            return Ok(Step::Wait { until_millis: Some(self.hold_until_millis) });
        }
        self.hand_out();
        let n_flying = self.pieces.iter().filter(|piece| piece.flight.is_some()).count();
        if n_flying == self.options.n_at_once {
            return Ok(Step::Wait { until_millis: None });
        }
        // A server that sends whole files only is read in order, or too much would wait for its turn.
        let can_fly = |(nth, piece): &(usize, &mut Piece)| {
            piece.flight.is_none() && !piece.is_complete() && (*nth == 0 || !piece.is_whole)
        };
        let mut waiting = self.pieces.iter_mut().enumerate().filter(can_fly).map(|(_, piece)| piece);
        let mut until_millis: Option<f64> = None;
        let ready = waiting.find(|piece| {
            let is_ready = piece.not_before_millis <= now_millis;
            if !is_ready {
                let earlier = until_millis.unwrap_or(f64::INFINITY).min(piece.not_before_millis);
                until_millis = Some(earlier);
            }
            is_ready
        });
        let Some(piece) = ready else { return Ok(Step::Wait { until_millis }) };
        self.n_requests += 1;
        let id = RequestId(self.n_requests);
        let request = piece.fly(id);
        Ok(Step::Fetch(request))
    }

    /// Makes pieces of what nobody has asked for, as many as may wait.
    fn hand_out(&mut self) {
        for (file_idx, file) in self.files.iter_mut().enumerate() {
            let size_bytes = file.wanted.size_bytes;
            while file.handed_bytes < size_bytes && self.pieces.len() < self.options.n_at_once {
                let start = file.handed_bytes;
                let is_whole = !file.has_ranges;
                let end =
                    if is_whole { size_bytes } else { size_bytes.min(start + self.options.chunk_bytes) };
                file.handed_bytes = end;
                self.pieces.push_back(Piece::new(file_idx, start, end, is_whole));
            }
        }
    }

    /// Takes bytes that were kept from before, as [`Step::Reread`] asked for, and hands on what has arrived of those
    /// behind them. None mean that they are not there.
    ///
    /// Errors: a file that was whole is not what its hash says.
    pub fn reread(&mut self, file_idx: usize, bytes: &[u8]) -> Result<Vec<Delivered>, DownloadError> {
        if let State::Failed(error) = &self.state {
            return Err(error.clone());
        }
        let Some(file) = self.files.get_mut(file_idx) else { return Ok(vec![]) };
        let n_bytes =
            bytes.len().min(usize::try_from(file.kept_bytes - file.done_bytes).unwrap_or(usize::MAX));
        if n_bytes == 0 {
            file.kept_bytes = file.done_bytes;
            self.hand_out_again(file_idx);
            return Ok(vec![]);
        }
        let taken = file.take(&bytes[..n_bytes]);
        taken.map_err(|error| self.fail(error))?;
        self.deliver()
    }

    /// Takes back what was asked for of a file and of those behind it: some of it is missing.
    fn hand_out_again(&mut self, file_idx: usize) {
        let n_before = self.pieces.iter().take_while(|piece| piece.file_idx < file_idx).count();
        let flights = self.pieces.drain(n_before..).filter_map(|piece| piece.flight);
        self.superseded.extend(flights.map(|flight| flight.id));
        for file in &mut self.files[file_idx..] {
            file.handed_bytes = file.here_bytes();
        }
    }

    /// Hands on what is next in order.
    fn deliver(&mut self) -> Result<Vec<Delivered>, DownloadError> {
        let mut delivered = vec![];
        while let Some(piece) = self.pieces.front_mut() {
            let next = self.files.iter().position(|file| !file.is_whole());
            let file = &mut self.files[piece.file_idx];
            if next != Some(piece.file_idx) || file.done_bytes < file.kept_bytes {
                break; // What was kept comes first.
            }
            let bytes = std::mem::take(&mut piece.waiting);
            let (file_idx, is_last) = (piece.file_idx, piece.is_complete());
            if !bytes.is_empty() {
                let start = file.done_bytes;
                if let Err(error) = file.take(&bytes) {
                    let error = self.fail(error);
                    // What is good of files before this one is still handed on; the failure is told next.
                    return if delivered.is_empty() { Err(error) } else { Ok(delivered) };
                }
                delivered.push(Delivered { file_idx, start, bytes });
            }
            if !is_last {
                break;
            }
            self.pieces.pop_front();
        }
        Ok(delivered)
    }

    fn fail(&mut self, error: DownloadError) -> DownloadError {
        self.land_all();
        self.state = State::Failed(error.clone());
        error
    }

    /// Stops asking until [`Download::resume`]; what has arrived is kept.
    pub fn pause(&mut self) {
        if self.state == State::Running {
            self.land_all();
            self.state = State::Paused;
        }
    }

    /// Goes on after [`Download::pause`], with a fresh count of tries.
    pub fn resume(&mut self) {
        if self.state == State::Paused {
            self.state = State::Running;
            self.rate = Rate::default();
            self.hold_until_millis = 0.0;
            self.pieces.iter_mut().for_each(Piece::forgive);
        }
    }

    /// Ends it. What was handed on can be taken up again from [`Download::saved`].
    pub fn cancel(&mut self) {
        if !matches!(self.state, State::Failed(_)) {
            self.fail(DownloadError::Cancelled);
        }
    }

    fn land_all(&mut self) {
        let flights = self.pieces.iter_mut().filter_map(|piece| piece.flight.take());
        self.superseded.extend(flights.map(|flight| flight.id));
    }

    /// Requests to give up, each told once; what still comes of them is passed over.
    pub fn superseded(&mut self) -> Vec<RequestId> {
        std::mem::take(&mut self.superseded)
    }

    /// What to keep for a later download of the same files: how much of each was handed on. To be written down only
    /// after those bytes.
    pub fn saved(&self) -> Saved {
        Saved::of(&self.files)
    }

    /// How far it is.
    pub fn progress(&self, now_millis: f64) -> Progress {
        let n_waiting: usize = self.pieces.iter().map(|piece| piece.waiting.len()).sum();
        let n_done: u64 = self.files.iter().map(FileState::here_bytes).sum();
        let total_bytes = self.files.iter().map(|file| file.wanted.size_bytes).sum();
        Progress::new(n_done + n_waiting as u64, total_bytes, self.rate.bytes_per_sec(now_millis))
    }
}
