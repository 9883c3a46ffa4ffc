//! The weights of a GPT-2-style model, in TransformerLens' orientation: row vectors, `x @ W`.

use crate::{backend::Backend, op::MatrixAxes};

/// Everything a forward pass multiplies by. `T` is a host or a backend tensor; `M` holds what stands on the
/// right of a product.
#[derive(Clone, Debug)]
pub struct Weights<T, M = T> {
    /// W_E, stored transposed. [d_vocab d_model]
    pub w_e: M,
    /// W_pos. [n_ctx d_model]
    pub w_pos: T,
    /// One a layer.
    pub blocks: Vec<BlockWeights<T, M>>,
    /// The norm before the unembedding.
    pub ln_final: Affine<T>,
    /// W_U, stored like an embedding (transposed); absent if it is W_E itself. [d_vocab d_model]
    pub w_u: Option<M>,
    /// b_U; absent in a checkpoint, made by folding. [d_vocab]
    pub b_u: Option<T>,
}

/// Weights that a backend `B` holds.
pub type OnBackend<B> = Weights<<B as Backend>::Tensor, <B as Backend>::Matrix>;

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
pub struct BlockWeights<T, M = T> {
    /// Before attention.
    pub ln1: Affine<T>,
    /// Attention.
    pub attn: AttnWeights<T, M>,
    /// The MLP and its norm; absent in attention-only models.
    pub mlp: Option<MlpWeights<T, M>>,
}

/// Attention of one block. The heads are side by side: column `head * d_head + e`.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the field's own names; shapes beside them")]
pub struct AttnWeights<T, M = T> {
    pub w_q: M, // [d_model (head d_head)]
    pub w_k: M, // [d_model (head d_head)]
    pub w_v: M, // [d_model (head d_head)]
    pub b_q: T, // [(head d_head)]
    pub b_k: T, // [(head d_head)]
    pub b_v: T, // [(head d_head)]
    pub w_o: M, // [(head d_head) d_model]
    pub b_o: T, // [d_model]
}

/// MLP of one block.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the field's own names; shapes beside them")]
pub struct MlpWeights<T, M = T> {
    pub ln2: Affine<T>,
    pub w_in: M,  // [d_model d_mlp]
    pub b_in: T,  // [d_mlp]
    pub w_out: M, // [d_mlp d_model]
    pub b_out: T, // [d_model]
}

/// What the embedding is called.
pub const W_E: &str = "embed.W_E";
/// What an unembedding of its own is called.
pub const W_U: &str = "unembed.W_U";

impl<T, M> Weights<T, M> {
    /// Number of values that `b` holds.
    pub fn n_values<B: Backend<Tensor = T, Matrix = M>>(&self, b: &B) -> u64 {
        let (mut vectors, mut matrices) = (0, 0);
        self.visit(
            &mut |_, vector| vectors += b.shape(vector).iter().product::<usize>() as u64,
            &mut |_, matrix, _| matrices += b.matrix_shape(matrix).iter().product::<usize>() as u64,
        );
        vectors + matrices
    }

    /// Calls `vector` or `matrix` with the name and value of every tensor, and how a matrix is stored.
    pub fn visit(&self, vector: &mut impl FnMut(&str, &T), matrix: &mut impl FnMut(&str, &M, MatrixAxes)) {
        matrix(W_E, &self.w_e, MatrixAxes::OutIn);
        vector("pos_embed.W_pos", &self.w_pos);
        for (layer, block) in self.blocks.iter().enumerate() {
            block.ln1.visit(&format!("blocks.{layer}.ln1"), vector);
            block.attn.visit(layer, vector, matrix);
            if let Some(mlp) = &block.mlp {
                mlp.ln2.visit(&format!("blocks.{layer}.ln2"), vector);
                mlp.visit(layer, vector, matrix);
            }
        }
        self.ln_final.visit("ln_final", vector);
        self.w_u.iter().for_each(|w| matrix(W_U, w, MatrixAxes::OutIn));
        self.b_u.iter().for_each(|b| vector("unembed.b_U", b));
    }

