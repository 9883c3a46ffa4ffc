//! What the heads of a block write to the stream.

use super::{Pass, capped};
use crate::{
    backend::Backend,
    hook::{HookPoint, Site},
    model::{
        tap::Tap,
        weights::{Affine, AttnWeights, BlockWeights},
    },
};

impl<B: Backend, P: Tap<B>> Pass<'_, B, P> {
    /// softmax(q·k / scale) v W_O, summed over heads. [pos d_model]
    pub(super) fn attention(
        &mut self,
        block: &BlockWeights<B::Tensor, B::Matrix>,
        resid_pre: &B::Tensor,
        past: &mut Option<(B::Tensor, B::Tensor)>,
    ) -> Result<B::Tensor, P::Error> {
        let w = &block.attn;
        let [q, k, v] = self.qkv(block, resid_pre)?;
        let q = self.at(Site::Q, q)?; // [pos head d_head]
        let k = self.at(Site::K, k)?; // [pos kv d_head]
        let v = self.at(Site::V, v)?; // [pos kv d_head]
        let q = self.norm_if_any([Site::QNormScale, Site::QNormNormalized], w.q_norm.as_ref(), q)?;
        let k = self.norm_if_any([Site::KNormScale, Site::KNormNormalized], w.k_norm.as_ref(), k)?;
        let q = self.turned(Site::RotQ, q)?;
        let k = self.turned(Site::RotK, k)?;
        let (k, v) = match past.take() {
            Some((past_k, past_v)) => (self.b.append(past_k, &k)?, self.b.append(past_v, &v)?),
            None => (k, v),
        };
        let pattern = self.pattern(&q, &k)?;
        let pattern = self.at(Site::Pattern, pattern)?; // [head q_pos k_pos]
        let z = self.at(Site::Z, self.b.attn_mix(&pattern, &v)?)?; // [pos head d_head]
        *past = Some((k, v));
        self.write_out(w, &z)
    }

    /// softmax(q·k / scale). [head q_pos k_pos]
    fn pattern(&mut self, q: &B::Tensor, k: &B::Tensor) -> Result<B::Tensor, P::Error> {
        let (scoring, soft_cap) = (self.config.scoring(self.layer), self.config.attn_soft_cap);
        if soft_cap.is_none() && !self.tap.watches(HookPoint::Block(self.layer, Site::AttnScores)) {
            return Ok(self.b.attn_pattern(q, k, scoring)?);
        }
        let scores = capped(self.b, self.b.attn_scores(q, k, scoring)?, soft_cap)?;
        let scores = self.at(Site::AttnScores, scores)?; // [head q_pos k_pos]
        Ok(self.b.softmax(scores)?)
    }

    /// Queries or keys, turned by their position, if the model does so.
    fn turned(&mut self, site: Site, x: B::Tensor) -> Result<B::Tensor, P::Error> {
        match self.turns {
            Some(turns) => self.at(site, self.b.rotate(x, turns)?),
            None => Ok(x),
        }
    }

    /// Queries, keys and values of all heads. [pos head d_head], and twice [pos kv d_head]
    fn qkv(
        &mut self,
        block: &BlockWeights<B::Tensor, B::Matrix>,
        resid_pre: &B::Tensor,
    ) -> Result<[B::Tensor; 3], P::Error> {
        let hook = |site| HookPoint::Block(self.layer, site);
        let (n_heads, n_kv_heads) = (self.config.n_heads, self.config.n_kv_heads);
        let w = &block.attn;
        let readers = [
            (Site::QInput, &w.w_q, w.b_q.as_ref(), n_heads),
            (Site::KInput, &w.w_k, w.b_k.as_ref(), n_kv_heads),
            (Site::VInput, &w.w_v, w.b_v.as_ref(), n_kv_heads),
        ];
        let is_split = [Site::AttnIn, Site::QInput, Site::KInput, Site::VInput]
            .into_iter()
            .any(|site| self.tap.watches(hook(site)));
        // Also where the inputs are split: ln1's own hook points show the stream that the heads share.
        let normed = self.block_norm([Site::Ln1Scale, Site::Ln1Normalized], &block.ln1, resid_pre)?;
        if !is_split {
            let [q, k, v] = readers.map(|(_, w, b, n)| self.read_shared(&normed, w, b, n));
            return Ok([q?, k?, v?]);
        }
        let attn_in = self.b.repeat_heads(resid_pre, n_heads)?;
        let attn_in = self.at(Site::AttnIn, attn_in)?; // [pos head d_model]
        let mut read = |(site, w, b, n): (Site, _, _, usize)| {
            let input = if n == n_heads { attn_in.clone() } else { self.b.repeat_heads(resid_pre, n)? };
            let input = self.at(site, input)?;
            // Looking changes nothing: only an edited input takes the way of each head by itself.
            let is_edited = |site| self.tap.edits(HookPoint::Block(self.layer, site));
            if !is_edited(Site::AttnIn) && !is_edited(site) {
                return self.read_shared(&normed, w, b, n);
            }
            let normed = self.norm_by_head(&block.ln1, &input)?;
            let x = self.b.heads_in(&normed, w)?; // einsum: pos head d_model, d_model (head d_head) -> pos head d_head
            let x = self.b.affine(self.merge_heads(&x)?, None, b)?;
            self.split_heads(&x, n)
        };
        let [q, k, v] = readers.map(&mut read);
        Ok([q?, k?, v?])
    }

    /// What all heads read from one normalised stream. [pos head d_head]
    fn read_shared(
        &self,
        normed: &B::Tensor,
        w: &B::Matrix,
        b: Option<&B::Tensor>,
        n_heads: usize,
    ) -> Result<B::Tensor, P::Error> {
        self.split_heads(&self.b.linear(normed, w, b)?, n_heads)
    }

    /// From each head's z to the stream. [pos d_model]
    fn write_out(
        &mut self,
        w: &AttnWeights<B::Tensor, B::Matrix>,
        z: &B::Tensor,
    ) -> Result<B::Tensor, P::Error> {
        let result_hook = HookPoint::Block(self.layer, Site::Result);
        if !self.tap.watches(result_hook) {
            return Ok(self.b.linear(&self.merge_heads(z)?, &w.w_o, w.b_o.as_ref())?);
        }
        let result = self.b.heads_out(z, &w.w_o)?; // einsum: pos head d_head, (head d_head) d_model -> pos head d_model
        let result = self.tap.at(result_hook, result)?;
        Ok(self.b.affine(self.b.sum_heads(&result)?, None, w.b_o.as_ref())?)
    }

    /// ln1 where each head has an input of its own; its edits apply to every head. [pos head d_model]
    fn norm_by_head(&mut self, affine: &Affine<B::Tensor>, x: &B::Tensor) -> Result<B::Tensor, P::Error> {
        let [scale_hook, normalized_hook] =
            [Site::Ln1Scale, Site::Ln1Normalized].map(|site| HookPoint::Block(self.layer, site));
        let (kind, eps) = (self.config.norm, self.config.eps);
        let shape = self.b.shape(x);
        let (n_pos, n_heads, d_model) = (shape[0], shape[1] as u32, shape[2]);
        let rows = self.b.reshape(x, &[n_pos * n_heads as usize, d_model])?; // [(pos head) d_model]
        let mut heads: Option<B::Tensor> = None; // [(head pos) d_model]
        for head in 0..n_heads {
            let of_head: Vec<u32> = (0..n_pos as u32).map(|pos| pos * n_heads + head).collect();
            let input = self.b.gather(&rows, &of_head)?; // [pos d_model]
            let scale = self.tap.edit(scale_hook, self.b.norm_scale(&input, kind, eps)?)?;
            let normalized = self.tap.edit(normalized_hook, self.b.normalize(&input, &scale, kind)?)?;
            heads = Some(match heads {
                Some(before) => self.b.append(before, &normalized)?,
                None => normalized,
            });
        }
        let heads = heads.expect("a model has at least one head");
        let by_pos: Vec<u32> = (0..n_pos as u32)
            .flat_map(|pos| (0..n_heads).map(move |head| head * n_pos as u32 + pos))
            .collect();
        let normalized = self.b.reshape(&self.b.gather(&heads, &by_pos)?, &shape)?;
        Ok(self.b.affine(normalized, affine.w.as_ref(), affine.b.as_ref())?)
    }

    /// `[pos (head d_head)] -> [pos head d_head]`
    fn split_heads(&self, x: &B::Tensor, n_heads: usize) -> Result<B::Tensor, P::Error> {
        let n_pos = self.b.shape(x)[0];
        Ok(self.b.reshape(x, &[n_pos, n_heads, self.config.d_head])?)
    }

    /// `[pos head d_head] -> [pos (head d_head)]`
    fn merge_heads(&self, x: &B::Tensor) -> Result<B::Tensor, P::Error> {
        let shape = self.b.shape(x);
        Ok(self.b.reshape(x, &[shape[0], shape[1] * shape[2]])?)
    }
}
