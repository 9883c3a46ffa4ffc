//! The tensor whose bytes come now.

use super::{Done, Target, Twin};
use crate::{
    backend::{Backend, MAX_PART_BYTES},
    model::checkpoint::{LoadError, Source},
    tensor::HostTensor,
};

/// A tensor and the weights that are made of its columns.
pub(super) struct Tensor<B: Backend> {
    source: Source,
    weights: Vec<(Target, Filling<B>)>,
    /// Bytes of the next rows.
    part: Vec<u8>,
    /// Rows that were passed on.
    n_rows: usize,
}

/// A weight that is not complete.
pub(super) enum Filling<B: Backend> {
    /// Few values: they are collected here.
    Vector(Vec<f32>),
    Matrix(B::Filling),
    /// The second of W_E and W_U.
    Twin(Twin<B>),
}

impl<B: Backend> Tensor<B> {
    pub(super) fn new(source: Source, weights: Vec<(Target, Filling<B>)>) -> Self {
        Self { source, weights, part: vec![], n_rows: 0 }
    }

    /// Whether all rows were passed on.
    pub(super) fn is_whole(&self) -> bool {
        self.n_rows == self.source.n_rows
    }

    /// Takes bytes until a part is whole, passes that on, and says how many it took.
    pub(super) async fn feed(&mut self, b: &B, bytes: &[u8]) -> Result<usize, LoadError> {
        let row_bytes = self.source.row_bytes();
        let part_rows = (MAX_PART_BYTES / row_bytes).max(1).min(self.source.n_rows - self.n_rows);
        let n_taken = (part_rows * row_bytes - self.part.len()).min(bytes.len());
        self.part.extend_from_slice(&bytes[..n_taken]);
        if self.part.len() == part_rows * row_bytes {
            self.pass_on(b).await?;
            self.part.clear();
            self.n_rows += part_rows;
        }
        Ok(n_taken)
    }

    /// Gives each weight its columns of the part.
    async fn pass_on(&mut self, b: &B) -> Result<(), LoadError> {
        let Self { source, weights, part, n_rows } = self;
        if let Some(index) = source.dtype.first_non_finite(part) {
            let value = source.dtype.decode(part)[index].to_string();
            let (name, index) = (source.name.clone(), *n_rows * source.n_cols + index);
            return Err(LoadError::NonFinite { name, index, value });
        }
        for (target, filling) in weights {
            let rows = target.source.wanted(part, *n_rows);
            match filling {
                _ if rows.is_empty() => {}
                Filling::Vector(values) => {
                    values.extend(source.dtype.decode(&rows).into_iter().map(|v| v + target.source.plus));
                }
                Filling::Matrix(filling) => b.fill(filling, &rows)?,
                Filling::Twin(twin) => twin.fill(b, &target.source, &rows).await?,
            }
        }
        Ok(())
    }

    /// Files the weights, which are complete.
    pub(super) fn finish(self, b: &B, done: &mut Done<B>) -> Result<(), LoadError> {
        for (target, filling) in self.weights {
            let matrix = match filling {
                Filling::Vector(values) => {
                    let host = HostTensor::new(target.source.shape, values)
                        .map_err(|mismatch| LoadError::Contradiction { mismatch })?;
                    done.vectors.insert(target.name.clone(), b.upload(&target.name, host)?);
                    continue;
                }
                Filling::Matrix(filling) => Some(b.finish(filling)?),
                Filling::Twin(twin) => twin.finish(b)?,
            };
            match matrix {
                Some(matrix) => drop(done.matrices.insert(target.name, matrix)),
                None => done.is_one_embedding = true,
            }
        }
        Ok(())
    }
}