    /// Replaces everything by what `vector` and `matrix` make of it; they get the name as well.
    pub fn try_map<U, N, E>(
        self,
        vector: &mut impl FnMut(&str, T) -> Result<U, E>,
        matrix: &mut impl FnMut(&str, M, MatrixAxes) -> Result<N, E>,
    ) -> Result<Weights<U, N>, E> {
        let w_e = matrix(W_E, self.w_e, MatrixAxes::OutIn)?;
        let w_pos = vector("pos_embed.W_pos", self.w_pos)?;
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for (layer, block) in self.blocks.into_iter().enumerate() {
            blocks.push(BlockWeights {
                ln1: block.ln1.try_map(&format!("blocks.{layer}.ln1"), vector)?,
                attn: block.attn.try_map(layer, vector, matrix)?,
                mlp: block.mlp.map(|mlp| mlp.try_map(layer, vector, matrix)).transpose()?,
            });
        }
        Ok(Weights {
            w_e,
            w_pos,
            blocks,
            ln_final: self.ln_final.try_map("ln_final", vector)?,
            w_u: self.w_u.map(|w| matrix(W_U, w, MatrixAxes::OutIn)).transpose()?,
            b_u: self.b_u.map(|b| vector("unembed.b_U", b)).transpose()?,
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

impl<T, M> AttnWeights<T, M> {
    fn visit(
        &self,
        layer: usize,
        vector: &mut impl FnMut(&str, &T),
        matrix: &mut impl FnMut(&str, &M, MatrixAxes),
    ) {
        let Self { w_q, w_k, w_v, b_q, b_k, b_v, w_o, b_o } = self;
        for (name, w) in [("W_Q", w_q), ("W_K", w_k), ("W_V", w_v), ("W_O", w_o)] {
            matrix(&format!("blocks.{layer}.attn.{name}"), w, MatrixAxes::InOut);
        }
        for (name, b) in [("b_Q", b_q), ("b_K", b_k), ("b_V", b_v), ("b_O", b_o)] {
            vector(&format!("blocks.{layer}.attn.{name}"), b);
        }
    }

    fn try_map<U, N, E>(
        self,
        layer: usize,
        vector: &mut impl FnMut(&str, T) -> Result<U, E>,
        matrix: &mut impl FnMut(&str, M, MatrixAxes) -> Result<N, E>,
    ) -> Result<AttnWeights<U, N>, E> {
        let name = |name: &str| format!("blocks.{layer}.attn.{name}");
        Ok(AttnWeights {
            w_q: matrix(&name("W_Q"), self.w_q, MatrixAxes::InOut)?,
            w_k: matrix(&name("W_K"), self.w_k, MatrixAxes::InOut)?,
            w_v: matrix(&name("W_V"), self.w_v, MatrixAxes::InOut)?,
            w_o: matrix(&name("W_O"), self.w_o, MatrixAxes::InOut)?,
            b_q: vector(&name("b_Q"), self.b_q)?,
            b_k: vector(&name("b_K"), self.b_k)?,
            b_v: vector(&name("b_V"), self.b_v)?,
            b_o: vector(&name("b_O"), self.b_o)?,
        })
    }
}

impl<T, M> MlpWeights<T, M> {
    fn visit(
        &self,
        layer: usize,
        vector: &mut impl FnMut(&str, &T),
        matrix: &mut impl FnMut(&str, &M, MatrixAxes),
    ) {
        let Self { ln2: _, w_in, b_in, w_out, b_out } = self;
        matrix(&format!("blocks.{layer}.mlp.W_in"), w_in, MatrixAxes::InOut);
        matrix(&format!("blocks.{layer}.mlp.W_out"), w_out, MatrixAxes::InOut);
        vector(&format!("blocks.{layer}.mlp.b_in"), b_in);
        vector(&format!("blocks.{layer}.mlp.b_out"), b_out);
    }

    fn try_map<U, N, E>(
        self,
        layer: usize,
        vector: &mut impl FnMut(&str, T) -> Result<U, E>,
        matrix: &mut impl FnMut(&str, M, MatrixAxes) -> Result<N, E>,
    ) -> Result<MlpWeights<U, N>, E> {
        let ln2 = self.ln2.try_map(&format!("blocks.{layer}.ln2"), vector)?;
        let name = |name: &str| format!("blocks.{layer}.mlp.{name}");
        Ok(MlpWeights {
            ln2,
            w_in: matrix(&name("W_in"), self.w_in, MatrixAxes::InOut)?,
            w_out: matrix(&name("W_out"), self.w_out, MatrixAxes::InOut)?,
            b_in: vector(&name("b_in"), self.b_in)?,
            b_out: vector(&name("b_out"), self.b_out)?,
        })
    }
}
