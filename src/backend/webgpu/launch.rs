//! From kernels to launches: shader, constants, bindings, parameters, number of workgroups.
//!
//! Pure as well; only the limits of the device are known.

use std::ops::Range;

use super::program::Id;

mod lower;

pub(super) use lower::launches;

/// How work is shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// A row or a tile by one invocation, no barriers: for adapters that are a CPU.
    Serial,
    /// A row or a tile by a workgroup, through its memory.
    Parallel,
}

/// What launches must stay within.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) scheme: Scheme,
    pub(super) max_binding_bytes: u64,
}

/// One dispatch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Launch {
    /// Its shader and what that imports.
    pub(super) source: Source,
    /// Values of `override` constants.
    pub(super) constants: Vec<(&'static str, u32)>,
    pub(super) reads: Vec<Bound>,
    pub(super) writes: Vec<Bound>,
    /// The fields of `Params`, in order.
    pub(super) params: Vec<u32>,
    /// Number of workgroups along each axis.
    pub(super) grid: [u32; 3],
}

/// A shader file and the variant of what it imports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Source {
    pub(super) name: &'static str,
    pub(super) scheme: Scheme,
    pub(super) tile: Tile,
}

/// How a matrix product is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Tile {
    Register,
    Shared,
    FewRows,
}

/// What is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// A value, or some of its entries.
    Value(Id, Option<Range<usize>>),
    /// Values after one another in one buffer, each on a [`GROUP_ALIGN`] boundary.
    Group(Vec<Id>),
    /// The list of rows that a value is made with.
    Rows(Id),
    /// The shader does not touch it.
    Nothing,
}

/// Parts of a buffer start at multiples of so many entries: 256 bytes, WebGPU's default.
pub(super) const GROUP_ALIGN: usize = 64;
/// Up to here a product has so few rows that its sums are cut instead.
const MAX_FEW_ROWS: usize = 16;

impl Scheme {
    /// Invocations a row, and rows a workgroup.
    fn lanes_and_rows(self) -> (usize, usize) {
        match self {
            Self::Serial => (1, 64),
            Self::Parallel => (64, 1),
        }
    }
}

impl Tile {
    fn of(limits: Limits, m: usize) -> Self {
        match limits.scheme {
            Scheme::Serial => Self::Register,
            Scheme::Parallel if m <= MAX_FEW_ROWS => Self::FewRows,
            Scheme::Parallel => Self::Shared,
        }
    }

    /// Rows and columns that a workgroup makes, as its file under `shaders/shared` says.
    fn rows_and_cols(self) -> (usize, usize) {
        match self {
            Self::Register => (4, 256),
            Self::Shared => (64, 64),
            Self::FewRows => (4, 16),
        }
    }

    fn n_invocations(self) -> usize {
        match self {
            Self::Register => 64,
            Self::Shared | Self::FewRows => 256,
        }
    }
}
