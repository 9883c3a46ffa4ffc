//! GPT-2 (Radford et al. 2019), with and without its MLPs.
//!
//! This is the whole forward pass. It reads top to bottom like the paper; each value passes its tap under
//! its TransformerLens name. Positions start after those that the cache already holds.

use std::ops::Range;

use super::{
    ModelConfig,
    tap::Tap,
    weights::{Affine, AttnWeights, BlockWeights, MlpWeights, OnBackend},
};
use crate::{
    backend::{Backend, BackendError},
    hook::{HookPoint, Site},
    metric::LogitsAt,
};

/// Keys and values of the positions seen so far, one pair a layer.
#[derive(Clone, Debug)]
pub struct KvCache<T> {
    layers: Vec<Option<(T, T)>>, // k, v: [pos head d_head]
    n_past: usize,
}

impl<T> KvCache<T> {
    /// An empty cache.
    pub fn new(n_layers: usize) -> Self {
        Self { layers: (0..n_layers).map(|_| None).collect(), n_past: 0 }
    }

    /// The keys and values of every layer, and how many positions they have.
    pub fn of(layers: Vec<(T, T)>, n_past: usize) -> Self {
        Self { layers: layers.into_iter().map(Some).collect(), n_past }
    }

    /// Keys and values, layer by layer, of those that have any.
    pub fn into_layers(self) -> Vec<(T, T)> {
        self.layers.into_iter().flatten().collect()
    }

    /// How many positions it holds.
    pub fn n_past(&self) -> usize {
        self.n_past
    }
}

/// A model on a backend.
#[derive(Clone, Copy)]
pub struct Gpt2<'a, B: Backend> {
    /// Where it is.
    pub b: &'a B,
    /// Its sizes.
    pub config: &'a ModelConfig,
    /// What it multiplies by.
    pub weights: &'a OnBackend<B>,
}

impl<B: Backend> Gpt2<'_, B> {
    /// Logits for `tokens`, which follow what `cache` holds. [pos d_vocab]
    ///
    /// Errors: what the tap or the backend refuses.
    pub async fn forward<P: Tap<B>>(
        &self,
        tokens: &[u32],
        cache: &mut KvCache<B::Tensor>,
        tap: &mut P,
    ) -> Result<B::Tensor, P::Error> {
        let resid = self.stream(tokens, cache, tap).await?;
        self.unembed(&resid, &LogitsAt::everywhere(), tap)
    }

    /// The residual stream after the last block. [pos d_model]
    ///
    /// Errors: what the tap or the backend refuses.
    pub async fn stream<P: Tap<B>>(
        &self,
        tokens: &[u32],
        cache: &mut KvCache<B::Tensor>,
        tap: &mut P,
    ) -> Result<B::Tensor, P::Error> {
        let resid = self.embed(tokens, cache.n_past, tap)?;
        let resid = self.blocks(0..self.config.n_layers, resid, cache, tap).await?;
        cache.n_past += tokens.len();
        Ok(resid)
    }

    /// The residual stream before the first block. [pos d_model]
    ///
    /// Errors: what the tap or the backend refuses.
    pub fn embed<P: Tap<B>>(
        &self,
        tokens: &[u32],
        n_past: usize,
        tap: &mut P,
    ) -> Result<B::Tensor, P::Error> {
        let Self { b, weights, .. } = self;
        let positions: Vec<u32> = (n_past as u32..).take(tokens.len()).collect();
        let embed = tap.at(HookPoint::Embed, b.columns(&weights.w_e, tokens)?)?; // [pos d_model]
        let pos_embed = tap.at(HookPoint::PosEmbed, b.gather(&weights.w_pos, &positions)?)?; // [pos d_model]
        Ok(b.add(embed, &pos_embed)?)
    }

    /// The residual stream through some blocks. [pos d_model]
    ///
    /// Errors: what the tap or the backend refuses.
    pub async fn blocks<P: Tap<B>>(
        &self,
        layers: Range<usize>,
        mut resid: B::Tensor,
        cache: &mut KvCache<B::Tensor>,
        tap: &mut P,
    ) -> Result<B::Tensor, P::Error> {
        for layer in layers {
            tap.before_block(layer, &resid).await?;
            let mut pass = Pass { b: self.b, config: self.config, tap };
            resid = pass.block(layer, &self.weights.blocks[layer], resid, &mut cache.layers[layer])?;
        }
        Ok(resid)
    }

    /// The logits that are wanted, from the stream after the last block. [wanted_pos wanted_vocab]
    ///
    /// Errors: what the tap or the backend refuses.
    pub fn unembed<P: Tap<B>>(
        &self,
        resid: &B::Tensor,
        at: &LogitsAt,
        tap: &mut P,
    ) -> Result<B::Tensor, P::Error> {
        let Self { b, config, weights } = *self;
        let (w_u, b_u) = (weights.w_u.as_ref().unwrap_or(&weights.w_e), weights.b_u.as_ref());
        let is_watched = is_end_watched::<B, P>(tap);
        let n_pos = b.shape(resid)[0];
        let resid = match &at.positions {
            Some(positions) if !is_watched && !positions.iter().copied().eq(0..n_pos as u32) => {
                &b.gather(resid, positions)?
            }
            Some(_) | None => resid,
        };
        let mut pass = Pass { b, config, tap };
        let normed =
            pass.norm(HookPoint::FinalScale, HookPoint::FinalNormalized, &weights.ln_final, resid)?;
        if let (Some(columns), false) = (&at.columns, is_watched) {
            return Ok(b.linear_at(&normed, w_u, b_u, columns)?);
        }
        let logits = b.linear(&normed, w_u, b_u)?; // einsum: pos d_model, d_model d_vocab -> pos d_vocab
        let logits = pass.tap.at(HookPoint::Logits, logits)?;
        if is_watched { Ok(pick(b, &logits, at)?) } else { Ok(logits) }
    }
}

