//! What a backend tells about itself: where it computes, what memory that takes, how long each operation took.

use serde::{Deserialize, Serialize};

/// A backend, for a panel that shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BackendReport {
    /// `cpu` or `webgpu`.
    pub name: String,
    /// What it runs on, in words for a user.
    pub adapter: String,
    /// What its memory is for, as far as it knows.
    pub memory: Vec<MemoryUse>,
    /// What was measured, the longest first.
    pub timings: Vec<OpTiming>,
    /// How.
    pub measured: Measured,
}

/// Memory for one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryUse {
    /// What it is for.
    pub role: MemoryRole,
    /// How much, bytes.
    pub size_bytes: u64,
}

/// What memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryRole {
    /// Weights, and other values that somebody holds.
    Weights,
    /// Values on the way, kept for the next run of the same form.
    Plans,
    /// Used by nothing, kept for what comes.
    Idle,
    /// For copies back to the host.
    Readback,
}

/// How long an operation took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpTiming {
    /// The operation: a kernel, or `submission` where the device has no clock for them.
    pub op: String,
    /// How often it was made.
    pub count: u64,
    /// In all, milliseconds.
    pub total_millis: f64,
}

/// What a time is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// Nothing was measured.
    #[default]
    Nothing,
    /// The device's own clock, kernel by kernel. A browser rounds it.
    OnTheDevice,
    /// From a submission to its end as the host sees it, with the way there and back.
    FromTheHost,
}

/// Whether a backend measures how long operations take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measuring {
    /// It does not.
    #[default]
    Off,
    /// It does.
    On,
}
