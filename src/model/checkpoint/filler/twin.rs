//! The second of W_E and W_U, which many files hold although it is the first again.

use crate::{
    backend::{Backend, MAX_PART_BYTES},
    model::checkpoint::{LoadError, Source},
    op::MatrixAxes,
};

/// A matrix that takes no memory for as long as its rows are those of another one.
pub(super) struct Twin<B: Backend> {
    of: B::Matrix,
    axes: MatrixAxes,
    /// Rows that were compared and are the same.
    n_same: usize,
    /// From the first row that differs.
    filling: Option<B::Filling>,
}

impl<B: Backend> Twin<B> {
    /// Of a matrix that is stored by its columns.
    pub(super) fn new(of: B::Matrix, axes: MatrixAxes) -> Self {
        Self { of, axes, n_same: 0, filling: None }
    }

    /// Compares or takes the next rows.
    pub(super) async fn fill(&mut self, b: &B, source: &Source, rows: &[u8]) -> Result<(), LoadError> {
        if self.filling.is_none() {
            let values = source.dtype.decode(rows);
            let end = self.n_same + values.len() / source.n_cols;
            if self.rows_of_the_other(b, self.n_same..end).await? == values {
                self.n_same = end;
                return Ok(());
            }
            self.filling = Some(self.copy(b, source).await?);
        }
        match &mut self.filling {
            Some(filling) => Ok(b.fill(filling, rows)?),
            None => Ok(()),
        }
    }

    /// What was the same until now, as the start of a matrix of its own.
    async fn copy(&self, b: &B, source: &Source) -> Result<B::Filling, LoadError> {
        let shape = [source.n_rows, source.n_cols];
        let mut filling = b.begin_matrix(crate::model::weights::W_U, source.dtype, shape, self.axes)?;
        let part_rows = (MAX_PART_BYTES / source.row_bytes()).max(1);
        for first in (0..self.n_same).step_by(part_rows) {
            let rows = first..(first + part_rows).min(self.n_same);
            b.fill(&mut filling, &source.dtype.encode(&self.rows_of_the_other(b, rows).await?))?;
        }
        Ok(filling)
    }

    async fn rows_of_the_other(&self, b: &B, rows: std::ops::Range<usize>) -> Result<Vec<f32>, LoadError> {
        let rows: Vec<u32> = (rows.start as u32..rows.end as u32).collect();
        Ok(b.read(&b.columns(&self.of, &rows)?).await?.into_data())
    }

    /// The matrix; `None` if it is the other one again.
    pub(super) fn finish(self, b: &B) -> Result<Option<B::Matrix>, LoadError> {
        Ok(self.filling.map(|filling| b.finish(filling)).transpose()?)
    }
}
