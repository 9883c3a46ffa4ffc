//! What each kernel is launched with.

use std::ops::Range;

use super::{
    super::{
        fuse::{Kernel, Then, Written, optional},
        program::{Bits, Format, Heads, Id, Op, Product, Program},
    },
    Bound, GROUP_ALIGN, Lanes, Launch, Limits, Preset, Scheme, Source, Tile,
};
use crate::op::{Activation, MatrixAxes, NormKind};

mod attention;
mod backward;
mod in_parts;

use attention::heads_params;

/// Invocations in a workgroup that makes one entry each.
const ENTRIES: usize = 64;
/// How often the longest kernel of rows goes over one.
const PASSES: usize = 4;
/// Workgroups along one axis, at most.
const MAX_GROUPS: usize = 65_535;

/// The launches of a kernel.
pub(in super::super) fn launches(program: &Program, kernel: &Kernel, limits: Limits) -> Vec<Launch> {
    let lower = Lower { program, limits };
    match kernel {
        Kernel::One(id) => lower.alone(*id),
        Kernel::Embed { tokens, positions, sum } => lower.embed(*tokens, *positions, *sum),
        Kernel::Norm { x, w, b, y, scale, normalized } => {
            vec![lower.norm([Some(*x), *w, *b], *y, *scale, *normalized)]
        }
        Kernel::Linear { product, then, pre } => lower.linear(*product, *then, *pre),
        Kernel::LinearQkv(qkv) => lower.linear_qkv(*qkv),
        Kernel::Attention { scores, pattern, z, keeps_scores } => {
            vec![lower.attention(*scores, *pattern, *z, *keeps_scores)]
        }
        Kernel::NormDx(norm) => vec![lower.norm_dx(*norm)],
        Kernel::AttentionDx { d_pattern, d_scores, dq, by } => {
            vec![lower.attention_dx(*d_pattern, *d_scores, *dq, *by)]
        }
        Kernel::AttnMixT { mix, by } => vec![lower.attn_mix_t(*mix, *by)],
    }
}

/// What one launch of a product makes.
struct Part {
    rows: Range<usize>,
    cols: Range<usize>,
    /// Of the sums.
    terms: Range<usize>,
}

struct Lower<'a> {
    program: &'a Program,
    limits: Limits,
}

fn value(id: Id) -> Bound {
    Bound::Value(id, None)
}

fn maybe(id: Option<Id>) -> Bound {
    id.map_or(Bound::Nothing, value)
}

fn kept(value: Written) -> Bound {
    maybe(value.is_kept.then_some(value.id))
}

/// Whether the norms of `shaders/shared/moments.wgsl` centre.
fn centres(kind: NormKind) -> (&'static str, u32) {
    ("CENTRES", u32::from(kind == NormKind::LayerNorm))
}

/// Number of workgroups, spread over two axes.
fn spread(n_groups: usize) -> [u32; 3] {
    let across = n_groups.clamp(1, MAX_GROUPS);
    [across as u32, n_groups.div_ceil(across) as u32, 1]
}

