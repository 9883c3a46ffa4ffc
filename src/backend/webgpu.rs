//! The WebGPU backend: operations are recorded, and computed together when somebody reads.
//!
//! An operation only adds a node to a graph. Reading makes everything that is needed and not yet computed
//! in one pass with one submission, fused where nothing on the way is looked at; the plan for that is kept
//! for the next graph of the same form. Nothing here waits but reading.

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
};

use super::{
    Backend, BackendError, BackendReport, DeviceFault, MAX_VALUE_BYTES, Measured, Measuring, MemoryRole,
    MemoryUse, Sequence,
};
use crate::{
    op::{Activation, MatrixAxes, NormKind, Scoring},
    tensor::{Dtype, HostTensor},
};

mod backward;
mod cost;
mod device;
mod form;
mod fuse;
mod graph;
mod launch;
mod matrix;
mod memory;
mod pipelines;
mod plan;
mod plans;
mod probe;
mod program;
mod readback;
mod reading;
mod sequences;
mod shaders;
mod signal;
mod timing;

pub use cost::Rates;
pub use device::Options;
pub use graph::GpuTensor;
pub use launch::{Preset, Scheme};
pub use matrix::{GpuFilling, GpuMatrix};

use cost::Costs;
use device::{Device, error};
use memory::Pool;
use pipelines::Pipelines;
use plans::Plans;
use program::{Format, Heads, Op, Product, Rotation};
use readback::Idle;
use timing::Timings;

/// A device that computes. Clones share it.
#[derive(Clone)]
pub struct WebGpu(Rc<Inner>);

struct Inner {
    device: Device,
    pool: Pool,
    pipelines: Pipelines,
    plans: Plans,
    costs: RefCell<Costs>,
    idle: Idle,
    n_asked: Cell<u64>,
    last: Cell<Submission>,
    measuring: Cell<Measuring>,
    timings: Timings,
}

/// What one reading made the device do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    /// Kernels that ran.
    pub n_dispatches: usize,
    /// Bind groups that were made for it.
    pub n_bind_groups: usize,
    /// Whether the plan was there from an earlier one.
    pub is_replay: bool,
    /// In how many submissions: none is to take longer than 100 ms.
    pub n_submissions: usize,
}

impl fmt::Debug for WebGpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebGpu({})", self.0.device.adapter)
    }
}

type Tensor = Result<GpuTensor, BackendError>;

impl WebGpu {
    /// The largest buffer, and the largest part of one that a kernel sees, bytes.
    pub fn most_bytes(&self) -> [u64; 2] {
        let device = &self.0.device;
        [device.max_buffer_bytes, device.limits().max_binding_bytes]
    }

    /// Opens the fastest device.
    ///
    /// Errors: there is none.
    pub async fn open() -> Result<Self, BackendError> {
        Self::open_with(Options::default()).await
    }

    /// Opens the fastest device, with choices made by hand.
    ///
    /// Errors: there is none.
    pub async fn open_with(options: Options) -> Result<Self, BackendError> {
        Ok(Self::on(Device::open(options).await?))
    }

    fn on(device: Device) -> Self {
        let inner = Inner {
            costs: RefCell::new(Costs::new(device.rates)),
            device,
            pool: Pool::default(),
            pipelines: Pipelines::default(),
            plans: Plans::default(),
            idle: Idle::default(),
            n_asked: Cell::new(0),
            last: Cell::default(),
            measuring: Cell::default(),
            timings: Timings::default(),
        };
        Self(Rc::new(inner))
    }

    fn memory(&self) -> Vec<MemoryUse> {
        let Inner { pool, plans, idle, .. } = &*self.0;
        let in_plans = plans.n_bytes();
        let uses = [
            // A value in a plan's memory that somebody holds counts as the plan's.
            (MemoryRole::Weights, pool.n_used_bytes().saturating_sub(in_plans)),
            (MemoryRole::Plans, in_plans),
            (MemoryRole::Idle, pool.n_idle_bytes()),
            (MemoryRole::Readback, idle.n_bytes()),
        ];
        uses.map(|(role, size_bytes)| MemoryUse { role, size_bytes }).into()
    }

    /// Loses the device on purpose, as a driver may at any time: to see what happens then.
    pub fn lose(&self) {
        // The error is for whoever calls next.
        drop(self.0.device.lose("on purpose"));
    }

    /// Whether the adapter is software, which computes on the CPU.
    pub fn is_software(&self) -> bool {
        self.0.device.is_software
    }

    /// Whether rows may be made by subgroups.
    pub fn has_subgroups(&self) -> bool {
        self.0.device.limits().has_subgroups
    }

    /// What the last reading made the device do.
    pub fn last_submission(&self) -> Submission {
        self.0.last.get()
    }

