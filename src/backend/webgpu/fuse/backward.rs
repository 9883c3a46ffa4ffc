//! Derivatives that run as one: a norm, a non-linearity behind a product, attention.

use super::{
    super::program::{Bits, Dx, Id, Op},
    Fusing, Kernel, NormDx, Then, Written, optional,
};

impl Fusing<'_> {
    pub(super) fn derivative(&mut self, dx: &Dx, id: Id) -> Option<Kernel> {
        match dx {
            Dx::AttnMixT(_) => Some(Kernel::AttnMixT { mix: id, by: None }),
            Dx::Activate(activation) => {
                let &[x, product] = self.program.values[id].inputs.as_slice() else { return None };
                let Op::Linear(_) = self.program.values[product].op else { return None };
                self.join(&[product], id)?;
                let pre = self.written(product, &[id]);
                let then = Then::Slope { activation: *activation, x, dx: id };
                Some(Kernel::Linear { product, then, pre })
            }
            Dx::Multiply
            | Dx::Rotate(_)
            | Dx::SoftCap(_)
            | Dx::Scatter { .. }
            | Dx::NormScale { .. }
            | Dx::NormalizeScale { .. }
            | Dx::HeadsIn { .. }
            | Dx::HeadsOut { .. }
            | Dx::AttnDots(_)
            | Dx::Softmax { .. } => None,
        }
    }

    /// Whether nothing but `by` ever needs `id`.
    fn is_inner(&self, id: Id, by: &[Id]) -> bool {
        !self.is_taken[id] && !self.written(id, by).is_kept
    }

    pub(super) fn scaled_mix_t(&mut self, by: Bits, id: Id) -> Option<Kernel> {
        let mix = self.program.values[id].inputs[0];
        let Op::Dx(Dx::AttnMixT(_)) = self.program.values[mix].op else { return None };
        if !self.is_inner(mix, &[id]) {
            return None;
        }
        self.join(&[mix], id)?;
        Some(Kernel::AttnMixT { mix, by: Some((by, id)) })
    }

    /// `scale(attn_mix(softmax_dx(pattern, attn_dots(dz, v)), k))`
    pub(super) fn attention_dx(&mut self, by: Bits, dq: Id) -> Option<Kernel> {
        let values = &self.program.values;
        let mix = values[dq].inputs[0];
        let Op::AttnMix(of_mix) = values[mix].op else { return None };
        let d_scores = values[mix].inputs[0];
        let Op::Dx(Dx::Softmax { n }) = values[d_scores].op else { return None };
        let d_pattern = values[d_scores].inputs[1];
        let Op::Dx(Dx::AttnDots(heads)) = values[d_pattern].op else { return None };
        // A reshape in between would give the axes other meanings.
        if of_mix != heads || n != heads.n_k || !self.is_inner(mix, &[dq]) {
            return None;
        }
        self.join(&[mix, d_scores, d_pattern], dq)?;
        let d_pattern = self.written(d_pattern, &[d_scores]);
        Some(Kernel::AttentionDx { d_pattern, d_scores, dq, by })
    }

    /// `before + normalize_dx(dn, scale) + norm_scale_dx(x, scale, normalize_dscale(dn, normalized, scale))`, in this
    /// order, where `dn` may be `dy w`.
    pub(super) fn norm_dx(&mut self, sum: Id) -> Option<Kernel> {
        let values = &self.program.values;
        let &[first, through_scale] = values[sum].inputs.as_slice() else { return None };
        let Op::Dx(Dx::NormScale { d, kind }) = values[through_scale].op else { return None };
        let &[x, scale, ds] = values[through_scale].inputs.as_slice() else { return None };
        let Op::Dx(Dx::NormalizeScale { d: of_ds }) = values[ds].op else { return None };
        let &[dn, normalized, of_scale] = values[ds].inputs.as_slice() else { return None };
        let (before, direct) = match (&values[first].op, values[first].inputs.as_slice()) {
            (Op::Add, &[before, direct]) => (Some(before), direct),
            _ => (None, first),
        };
        let is_normalize = values[direct].op == Op::Normalize { d, kind };
        if !is_normalize || values[direct].inputs != [dn, scale] || (of_ds, of_scale) != (d, scale) {
            return None;
        }
        let mut inner = vec![through_scale, ds, direct];
        inner.extend(before.map(|_| first));
        let group = [&inner[..], &[sum]].concat();
        if !inner.iter().all(|id| self.is_inner(*id, &group)) {
            return None;
        }
        let (mut w, mut dy, mut d_normalized) = (None, dn, Written { id: dn, is_kept: false });
        if let Op::Affine { d: of_w, has_w: true, has_b: false } = values[dn].op
            && of_w == d
            && self.can_join(dn, sum, &group)
        {
            (w, _) = optional(&values[dn].inputs[1..], true, false);
            dy = values[dn].inputs[0];
            d_normalized = self.written(dn, &group);
            inner.push(dn);
        }
        self.join(&inner, sum)?;
        Some(Kernel::NormDx(NormDx { x, scale, normalized, w, dy, d_normalized, before, dx: sum, d, kind }))
    }
}
