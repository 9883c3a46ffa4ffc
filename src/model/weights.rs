//! The weights of a model, in TransformerLens' orientation: row vectors, `x @ W`.

use crate::{backend::Backend, op::MatrixAxes};

/// Everything a forward pass multiplies by. `T` is a host or a backend tensor; `M` holds what stands on the
/// right of a product.
#[derive(Clone, Debug)]
pub struct Weights<T, M = T> {
    /// How the matrices of the blocks are stored.
    pub axes: MatrixAxes,
    /// W_E, stored transposed. [d_vocab d_model]
    pub w_e: M,
    /// W_pos, where positions are learned. [n_ctx d_model]
    pub w_pos: Option<T>,
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
    /// Of what attention writes.
    pub ln1_post: Option<Affine<T>>,
    /// The MLP and its norm; absent in attention-only models.
    pub mlp: Option<MlpWeights<T, M>>,
}

/// Attention of one block. The heads are side by side: column `head * d_head + e`. Keys and values may have fewer.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the field's own names; shapes beside them")]
pub struct AttnWeights<T, M = T> {
    pub w_q: M,                    // [d_model (head d_head)]
    pub w_k: M,                    // [d_model (kv d_head)]
    pub w_v: M,                    // [d_model (kv d_head)]
    pub w_o: M,                    // [(head d_head) d_model]
    pub b_q: Option<T>,            // [(head d_head)]
    pub b_k: Option<T>,            // [(kv d_head)]
    pub b_v: Option<T>,            // [(kv d_head)]
    pub b_o: Option<T>,            // [d_model]
    pub q_norm: Option<Affine<T>>, // [d_head]
    pub k_norm: Option<Affine<T>>, // [d_head]
}

/// MLP of one block.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the field's own names; shapes beside them")]
pub struct MlpWeights<T, M = T> {
    pub ln2: Affine<T>,
    pub w_gate: Option<M>, // [d_model d_mlp]
    pub w_in: M,           // [d_model d_mlp]
    pub w_out: M,          // [d_mlp d_model]
    pub b_in: Option<T>,   // [d_mlp]
    pub b_out: Option<T>,  // [d_model]
    pub ln2_post: Option<Affine<T>>,
}

