//! Products of the weights of heads.
//!
//! A product A B has the eigenvalues of B A and zeros, and |A B|² is the sum over all entries of AᵀA ∘ B Bᵀ; so
//! everything here is d_head wide but for products with one matrix, which the backend makes.

use super::{Engine, Pace, RunError};
use crate::{
    backend::Backend,
    hook::{HookPoint, Site},
    model::fold::{AttnMatrices, attn_matrices},
    op::MatrixAxes,
    run::{Circuit, CircuitSpec, Input, WeightForm},
    tensor::HostTensor,
};

mod gram;
mod writes;

use gram::{Gram, norm_between};

/// Tokens whose embeddings are on the host at once.
const PART_TOKENS: usize = 4_096;

/// The matrices of one layer, head by head.
struct Heads {
    matrices: AttnMatrices,
    n_heads: usize,
    per_kv: usize,
    d_head: usize,
}

/// One of a head's matrices.
#[derive(Clone, Copy)]
enum Which {
    Q,
    K,
    V,
    O,
}

impl Heads {
    /// As `[d_model d_head]`; W_O is turned. Heads that share keys and values have the same W_K and W_V.
    fn columns(&self, which: Which, head: usize) -> HostTensor {
        let AttnMatrices { w_q, w_k, w_v, w_o: _ } = &self.matrices;
        let (w, head) = match which {
            Which::Q => (w_q, head),
            Which::K => (w_k, head / self.per_kv),
            Which::V => (w_v, head / self.per_kv),
            Which::O => return self.rows_of_o(head).transposed(),
        };
        let n_rows = w.shape()[0];
        let of_row = |row: usize| &w.row(row)[head * self.d_head..][..self.d_head];
        let values = (0..n_rows).flat_map(of_row).copied().collect();
        HostTensor::new(vec![n_rows, self.d_head], values).expect("d_head values a row")
    }

    /// [d_head d_model]
    fn rows_of_o(&self, head: usize) -> HostTensor {
        self.matrices.w_o.rows(head * self.d_head..(head + 1) * self.d_head)
    }
}

impl<B: Backend> Engine<B> {
    /// Makes a product of weights. Shapes are those of [`Circuit`].
    ///
    /// Errors: a layer that the model does not have; as the backend; cancelled.
    pub async fn circuit(&self, spec: &CircuitSpec, pace: &mut impl Pace) -> Result<HostTensor, RunError> {
        match spec.of {
            Circuit::Ov { layer } => {
                let heads = self.heads_of(layer, spec.weights).await?;
                self.by_head(&heads, pace, |head| (heads.rows_of_o(head), heads.columns(Which::V, head)))
                    .await
            }
            Circuit::FullOv => self.full_ov(spec.weights, pace).await,
            Circuit::Written { layer } => {
                let heads = self.heads_of(layer, spec.weights).await?;
                self.by_head(&heads, pace, |head| (heads.rows_of_o(head), heads.columns(Which::O, head)))
                    .await
            }
            Circuit::Composition { from, to, input } => {
                let (writers, readers) =
                    (self.heads_of(from, spec.weights).await?, self.heads_of(to, spec.weights).await?);
                self.composition(&writers, &readers, input, pace).await
            }
        }
    }

    /// W_O W_U W_E W_V of every head. [layer head d_head d_head]
    async fn full_ov(&self, form: WeightForm, pace: &mut impl Pace) -> Result<HostTensor, RunError> {
        let b = &self.backend;
        let between = b.upload("W_U W_E", self.unembed_embed(form, pace).await?)?;
        let (mut shape, mut values) = (vec![self.config.n_layers], vec![]);
        for layer in 0..self.config.n_layers {
            let Heads { matrices, n_heads, per_kv, d_head } = self.heads_of(layer, form).await?;
            let w_v = b.upload_matrix("W_V", matrices.w_v, MatrixAxes::InOut)?;
            // einsum: a d, d (kv e) -> a (kv e)
            let w_v = b.read(&b.linear(&between, &w_v, None)?).await?;
            let heads = Heads { matrices: AttnMatrices { w_v, ..matrices }, n_heads, per_kv, d_head };
            let of_layer = self
                .by_head(&heads, pace, |head| (heads.rows_of_o(head), heads.columns(Which::V, head)))
                .await?;
            shape.truncate(1);
            shape.extend(of_layer.shape());
            values.extend(of_layer.into_data());
        }
        Ok(HostTensor::new(shape, values).expect("as many heads in each layer"))
    }

    async fn heads_of(&self, layer: usize, form: WeightForm) -> Result<Heads, RunError> {
        let config = &self.config;
        if config.n_layers <= layer {
            return Err(RunError::NoSuchHook { at: HookPoint::Block(layer, Site::Z) });
        }
        let matrices = attn_matrices(&self.backend, config, &self.raw, layer, form).await?;
        let per_kv = config.n_heads / config.n_kv_heads;
        Ok(Heads { matrices, n_heads: config.n_heads, per_kv, d_head: config.d_head })
    }