/// Whether the tap edits or keeps anything after the last block.
pub fn is_end_watched<B: Backend, P: Tap<B>>(tap: &P) -> bool {
    [HookPoint::FinalScale, HookPoint::FinalNormalized, HookPoint::Logits]
        .into_iter()
        .any(|hook| tap.watches(hook))
}

/// Entries of a table [pos d_vocab].
fn pick<B: Backend>(b: &B, logits: &B::Tensor, at: &LogitsAt) -> Result<B::Tensor, BackendError> {
    if *at == LogitsAt::everywhere() {
        return Ok(logits.clone());
    }
    let &[n_pos, d_vocab] = b.shape(logits).as_slice() else { unreachable!("logits have two axes") };
    let all = |n: usize| (0..n as u32).collect::<Vec<_>>();
    let positions = at.positions.clone().unwrap_or_else(|| all(n_pos));
    let columns = at.columns.clone().unwrap_or_else(|| all(d_vocab));
    let entry = |pos: u32| columns.iter().map(move |column| pos * d_vocab as u32 + column);
    let entries: Vec<u32> = positions.iter().flat_map(|pos| entry(*pos)).collect();
    let picked = b.gather(&b.reshape(logits, &[n_pos * d_vocab, 1])?, &entries)?;
    b.reshape(&picked, &[positions.len(), columns.len()])
}

/// Everything a block needs beside its input.
struct Pass<'a, B: Backend, P> {
    b: &'a B,
    config: &'a ModelConfig,
    tap: &'a mut P,
}

