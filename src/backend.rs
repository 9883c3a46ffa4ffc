//! Backends: named operations on tensors, wherever they are computed.
//!
//! The trait is narrow on purpose: each operation is documented by its einsum, has one CPU file and one
//! shader of its name, and is recorded in order; only [`Backend::read`] waits. Shapes are checked once,
//! in [`checked`], in front of every backend. A backend never knows hooks, models or prompts.

use std::future::Future;

use crate::{
    op::{Activation, MatrixAxes, NormKind, Scoring},
    tensor::{Dtype, HostTensor, ShapeMismatch},
};

pub mod backward;
pub mod batch;
pub mod checked;
pub mod cpu;
pub mod either;
mod fault;
mod report;
pub mod tape;
pub mod timed;
#[cfg(feature = "webgpu")]
pub mod webgpu;

pub use fault::DeviceFault;
pub use report::{BackendReport, Measured, Measuring, MemoryRole, MemoryUse, OpTiming};
/// The most of a weight that is moved at once, and so the most that is held twice meanwhile.
pub const MAX_PART_BYTES: usize = 1 << 20;
/// What the smallest WebGPU device binds at once, bytes.
pub const MAX_VALUE_BYTES: u64 = 128 << 20;

/// Why a backend could not do something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// The operands do not fit together.
    #[error(transparent)]
    Shape(#[from] ShapeMismatch),
    /// The device could not do it.
    #[error("{backend}: {message}")]
    Device {
        /// Which backend.
        backend: &'static str,
        /// What kind of thing is wrong, for code to branch on.
        fault: DeviceFault,
        /// What failed, and why.
        message: String,
    },
}

/// One of several sequences whose rows stand one after another: a continuation of a shared base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sequence {
    /// Its first row.
    pub start: usize,
    /// How many rows it has.
    pub len: usize,
    /// How many positions of the base come before it.
    pub n_past: usize,
}

/// Operations on tensors.
///
/// All tensors are f32, row-major, last axis fastest. Names of axes: `pos` (or `q`) query positions, `k`
/// key positions, `head`, `e` = d_head. Where keys and values have fewer heads (`kv`) than queries, each serves as many
/// queries as the quotient says, side by side (Ainslie et al. 2023).
pub trait Backend {
    /// A handle; cloning it is cheap and shares the values, which never change.
    type Tensor: Clone;

    /// A weight `[in out]` in whatever form the backend multiplies by best; cloning it is cheap.
    type Matrix: Clone;

    /// A weight of which some rows may still be missing. Dropping it gives its memory back.
    type Filling;

    /// `cpu` or `webgpu`.
    fn name(&self) -> &'static str;

    /// What it runs on, in words for a user.
    fn adapter(&self) -> String;

    /// What it uses, and how long what it was asked to measure has taken.
    fn report(&self) -> BackendReport {
        BackendReport { name: self.name().to_owned(), adapter: self.adapter(), ..BackendReport::default() }
    }

    /// Starts to measure from nothing, or stops. Measuring changes no value.
    fn measure(&self, _measuring: Measuring) {}

    /// Moves values to the backend.
    fn upload(&self, label: &str, host: HostTensor) -> Result<Self::Tensor, BackendError>;

    /// Makes room for a weight that is stored as `shape` (rows, columns), in the order that `axes` says, with
    /// values of `dtype`. The backend decides what it keeps them as.
    ///
    /// Errors: it cannot hold as much.
    fn begin_matrix(
        &self,
        label: &str,
        dtype: Dtype,
        shape: [usize; 2],
        axes: MatrixAxes,
    ) -> Result<Self::Filling, BackendError>;

    /// The most that a value may take which is made, read off and dropped, such as logits, bytes: what is larger is made
    /// in parts.
    fn max_value_bytes(&self) -> u64 {
        MAX_VALUE_BYTES
    }

    /// Whether weights that come in 16 bits stay so.
    fn keeps_16_bits(&self) -> bool {
        false
    }

