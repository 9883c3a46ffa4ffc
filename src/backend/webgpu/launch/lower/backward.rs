//! What derivatives are launched with.

use super::{
    super::{
        super::{
            fuse::{NormDx, Written},
            program::{Bits, Dx, Id, Op},
        },
        Bound, Launch,
    },
    Lower, PASSES,
    attention::{heads_params, steps_of},
    centres, kept, maybe, number_of, value,
};

impl Lower<'_> {
    pub(super) fn derivative(&self, dx: &Dx, y: Id) -> Launch {
        let inputs = &self.program.values[y].inputs;
        let all = || inputs.iter().copied().map(value).collect::<Vec<_>>();
        let by_row = |name, d| self.rows(name, PASSES * d, all(), vec![value(y)], self.rows_of(inputs[0], d));
        match *dx {
            Dx::Multiply => self.entries("multiply", all(), y, &[]),
            Dx::Rotate(rotation) => self.rotation(rotation, -1.0, y),
            Dx::SoftCap(Bits(cap)) => {
                let mut launch = self.entries("soft_cap_dx", all(), y, &[]);
                launch.params.push(cap);
                launch
            }
            Dx::Scatter { n_dy, d } => {
                self.entries("scatter", vec![value(inputs[0]), Bound::Rows(y)], y, &[d, n_dy])
            }
            Dx::NormScale { kind, d } => {
                let mut launch = by_row("norm_scale_dx", d);
                launch.constants.push(centres(kind));
                launch
            }
            Dx::NormalizeScale { d } => by_row("normalize_dscale", d),
            Dx::Softmax { n } => by_row("softmax_dx", n),
            Dx::HeadsIn { n_heads, n_in, d_head, axes, format } => {
                self.by_head("heads_in_dx", y, [n_heads, n_in, d_head], axes, format)
            }
            Dx::HeadsOut { n_heads, d_head, n_out, axes, format } => {
                self.by_head("heads_out_dx", y, [n_heads, d_head, n_out], axes, format)
            }
            Dx::AttnDots(heads) => self.entries("attn_dots", all(), y, &heads_params(heads)),
            Dx::AttnMixT(_) => unreachable!("a transposed mix has a kernel of its own"),
            Dx::Activate(activation) => {
                let mut launch = self.entries("activate_dx", all(), y, &[]);
                launch.constants.push(("SLOPE", number_of(Some(activation))));
                launch
            }
        }
    }

    pub(super) fn norm_dx(&self, norm: NormDx) -> Launch {
        let NormDx { x, scale, normalized, w, dy, d_normalized, before, dx, d, kind } = norm;
        let reads = [Some(x), Some(scale), Some(normalized), Some(dy), w, before].map(maybe).to_vec();
        let writes = vec![value(dx), kept(d_normalized)];
        let mut launch = self.rows("norm_dx", PASSES * d, reads, writes, self.rows_of(x, d));
        launch.constants.extend([
            centres(kind),
            ("HAS_W", u32::from(w.is_some())),
            ("HAS_BEFORE", u32::from(before.is_some())),
            ("KEEP_D_NORMALIZED", u32::from(d_normalized.is_kept)),
        ]);
        launch
    }

    pub(super) fn attention_dx(&self, d_pattern: Written, d_scores: Id, dq: Id, Bits(by): Bits) -> Launch {
        let Op::Dx(Dx::AttnDots(heads)) = *self.op(d_pattern.id) else { unreachable!("fused from dots") };
        let inputs = |id: Id| &self.program.values[id].inputs;
        let k = inputs(inputs(dq)[0])[1];
        let reads = [inputs(d_scores)[0], inputs(d_pattern.id)[0], inputs(d_pattern.id)[1], k];
        let mut params = vec![(heads.n_heads * heads.n_q) as u32];
        params.extend(heads_params(heads).map(|size| size as u32));
        params.push(by);
        let writes = vec![value(dq), value(d_scores), kept(d_pattern)];
        let mut launch =
            self.rows("attention_dx", steps_of(heads), reads.map(value).to_vec(), writes, params);
        launch.constants.push(("KEEP_D_PATTERN", u32::from(d_pattern.is_kept)));
        launch
    }

    pub(super) fn attn_mix_t(&self, mix: Id, by: Option<(Bits, Id)>) -> Launch {
        let Op::Dx(Dx::AttnMixT(heads)) = *self.op(mix) else { unreachable!("fused from a mix") };
        let inputs = self.program.values[mix].inputs.iter().copied().map(value).collect();
        let (Bits(by), y) = by.unwrap_or((1.0.into(), mix));
        let mut launch = self.entries("attn_mix_t", inputs, y, &heads_params(heads));
        launch.params.push(by);
        launch
    }
}
