//! From kernels to launches: shader, constants, bindings, parameters, number of workgroups.
//!
//! Pure as well; only the limits of the device are known.

use std::ops::Range;

use super::program::{Format, Id};

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

/// How a matrix product of more than a few rows is cut: which is fastest depends on the adapter, and is measured there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Preset {
    /// 64 by 64 entries by 256 invocations, through workgroup memory.
    Large,
    /// 32 by 64 entries by 128 invocations.
    Wide,
    /// 32 by 32 entries by 64 invocations.
    Small,
    /// 4 by 4 entries an invocation, without workgroup memory.
    Registers,
    /// 16 by 16 entries an invocation, without workgroup memory.
    Blocks,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Large, Self::Wide, Self::Small, Self::Registers, Self::Blocks];

    /// Its word where it is kept.
    pub fn word(self) -> &'static str {
        match self {
            Self::Large => "large",
            Self::Wide => "wide",
            Self::Small => "small",
            Self::Registers => "registers",
            Self::Blocks => "blocks",
        }
    }

    /// The preset with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.word() == word)
    }
}

/// What launches must stay within.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) scheme: Scheme,
    /// Whether shaders may add up a subgroup.
    pub(super) has_subgroups: bool,
    pub(super) preset: Preset,
    pub(super) max_binding_bytes: u64,
}

impl Limits {
    /// How many rows of `d` fit in one binding, such that the next part of operands with rows of these `widths`
    /// starts where one may.
    pub(super) fn rows_that_fit(&self, d: usize, widths: &[usize]) -> usize {
        let n = self.max_binding_bytes as usize / size_of::<f32>() / d.max(1);
        // GROUP_ALIGN is a power of two: what a width is short of is the rest of it.
        let short_of = |width: &usize| GROUP_ALIGN / (1 << width.trailing_zeros().min(GROUP_ALIGN.ilog2()));
        let align = widths.iter().map(short_of).max().unwrap_or(1);
        (n / align * align).max(align)
    }

    /// How many rows of a weight fit in one binding.
    pub(super) fn weight_rows_that_fit(&self, d: usize, format: Format) -> usize {
        // Two rows of narrow entries take as many words as a row has entries.
        match format {
            Format::F32 => self.rows_that_fit(d, &[d]),
            Format::F16 | Format::Bf16 => 2 * self.rows_that_fit(d, &[d]),
        }
    }

    /// How many words of a weight of these rows and columns are in one buffer: where a binding does not hold all of it,
    /// as many as a launch sees, so that no buffer need be larger.
    pub(super) fn words_together(&self, [n_rows, d]: [usize; 2], format: Format) -> usize {
        let n_together = self.weight_rows_that_fit(d, format);
        if n_rows <= n_together { usize::MAX } else { n_together * d / format.per_word() }
    }
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
    pub(super) lanes: Lanes,
    pub(super) tile: Tile,
}

/// Who makes a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lanes {
    /// One invocation.
    One,
    /// A workgroup, through its memory.
    Workgroup,
    /// A workgroup, by subgroups.
    Subgroups,
}

/// How a matrix product is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Tile {
    Register,
    Block,
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
/// Up to here one invocation makes a row: Mesa's llvmpipe ends all loops of an invocation after 65,535 turns, and says nothing.
const MAX_STEPS: usize = 1 << 15;
/// Up to here most of a block of 16 rows would be computed in vain.
const MAX_ROWS_IN_REGISTERS: usize = 4;

impl Lanes {
    /// For rows that take one invocation `n_steps` turns of its loops.
    fn of(limits: Limits, n_steps: usize) -> Self {
        match limits.scheme {
            Scheme::Serial if n_steps <= MAX_STEPS => Self::One,
            Scheme::Parallel if limits.has_subgroups => Self::Subgroups,
            Scheme::Serial | Scheme::Parallel => Self::Workgroup,
        }
    }

    /// Invocations a row, and rows a workgroup.
    fn lanes_and_rows(self, scheme: Scheme) -> (usize, usize) {
        match (self, scheme) {
            // As many as a CPU has in a vector: more would keep its cores from sharing the rows.
            (Self::One, _) => (1, 8),
            // The longest rows: as many as any device has.
            (_, Scheme::Serial) => (256, 1),
            (_, Scheme::Parallel) => (64, 1),
        }
    }
}

impl Scheme {
    /// What is taken where nothing was measured: quick to compile, and fast enough.
    pub(super) fn preset(self) -> Preset {
        match self {
            Self::Serial => Preset::Registers,
            Self::Parallel => Preset::Large,
        }
    }

    /// The presets that may be fastest, in the order in which they are tried; the earlier is preferred.
    pub(super) fn presets(self) -> &'static [Preset] {
        match self {
            Self::Serial => &[Preset::Blocks, Preset::Registers],
            Self::Parallel => &[Preset::Large, Preset::Wide, Preset::Small, Preset::Registers],
        }
    }
}

impl Tile {
    fn of(limits: Limits, m: usize) -> Self {
        match (limits.scheme, limits.preset) {
            (Scheme::Parallel, _) if m <= MAX_FEW_ROWS => Self::FewRows,
            (_, Preset::Blocks) if MAX_ROWS_IN_REGISTERS < m => Self::Block,
            (Scheme::Parallel, Preset::Large | Preset::Wide | Preset::Small) => Self::Shared,
            (_, _) => Self::Register,
        }
    }

    /// Rows and columns that a workgroup makes, as its file under `shaders/shared` says.
    fn rows_and_cols(self, preset: Preset) -> (usize, usize) {
        match (self, preset) {
            (Self::Register, _) => (4, 256),
            (Self::Block, _) => (16, 128),
            (Self::FewRows, _) => (4, 16),
            (Self::Shared, Preset::Small) => (32, 32),
            (Self::Shared, Preset::Wide) => (32, 64),
            (Self::Shared, Preset::Large | Preset::Registers | Preset::Blocks) => (64, 64),
        }
    }

    fn constants(self, preset: Preset) -> Vec<(&'static str, u32)> {
        let (rows, cols) = self.rows_and_cols(preset);
        match self {
            Self::Register => vec![("GROUP", 64)],
            Self::Block => vec![("GROUP", 8)],
            Self::FewRows => vec![("GROUP", 256)],
            Self::Shared => {
                let (rows, cols) = (rows as u32, cols as u32);
                vec![("GROUP", rows * cols / 16), ("TILE_ROWS", rows), ("TILE_COLS", cols)]
            }
        }
    }
}