    fn nth(&self) -> u64 {
        let nth = self.0.n_asked.get();
        self.0.n_asked.set(nth + 1);
        nth
    }

    fn pending(&self, op: Op, inputs: &[&GpuTensor], shape: Vec<usize>) -> Tensor {
        self.0.device.alive()?;
        Ok(GpuTensor::pending(self.nth(), op, inputs, shape))
    }

    /// Rows of a table.
    fn rows_of(&self, table: &GpuTensor, format: Format, rows: &[u32]) -> Tensor {
        let (n_table, d, n_rows) = (table.shape()[0], table.shape()[1], rows.len());
        let op = Op::Gather { n_table, n_rows, d, format };
        Ok(GpuTensor::with_rows(self.nth(), op, &[table], rows, vec![n_rows, d]))
    }

    /// `x` times `w`.
    fn product(&self, x: &GpuTensor, w: &GpuMatrix, b: Option<&GpuTensor>) -> Tensor {
        let &GpuMatrix { stored: ref w, axes, format } = w;
        let n = match axes {
            MatrixAxes::InOut => w.shape()[1],
            MatrixAxes::OutIn => w.shape()[0],
        };
        let (m, k) = (x.len() / x.last().max(1), x.last());
        let op = Op::Linear(Product { m, k, n, axes, format, has_b: b.is_some() });
        let inputs: Vec<&GpuTensor> = [x, w].into_iter().chain(b).collect();
        self.pending(op, &inputs, with_last(x, n))
    }
}

/// The shape of `x` with another last axis.
fn with_last(x: &GpuTensor, n: usize) -> Vec<usize> {
    let mut shape = x.shape().to_vec();
    shape.pop();
    shape.push(n);
    shape
}

fn heads_of(q: &GpuTensor, k: &GpuTensor) -> Heads {
    let (n_q, n_heads, d_head) = (q.shape()[0], q.shape()[1], q.shape()[2]);
    Heads { n_q, n_k: k.shape()[0], n_heads, n_kv_heads: k.shape()[1], d_head }
}

/// Keys that a query sees.
fn window_of(scoring: Scoring) -> u32 {
    scoring.window.and_then(|window| u32::try_from(window).ok()).unwrap_or(u32::MAX)
}

fn rotation_of(x: &GpuTensor, turns: &GpuTensor) -> Rotation {
    Rotation { n_heads: x.shape()[1], d_head: x.shape()[2], n_pairs: turns.last() / 2 }
}

impl Backend for WebGpu {
    type Tensor = GpuTensor;
    type Matrix = GpuMatrix;
    type Filling = GpuFilling;

