//! What comes of a request, and what becomes of the download then.

use super::{
    Delivered, Download, DownloadError, Fault, RequestId,
    piece::{Flight, Piece},
};

/// A refusal that an address which has expired on the way gives as well; one more try asks for a new one.
const FORBIDDEN: u16 = 403;
const TOO_MANY_REQUESTS: u16 = 429;

/// Something came of a request: first a head, then bytes, then the end.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrival {
    /// The server has answered.
    Head(Head),
    /// The next bytes of the body.
    Bytes(Vec<u8>),
    /// The body has ended.
    End,
    /// There was no answer, or it broke off.
    Broken {
        /// What the browser says.
        message: String,
    },
}

/// What a server says before the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// `Content-Range`, where it can be read.
    pub content_range: Option<ContentRange>,
    /// Length of the body, where it is said and the body is not compressed.
    pub body_bytes: Option<u64>,
    /// `X-Error-Code`.
    pub code: Option<String>,
    /// `Retry-After`.
    pub retry_after: Option<String>,
}

/// `bytes 0-99/1000`, `bytes 0-99/*` or `bytes */1000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The bytes that come: the first one, and behind the last one.
    pub part: Option<(u64, u64)>,
    /// The length of the file.
    pub size_bytes: Option<u64>,
}

impl ContentRange {
    /// Reads the header; `None` if it says nothing sensible.
    pub fn parse(header: &str) -> Option<Self> {
        let (part, size) = header.trim().strip_prefix("bytes ")?.split_once('/')?;
        let size_bytes = if size == "*" { None } else { Some(size.parse().ok()?) };
        if part == "*" {
            return Some(Self { part: None, size_bytes });
        }
        let (first, last) = part.split_once('-')?;
        let (start, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        (start <= last).then_some(Self { part: Some((start, last.checked_add(1)?)), size_bytes })
    }
}

impl Download {
    /// Takes what has come of a request, and hands on what is next in order. Requests that were given up are passed
    /// over.
    ///
    /// Errors: the download has failed.
    pub fn arrived(
        &mut self,
        id: RequestId,
        arrival: Arrival,
        now_millis: f64,
    ) -> Result<Vec<Delivered>, DownloadError> {
        let is_of = |piece: &Piece| piece.flight.as_ref().is_some_and(|flight| flight.id == id);
        let Some(nth) = self.pieces.iter().position(is_of) else { return Ok(vec![]) };
        match arrival {
            Arrival::Head(head) => self.answered(nth, head, now_millis)?,
            Arrival::Bytes(bytes) => return self.brought(nth, &bytes, now_millis),
            Arrival::End => self.failed(nth, Fault::Short, now_millis)?,
            Arrival::Broken { message } => self.failed(nth, Fault::Broken { message }, now_millis)?,
        }
        Ok(vec![])
    }

    fn answered(&mut self, nth: usize, head: Head, now_millis: f64) -> Result<(), DownloadError> {
        let piece = &mut self.pieces[nth];
        let file = &self.files[piece.file_idx];
        let expected_bytes = file.wanted.size_bytes;
        let said_bytes = match head.status {
            200 => head.body_bytes,
            206 | 416 => head.content_range.and_then(|range| range.size_bytes),
            _ => None,
        };
        if let Some(got_bytes) = said_bytes.filter(|got_bytes| *got_bytes != expected_bytes) {
            let path = file.wanted.path.clone();
            return Err(self.fail(DownloadError::Changed { path, expected_bytes, got_bytes }));
        }
        match head.status {
            200 if piece.is_whole || (piece.at() == 0 && piece.end == expected_bytes) => piece.answered(),
            200 => self.take_whole(nth),
            206 if piece.is_fit(&head) => piece.answered(),
            206 | 408 | 416 | 500..=599 => {
                let fault = match head.status {
                    206 => Fault::WrongRange,
                    status => Fault::Status { status },
                };
                return self.failed(nth, fault, now_millis);
            }
            FORBIDDEN if piece.n_failed == 0 && head.code.is_none() => {
                return self.failed(nth, Fault::Status { status: FORBIDDEN }, now_millis);
            }
            TOO_MANY_REQUESTS => return self.throttled(nth, head, now_millis),
            _ => return Err(self.refused(nth, head)),
        }
        Ok(())
    }

    /// The server sends the whole file whatever was asked for: all of it then comes with one request.
    fn take_whole(&mut self, nth: usize) {
        let file_idx = self.pieces[nth].file_idx;
        let flight = self.pieces[nth].flight.take();
        let first = self.pieces.iter().position(|piece| piece.file_idx == file_idx).unwrap_or(nth);
        let others = self.pieces.iter_mut().filter(|piece| piece.file_idx == file_idx);
        self.superseded.extend(others.filter_map(|piece| piece.flight.take()).map(|flight| flight.id));
        self.pieces.retain(|piece| piece.file_idx != file_idx);
        let file = &mut self.files[file_idx];
        file.has_ranges = false;
        file.handed_bytes = file.wanted.size_bytes;
        let mut piece = Piece::new(file_idx, file.here_bytes(), file.wanted.size_bytes, true);
        match flight {
            // This answer serves, unless files before it are still on their way.
            Some(Flight { id, .. }) if first == 0 => {
                piece.fly(id);
                piece.answered();
            }
            Some(Flight { id, .. }) => self.superseded.push(id),
            None => {}
        }
        self.pieces.insert(first, piece);
    }

