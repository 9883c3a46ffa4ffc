//! The weights of a GPT-2-style model, in TransformerLens' orientation: row vectors, `x @ W`.

use crate::{
    backend::{Backend, BackendError},
    tensor::HostTensor,
};

/// Everything a forward pass multiplies by. `T` is a host or a backend tensor.
#[derive(Clone, Debug)]
pub struct Weights<T> {
    /// W_E. [d_vocab d_model]
    pub w_e: T,
    /// W_pos. [n_ctx d_model]
    pub w_pos: T,
    /// One a layer.
    pub blocks: Vec<BlockWeights<T>>,
    /// The norm before the unembedding.
    pub ln_final: Affine<T>,
    /// W_U, stored like an embedding (transposed); absent if it is W_E itself. [d_vocab d_model]
    pub w_u: Option<T>,
    /// b_U; absent in a checkpoint, made by folding. [d_vocab]
    pub b_u: Option<T>,
}

/// What follows the normalisation of a norm; both are absent once folded into what reads it.
#[derive(Clone, Debug)]
pub struct Affine<T> {
    /// [d_model]
    pub w: Option<T>,
    /// [d_model]
    pub b: Option<T>,
}

/// One block.
#[derive(Clone, Debug)]
pub struct BlockWeights<T> {
    /// Before attention.
    pub ln1: Affine<T>,
    /// Attention.
    pub attn: AttnWeights<T>,
    /// The MLP and its norm; absent in attention-only models.
    pub mlp: Option<MlpWeights<T>>,
}

/// Attention of one block. The heads are side by side: column `head * d_head + e`.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the field's own names; shapes beside them")]
pub struct AttnWeights<T> {
    pub w_q: T, // [d_model (head d_head)]
    pub w_k: T, // [d_model (head d_head)]
    pub w_v: T, // [d_model (head d_head)]
    pub b_q: T, // [(head d_head)]
    pub b_k: T, // [(head d_head)]
    pub b_v: T, // [(head d_head)]
    pub w_o: T, // [(head d_head) d_model]
    pub b_o: T, // [d_model]
}

/// MLP of one block.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the field's own names; shapes beside them")]
pub struct MlpWeights<T> {
    pub ln2: Affine<T>,
    pub w_in: T,  // [d_model d_mlp]
    pub b_in: T,  // [d_mlp]
    pub w_out: T, // [d_mlp d_model]
    pub b_out: T, // [d_model]
}

impl Weights<HostTensor> {
    /// Moves every tensor to a backend.
    ///
    /// Errors: what the backend cannot hold.
    pub fn upload<B: Backend>(self, backend: &B) -> Result<Weights<B::Tensor>, BackendError> {
        self.try_map(&mut |name, tensor| backend.upload(name, tensor))
    }

    /// Number of stored values.
    pub fn n_params(&self) -> u64 {
        let mut n = 0;
        self.visit(&mut |_, tensor| n += tensor.data().len() as u64);
        n
    }
}

impl<T> Weights<T> {
    /// Calls `f` with the name and value of every tensor.
    pub fn visit(&self, f: &mut impl FnMut(&str, &T)) {
        f("embed.W_E", &self.w_e);
        f("pos_embed.W_pos", &self.w_pos);
        for (layer, block) in self.blocks.iter().enumerate() {
            block.ln1.visit(&format!("blocks.{layer}.ln1"), f);
            block.attn.visit(layer, f);
            if let Some(mlp) = &block.mlp {
                mlp.ln2.visit(&format!("blocks.{layer}.ln2"), f);
                mlp.visit(layer, f);
            }
        }
        self.ln_final.visit("ln_final", f);
        self.w_u.iter().for_each(|w| f("unembed.W_U", w));
        self.b_u.iter().for_each(|b| f("unembed.b_U", b));
    }