impl<B: Backend, P: Tap<B>> Pass<'_, B, P> {
    /// The residual stream through one block. [pos d_model]
    fn block(
        &mut self,
        layer: usize,
        weights: &BlockWeights<B::Tensor, B::Matrix>,
        resid: B::Tensor,
        past: &mut Option<(B::Tensor, B::Tensor)>,
    ) -> Result<B::Tensor, P::Error> {
        let hook = |site| HookPoint::Block(layer, site);
        let resid_pre = self.tap.at(hook(Site::ResidPre), resid)?;
        let attn_out = self.attention(layer, weights, &resid_pre, past)?;
        let attn_out = self.tap.at(hook(Site::AttnOut), attn_out)?;
        let resid_mid = self.b.add(attn_out, &resid_pre)?;
        let Some(mlp) = &weights.mlp else {
            return self.tap.at(hook(Site::ResidPost), resid_mid);
        };
        let resid_mid = self.tap.at(hook(Site::ResidMid), resid_mid)?;
        let mlp_out = self.mlp(layer, mlp, &resid_mid)?;
        let mlp_out = self.tap.at(hook(Site::MlpOut), mlp_out)?;
        let resid_post = self.b.add(mlp_out, &resid_mid)?;
        self.tap.at(hook(Site::ResidPost), resid_post)
    }

    /// What all heads write to the stream. [pos d_model]
    fn attention(
        &mut self,
        layer: usize,
        block: &BlockWeights<B::Tensor, B::Matrix>,
        resid_pre: &B::Tensor,
        past: &mut Option<(B::Tensor, B::Tensor)>,
    ) -> Result<B::Tensor, P::Error> {
        let hook = |site| HookPoint::Block(layer, site);
        let w = &block.attn;
        let [q, k, v] = self.qkv(layer, block, resid_pre)?;
        let q = self.tap.at(hook(Site::Q), q)?; // [pos head d_head]
        let k = self.tap.at(hook(Site::K), k)?; // [pos head d_head]
        let v = self.tap.at(hook(Site::V), v)?; // [pos head d_head]
        let (k, v) = match past.take() {
            Some((past_k, past_v)) => (self.b.append(past_k, &k)?, self.b.append(past_v, &v)?),
            None => (k, v),
        };
        let scores = self.b.attn_scores(&q, &k, self.config.attn_scale(layer))?;
        let scores = self.tap.at(hook(Site::AttnScores), scores)?; // [head q_pos k_pos]
        let pattern = self.tap.at(hook(Site::Pattern), self.b.softmax(scores)?)?; // [head q_pos k_pos]
        let z = self.tap.at(hook(Site::Z), self.b.attn_mix(&pattern, &v)?)?; // [pos head d_head]
        *past = Some((k, v));
        self.write_out(layer, w, &z)
    }

    /// Queries, keys and values of all heads. Each [pos head d_head]
    fn qkv(
        &mut self,
        layer: usize,
        block: &BlockWeights<B::Tensor, B::Matrix>,
        resid_pre: &B::Tensor,
    ) -> Result<[B::Tensor; 3], P::Error> {
        let hook = |site| HookPoint::Block(layer, site);
        let w = &block.attn;
        // Also where the inputs are split: ln1's own hook points show the stream that the heads share.
        let normed = self.norm(hook(Site::Ln1Scale), hook(Site::Ln1Normalized), &block.ln1, resid_pre)?;
        let is_split = [Site::AttnIn, Site::QInput, Site::KInput, Site::VInput]
            .into_iter()
            .any(|site| self.tap.watches(hook(site)));
        if !is_split {
            return Ok([
                self.read_shared(&normed, &w.w_q, &w.b_q)?,
                self.read_shared(&normed, &w.w_k, &w.b_k)?,
                self.read_shared(&normed, &w.w_v, &w.b_v)?,
            ]);
        }
        let attn_in = self.b.repeat_heads(resid_pre, self.config.n_heads)?;
        let attn_in = self.tap.at(hook(Site::AttnIn), attn_in)?; // [pos head d_model]
        let readers =
            [(Site::QInput, &w.w_q, &w.b_q), (Site::KInput, &w.w_k, &w.b_k), (Site::VInput, &w.w_v, &w.b_v)];
        let mut read = |(site, w, b): (Site, _, _)| {
            let input = self.tap.at(hook(site), attn_in.clone())?;
            // Looking changes nothing: only an edited input takes the way of each head by itself.
            if !self.tap.edits(hook(Site::AttnIn)) && !self.tap.edits(hook(site)) {
                return self.read_shared(&normed, w, b);
            }
            let normed = self.norm_by_head(layer, &block.ln1, &input)?;
            let x = self.b.heads_in(&normed, w)?; // einsum: pos head d_model, d_model (head d_head) -> pos head d_head
            let x = self.b.affine(self.merge_heads(&x)?, None, Some(b))?;
            self.split_heads(&x)
        };
        let [q, k, v] = readers.map(&mut read);
        Ok([q?, k?, v?])
    }

    /// What all heads read from one normalised stream. [pos head d_head]
    fn read_shared(&self, normed: &B::Tensor, w: &B::Matrix, b: &B::Tensor) -> Result<B::Tensor, P::Error> {
        self.split_heads(&self.b.linear(normed, w, Some(b))?)
    }

    /// From each head's z to the stream. [pos d_model]
    fn write_out(
        &mut self,
        layer: usize,
        w: &AttnWeights<B::Tensor, B::Matrix>,
        z: &B::Tensor,
    ) -> Result<B::Tensor, P::Error> {
        let result_hook = HookPoint::Block(layer, Site::Result);
        if !self.tap.watches(result_hook) {
            return Ok(self.b.linear(&self.merge_heads(z)?, &w.w_o, Some(&w.b_o))?);
        }
        let result = self.b.heads_out(z, &w.w_o)?; // einsum: pos head d_head, (head d_head) d_model -> pos head d_model
        let result = self.tap.at(result_hook, result)?;
        Ok(self.b.affine(self.b.sum_heads(&result)?, None, Some(&w.b_o))?)
    }

    /// What the MLP writes to the stream. [pos d_model]
    fn mlp(
        &mut self,
        layer: usize,
        w: &MlpWeights<B::Tensor, B::Matrix>,
        resid_mid: &B::Tensor,
    ) -> Result<B::Tensor, P::Error> {
        let hook = |site| HookPoint::Block(layer, site);
        let mlp_in = self.tap.at(hook(Site::MlpIn), resid_mid.clone())?;
        let normed = self.norm(hook(Site::Ln2Scale), hook(Site::Ln2Normalized), &w.ln2, &mlp_in)?;
        let pre = self.tap.at(hook(Site::MlpPre), self.b.linear(&normed, &w.w_in, Some(&w.b_in))?)?; // [pos d_mlp]
        let post = self.tap.at(hook(Site::MlpPost), self.b.activate(pre, self.config.activation)?)?; // [pos d_mlp]
        Ok(self.b.linear(&post, &w.w_out, Some(&w.b_out))?)
    }

    /// A norm with its two hook points; the weight and bias come after both.
    fn norm(
        &mut self,
        scale_hook: HookPoint,
        normalized_hook: HookPoint,
        affine: &Affine<B::Tensor>,
        x: &B::Tensor,
    ) -> Result<B::Tensor, P::Error> {
        let (kind, eps) = (self.config.norm, self.config.eps);
        let scale = self.tap.at(scale_hook, self.b.norm_scale(x, kind, eps)?)?; // [pos 1]
        let normalized = self.tap.at(normalized_hook, self.b.normalize(x, &scale, kind)?)?; // [pos d_model]
        Ok(self.b.affine(normalized, affine.w.as_ref(), affine.b.as_ref())?)
    }

    /// ln1 where each head has an input of its own; its edits apply to every head. [pos head d_model]
    fn norm_by_head(
        &mut self,
        layer: usize,
        affine: &Affine<B::Tensor>,
        x: &B::Tensor,
    ) -> Result<B::Tensor, P::Error> {
        let (scale_hook, normalized_hook) =
            (HookPoint::Block(layer, Site::Ln1Scale), HookPoint::Block(layer, Site::Ln1Normalized));
        let (kind, eps, n_heads) = (self.config.norm, self.config.eps, self.config.n_heads as u32);
        let (n_pos, d_model) = (self.b.shape(x)[0], self.config.d_model);
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
        let normalized =
            self.b.reshape(&self.b.gather(&heads, &by_pos)?, &[n_pos, n_heads as usize, d_model])?;
        Ok(self.b.affine(normalized, affine.w.as_ref(), affine.b.as_ref())?)
    }

    /// `[pos (head d_head)] -> [pos head d_head]`
    fn split_heads(&self, x: &B::Tensor) -> Result<B::Tensor, P::Error> {
        let n_pos = self.b.shape(x)[0];
        Ok(self.b.reshape(x, &[n_pos, self.config.n_heads, self.config.d_head])?)
    }

    /// `[pos head d_head] -> [pos (head d_head)]`
    fn merge_heads(&self, x: &B::Tensor) -> Result<B::Tensor, P::Error> {
        let n_pos = self.b.shape(x)[0];
        Ok(self.b.reshape(x, &[n_pos, self.config.n_heads * self.config.d_head])?)
    }
}