    /// Takes over the next rows, as they are stored: whole rows, in order, whose bytes remain the caller's. At
    /// most [`MAX_PART_BYTES`] at a time, unless one row is longer.
    fn fill(&self, filling: &mut Self::Filling, rows: &[u8]) -> Result<(), BackendError>;

    /// The weight, once all its rows were filled in.
    fn finish(&self, filling: Self::Filling) -> Result<Self::Matrix, BackendError>;

    /// Moves a weight to the backend at once; `axes` says how `host` stores it. Where it keeps 16 bits, and those are all
    /// that the values have, it keeps 16.
    fn upload_matrix(
        &self,
        label: &str,
        host: HostTensor,
        axes: MatrixAxes,
    ) -> Result<Self::Matrix, BackendError> {
        let &[n_rows, n_cols] = host.shape() else {
            return Err(ShapeMismatch::new("upload_matrix", vec![0, 0], host.shape().to_vec()).into());
        };
        let dtype = if self.keeps_16_bits() { Dtype::narrowest(host.data()) } else { Dtype::F32 };
        let mut filling = self.begin_matrix(label, dtype, [n_rows, n_cols], axes)?;
        let part_rows = (MAX_PART_BYTES / (n_cols * dtype.size_bytes()).max(1)).max(1);
        for rows in host.data().chunks((part_rows * n_cols).max(1)) {
            self.fill(&mut filling, &dtype.encode(rows))?;
        }
        self.finish(filling)
    }

    /// Copies a weight back, stored as it was uploaded.
    fn read_matrix(&self, w: &Self::Matrix) -> impl Future<Output = Result<HostTensor, BackendError>>;

    /// Lengths of the axes of a weight, `[in out]`.
    fn matrix_shape(&self, w: &Self::Matrix) -> [usize; 2];

    /// What a weight takes, bytes.
    fn matrix_bytes(&self, w: &Self::Matrix) -> u64 {
        let [n_in, n_out] = self.matrix_shape(w);
        (n_in * n_out * size_of::<f32>()) as u64
    }

    /// Copies values back; waits until they are computed.
    fn read(&self, x: &Self::Tensor) -> impl Future<Output = Result<HostTensor, BackendError>>;

    /// Copies several values back, with one wait where the backend can.
    fn read_all(&self, xs: &[&Self::Tensor]) -> impl Future<Output = Result<Vec<HostTensor>, BackendError>> {
        async move {
            let mut values = Vec::with_capacity(xs.len());
            for x in xs {
                values.push(self.read(x).await?);
            }
            Ok(values)
        }
    }

    /// The same of what is not needed any more: it is handed over where nobody else holds it.
    fn take_all(&self, xs: Vec<Self::Tensor>) -> impl Future<Output = Result<Vec<HostTensor>, BackendError>> {
        async move { self.read_all(&xs.iter().collect::<Vec<_>>()).await }
    }

    /// Lengths of the axes.
    fn shape(&self, x: &Self::Tensor) -> Vec<usize>;

    /// The same values under another shape.
    fn reshape(&self, x: &Self::Tensor, shape: &[usize]) -> Result<Self::Tensor, BackendError>;

    /// Rows of a table: `y[i, :] = table[rows[i], :]`, table [n d].
    fn gather(&self, table: &Self::Tensor, rows: &[u32]) -> Result<Self::Tensor, BackendError>;

    /// Columns of a weight: `y[i, :] = w[:, columns[i]]`. `[in out] -> [n in]`
    fn columns(&self, w: &Self::Matrix, columns: &[u32]) -> Result<Self::Tensor, BackendError>;

    /// `a` followed by `b` along the outermost axis. What nobody else holds may grow in place: a cache does.
    fn append(&self, a: Self::Tensor, b: &Self::Tensor) -> Result<Self::Tensor, BackendError>;

    /// `a + b`, same shape. As the others that take what they read, it may write over what nobody else holds.
    fn add(&self, a: Self::Tensor, b: &Self::Tensor) -> Result<Self::Tensor, BackendError>;

    /// `by * x`
    fn scale(&self, x: Self::Tensor, by: f32) -> Result<Self::Tensor, BackendError>;

