//! Weights on their way: rows go straight from a file's bytes into panels.

use std::rc::Rc;

use super::{CpuMatrix, Real, kernel::Kernel, panels::Panels as _};
use crate::{backend::BackendError, op::MatrixAxes, tensor::Dtype};

/// A weight on the CPU of which some rows are still missing.
#[derive(Debug)]
pub struct CpuFilling<R: Real> {
    dtype: Dtype,
    n_rows: usize,
    matrix: CpuMatrix<R>,
}

impl<R: Real> CpuFilling<R> {
    /// Errors: there is no memory for it.
    pub(super) fn new(
        dtype: Dtype,
        [n_rows, n_cols]: [usize; 2],
        axes: MatrixAxes,
        kernel: Option<&Rc<Kernel>>,
    ) -> Result<Self, BackendError> {
        let (n_in, n_out) = match axes {
            MatrixAxes::InOut => (n_rows, n_cols),
            MatrixAxes::OutIn => (n_cols, n_rows),
        };
        let panels = R::Panels::zeros(kernel, n_in, n_out)?;
        Ok(Self { dtype, n_rows: 0, matrix: CpuMatrix { n_in, n_out, axes, panels } })
    }

    /// Packs the next rows as they are stored.
    pub(super) fn fill(&mut self, rows: &[u8]) {
        let values = R::from_f32s(self.dtype.decode(rows));
        let CpuMatrix { n_in, n_out, axes, panels } = &mut self.matrix;
        let n_cols = match axes {
            MatrixAxes::InOut => {
                panels.fill_rows(*n_in, *n_out, self.n_rows, &values);
                *n_out
            }
            MatrixAxes::OutIn => {
                panels.fill_columns(*n_in, *n_out, self.n_rows, &values);
                *n_in
            }
        };
        self.n_rows += values.len() / n_cols.max(1);
    }

    pub(super) fn finish(self) -> CpuMatrix<R> {
        self.matrix
    }
}