    /// Replaces every tensor by what `f` makes of it; `f` gets the tensor's name.
    pub fn try_map<U, E>(self, f: &mut impl FnMut(&str, T) -> Result<U, E>) -> Result<Weights<U>, E> {
        let w_e = f("embed.W_E", self.w_e)?;
        let w_pos = f("pos_embed.W_pos", self.w_pos)?;
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for (layer, block) in self.blocks.into_iter().enumerate() {
            blocks.push(BlockWeights {
                ln1: block.ln1.try_map(&format!("blocks.{layer}.ln1"), f)?,
                attn: block.attn.try_map(layer, f)?,
                mlp: block.mlp.map(|mlp| mlp.try_map(layer, f)).transpose()?,
            });
        }
        Ok(Weights {
            w_e,
            w_pos,
            blocks,
            ln_final: self.ln_final.try_map("ln_final", f)?,
            w_u: self.w_u.map(|w| f("unembed.W_U", w)).transpose()?,
            b_u: self.b_u.map(|b| f("unembed.b_U", b)).transpose()?,
        })
    }
}

impl<T> Affine<T> {
    fn visit(&self, norm: &str, f: &mut impl FnMut(&str, &T)) {
        self.w.iter().for_each(|w| f(&format!("{norm}.w"), w));
        self.b.iter().for_each(|b| f(&format!("{norm}.b"), b));
    }

    fn try_map<U, E>(self, norm: &str, f: &mut impl FnMut(&str, T) -> Result<U, E>) -> Result<Affine<U>, E> {
        Ok(Affine {
            w: self.w.map(|w| f(&format!("{norm}.w"), w)).transpose()?,
            b: self.b.map(|b| f(&format!("{norm}.b"), b)).transpose()?,
        })
    }
}

impl<T> AttnWeights<T> {
    fn visit(&self, layer: usize, f: &mut impl FnMut(&str, &T)) {
        let Self { w_q, w_k, w_v, b_q, b_k, b_v, w_o, b_o } = self;
        let named = [("W_Q", w_q), ("W_K", w_k), ("W_V", w_v), ("b_Q", b_q), ("b_K", b_k), ("b_V", b_v)];
        for (name, tensor) in named.into_iter().chain([("W_O", w_o), ("b_O", b_o)]) {
            f(&format!("blocks.{layer}.attn.{name}"), tensor);
        }
    }

    fn try_map<U, E>(
        self,
        layer: usize,
        f: &mut impl FnMut(&str, T) -> Result<U, E>,
    ) -> Result<AttnWeights<U>, E> {
        let mut f = |name: &str, tensor| f(&format!("blocks.{layer}.attn.{name}"), tensor);
        Ok(AttnWeights {
            w_q: f("W_Q", self.w_q)?,
            w_k: f("W_K", self.w_k)?,
            w_v: f("W_V", self.w_v)?,
            b_q: f("b_Q", self.b_q)?,
            b_k: f("b_K", self.b_k)?,
            b_v: f("b_V", self.b_v)?,
            w_o: f("W_O", self.w_o)?,
            b_o: f("b_O", self.b_o)?,
        })
    }
}

impl<T> MlpWeights<T> {
    fn visit(&self, layer: usize, f: &mut impl FnMut(&str, &T)) {
        let Self { ln2: _, w_in, b_in, w_out, b_out } = self;
        for (name, tensor) in [("W_in", w_in), ("b_in", b_in), ("W_out", w_out), ("b_out", b_out)] {
            f(&format!("blocks.{layer}.mlp.{name}"), tensor);
        }
    }

    fn try_map<U, E>(
        self,
        layer: usize,
        f: &mut impl FnMut(&str, T) -> Result<U, E>,
    ) -> Result<MlpWeights<U>, E> {
        let ln2 = self.ln2.try_map(&format!("blocks.{layer}.ln2"), f)?;
        let mut f = |name: &str, tensor| f(&format!("blocks.{layer}.mlp.{name}"), tensor);
        Ok(MlpWeights {
            ln2,
            w_in: f("W_in", self.w_in)?,
            b_in: f("b_in", self.b_in)?,
            w_out: f("W_out", self.w_out)?,
            b_out: f("b_out", self.b_out)?,
        })
    }
}
