//! How far a download is, and how fast.

use std::collections::VecDeque;

/// Over how long a rate is an average, milliseconds.
const WINDOW_MILLIS: f64 = 5_000.0;
/// After less than this a rate says nothing, milliseconds.
const LEAST_MILLIS: f64 = 500.0;

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Bytes that are here.
    pub done_bytes: u64,
    /// Bytes of all files.
    pub total_bytes: u64,
    /// 100 only once everything is here.
    pub percent: u8,
    /// Of the last seconds; `None` where that says nothing.
    pub bytes_per_sec: Option<f64>,
    /// At that rate.
    pub left_secs: Option<f64>,
}

impl Progress {
    pub(super) fn new(done_bytes: u64, total_bytes: u64, bytes_per_sec: Option<f64>) -> Self {
        let percent = (u128::from(done_bytes) * 100).checked_div(u128::from(total_bytes)).unwrap_or(100);
        let left = (total_bytes - done_bytes.min(total_bytes)) as f64;
        let left_secs = bytes_per_sec.filter(|rate| 0.0 < *rate).map(|rate| left / rate);
        Self { done_bytes, total_bytes, percent: percent.min(100) as u8, bytes_per_sec, left_secs }
    }
}

/// What has arrived when, as far back as it matters.
#[derive(Debug, Default)]
pub(super) struct Rate {
    arrived: VecDeque<(f64, u64)>,
    first_millis: Option<f64>,
}

impl Rate {
    pub(super) fn add(&mut self, now_millis: f64, n_bytes: u64) {
        self.first_millis.get_or_insert(now_millis);
        self.arrived.push_back((now_millis, n_bytes));
        while self.arrived.front().is_some_and(|(at, _)| *at <= now_millis - WINDOW_MILLIS) {
            self.arrived.pop_front();
        }
    }

    pub(super) fn bytes_per_sec(&self, now_millis: f64) -> Option<f64> {
        let start = self.first_millis?.max(now_millis - WINDOW_MILLIS);
        let elapsed_millis = now_millis - start;
        if !(LEAST_MILLIS <= elapsed_millis) {
            return None;
        }
        let n_bytes: u64 = self.arrived.iter().filter(|(at, _)| start < *at).map(|(_, n)| n).sum();
        Some(n_bytes as f64 * 1e3 / elapsed_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_the_last_seconds() {
        let mut rate = Rate::default();
        assert_eq!(rate.bytes_per_sec(0.0), None);
        for second in 0..=10 {
            rate.add(f64::from(second) * 1e3, if second < 6 { 100 } else { 1_000 });
        }
        assert_eq!(rate.bytes_per_sec(10_000.0), Some(1_000.0));
        assert_eq!(rate.bytes_per_sec(15_000.0), Some(0.0));
        let mut short = Rate::default();
        short.add(0.0, 10);
        short.add(499.0, 10);
        assert_eq!(short.bytes_per_sec(499.0), None);
        assert_eq!(short.bytes_per_sec(500.0), Some(20.0));
    }

    #[test]
    fn a_hundred_per_cent_is_all() {
        let progress = Progress::new(999, 1_000, Some(2.0));
        assert_eq!((progress.percent, progress.left_secs), (99, Some(0.5)));
        assert_eq!(Progress::new(1_000, 1_000, None).percent, 100);
        assert_eq!(Progress::new(0, 0, None).percent, 100);
        assert_eq!(Progress::new(1, 2, Some(0.0)).left_secs, None);
    }
}