    fn brought(
        &mut self,
        nth: usize,
        bytes: &[u8],
        now_millis: f64,
    ) -> Result<Vec<Delivered>, DownloadError> {
        let piece = &mut self.pieces[nth];
        if !piece.flight.as_ref().is_some_and(|flight| flight.is_answered) {
            return self.failed(nth, Fault::WrongRange, now_millis).map(|()| vec![]);
        }
        let before = piece.got_bytes;
        let is_more = piece.take(bytes);
        let n_bytes = piece.got_bytes - before;
        if piece.is_complete()
            && let Some(flight) = piece.flight.take()
            && is_more
        {
            self.superseded.push(flight.id);
        }
        self.rate.add(now_millis, n_bytes);
        if nth == 0 { self.deliver() } else { Ok(vec![]) }
    }

    /// A request that did not bring all that it should: the rest is asked for again, later if nothing came at all.
    fn failed(&mut self, nth: usize, fault: Fault, now_millis: f64) -> Result<(), DownloadError> {
        let piece = &mut self.pieces[nth];
        let Some(flight) = piece.flight.take() else { return Ok(()) };
        self.superseded.push(flight.id);
        if flight.from_bytes < piece.got_bytes {
            piece.forgive();
        }
        let is_short = fault == Fault::Short && flight.from_bytes < piece.got_bytes;
        if is_short {
            return Ok(()); // It answered, only with less: nothing to wait for.
        }
        piece.n_failed += 1;
        let n_tries = piece.n_failed;
        if self.options.n_tries <= n_tries {
            let path = self.files[piece.file_idx].wanted.path.clone();
            return Err(self.fail(DownloadError::GaveUp { path, n_tries, fault }));
        }
        piece.not_before_millis = now_millis + self.options.pause_millis(n_tries);
        Ok(())
    }

    fn throttled(&mut self, nth: usize, head: Head, now_millis: f64) -> Result<(), DownloadError> {
        let asked = head.retry_after.as_deref().and_then(|secs| secs.trim().parse::<u32>().ok());
        let asked_millis = asked.map_or(0.0, |secs| f64::from(secs) * 1e3);
        let is_last = self.options.n_tries <= self.pieces[nth].n_failed + 1;
        if is_last || self.options.longest_pause_millis < asked_millis {
            return Err(self.refused(nth, head));
        }
        self.failed(nth, Fault::Status { status: TOO_MANY_REQUESTS }, now_millis)?;
        // It means all requests, not this one.
        let until_millis = self.pieces[nth].not_before_millis.max(now_millis + asked_millis);
        self.hold_until_millis = self.hold_until_millis.max(until_millis);
        Ok(())
    }

    fn refused(&mut self, nth: usize, head: Head) -> DownloadError {
        let path = self.files[self.pieces[nth].file_idx].wanted.path.clone();
        let Head { status, code, retry_after, .. } = head;
        self.fail(DownloadError::Refused { path, status, code, retry_after })
    }
}

impl Piece {
    fn answered(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.is_answered = true;
        }
    }

    /// Whether a part that a server sends is what was asked for, or the beginning of that.
    fn is_fit(&self, head: &Head) -> bool {
        let asked_bytes = self.end - self.at();
        let is_part = match head.content_range {
            // Some servers do not let a page read it; then the hash decides.
            None => true,
            Some(range) => range.part.is_some_and(|(start, end)| start == self.at() && end <= self.end),
        };
        !self.is_whole && is_part && head.body_bytes.is_none_or(|n_bytes| n_bytes <= asked_bytes)
    }
}

impl super::Options {
    /// The pause after so many tries, milliseconds.
    pub(super) fn pause_millis(&self, n_tries: u32) -> f64 {
        let doubled = self.first_pause_millis * 2_f64.powi(n_tries.saturating_sub(1).min(60) as i32);
        doubled.min(self.longest_pause_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::download::Options;

    #[test]
    fn ranges_are_read() {
        let range = |part, size_bytes| Some(ContentRange { part, size_bytes });
        assert_eq!(ContentRange::parse("bytes 0-99/1000"), range(Some((0, 100)), Some(1000)));
        assert_eq!(ContentRange::parse("bytes 5-5/*"), range(Some((5, 6)), None));
        assert_eq!(ContentRange::parse("bytes */1000"), range(None, Some(1000)));
        for nonsense in ["", "bytes 0-99", "bytes 9-0/10", "bytes -1-2/10", "lines 0-1/2", "bytes 0-x/10"] {
            assert_eq!(ContentRange::parse(nonsense), None, "{nonsense}");
        }
        assert_eq!(ContentRange::parse(&format!("bytes 0-{}/*", u64::MAX)), None);
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let options = Options::default();
        let pauses: Vec<f64> = [1, 2, 3, 8, 1_000].map(|n_tries| options.pause_millis(n_tries)).into();
        assert_eq!(pauses, [500.0, 1_000.0, 2_000.0, 60_000.0, 60_000.0]);
    }
}
