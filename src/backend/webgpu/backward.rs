//! Derivatives, recorded like everything else.

use super::{
    GpuMatrix, GpuTensor, Tensor, WebGpu, heads_of,
    program::{Dx, Heads, Op},
    rotation_of,
};
use crate::{
    backend::{Backend as _, backward::Backward},
    op::{Activation, MatrixAxes, NormKind},
};

impl WebGpu {
    fn derivative(&self, dx: Dx, inputs: &[&GpuTensor], shape: Vec<usize>) -> Tensor {
        self.pending(Op::Dx(dx), inputs, shape)
    }
}

impl Backward for WebGpu {
    fn multiply(&self, a: &GpuTensor, b: &GpuTensor) -> Tensor {
        self.derivative(Dx::Multiply, &[a, b], a.shape().to_vec())
    }

    fn scatter(&self, dy: &GpuTensor, rows: &[u32], n_rows: usize) -> Tensor {
        let d = dy.last();
        let op = Op::Dx(Dx::Scatter { n_dy: rows.len(), d });
        Ok(GpuTensor::with_rows(self.nth(), op, &[dy], rows, vec![n_rows, d]))
    }

    fn norm_scale_dx(&self, x: &GpuTensor, scale: &GpuTensor, ds: &GpuTensor, kind: NormKind) -> Tensor {
        self.derivative(Dx::NormScale { kind, d: x.last() }, &[x, scale, ds], x.shape().to_vec())
    }

    fn normalize_dx(&self, dy: &GpuTensor, scale: &GpuTensor, kind: NormKind) -> Tensor {
        // Centring is its own transpose.
        self.normalize(dy, scale, kind)
    }

    fn normalize_dscale(&self, dy: &GpuTensor, y: &GpuTensor, scale: &GpuTensor) -> Tensor {
        self.derivative(Dx::NormalizeScale { d: y.last() }, &[dy, y, scale], scale.shape().to_vec())
    }

    fn linear_dx(&self, dy: &GpuTensor, w: &GpuMatrix) -> Tensor {
        self.product(dy, &w.transposed(), None)
    }

    fn linear_at_dx(&self, dy: &GpuTensor, w: &GpuMatrix, columns: &[u32]) -> Tensor {
        self.product(dy, &GpuMatrix::whole(self.columns(w, columns)?, MatrixAxes::InOut), None)
    }

    fn heads_in_dx(&self, dy: &GpuTensor, w: &GpuMatrix) -> Tensor {
        let (n_pos, n_heads, d_head) = (dy.shape()[0], dy.shape()[1], dy.shape()[2]);
        let n_in = self.matrix_shape(w)[0];
        let dx = Dx::HeadsIn { n_heads, n_in, d_head, axes: w.axes, format: w.format };
        self.derivative(dx, &[dy, &w.stored], vec![n_pos, n_heads, n_in])
    }

    fn heads_out_dx(&self, dy: &GpuTensor, w: &GpuMatrix, d_head: usize) -> Tensor {
        let (n_pos, n_heads, n_out) = (dy.shape()[0], dy.shape()[1], dy.shape()[2]);
        let dx = Dx::HeadsOut { n_heads, d_head, n_out, axes: w.axes, format: w.format };
        self.derivative(dx, &[dy, &w.stored], vec![n_pos, n_heads, d_head])
    }

    fn attn_dots(&self, dz: &GpuTensor, v: &GpuTensor) -> Tensor {
        let heads = heads_of(dz, v);
        self.derivative(Dx::AttnDots(heads), &[dz, v], vec![heads.n_heads, heads.n_q, heads.n_k])
    }

    fn rotate_dx(&self, dy: &GpuTensor, turns: &GpuTensor) -> Tensor {
        self.derivative(Dx::Rotate(rotation_of(dy, turns)), &[dy, turns], dy.shape().to_vec())
    }

    fn soft_cap_dx(&self, y: &GpuTensor, dy: &GpuTensor, cap: f32) -> Tensor {
        self.derivative(Dx::SoftCap(cap.into()), &[y, dy], y.shape().to_vec())
    }

    fn attn_mix_t(&self, pattern: &GpuTensor, dz: &GpuTensor, n_kv_heads: usize) -> Tensor {
        let (n_heads, n_q, n_k) = (pattern.shape()[0], pattern.shape()[1], pattern.shape()[2]);
        let heads = Heads { n_q, n_k, n_heads, n_kv_heads, d_head: dz.shape()[2] };
        self.derivative(Dx::AttnMixT(heads), &[pattern, dz], vec![n_k, n_kv_heads, heads.d_head])
    }

    fn softmax_dx(&self, y: &GpuTensor, dy: &GpuTensor) -> Tensor {
        self.derivative(Dx::Softmax { n: y.last() }, &[y, dy], y.shape().to_vec())
    }

    fn activate_dx(&self, x: &GpuTensor, dy: &GpuTensor, activation: Activation) -> Tensor {
        self.derivative(Dx::Activate(activation), &[x, dy], x.shape().to_vec())
    }
}
