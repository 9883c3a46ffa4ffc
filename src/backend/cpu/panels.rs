//! Where a packed weight lies, and who multiplies with it.

use std::{borrow::Cow, fmt::Debug, ops::Range, rc::Rc};

use vitrine_kernel::{Dims, packed_len};

use super::{
    Real,
    kernel::{Block, Kernel},
};
use crate::backend::BackendError;

/// A packed `[k n]` weight; clones share it.
pub trait Panels<R: Real>: Clone + Debug {
    /// Packs a weight: `pack(first, panels)` fills panels from the one with index `first` on.
    ///
    /// Errors: no memory for it.
    fn packed(
        kernel: Option<&Rc<Kernel>>,
        k: usize,
        n: usize,
        pack: impl Fn(usize, &mut [R]),
    ) -> Result<Self, BackendError>;

    /// Some of the values.
    fn part(&self, range: Range<usize>) -> Cow<'_, [R]>;

    /// `c = a b + bias`; see [`vitrine_kernel::gemm_packed`].
    ///
    /// Errors: no memory to work in.
    fn times(&self, dims: Dims, a: &[R], bias: Option<&[R]>, c: &mut [R]) -> Result<(), BackendError>;

    /// `c = a bᵀ`; see [`vitrine_kernel::gemm_packed_t`].
    ///
    /// Errors: no memory to work in.
    fn times_t(&self, dims: Dims, a: &[R], c: &mut [R]) -> Result<(), BackendError>;
}

/// Here: in the memory that everything else is in.
impl<R: Real> Panels<R> for Rc<Vec<R>> {
    fn packed(
        _kernel: Option<&Rc<Kernel>>,
        k: usize,
        n: usize,
        pack: impl Fn(usize, &mut [R]),
    ) -> Result<Self, BackendError> {
        let mut panels = vec![R::zero(); packed_len(k, n)];
        pack(0, &mut panels);
        Ok(Self::new(panels))
    }

    fn part(&self, range: Range<usize>) -> Cow<'_, [R]> {
        Cow::Borrowed(&self[range])
    }

    fn times(&self, dims: Dims, a: &[R], bias: Option<&[R]>, c: &mut [R]) -> Result<(), BackendError> {
        R::gemm_packed(dims, a, self, bias, c);
        Ok(())
    }

    fn times_t(&self, dims: Dims, a: &[R], c: &mut [R]) -> Result<(), BackendError> {
        R::gemm_packed_t(dims, a, self, c);
        Ok(())
    }
}

/// In f32 there may be a kernel module with a memory of its own.
#[derive(Clone, Debug)]
pub enum F32Panels {
    /// In the memory that everything else is in.
    Here(Rc<Vec<f32>>),
    /// In the kernel module's.
    There(Rc<Block>),
}

impl Panels<f32> for F32Panels {
    fn packed(
        kernel: Option<&Rc<Kernel>>,
        k: usize,
        n: usize,
        pack: impl Fn(usize, &mut [f32]),
    ) -> Result<Self, BackendError> {
        Ok(match kernel {
            None => Self::Here(Panels::packed(None, k, n, pack)?),
            Some(kernel) => Self::There(Rc::new(Block::new(kernel, k, n, pack)?)),
        })
    }

    fn part(&self, range: Range<usize>) -> Cow<'_, [f32]> {
        match self {
            Self::Here(panels) => panels.part(range),
            Self::There(block) => Cow::Owned(block.part(range)),
        }
    }

    fn times(&self, dims: Dims, a: &[f32], bias: Option<&[f32]>, c: &mut [f32]) -> Result<(), BackendError> {
        match self {
            Self::Here(panels) => panels.times(dims, a, bias, c),
            Self::There(block) => block.times(dims, a, bias, c),
        }
    }

    fn times_t(&self, dims: Dims, a: &[f32], c: &mut [f32]) -> Result<(), BackendError> {
        match self {
            Self::Here(panels) => panels.times_t(dims, a, c),
            Self::There(block) => block.times_t(dims, a, c),
        }
    }
}
