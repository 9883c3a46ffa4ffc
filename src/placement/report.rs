//! What the engine tells of itself: what it runs on, its memory, and where the time of the last run went.

use serde::{Deserialize, Serialize};

use super::{Place, Reason, Wish};

/// The engine, as far as one model is concerned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What the user wants.
    pub wish: Wish,
    /// Where the model is.
    pub place: Place,
    /// Why there.
    pub reason: Reason,
    /// What it runs on, in words.
    pub adapter: String,
    /// Threads that compute; 1 where the GPU does.
    pub n_threads: usize,
    /// Who holds how much, largest part first.
    pub memory: Vec<MemoryUse>,
    /// Where the times come from.
    pub clock: Clock,
    /// The last run, operation by operation; empty before the first, or where the device has no clock.
    pub ops: Vec<OpTime>,
}

/// Memory in use for one purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryUse {
    /// What for.
    pub role: String,
    /// Bytes.
    pub bytes: u64,
}

/// Who measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// The device itself, around each kernel.
    Device,
    /// The clock on the wall, around each call.
    Wall,
}

/// One operation in the last run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpTime {
    /// Its name.
    pub op: String,
    /// How often it ran.
    pub n_calls: u32,
    /// All calls together, microseconds.
    pub micros: f64,
}
