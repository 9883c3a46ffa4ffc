//! An allocator that counts.

#![expect(unsafe_code, reason = "an allocator is unsafe to write; this one only passes on, and counts")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every call is passed on as it is; counting touches no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live_bytes = LIVE_BYTES.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK_BYTES.fetch_max(live_bytes, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

/// The heap since a moment.
pub(crate) struct Heap {
    start_bytes: usize,
}

impl Heap {
    /// Counts from now on.
    pub(crate) fn now() -> Self {
        let start_bytes = LIVE_BYTES.load(Relaxed);
        PEAK_BYTES.store(start_bytes, Relaxed);
        Self { start_bytes }
    }

    /// What was taken and not given back.
    pub(crate) fn kept_bytes(&self) -> usize {
        LIVE_BYTES.load(Relaxed).saturating_sub(self.start_bytes)
    }

    /// The most that was taken at any time.
    pub(crate) fn peak_bytes(&self) -> usize {
        PEAK_BYTES.load(Relaxed).saturating_sub(self.start_bytes)
    }
}