/// What the embedding is called.
pub const W_E: &str = "embed.W_E";
/// What learned positions are called.
pub const W_POS: &str = "pos_embed.W_pos";
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
        self.w_pos.iter().for_each(|w| vector(W_POS, w));
        for (layer, block) in self.blocks.iter().enumerate() {
            let mut stored = |name: &str, w: &M| matrix(name, w, self.axes);
            let name = |name: &str| format!("blocks.{layer}.{name}");
            block.ln1.visit(&name("ln1"), vector);
            block.attn.visit(&name("attn"), vector, &mut stored);
            block.ln1_post.iter().for_each(|norm| norm.visit(&name("ln1_post"), vector));
            if let Some(mlp) = &block.mlp {
                mlp.ln2.visit(&name("ln2"), vector);
                mlp.visit(&name("mlp"), vector, &mut stored);
                mlp.ln2_post.iter().for_each(|norm| norm.visit(&name("ln2_post"), vector));
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
        let w_pos = self.w_pos.map(|w| vector(W_POS, w)).transpose()?;
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for (layer, block) in self.blocks.into_iter().enumerate() {
            let mut stored = |name: &str, w: M| matrix(name, w, self.axes);
            let name = |name: &str| format!("blocks.{layer}.{name}");
            blocks.push(BlockWeights {
                ln1: block.ln1.try_map(&name("ln1"), vector)?,
                attn: block.attn.try_map(&name("attn"), vector, &mut stored)?,
                ln1_post: try_map_norm(block.ln1_post, &name("ln1_post"), vector)?,
                mlp: block.mlp.map(|mlp| mlp.try_map(&name(""), vector, &mut stored)).transpose()?,
            });
        }
        Ok(Weights {
            axes: self.axes,
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

fn try_map_norm<T, U, E>(
    norm: Option<Affine<T>>,
    name: &str,
    f: &mut impl FnMut(&str, T) -> Result<U, E>,
) -> Result<Option<Affine<U>>, E> {
    norm.map(|norm| norm.try_map(name, f)).transpose()
}

impl<T, M> AttnWeights<T, M> {
    fn visit(&self, attn: &str, vector: &mut impl FnMut(&str, &T), matrix: &mut impl FnMut(&str, &M)) {
        let Self { w_q, w_k, w_v, w_o, b_q, b_k, b_v, b_o, q_norm, k_norm } = self;
        for (name, w) in [("W_Q", w_q), ("W_K", w_k), ("W_V", w_v), ("W_O", w_o)] {
            matrix(&format!("{attn}.{name}"), w);
        }
        for (name, b) in [("b_Q", b_q), ("b_K", b_k), ("b_V", b_v), ("b_O", b_o)] {
            b.iter().for_each(|b| vector(&format!("{attn}.{name}"), b));
        }
        for (name, norm) in [("q_norm", q_norm), ("k_norm", k_norm)] {
            norm.iter().for_each(|norm| norm.visit(&format!("{attn}.{name}"), vector));
        }
    }

    fn try_map<U, N, E>(
        self,
        attn: &str,
        vector: &mut impl FnMut(&str, T) -> Result<U, E>,
        matrix: &mut impl FnMut(&str, M) -> Result<N, E>,
    ) -> Result<AttnWeights<U, N>, E> {
        let name = |name: &str| format!("{attn}.{name}");
        let mut bias = |bias: &str, b: Option<T>| b.map(|b| vector(&name(bias), b)).transpose();
        Ok(AttnWeights {
            w_q: matrix(&name("W_Q"), self.w_q)?,
            w_k: matrix(&name("W_K"), self.w_k)?,
            w_v: matrix(&name("W_V"), self.w_v)?,
            w_o: matrix(&name("W_O"), self.w_o)?,
            b_q: bias("b_Q", self.b_q)?,
            b_k: bias("b_K", self.b_k)?,
            b_v: bias("b_V", self.b_v)?,
            b_o: bias("b_O", self.b_o)?,
            q_norm: try_map_norm(self.q_norm, &name("q_norm"), vector)?,
            k_norm: try_map_norm(self.k_norm, &name("k_norm"), vector)?,
        })
    }
}

impl<T, M> MlpWeights<T, M> {
    fn visit(&self, mlp: &str, vector: &mut impl FnMut(&str, &T), matrix: &mut impl FnMut(&str, &M)) {
        let Self { ln2: _, w_gate, w_in, w_out, b_in, b_out, ln2_post: _ } = self;
        w_gate.iter().for_each(|w| matrix(&format!("{mlp}.W_gate"), w));
        matrix(&format!("{mlp}.W_in"), w_in);
        matrix(&format!("{mlp}.W_out"), w_out);
        for (name, b) in [("b_in", b_in), ("b_out", b_out)] {
            b.iter().for_each(|b| vector(&format!("{mlp}.{name}"), b));
        }
    }

    /// `block` is what the names begin with.
    fn try_map<U, N, E>(
        self,
        block: &str,
        vector: &mut impl FnMut(&str, T) -> Result<U, E>,
        matrix: &mut impl FnMut(&str, M) -> Result<N, E>,
    ) -> Result<MlpWeights<U, N>, E> {
        let name = |name: &str| format!("{block}{name}");
        Ok(MlpWeights {
            ln2: self.ln2.try_map(&name("ln2"), vector)?,
            w_gate: self.w_gate.map(|w| matrix(&name("mlp.W_gate"), w)).transpose()?,
            w_in: matrix(&name("mlp.W_in"), self.w_in)?,
            w_out: matrix(&name("mlp.W_out"), self.w_out)?,
            b_in: self.b_in.map(|b| vector(&name("mlp.b_in"), b)).transpose()?,
            b_out: self.b_out.map(|b| vector(&name("mlp.b_out"), b)).transpose()?,
            ln2_post: try_map_norm(self.ln2_post, &name("ln2_post"), vector)?,
        })
    }
}
