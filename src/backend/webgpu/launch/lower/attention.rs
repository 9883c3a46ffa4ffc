//! How attention is launched: of one sequence, of several, and what comes before it.

use super::{
    super::{
        super::program::{Bits, Heads, Id, Op, Rotation},
        Bound, Launch,
    },
    Lower, PASSES, maybe, value,
};

pub(super) fn heads_params(heads: Heads) -> [usize; 5] {
    let Heads { n_q, n_k, n_heads, n_kv_heads, d_head } = heads;
    [n_q, n_k, n_heads, n_kv_heads, d_head]
}

/// Turns of loops for a row of a pattern and its mix. The same for all programs that share a plan: see `form`.
pub(super) fn steps_of(heads: Heads) -> usize {
    heads.n_k.next_power_of_two() * (2 * heads.d_head + PASSES)
}

impl Lower<'_> {
    /// `way` is 1 or, for the way back, -1.
    pub(super) fn rotation(&self, rotation: Rotation, way: f32, y: Id) -> Launch {
        let reads = self.program.values[y].inputs.iter().copied().map(value).collect();
        let Rotation { n_heads, d_head, n_pairs } = rotation;
        let mut launch = self.entries("rotate", reads, y, &[n_heads, d_head, n_pairs]);
        launch.params.push(way.to_bits());
        launch
    }

    pub(super) fn attention(&self, scores: Id, pattern: Id, z: Id, keeps_scores: bool) -> Launch {
        let (&Op::AttnScores { heads, scale: Bits(scale), window }, inputs) =
            (self.op(scores), &self.program.values[scores].inputs)
        else {
            unreachable!("fused from scores")
        };
        let v = self.program.values[z].inputs[1];
        let mut params = vec![(heads.n_heads * heads.n_q) as u32];
        params.extend(heads_params(heads).map(|size| size as u32));
        params.extend([scale, window]);
        let reads = vec![value(inputs[0]), value(inputs[1]), value(v)];
        let writes = vec![value(z), value(pattern), maybe(keeps_scores.then_some(scores))];
        let mut launch = self.rows("attention", steps_of(heads), reads, writes, params);
        launch.constants.push(("KEEP_SCORES", u32::from(keeps_scores)));
        launch
    }

    /// `scoring`: scale and window.
    pub(super) fn sequences_pattern(&self, heads: Heads, scoring: [u32; 2], y: Id) -> Launch {
        let inputs = self.program.values[y].inputs.iter().copied().map(value);
        let reads = inputs.chain([Bound::Rows(y)]).collect();
        let Heads { n_q, n_k, n_heads, n_kv_heads, d_head } = heads;
        let sizes = [n_q * n_heads, n_k, n_heads, n_kv_heads, d_head].map(|size| size as u32);
        let params = [&sizes[..], &scoring].concat();
        self.rows("sequences_pattern", steps_of(heads), reads, vec![value(y)], params)
    }
}
