//! Weights, packed once for the kernels: `panels[column / 8][in][column % 8]`.

use std::{borrow::Cow, rc::Rc};

use vitrine_kernel::{PANEL, pack_panels};

use super::{Real, kernel::Kernel, panels::Panels as _};
use crate::{
    backend::BackendError,
    op::MatrixAxes,
    tensor::{HostTensor, ShapeMismatch},
};

/// A weight `[in out]` on the CPU; clones share it.
#[derive(Clone, Debug)]
pub struct CpuMatrix<R: Real> {
    pub(super) n_in: usize,
    pub(super) n_out: usize,
    axes: MatrixAxes,
    pub(super) panels: R::Panels,
}

impl<R: Real> CpuMatrix<R> {
    /// Packs `host`, whose two axes are stored as `axes` says.
    pub(super) fn new(
        host: HostTensor,
        axes: MatrixAxes,
        kernel: Option<&Rc<Kernel>>,
    ) -> Result<Self, BackendError> {
        let &[n_rows, n_cols] = host.shape() else {
            return Err(ShapeMismatch::new("matrix", vec![0, 0], host.shape().to_vec()).into());
        };
        let values = R::from_f32s(host.into_data());
        let (n_in, n_out) = match axes {
            MatrixAxes::InOut => (n_rows, n_cols),
            MatrixAxes::OutIn => (n_cols, n_rows),
        };
        let panels = R::Panels::packed(kernel, n_in, n_out, |first, panels| match axes {
            MatrixAxes::InOut => pack_panels(n_in, n_out, first, panels, |i, col| values[i * n_out + col]),
            MatrixAxes::OutIn => pack_panels(n_in, n_out, first, panels, |i, col| values[col * n_in + i]),
        })?;
        Ok(Self { n_in, n_out, axes, panels })
    }

    /// The values as they were given.
    pub(super) fn unpacked(&self) -> Result<HostTensor, ShapeMismatch> {
        let (n_rows, n_cols) = match self.axes {
            MatrixAxes::InOut => (self.n_in, self.n_out),
            MatrixAxes::OutIn => (self.n_out, self.n_in),
        };
        let mut values = vec![0.0; n_rows * n_cols];
        for first in (0..self.n_out).step_by(PANEL) {
            let panel = self.panel(first, 0, self.n_in);
            for (i, row) in panel.chunks_exact(PANEL).enumerate() {
                for (column, value) in (first..self.n_out).zip(row) {
                    let at = match self.axes {
                        MatrixAxes::InOut => i * n_cols + column,
                        MatrixAxes::OutIn => column * n_cols + i,
                    };
                    values[at] = value.as_f32();
                }
            }
        }
        HostTensor::new(vec![n_rows, n_cols], values)
    }

    /// `w[:, column]`
    pub(super) fn column(&self, column: usize) -> Vec<R> {
        let panel = self.panel(column, 0, self.n_in);
        panel.iter().skip(column % PANEL).step_by(PANEL).copied().collect()
    }

    /// Some rows of the panel that holds a column, eight columns each.
    pub(super) fn panel(&self, column: usize, first_row: usize, n_rows: usize) -> Cow<'_, [R]> {
        let start = (column / PANEL * self.n_in + first_row) * PANEL;
        self.panels.part(start..start + n_rows * PANEL)
    }
}

/// One row times a panel: eight sums, over as many rows of the panel as there are values.
pub(super) fn times_panel<R: Real>(x: &[R], panel: &[R]) -> [R; PANEL] {
    let mut sums = [R::zero(); PANEL];
    for (x, row) in x.iter().zip(panel.as_chunks::<PANEL>().0) {
        sums.iter_mut().zip(row).for_each(|(sum, w)| *sum += *x * *w);
    }
    sums
}

/// Eight values times the transpose of a panel: `dx[i] += sum_lane dy[lane] panel[i][lane]`.
pub(super) fn add_panel_t<R: Real>(dx: &mut [R], dy: &[R; PANEL], panel: &[R]) {
    for (dx, row) in dx.iter_mut().zip(panel.as_chunks::<PANEL>().0) {
        *dx += dy.iter().zip(row).map(|(dy, w)| *dy * *w).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_comes_back_as_it_was_stored() {
        let values: Vec<f32> = (0..55_u8).map(f32::from).collect();
        let host = HostTensor::new(vec![5, 11], values).expect("fills its shape");
        for axes in [MatrixAxes::InOut, MatrixAxes::OutIn] {
            let matrix = CpuMatrix::<f32>::new(host.clone(), axes, None).expect("has two axes");
            assert_eq!(matrix.unpacked().expect("fills its shape"), host);
            let third = matrix.column(3);
            let at = |row: usize, col: usize| host.data()[row * 11 + col];
            let want: Vec<f32> = match axes {
                MatrixAxes::InOut => (0..5).map(|row| at(row, 3)).collect(),
                MatrixAxes::OutIn => (0..11).map(|col| at(3, col)).collect(),
            };
            assert_eq!(third, want);
        }
        assert!(CpuMatrix::<f32>::new(HostTensor::full(vec![2], 0.0), MatrixAxes::InOut, None).is_err());
    }
}