    /// `[pos d] -> [pos head d]`, the same row for each head.
    fn repeat_heads(&self, x: &Self::Tensor, n_heads: usize) -> Result<Self::Tensor, BackendError>;

    /// The divisor of a norm over the last axis: sqrt(var + eps). `[.. d] -> [.. 1]`
    fn norm_scale(&self, x: &Self::Tensor, kind: NormKind, eps: f32) -> Result<Self::Tensor, BackendError>;

    /// `(x - mean) / scale` over the last axis. `[.. d], [.. 1] -> [.. d]`
    fn normalize(
        &self,
        x: &Self::Tensor,
        scale: &Self::Tensor,
        kind: NormKind,
    ) -> Result<Self::Tensor, BackendError>;

    /// `x * w + b` over the last axis; a missing `w` is 1, a missing `b` is 0. w, b: [d]
    fn affine(
        &self,
        x: Self::Tensor,
        w: Option<&Self::Tensor>,
        b: Option<&Self::Tensor>,
    ) -> Result<Self::Tensor, BackendError>;

    /// einsum: `.. in, in out -> .. out`, plus `b` [out].
    fn linear(
        &self,
        x: &Self::Tensor,
        w: &Self::Matrix,
        b: Option<&Self::Tensor>,
    ) -> Result<Self::Tensor, BackendError>;

    /// The chosen columns of `linear` alone: some logits instead of all. `b` has all of them.
    fn linear_at(
        &self,
        x: &Self::Tensor,
        w: &Self::Matrix,
        b: Option<&Self::Tensor>,
        columns: &[u32],
    ) -> Result<Self::Tensor, BackendError>;

    /// einsum: `pos head in, in (head e) -> pos head e`: each head reads its own input.
    fn heads_in(&self, x: &Self::Tensor, w: &Self::Matrix) -> Result<Self::Tensor, BackendError>;

    /// einsum: `pos head e, (head e) out -> pos head out`: what each head writes by itself.
    fn heads_out(&self, z: &Self::Tensor, w: &Self::Matrix) -> Result<Self::Tensor, BackendError>;

    /// Sum over heads. `[pos head d] -> [pos d]`
    fn sum_heads(&self, x: &Self::Tensor) -> Result<Self::Tensor, BackendError>;

    /// Rotary positions (Su et al. 2021): of each head, entries i and i + n/2 turn by an angle of their own, for i below
    /// n/2; entries from n on stay. `turns` are n/2 cosines, then n/2 sines. `[pos head e], [pos n] -> [pos head e]`
    fn rotate(&self, x: Self::Tensor, turns: &Self::Tensor) -> Result<Self::Tensor, BackendError>;

    /// einsum: `q head e, k kv e -> head q k`, divided by the scale; what a query does not see is -inf.
    /// The queries are the last positions of the keys.
    fn attn_scores(
        &self,
        q: &Self::Tensor,
        k: &Self::Tensor,
        scoring: Scoring,
    ) -> Result<Self::Tensor, BackendError>;

    /// `cap tanh(x / cap)`, entry by entry; -inf stays what it is.
    fn soft_cap(&self, x: Self::Tensor, cap: f32) -> Result<Self::Tensor, BackendError>;

    /// Softmax over the last axis; a row that is masked throughout becomes 0.
    fn softmax(&self, x: Self::Tensor) -> Result<Self::Tensor, BackendError>;

    /// The softmax of scores that nobody looks at. `[q head e], [k kv e] -> [head q k]`
    fn attn_pattern(
        &self,
        q: &Self::Tensor,
        k: &Self::Tensor,
        scoring: Scoring,
    ) -> Result<Self::Tensor, BackendError> {
        self.softmax(self.attn_scores(q, k, scoring)?)
    }

    /// einsum: `head q k, k kv e -> q head e`
    fn attn_mix(&self, pattern: &Self::Tensor, v: &Self::Tensor) -> Result<Self::Tensor, BackendError>;

    /// A non-linearity, entry by entry.
    fn activate(&self, x: Self::Tensor, activation: Activation) -> Result<Self::Tensor, BackendError>;

