//! The two precisions of the CPU backend.

use vitrine_kernel::{Dims, PANEL};

/// f32 for work, f64 for the oracle.
pub trait Real:
    num_traits::Float + Default + std::iter::Sum + std::ops::AddAssign + std::fmt::Debug + 'static
{
    /// Its name, for the model card.
    const NAME: &'static str;

    /// From a weight or a constant.
    fn from_f32(value: f32) -> Self;

    /// A whole tensor; in f32 without a copy.
    fn from_f32s(values: Vec<f32>) -> Vec<Self>;

    /// To what is read back.
    fn as_f32(self) -> f32;

    /// The error function.
    fn erf(self) -> Self;

    /// `c = a b + bias` with packed `b`; see [`vitrine_kernel::gemm_packed`].
    fn gemm_packed(
        Dims { m, n, k }: Dims,
        a: &[Self],
        panels: &[Self],
        bias: Option<&[Self]>,
        c: &mut [Self],
    ) {
        for (row, c) in a.chunks_exact(k.max(1)).zip(c.chunks_exact_mut(n.max(1))).take(m) {
            for (idx, (panel, c)) in panels.chunks_exact(k * PANEL).zip(c.chunks_mut(PANEL)).enumerate() {
                let sums = super::matrix::times_panel(row, panel);
                for (lane, c) in c.iter_mut().enumerate() {
                    *c = bias.map_or(Self::zero(), |bias| bias[idx * PANEL + lane]) + sums[lane];
                }
            }
        }
    }
}

impl Real for f32 {
    const NAME: &'static str = "f32";

    fn from_f32(value: f32) -> Self {
        value
    }

    fn from_f32s(values: Vec<f32>) -> Vec<Self> {
        values
    }

    fn as_f32(self) -> f32 {
        self
    }

    fn erf(self) -> Self {
        libm::erff(self)
    }

    fn gemm_packed(dims: Dims, a: &[Self], panels: &[Self], bias: Option<&[Self]>, c: &mut [Self]) {
        vitrine_kernel::gemm_packed(dims, a, panels, bias, c);
    }
}

impl Real for f64 {
    const NAME: &'static str = "f64";

    fn from_f32(value: f32) -> Self {
        Self::from(value)
    }

    fn from_f32s(values: Vec<f32>) -> Vec<Self> {
        values.into_iter().map(Self::from).collect()
    }

    fn as_f32(self) -> f32 {
        self as f32
    }

    fn erf(self) -> Self {
        libm::erf(self)
    }
}