    fn name(&self) -> &'static str {
        "webgpu"
    }

    fn adapter(&self) -> String {
        self.0.device.adapter.clone()
    }

    fn report(&self) -> BackendReport {
        let timings = self.0.timings.report();
        let measured = match self.0.device.has_clock() {
            _ if timings.is_empty() => Measured::Nothing,
            true => Measured::OnTheDevice,
            false => Measured::FromTheHost,
        };
        let (name, adapter) = (self.name().to_owned(), self.adapter());
        BackendReport { name, adapter, memory: self.memory(), timings, measured }
    }

    fn measure(&self, measuring: Measuring) {
        if measuring == Measuring::On {
            self.0.timings.clear();
        }
        self.0.measuring.set(measuring);
    }

    fn upload(&self, label: &str, host: HostTensor) -> Tensor {
        self.0.device.alive()?;
        let storage = self.0.pool.take(&self.0.device, label, host.data().len())?;
        memory::write(&self.0.device, &storage, host.data());
        Ok(GpuTensor::ready(self.nth(), storage, host.shape().to_vec()))
    }

    fn begin_matrix(
        &self,
        label: &str,
        dtype: Dtype,
        shape: [usize; 2],
        axes: MatrixAxes,
    ) -> Result<GpuFilling, BackendError> {
        let Inner { device, pool, .. } = &*self.0;
        let format = Format::of(dtype);
        let n_words = (shape[0] * shape[1]).div_ceil(format.per_word());
        let together = device.limits().words_together(shape, format);
        Ok(GpuFilling::new(pool.take_in_parts(device, label, n_words, together)?, shape, axes, dtype))
    }

    fn max_value_bytes(&self) -> u64 {
        MAX_VALUE_BYTES.min(self.0.device.max_buffer_bytes)
    }

    fn keeps_16_bits(&self) -> bool {
        true
    }

    fn fill(&self, filling: &mut GpuFilling, rows: &[u8]) -> Result<(), BackendError> {
        self.0.device.alive()?;
        if let Some((place, words)) = filling.next(rows) {
            memory::write(&self.0.device, &place, &words);
        }
        Ok(())
    }

    fn finish(&self, mut filling: GpuFilling) -> Result<GpuMatrix, BackendError> {
        if let Some((place, words)) = filling.rest() {
            memory::write(&self.0.device, &place, &words);
        }
        Ok(filling.into_matrix(self.nth()))
    }

    async fn read_matrix(&self, w: &GpuMatrix) -> Result<HostTensor, BackendError> {
        let mut values = Vec::with_capacity(w.stored.len());
        // Buffer by buffer: a copy of all of it might be larger than any buffer.
        for piece in w.stored.pieces(|| self.nth()) {
            let words = self.values(&[&piece]).await?.pop().expect("one value for each tensor");
            values.extend(w.format.unpack(words));
        }
        values.truncate(w.stored.len()); // The last word may be half empty.
        Ok(HostTensor::new(w.stored.shape().to_vec(), values)?)
    }

    fn matrix_shape(&self, w: &GpuMatrix) -> [usize; 2] {
        let stored = w.stored.shape();
        match w.axes {
            MatrixAxes::InOut => [stored[0], stored[1]],
            MatrixAxes::OutIn => [stored[1], stored[0]],
        }
    }

    fn matrix_bytes(&self, w: &GpuMatrix) -> u64 {
        (w.stored.len().div_ceil(w.format.per_word()) * size_of::<f32>()) as u64
    }

    async fn read(&self, x: &GpuTensor) -> Result<HostTensor, BackendError> {
        let mut values = self.read_all(&[x]).await?;
        Ok(values.pop().expect("one value for each tensor"))
    }

    async fn read_all(&self, xs: &[&GpuTensor]) -> Result<Vec<HostTensor>, BackendError> {
        let values = self.values(xs).await?;
        let shaped = xs.iter().zip(values).map(|(x, values)| HostTensor::new(x.shape().to_vec(), values));
        Ok(shaped.collect::<Result<_, _>>()?)
    }

    fn shape(&self, x: &GpuTensor) -> Vec<usize> {
        x.shape().to_vec()
    }

    fn reshape(&self, x: &GpuTensor, shape: &[usize]) -> Tensor {
        Ok(x.reshaped(shape))
    }

    fn gather(&self, table: &GpuTensor, rows: &[u32]) -> Tensor {
        self.rows_of(table, Format::F32, rows)
    }

    fn columns(&self, w: &GpuMatrix, columns: &[u32]) -> Tensor {
        match w.axes {
            MatrixAxes::OutIn => self.rows_of(&w.stored, w.format, columns),
            MatrixAxes::InOut => {
                Err(error(DeviceFault::Invalid, "columns are taken of weights that are stored by them"))
            }
        }
    }

    fn append(&self, a: GpuTensor, b: &GpuTensor) -> Tensor {
        let mut shape = a.shape().to_vec();
        shape[0] += b.shape()[0];
        self.pending(Op::Append, &[&a, b], shape)
    }

    fn add(&self, a: GpuTensor, b: &GpuTensor) -> Tensor {
        self.pending(Op::Add, &[&a, b], a.shape().to_vec())
    }

    fn scale(&self, x: GpuTensor, by: f32) -> Tensor {
        self.pending(Op::Scale(by.into()), &[&x], x.shape().to_vec())
    }

    fn repeat_heads(&self, x: &GpuTensor, n_heads: usize) -> Tensor {
        let op = Op::RepeatHeads { n_heads, d: x.last() };
        self.pending(op, &[x], vec![x.shape()[0], n_heads, x.last()])
    }

    fn norm_scale(&self, x: &GpuTensor, kind: NormKind, eps: f32) -> Tensor {
        self.pending(Op::NormScale { kind, d: x.last(), eps: eps.into() }, &[x], with_last(x, 1))
    }

    fn normalize(&self, x: &GpuTensor, scale: &GpuTensor, kind: NormKind) -> Tensor {
        self.pending(Op::Normalize { kind, d: x.last() }, &[x, scale], x.shape().to_vec())
    }

    fn affine(&self, x: GpuTensor, w: Option<&GpuTensor>, b: Option<&GpuTensor>) -> Tensor {
        if w.is_none() && b.is_none() {
            return Ok(x);
        }
        let op = Op::Affine { d: x.last(), has_w: w.is_some(), has_b: b.is_some() };
        let inputs: Vec<&GpuTensor> = [&x].into_iter().chain(w).chain(b).collect();
        self.pending(op, &inputs, x.shape().to_vec())
    }

    fn linear(&self, x: &GpuTensor, w: &GpuMatrix, b: Option<&GpuTensor>) -> Tensor {
        self.product(x, w, b)
    }

    fn linear_at(&self, x: &GpuTensor, w: &GpuMatrix, b: Option<&GpuTensor>, columns: &[u32]) -> Tensor {
        let w = GpuMatrix::whole(self.columns(w, columns)?, MatrixAxes::OutIn);
        let at = |b: &GpuTensor| {
            let b = self.gather(&b.reshaped(&[b.len(), 1]), columns)?;
            Ok::<_, BackendError>(b.reshaped(&[columns.len()]))
        };
        self.product(x, &w, b.map(at).transpose()?.as_ref())
    }

    fn heads_in(&self, x: &GpuTensor, w: &GpuMatrix) -> Tensor {
        let (n_pos, n_heads, n_in) = (x.shape()[0], x.shape()[1], x.shape()[2]);
        let d_head = self.matrix_shape(w)[1] / n_heads;
        let op = Op::HeadsIn { n_heads, n_in, d_head, axes: w.axes, format: w.format };
        self.pending(op, &[x, &w.stored], vec![n_pos, n_heads, d_head])
    }

    fn heads_out(&self, z: &GpuTensor, w: &GpuMatrix) -> Tensor {
        let (n_pos, n_heads, d_head) = (z.shape()[0], z.shape()[1], z.shape()[2]);
        let n_out = self.matrix_shape(w)[1];
        let op = Op::HeadsOut { n_heads, d_head, n_out, axes: w.axes, format: w.format };
        self.pending(op, &[z, &w.stored], vec![n_pos, n_heads, n_out])
    }

    fn sum_heads(&self, x: &GpuTensor) -> Tensor {
        let (n_pos, n_heads, d) = (x.shape()[0], x.shape()[1], x.shape()[2]);
        self.pending(Op::SumHeads { n_heads, d }, &[x], vec![n_pos, d])
    }

    fn rotate(&self, x: GpuTensor, turns: &GpuTensor) -> Tensor {
        self.pending(Op::Rotate(rotation_of(&x, turns)), &[&x, turns], x.shape().to_vec())
    }

    fn attn_scores(&self, q: &GpuTensor, k: &GpuTensor, scoring: Scoring) -> Tensor {
        let heads = heads_of(q, k);
        let shape = vec![heads.n_heads, heads.n_q, heads.n_k];
        self.pending(
            Op::AttnScores { heads, scale: scoring.scale.into(), window: window_of(scoring) },
            &[q, k],
            shape,
        )
    }

    fn soft_cap(&self, x: GpuTensor, cap: f32) -> Tensor {
        self.pending(Op::SoftCap(cap.into()), &[&x], x.shape().to_vec())
    }

    fn softmax(&self, x: GpuTensor) -> Tensor {
        self.pending(Op::Softmax { n: x.last() }, &[&x], x.shape().to_vec())
    }

    fn attn_mix(&self, pattern: &GpuTensor, v: &GpuTensor) -> Tensor {
        let (n_heads, n_q, n_k) = (pattern.shape()[0], pattern.shape()[1], pattern.shape()[2]);
        let heads = Heads { n_q, n_k, n_heads, n_kv_heads: v.shape()[1], d_head: v.shape()[2] };
        self.pending(Op::AttnMix(heads), &[pattern, v], vec![n_q, n_heads, heads.d_head])
    }

    fn attn_sequences(
        &self,
        q: &GpuTensor,
        k: [&GpuTensor; 2],
        v: [&GpuTensor; 2],
        sequences: &[Sequence],
        scoring: Scoring,
    ) -> Tensor {
        self.sequences(q, [k, v], sequences, scoring)
    }

    fn activate(&self, x: GpuTensor, activation: Activation) -> Tensor {
        self.pending(Op::Activate(activation), &[&x], x.shape().to_vec())
    }

    fn gated(&self, gate: GpuTensor, up: &GpuTensor, activation: Activation) -> Tensor {
        self.pending(Op::Gated(activation), &[&gate, up], gate.shape().to_vec())
    }

    fn edit(&self, x: &GpuTensor, keep: &GpuTensor, add: &GpuTensor) -> Tensor {
        self.pending(Op::Edit, &[x, keep, add], x.shape().to_vec())
    }

    fn top_k(&self, x: &GpuTensor, k: usize) -> Tensor {
        let mut shape = x.shape().to_vec();
        shape.pop();
        shape.extend([k, 2]);
        self.pending(Op::TopK { d: x.last(), k }, &[x], shape)
    }

    fn standings(&self, x: &GpuTensor, chosen: &[u32]) -> Tensor {
        let op = Op::Standings { n_rows: chosen.len(), d: x.last() };
        Ok(GpuTensor::with_rows(self.nth(), op, &[x], chosen, vec![chosen.len(), 4]))
    }

    fn divergence(&self, x: &GpuTensor, reference: &GpuTensor) -> Tensor {
        self.pending(Op::Divergence { d: x.last() }, &[x, reference], vec![x.shape()[0], 2])
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
