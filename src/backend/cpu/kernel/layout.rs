//! What lies where in the kernel module's memory.

use std::ops::Range;

/// Addresses are multiples of this: a cache line.
const LINE_BYTES: usize = 64;

/// The next address that may begin something.
pub(super) fn aligned(address: usize) -> usize {
    address.next_multiple_of(LINE_BYTES)
}

/// Addresses in bytes.
#[derive(Debug)]
pub(super) struct Layout {
    /// Where something was, by address.
    free: Vec<Range<usize>>,
    end: usize,
}

impl Layout {
    /// Nothing yet, from `start` on.
    pub(super) fn new(start: usize) -> Self {
        Self { free: vec![], end: aligned(start) }
    }

    /// A place for `n_bytes`: the first that was given back and is large enough, else behind everything. Nothing if no
    /// address reaches that far.
    pub(super) fn take(&mut self, n_bytes: usize) -> Option<usize> {
        let n_bytes = n_bytes.checked_next_multiple_of(LINE_BYTES)?;
        if let Some(free) = self.free.iter_mut().find(|free| n_bytes <= free.len()) {
            free.start += n_bytes;
            return Some(free.start - n_bytes);
        }
        let start = self.end;
        self.end = start.checked_add(n_bytes)?;
        Some(start)
    }

    /// Gives back what `take` gave.
    pub(super) fn give(&mut self, start: usize, n_bytes: usize) {
        let at = self.free.partition_point(|free| free.start < start);
        self.free.insert(at, start..start + aligned(n_bytes));
        let mut joined: Vec<Range<usize>> = Vec::with_capacity(self.free.len());
        for free in self.free.drain(..).filter(|free| !free.is_empty()) {
            match joined.last_mut() {
                Some(last) if last.end == free.start => last.end = free.end,
                _ => joined.push(free),
            }
        }
        if let Some(last) = joined.pop_if(|last| last.end == self.end) {
            self.end = last.start;
        }
        self.free = joined;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_taken_again() {
        let mut layout = Layout::new(100);
        let mut take = |n_bytes| layout.take(n_bytes).expect("there is room");
        let (a, b, c) = (take(64), take(65), take(1));
        assert_eq!((a, b, c, layout.end), (128, 192, 320, 384));
        layout.give(a, 64);
        assert_eq!(layout.take(65), Some(384));
        layout.give(b, 65);
        // The two places have become one.
        assert_eq!(layout.take(190), Some(a));
        layout.give(384, 65);
        layout.give(c, 1);
        assert_eq!(layout.end, 320);
    }

    #[test]
    fn what_no_address_reaches_is_nothing_and_changes_nothing() {
        let mut layout = Layout::new(100);
        for n_bytes in [usize::MAX, usize::MAX - 128, usize::MAX / 64 * 64 - 64] {
            assert_eq!(layout.take(n_bytes), None, "{n_bytes}");
        }
        assert_eq!((layout.take(1), layout.end), (Some(128), 192));
    }
}
