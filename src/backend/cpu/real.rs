//! The two precisions of the CPU backend.

use vitrine_kernel::Dims;

/// f32 for work, f64 for the oracle.
pub trait Real: num_traits::Float + std::iter::Sum + std::ops::AddAssign + std::fmt::Debug + 'static {
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

    /// `c += a b`; see [`vitrine_kernel::gemm`].
    fn gemm(dims: Dims, a: &[Self], b: &[Self], c: &mut [Self]);

    /// `c += a bᵀ`; see [`vitrine_kernel::gemm_nt`].
    fn gemm_nt(dims: Dims, a: &[Self], b: &[Self], c: &mut [Self]);
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

    fn gemm(dims: Dims, a: &[Self], b: &[Self], c: &mut [Self]) {
        vitrine_kernel::gemm(dims, a, b, c);
    }

    fn gemm_nt(dims: Dims, a: &[Self], b: &[Self], c: &mut [Self]) {
        vitrine_kernel::gemm_nt(dims, a, b, c);
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

    fn gemm(Dims { m, n, k }: Dims, a: &[Self], b: &[Self], c: &mut [Self]) {
        for row in 0..m {
            for col in 0..n {
                c[row * n + col] += (0..k).map(|i| a[row * k + i] * b[i * n + col]).sum::<Self>();
            }
        }
    }

    fn gemm_nt(Dims { m, n, k }: Dims, a: &[Self], b: &[Self], c: &mut [Self]) {
        for row in 0..m {
            for col in 0..n {
                c[row * n + col] += (0..k).map(|i| a[row * k + i] * b[col * k + i]).sum::<Self>();
            }
        }
    }
}