impl Lower<'_> {
    fn op(&self, id: Id) -> &Op {
        &self.program.values[id].op
    }

    fn len(&self, id: Id) -> usize {
        self.program.values[id].len
    }

    fn source(&self, name: &'static str) -> Source {
        Source { name, lanes: Lanes::One, tile: Tile::Register }
    }

    /// One invocation an entry of `y`; `sizes` follow the number of entries in `Params`.
    fn entries(&self, name: &'static str, reads: Vec<Bound>, y: Id, sizes: &[usize]) -> Launch {
        let n = self.len(y);
        let params = [&[n], sizes].concat().into_iter().map(|size| size as u32).collect();
        Launch {
            source: self.source(name),
            constants: vec![("GROUP", ENTRIES as u32)],
            reads,
            writes: vec![value(y)],
            params,
            grid: spread(n.div_ceil(ENTRIES)),
        }
    }

    /// One invocation an entry of `y`, which reads a weight.
    fn weighted(
        &self,
        name: &'static str,
        reads: Vec<Bound>,
        y: Id,
        sizes: &[usize],
        format: Format,
    ) -> Launch {
        let mut launch = self.entries(name, reads, y, sizes);
        launch.constants.push(("W_FORMAT", number_of_format(format)));
        launch
    }

    /// Lanes for each of `n_rows` rows, of which each takes one invocation about `n_steps` turns of its loops.
    fn rows(
        &self,
        name: &'static str,
        n_steps: usize,
        reads: Vec<Bound>,
        writes: Vec<Bound>,
        params: Vec<u32>,
    ) -> Launch {
        let lanes = Lanes::of(self.limits, n_steps);
        let (n_lanes, n_rows) = lanes.lanes_and_rows(self.limits.scheme);
        Launch {
            source: Source { lanes, ..self.source(name) },
            constants: vec![("LANES", n_lanes as u32), ("ROWS", n_rows as u32)],
            reads,
            writes,
            grid: spread((params[0] as usize).div_ceil(n_rows)),
            params,
        }
    }

    /// An operation that is no part of another kernel.
    fn alone(&self, y: Id) -> Vec<Launch> {
        if let Op::TopK { d, k } = *self.op(y) {
            return self.read_off("top_k", y, d, d.saturating_mul(k + 1), 2 * k, |_| k);
        }
        if let Op::Standings { d, .. } = *self.op(y) {
            return self.read_off("standings", y, d, PASSES * d, 4, |rows| rows.start);
        }
        if let Op::Gather { .. } = self.op(y) {
            return self.gather(y);
        }
        if let Op::SoftCap(Bits(cap)) = *self.op(y) {
            return self.in_parts("soft_cap", y, cap);
        }
        if let Op::Divergence { d } = *self.op(y) {
            return self.read_off("divergence", y, d, PASSES * d, 2, |_| 0);
        }
        vec![self.one(y)]
    }

    fn one(&self, y: Id) -> Launch {
        let inputs = &self.program.values[y].inputs;
        let all = || inputs.iter().copied().map(value).collect::<Vec<_>>();
        match *self.op(y) {
            Op::Given => unreachable!("a given value has no kernel"),
            Op::Append => self.entries("append", all(), y, &[self.len(inputs[0])]),
            Op::Add => self.entries("add", all(), y, &[]),
            Op::Scale(Bits(by)) => {
                let mut launch = self.entries("scale", all(), y, &[]);
                launch.params.push(by);
                launch
            }
            Op::RepeatHeads { n_heads, d } => self.entries("repeat_heads", all(), y, &[d, n_heads]),
            Op::SumHeads { n_heads, d } => self.entries("sum_heads", all(), y, &[d, n_heads]),
            Op::NormScale { kind, d, eps } => {
                let params = vec![self.len(y) as u32, d as u32, eps.0];
                let mut launch = self.rows("norm_scale", PASSES * d, all(), vec![value(y)], params);
                launch.constants.push(centres(kind));
                launch
            }
            Op::Normalize { kind, d } => {
                let mut launch =
                    self.rows("normalize", PASSES * d, all(), vec![value(y)], self.rows_of(y, d));
                launch.constants.push(centres(kind));
                launch
            }
            Op::Affine { d, has_w, has_b } => {
                let (w, b) = optional(&inputs[1..], has_w, has_b);
                let mut launch = self.entries("affine", vec![value(inputs[0]), maybe(w), maybe(b)], y, &[d]);
                launch.constants.extend([("HAS_W", u32::from(has_w)), ("HAS_B", u32::from(has_b))]);
                launch
            }
            Op::Linear(_) => unreachable!("a product has a kernel of its own"),
            Op::HeadsIn { n_heads, n_in, d_head, axes, format } => {
                self.by_head("heads_in", y, [n_heads, n_in, d_head], axes, format)
            }
            Op::HeadsOut { n_heads, d_head, n_out, axes, format } => {
                self.by_head("heads_out", y, [n_heads, d_head, n_out], axes, format)
            }
            Op::Rotate(rotation) => self.rotation(rotation, 1.0, y),
            Op::AttnScores { heads, scale, window } => {
                let mut launch = self.entries("attn_scores", all(), y, &heads_params(heads));
                launch.params.extend([scale.0, window]);
                launch
            }
            Op::Softmax { n } => self.rows(
                "softmax",
                PASSES * n.next_power_of_two(),
                all(),
                vec![value(y)],
                self.rows_of(y, n),
            ),
            Op::AttnMix(heads) => self.entries("attn_mix", all(), y, &heads_params(heads)),
            Op::SequencesPattern { heads, scale: Bits(scale), window } => {
                self.sequences_pattern(heads, [scale, window], y)
            }
            Op::SequencesMix(Heads { n_k, n_heads, n_kv_heads, d_head, .. }) => {
                let reads = [all(), vec![Bound::Rows(y)]].concat();
                self.entries("sequences_mix", reads, y, &[n_k, n_heads, n_kv_heads, d_head])
            }
            Op::Activate(activation) => {
                let mut launch = self.entries("activate", all(), y, &[]);
                launch.constants.push(("ACTIVATION", number_of(Some(activation))));
                launch
            }
            Op::Gated(activation) => {
                let mut launch = self.entries("gated", all(), y, &[]);
                launch.constants.push(("ACTIVATION", number_of(Some(activation))));
                launch
            }
            Op::Edit => self.entries("edit", all(), y, &[]),
            Op::Gather { .. }
            | Op::SoftCap(_)
            | Op::TopK { .. }
            | Op::Standings { .. }
            | Op::Divergence { .. } => {
                unreachable!("may be made in parts")
            }
            Op::Dx(ref dx) => self.derivative(dx, y),
        }
    }

    /// Each head with its part of a weight.
    fn by_head(
        &self,
        name: &'static str,
        y: Id,
        sizes: [usize; 3],
        axes: MatrixAxes,
        format: Format,
    ) -> Launch {
        let reads = self.program.values[y].inputs.iter().copied().map(value).collect();
        let mut launch = self.weighted(name, reads, y, &sizes, format);
        launch.constants.push(("W_ROWS_ARE_OUT", u32::from(axes == MatrixAxes::OutIn)));
        launch
    }

    /// `n_rows`, `d` of a value seen as rows.
    fn rows_of(&self, y: Id, d: usize) -> Vec<u32> {
        vec![(self.len(y) / d.max(1)) as u32, d as u32]
    }

    fn norm(&self, operands: [Option<Id>; 3], y: Id, scale: Written, normalized: Written) -> Launch {
        let &Op::NormScale { kind, d, eps } = self.op(scale.id) else { unreachable!("fused from a norm") };
        let params = vec![self.len(scale.id) as u32, d as u32, eps.0];
        let writes = vec![value(y), kept(scale), kept(normalized)];
        let mut launch = self.rows("norm", PASSES * d, operands.map(maybe).to_vec(), writes, params);
        launch.constants.extend([
            centres(kind),
            ("HAS_W", u32::from(operands[1].is_some())),
            ("HAS_B", u32::from(operands[2].is_some())),
            ("KEEP_SCALE", u32::from(scale.is_kept)),
            ("KEEP_NORMALIZED", u32::from(normalized.is_kept)),
        ]);
        launch
    }

    fn product(&self, id: Id) -> Product {
        let &Op::Linear(product) = self.op(id) else { unreachable!("fused from a product") };
        product
    }

    fn linear(&self, id: Id, then: Then, pre: Written) -> Vec<Launch> {
        let Product { m, k, n, axes, format, .. } = self.product(id);
        // Parts of the weights are whole rows of them: columns of the result, or terms of its sums.
        let (n_cols, n_terms) = match axes {
            MatrixAxes::InOut => (n, self.limits.weight_rows_that_fit(n, format)),
            MatrixAxes::OutIn => (self.limits.weight_rows_that_fit(k, format), k),
        };
        let n_rows = self.limits.rows_that_fit(n.max(k), &[n, k]);
        let mut launches = vec![];
        for rows in parts(m, n_rows) {
            for cols in parts(n, n_cols) {
                for terms in parts(k, n_terms) {
                    let part = Part { rows: rows.clone(), cols: cols.clone(), terms };
                    launches.push(self.part_of_linear(id, then, pre, part));
                }
            }
        }
        launches
    }

    fn part_of_linear(&self, id: Id, then: Then, pre: Written, part: Part) -> Launch {
        let Product { m, k, n, axes, format, has_b } = self.product(id);
        let Part { rows, cols, terms } = part;
        let inputs = &self.program.values[id].inputs;
        let (activation, slope, other, y) = match then {
            Then::Nothing => (None, None, None, id),
            Then::Activate(activation, y) => (Some(activation), None, None, y),
            Then::Slope { activation, x, dx } => (None, Some(activation), Some(x), dx),
            Then::Add { residual, sum } => (None, None, Some(residual), sum),
        };
        let has_residual = matches!(then, Then::Add { .. });
        let (name, w) = match axes {
            MatrixAxes::InOut => ("linear", (terms.len() < k).then(|| words(terms.clone(), n, format))),
            MatrixAxes::OutIn => ("linear_t", (cols.len() < n).then(|| words(cols.clone(), k, format))),
        };
        let of_rows = |id: Id, width: usize| {
            Bound::Value(id, (rows.len() < m).then(|| rows.start * width..rows.end * width))
        };
        // What follows the sum follows its last part.
        let is_last = terms.end == k;
        let pre_id = (is_last && pre.is_kept).then_some(pre.id);
        let number = |activation| if is_last { number_of(activation) } else { 0 };
        let tile = Tile::of(self.limits, m);
        let (tile_rows, tile_cols) = tile.rows_and_cols(self.limits.preset);
        let sizes = [rows.len(), terms.len(), cols.len(), n, cols.start, k, terms.start];
        let constants = vec![
            ("IS_FURTHER", u32::from(0 < terms.start)),
            ("HAS_B", u32::from(has_b && is_last)),
            ("HAS_RESIDUAL", u32::from(has_residual && is_last)),
            ("KEEP_PRE", u32::from(pre_id.is_some())),
            ("ACTIVATION", number(activation)),
            ("SLOPE", number(slope)),
            ("W_FORMAT", number_of_format(format)),
        ];
        Launch {
            source: Source { name, lanes: Lanes::One, tile },
            constants: [tile.constants(self.limits.preset), constants].concat(),
            reads: vec![
                of_rows(inputs[0], k),
                Bound::Value(inputs[1], w),
                maybe(inputs.get(2).copied()),
                other.map_or(Bound::Nothing, |id| of_rows(id, n)),
            ],
            writes: vec![of_rows(y, n), pre_id.map_or(Bound::Nothing, |id| of_rows(id, n))],
            params: sizes.map(|size| size as u32).to_vec(),
            grid: [cols.len().div_ceil(tile_cols) as u32, rows.len().div_ceil(tile_rows) as u32, 1],
        }
    }

    fn linear_qkv(&self, qkv: [Id; 3]) -> Vec<Launch> {
        if self.limits.scheme == Scheme::Serial || self.limits.preset == Preset::Blocks {
            // One by one: where lanes are those of a vector, the weights of all three would be read for each.
            let alone = |id| self.linear(id, Then::Nothing, Written { id, is_kept: false });
            return qkv.into_iter().flat_map(alone).collect();
        }
        let Product { m, k, n, format, .. } = self.product(qkv[0]);
        let operand = |nth: usize| qkv.map(|id| value(self.program.values[id].inputs[nth]));
        let tile = Tile::of(self.limits, m);
        let (tile_rows, tile_cols) = tile.rows_and_cols(self.limits.preset);
        let stride = (m * n).next_multiple_of(GROUP_ALIGN);
        vec![Launch {
            source: Source { name: "linear_qkv", lanes: Lanes::One, tile },
            constants: [tile.constants(self.limits.preset), vec![("W_FORMAT", number_of_format(format))]]
                .concat(),
            reads: [&operand(0)[..1], &operand(1), &operand(2)].concat(),
            writes: vec![Bound::Group(qkv.to_vec())],
            params: [m, k, n, stride].map(|size| size as u32).to_vec(),
            grid: [n.div_ceil(tile_cols) as u32, m.div_ceil(tile_rows) as u32, 3],
        }]
    }
}

/// `0..n` in parts of `size`.
fn parts(n: usize, size: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    (0..n).step_by(size.max(1)).map(move |start| start..(start + size).min(n))
}

/// The words that hold some rows of a weight; the first row starts a word.
fn words(rows: Range<usize>, d: usize, format: Format) -> Range<usize> {
    rows.start * d / format.per_word()..(rows.end * d).div_ceil(format.per_word())
}

/// What `shaders/shared/weight.wgsl` calls a format.
fn number_of_format(format: Format) -> u32 {
    match format {
        Format::F32 => 0,
        Format::F16 => 1,
        Format::Bf16 => 2,
    }
}

/// What `shaders/shared/activation.wgsl` calls an activation.
fn number_of(activation: Option<Activation>) -> u32 {
    match activation {
        None => 0,
        Some(Activation::GeluNew) => 1,
        Some(Activation::Gelu) => 2,
        Some(Activation::Relu) => 3,
        Some(Activation::Silu) => 4,
    }
}
