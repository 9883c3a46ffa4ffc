//! Where a packed weight lies, and who multiplies with it.

use std::{borrow::Cow, fmt::Debug, ops::Range, rc::Rc};

use vitrine_kernel::{Dims, PANEL, pack_rows, pack_rows_t};

use super::{
    Real, Values,
    kernel::{Block, Kernel},
    parallel::by_rows,
};
use crate::backend::{BackendError, DeviceFault};

/// A packed `[k n]` weight; clones share it.
pub trait Panels<R: Real>: Clone + Debug {
    /// Zeros, to be filled while nobody else holds them.
    ///
    /// Errors: no memory for them.
    fn zeros(kernel: Option<&Rc<Kernel>>, k: usize, n: usize) -> Result<Self, BackendError>;

    /// Packs rows `first..` of the row-major weight.
    fn fill_rows(&mut self, k: usize, n: usize, first: usize, rows: &[R]);

    /// Packs columns `first..` of the weight, which is stored by them.
    fn fill_columns(&mut self, k: usize, n: usize, first: usize, columns: &[R]);

    /// Some of the values.
    fn part(&self, range: Range<usize>) -> Cow<'_, [R]>;

    /// `a b + bias`; see [`vitrine_kernel::gemm_packed`].
    ///
    /// Errors: no memory to work in.
    fn times(&self, dims: Dims, a: &Values<R>, bias: Option<&Values<R>>) -> Result<Values<R>, BackendError>;

    /// `a bᵀ`; see [`vitrine_kernel::gemm_packed_t`].
    ///
    /// Errors: no memory to work in.
    fn times_t(&self, dims: Dims, a: &Values<R>) -> Result<Values<R>, BackendError>;
}

/// Here: in the memory that everything else is in.
impl<R: Real> Panels<R> for Rc<Vec<R>> {
    fn zeros(_kernel: Option<&Rc<Kernel>>, k: usize, n: usize) -> Result<Self, BackendError> {
        let mut panels = Vec::new();
        let len = n.checked_next_multiple_of(PANEL).and_then(|n| n.checked_mul(k));
        match len.map(|len| (len, panels.try_reserve_exact(len))) {
            Some((len, Ok(()))) => panels.resize(len, R::zero()),
            Some((_, Err(_))) | None => {
                let message = format!("there is no memory for a weight of {k} times {n} values");
                let fault = DeviceFault::OutOfMemory;
                return Err(BackendError::Device { backend: "cpu", fault, message });
            }
        }
        Ok(Self::new(panels))
    }

    fn fill_rows(&mut self, k: usize, n: usize, first: usize, rows: &[R]) {
        pack_rows(k, n, first, rows, Self::get_mut(self).expect("nobody else holds what is being filled"));
    }

    fn fill_columns(&mut self, k: usize, n: usize, first: usize, columns: &[R]) {
        pack_rows_t(
            k,
            n,
            first,
            columns,
            Self::get_mut(self).expect("nobody else holds what is being filled"),
        );
    }

    fn part(&self, range: Range<usize>) -> Cow<'_, [R]> {
        Cow::Borrowed(&self[range])
    }

    fn times(&self, dims: Dims, a: &Values<R>, bias: Option<&Values<R>>) -> Result<Values<R>, BackendError> {
        let mut c = vec![R::zero(); dims.m * dims.n];
        let (panels, bias): (&[R], Option<&[R]>) = (self, bias.map(|bias| &**bias));
        by_rows(dims, (a, dims.k), (&mut c, dims.n), |dims, a, c| R::gemm_packed(dims, a, panels, bias, c));
        Ok(c.into())
    }

    fn times_t(&self, dims: Dims, a: &Values<R>) -> Result<Values<R>, BackendError> {
        let mut c = vec![R::zero(); dims.m * dims.k];
        let panels: &[R] = self;
        by_rows(dims, (a, dims.n), (&mut c, dims.k), |dims, a, c| R::gemm_packed_t(dims, a, panels, c));
        Ok(c.into())
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
    fn zeros(kernel: Option<&Rc<Kernel>>, k: usize, n: usize) -> Result<Self, BackendError> {
        Ok(match kernel {
            None => Self::Here(Panels::zeros(None, k, n)?),
            Some(kernel) => Self::There(Rc::new(Block::new(kernel, k, n)?)),
        })
    }

    fn fill_rows(&mut self, k: usize, n: usize, first: usize, rows: &[f32]) {
        match self {
            Self::Here(panels) => panels.fill_rows(k, n, first, rows),
            Self::There(block) => block.fill_rows(k, n, first, rows),
        }
    }

    fn fill_columns(&mut self, k: usize, n: usize, first: usize, columns: &[f32]) {
        match self {
            Self::Here(panels) => panels.fill_columns(k, n, first, columns),
            Self::There(block) => block.fill_columns(k, n, first, columns),
        }
    }

    fn part(&self, range: Range<usize>) -> Cow<'_, [f32]> {
        match self {
            Self::Here(panels) => panels.part(range),
            Self::There(block) => Cow::Owned(block.part(range)),
        }
    }

    fn times(
        &self,
        dims: Dims,
        a: &Values<f32>,
        bias: Option<&Values<f32>>,
    ) -> Result<Values<f32>, BackendError> {
        match self {
            Self::Here(panels) => panels.times(dims, a, bias),
            Self::There(block) => Ok(Values::there(block.times(dims, a, bias)?)),
        }
    }

    fn times_t(&self, dims: Dims, a: &Values<f32>) -> Result<Values<f32>, BackendError> {
        match self {
            Self::Here(panels) => panels.times_t(dims, a),
            Self::There(block) => Ok(Values::there(block.times_t(dims, a)?)),
        }
    }
}
