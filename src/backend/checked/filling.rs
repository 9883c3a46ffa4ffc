//! Counting the rows of a weight that is being filled.

use crate::tensor::{Dtype, ShapeMismatch};

/// A weight that is being filled, and how far it is.
#[derive(Debug)]
pub struct CheckedFilling<F> {
    filling: F,
    row_bytes: usize,
    n_rows: usize,
    n_filled: usize,
}

impl<F> CheckedFilling<F> {
    pub(super) fn new(filling: F, dtype: Dtype, [n_rows, n_cols]: [usize; 2]) -> Self {
        let row_bytes = n_cols * dtype.size_bytes();
        // Rows without columns are there as soon as they are named.
        Self { filling, row_bytes, n_rows, n_filled: if row_bytes == 0 { n_rows } else { 0 } }
    }

    /// The weight, which may be given `n_bytes` more.
    pub(super) fn next(&mut self, n_bytes: usize) -> Result<&mut F, ShapeMismatch> {
        let row_bytes = self.row_bytes.max(1);
        let n_filled = self.n_filled + n_bytes / row_bytes;
        if !n_bytes.is_multiple_of(row_bytes) || self.n_rows < n_filled {
            let left = vec![self.n_rows - self.n_filled, self.row_bytes];
            return Err(ShapeMismatch::new("fill", left, vec![n_bytes]));
        }
        self.n_filled = n_filled;
        Ok(&mut self.filling)
    }

    /// The weight, if all of it was filled.
    pub(super) fn whole(self) -> Result<F, ShapeMismatch> {
        ShapeMismatch::check("finish", &[self.n_rows], &[self.n_filled])?;
        Ok(self.filling)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        backend::{Backend as _, checked::Checked, cpu::Cpu},
        op::MatrixAxes,
        tensor::Dtype,
    };

    #[test]
    fn only_whole_rows_and_as_many_as_there_are_fill_a_weight() {
        let b = Checked(Cpu::<f32>::default());
        for axes in [MatrixAxes::InOut, MatrixAxes::OutIn] {
            let begin = || b.begin_matrix("w", Dtype::F16, [3, 5], axes).expect("is small");
            let mut filling = begin();
            for wrong in [1, 9, 11, 40] {
                assert!(b.fill(&mut filling, &vec![0; wrong]).is_err(), "{wrong} bytes");
            }
            b.fill(&mut filling, &[0; 20]).expect("two rows");
            assert!(b.fill(&mut filling, &[0; 20]).is_err(), "one row is left");
            b.fill(&mut filling, &[0; 10]).expect("the last row");
            assert!(b.finish(filling).is_ok());
            let mut filling = begin();
            b.fill(&mut filling, &[0; 20]).expect("two rows");
            assert!(b.finish(filling).is_err(), "a row is missing");
        }
    }
}
