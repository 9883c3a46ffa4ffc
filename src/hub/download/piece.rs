//! A part of a file that is asked for with one request, or with several if the first ones fail.

use super::{Request, RequestId};

/// Bytes `start..end` of a file.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) file_idx: usize,
    pub(super) start: u64,
    pub(super) end: u64,
    /// Whether it is asked for as part of a whole file.
    pub(super) is_whole: bool,
    /// How much of it has arrived.
    pub(super) got_bytes: u64,
    /// What has arrived and was not handed on.
    pub(super) waiting: Vec<u8>,
    /// Requests without a byte, one after another.
    pub(super) n_failed: u32,
    pub(super) not_before_millis: f64,
    /// The request under way.
    pub(super) flight: Option<Flight>,
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) id: RequestId,
    /// Where the piece was when it began.
    pub(super) from_bytes: u64,
    /// Bytes that come before those that are wanted.
    pub(super) to_skip: u64,
    /// Whether the server has said that it sends what was asked for.
    pub(super) is_answered: bool,
}

impl Piece {
    pub(super) fn new(file_idx: usize, start: u64, end: u64, is_whole: bool) -> Self {
        Self {
            file_idx,
            start,
            end,
            is_whole,
            got_bytes: 0,
            waiting: vec![],
            n_failed: 0,
            not_before_millis: 0.0,
            flight: None,
        }
    }

    /// Where the next byte belongs.
    pub(super) fn at(&self) -> u64 {
        self.start + self.got_bytes
    }

    pub(super) fn is_complete(&self) -> bool {
        self.at() == self.end
    }

    /// Asks for what is missing of it.
    pub(super) fn fly(&mut self, id: RequestId) -> Request {
        let start = self.at();
        let to_skip = if self.is_whole { start } else { 0 };
        self.flight = Some(Flight { id, from_bytes: self.got_bytes, to_skip, is_answered: false });
        Request { id, file_idx: self.file_idx, start, end: self.end, is_whole: self.is_whole }
    }

    /// Takes what the request under way has brought; whether it brought more than was asked for.
    pub(super) fn take(&mut self, bytes: &[u8]) -> bool {
        let Some(flight) = &mut self.flight else { return false };
        let n_skipped = at_most(bytes.len(), flight.to_skip);
        flight.to_skip -= n_skipped as u64;
        let n_wanted = at_most(bytes.len() - n_skipped, self.end - self.start - self.got_bytes);
        // As a vector grows, but never beyond the piece: four of them wait at once.
        let n_more = n_wanted.max(at_most(self.waiting.len(), self.end - self.at()));
        if self.waiting.capacity() < self.waiting.len() + n_wanted {
            self.waiting.reserve_exact(n_more);
        }
        self.waiting.extend_from_slice(&bytes[n_skipped..n_skipped + n_wanted]);
        self.got_bytes += n_wanted as u64;
        n_skipped + n_wanted < bytes.len()
    }

    /// Starts to count tries anew.
    pub(super) fn forgive(&mut self) {
        self.n_failed = 0;
        self.not_before_millis = 0.0;
    }
}

fn at_most(n: usize, limit: u64) -> usize {
    usize::try_from(limit).map_or(n, |limit| n.min(limit))
}