    /// The product of two matrices of each head. [head n m]
    async fn by_head(
        &self,
        heads: &Heads,
        pace: &mut impl Pace,
        factors: impl Fn(usize) -> (HostTensor, HostTensor),
    ) -> Result<HostTensor, RunError> {
        let b = &self.backend;
        let mut products = vec![];
        for head in 0..heads.n_heads {
            let (left, right) = factors(head);
            let right = b.upload_matrix("a factor", right, MatrixAxes::InOut)?;
            // einsum: n d, d m -> n m
            products.push(b.linear(&b.upload("a factor", left)?, &right, None)?);
            pace.breathe().await?;
        }
        let products = b.read_all(&products.iter().collect::<Vec<_>>()).await?;
        let mut shape = vec![heads.n_heads];
        shape.extend(products[0].shape());
        let values = products.into_iter().flat_map(HostTensor::into_data).collect();
        Ok(HostTensor::new(shape, values).expect("one product a head"))
    }

    /// WᵀW of each head's matrix. [head d_head d_head]
    async fn grams(&self, heads: &Heads, which: Which, pace: &mut impl Pace) -> Result<Vec<Gram>, RunError> {
        let factors = |head| {
            let w = heads.columns(which, head);
            (w.transposed(), w)
        };
        let all = self.by_head(heads, pace, factors).await?;
        Ok((0..heads.n_heads).map(|head| Gram::new(&all.outer(head))).collect())
    }

    /// |M1 M2| / (|M1| |M2|), with M1 = W_V W_O of the writers and M2 = A Bᵀ of the readers. [head head]
    async fn composition(
        &self,
        writers: &Heads,
        readers: &Heads,
        input: Input,
        pace: &mut impl Pace,
    ) -> Result<HostTensor, RunError> {
        let (reads, other) = match input {
            Input::Q => (Which::Q, Which::K),
            Input::K => (Which::K, Which::Q),
            Input::V => (Which::V, Which::O),
        };
        let (w_v, w_o) =
            (self.grams(writers, Which::V, pace).await?, self.grams(writers, Which::O, pace).await?);
        let (a, b) = (self.grams(readers, reads, pace).await?, self.grams(readers, other, pace).await?);
        let backend = &self.backend;
        let w_o_rows = backend.upload("W_O", writers.matrices.w_o.clone())?; // [(head d_head) d_model]
        let mut scores = vec![];
        for to in 0..readers.n_heads {
            let reader =
                backend.upload_matrix("what reads", readers.columns(reads, to), MatrixAxes::InOut)?;
            // einsum: (head e) d, d f -> (head e) f
            let between = backend.read(&backend.linear(&w_o_rows, &reader, None)?).await?;
            for from in 0..writers.n_heads {
                let between = between.rows(from * writers.d_head..(from + 1) * writers.d_head);
                let product = norm_between(&w_v[from], &between, &b[to]);
                let apart = w_v[from].norm_with(&w_o[from]) * a[to].norm_with(&b[to]);
                scores.push((product / apart) as f32);
                pace.breathe().await?;
            }
        }
        let scores =
            HostTensor::new(vec![readers.n_heads, writers.n_heads], scores).expect("one for each pair");
        Ok(scores.transposed())
    }

    /// W_U W_E, over the whole vocabulary. [d_model d_model]
    async fn unembed_embed(&self, form: WeightForm, pace: &mut impl Pace) -> Result<HostTensor, RunError> {
        let (b, weights) = (&self.backend, self.weights(form).await?);
        let w_u = weights.w_u.as_ref().unwrap_or(&weights.w_e);
        let (d_model, d_vocab) = (self.config.d_model, self.config.d_vocab);
        let mut sum = HostTensor::full(vec![d_model, d_model], 0.0);
        for start in (0..d_vocab).step_by(PART_TOKENS) {
            let ids: Vec<u32> = (start..d_vocab.min(start + PART_TOKENS)).map(|id| id as u32).collect();
            let reads = b.read(&b.columns(&weights.w_e, &ids)?).await?; // [token d_model]
            let writes = b.read(&b.columns(w_u, &ids)?).await?; // [token d_model]
            let reads = b.upload_matrix("W_E, a part", reads, MatrixAxes::InOut)?;
            let writes = b.upload("W_U, a part", writes.transposed())?;
            // einsum: a token, token d -> a d
            let part = b.read(&b.linear(&writes, &reads, None)?).await?;
            sum.data_mut().iter_mut().zip(part.data()).for_each(|(sum, part)| *sum += part);
            pace.breathe().await?;
        }
        Ok(sum)
    }
}