    /// `f(gate) * up`, entry by entry (Shazeer 2020).
    fn gated(
        &self,
        gate: Self::Tensor,
        up: &Self::Tensor,
        activation: Activation,
    ) -> Result<Self::Tensor, BackendError>;

    /// `keep * x + add`, entry by entry; where `keep` is 0 the result is `add`, whatever `x` is.
    fn edit(
        &self,
        x: &Self::Tensor,
        keep: &Self::Tensor,
        add: &Self::Tensor,
    ) -> Result<Self::Tensor, BackendError>;

    /// Rows `start..start + len` of the outermost axis.
    fn rows(&self, x: &Self::Tensor, start: usize, len: usize) -> Result<Self::Tensor, BackendError> {
        let mut shape = self.shape(x);
        if start == 0 && shape.first() == Some(&len) {
            return Ok(x.clone());
        }
        let table = self.reshape(x, &[shape[0], shape[1..].iter().product()])?;
        let chosen: Vec<u32> = (start as u32..).take(len).collect();
        shape[0] = len;
        self.reshape(&self.gather(&table, &chosen)?, &shape)
    }

    /// All of `xs` along the outermost axis; there is at least one.
    fn concat(&self, xs: &[Self::Tensor]) -> Result<Self::Tensor, BackendError> {
        match xs {
            [x] => Ok(x.clone()),
            // In halves, so that no row is copied more often than needed.
            _ => {
                let (before, after) = xs.split_at(xs.len() / 2);
                self.append(self.concat(before)?, &self.concat(after)?)
            }
        }
    }

    /// What a sequence sees: the base's rows before it, then its own.
    fn rows_after(
        &self,
        base: &Self::Tensor,
        own: &Self::Tensor,
        sequence: &Sequence,
    ) -> Result<Self::Tensor, BackendError> {
        let rows = self.rows(own, sequence.start, sequence.len)?;
        match sequence.n_past {
            0 => Ok(rows),
            n_past => self.append(self.rows(base, 0, n_past)?, &rows),
        }
    }

    /// Attention of several sequences at once: softmax(q·k / scale) v, causally masked, sequence by sequence.
    /// Keys and values are given as `[base, own]`. `[row head e] -> [row head e]`
    fn attn_sequences(
        &self,
        q: &Self::Tensor,
        k: [&Self::Tensor; 2],
        v: [&Self::Tensor; 2],
        sequences: &[Sequence],
        scoring: Scoring,
    ) -> Result<Self::Tensor, BackendError> {
        let one = |sequence: &Sequence| {
            let [k, v] = [k, v].map(|[base, own]| self.rows_after(base, own, sequence));
            let scores = self.attn_scores(&self.rows(q, sequence.start, sequence.len)?, &k?, scoring)?;
            self.attn_mix(&self.softmax(scores)?, &v?)
        };
        self.concat(&sequences.iter().map(one).collect::<Result<Vec<_>, _>>()?)
    }

    /// The `k` largest entries over the last axis with their indices, largest first; ties go to the lower index.
    /// `[.. d] -> [.. k 2]`; an index is exact below 2^24. A row with a NaN becomes NaN throughout.
    ///
    /// Of a wide value that is never read back: the features of an autoencoder are
    /// `top_k(activate(linear(x, w_enc, b_enc)))`.
    fn top_k(&self, x: &Self::Tensor, k: usize) -> Result<Self::Tensor, BackendError>;

    /// How one entry of each row stands among the others: the row's maximum, the sum of exp(x - maximum), the
    /// entry itself, and how many entries are larger. `[n d] -> [n 4]`
    ///
    /// A row with an entry that is not finite has NaN for its maximum.
    fn standings(&self, x: &Self::Tensor, chosen: &[u32]) -> Result<Self::Tensor, BackendError>;

    /// How far the distribution of each row of logits is from that of a reference: KL(softmax(reference) ||
    /// softmax(x)), and the entropy of softmax(x), nats. `[n d], [n d] -> [n 2]`
    ///
    /// A pair of rows with an entry that is not finite gives NaN.
    fn divergence(&self, x: &Self::Tensor, reference: &Self::Tensor) -> Result<Self::Tensor, BackendError>;
}
