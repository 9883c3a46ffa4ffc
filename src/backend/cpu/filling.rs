//! Weights on their way: rows go straight from a file's bytes into panels.

use std::rc::Rc;

use vitrine_kernel::{PANEL, pack_rows, pack_rows_t};

use super::{CpuMatrix, Real};
use crate::{backend::BackendError, op::MatrixAxes, tensor::Dtype};

/// A weight on the CPU of which some rows are still zeros.
#[derive(Debug)]
pub struct CpuFilling<R> {
    n_in: usize,
    n_out: usize,
    axes: MatrixAxes,
    dtype: Dtype,
    n_rows: usize,
    panels: Vec<R>,
}

impl<R: Real> CpuFilling<R> {
    /// Errors: there is no memory for it.
    pub(super) fn new(
        label: &str,
        dtype: Dtype,
        [n_rows, n_cols]: [usize; 2],
        axes: MatrixAxes,
    ) -> Result<Self, BackendError> {
        let (n_in, n_out) = match axes {
            MatrixAxes::InOut => (n_rows, n_cols),
            MatrixAxes::OutIn => (n_cols, n_rows),
        };
        let mut panels = Vec::new();
        let len = n_out.checked_next_multiple_of(PANEL).and_then(|n_out| n_out.checked_mul(n_in));
        match len.map(|len| (len, panels.try_reserve_exact(len))) {
            Some((len, Ok(()))) => panels.resize(len, R::zero()),
            Some((_, Err(_))) | None => {
                let message = format!("there is no memory for {label}, {n_in} times {n_out} values");
                return Err(BackendError::Device { backend: "cpu", message });
            }
        }
        Ok(Self { n_in, n_out, axes, dtype, n_rows: 0, panels })
    }

    /// Packs the next rows as they are stored.
    pub(super) fn fill(&mut self, rows: &[u8]) {
        let values = R::from_f32s(self.dtype.decode(rows));
        let Self { n_in, n_out, n_rows, panels, .. } = self;
        let n_cols = match self.axes {
            MatrixAxes::InOut => {
                pack_rows(*n_in, *n_out, *n_rows, &values, panels);
                *n_out
            }
            MatrixAxes::OutIn => {
                pack_rows_t(*n_in, *n_out, *n_rows, &values, panels);
                *n_in
            }
        };
        *n_rows += values.len() / n_cols.max(1);
    }

    pub(super) fn finish(self) -> CpuMatrix<R> {
        let Self { n_in, n_out, axes, panels, .. } = self;
        CpuMatrix { n_in, n_out, axes, panels: Rc::new(panels) }
    }
}
