//! From bytes in file order to weights on a backend, through a buffer of one part.

use std::collections::BTreeMap;

use super::{LoadError, Source};
use crate::{
    backend::{Backend, BackendError, DeviceFault},
    model::weights::{W_E, W_U},
    op::MatrixAxes,
};

mod tensor;
mod twin;

use tensor::{Filling, Tensor};
use twin::Twin;

/// Weights that are being filled.
pub(super) struct Filler<B: Backend> {
    /// Bytes after the header that were seen.
    at: u64,
    /// What is still to come, by where its tensor begins.
    to_come: BTreeMap<u64, Vec<Target>>,
    current: Option<Tensor<B>>,
    done: Done<B>,
}

/// A weight that some columns of a tensor go to.
pub(in crate::model) struct Target {
    /// Its name in the model.
    pub(in crate::model) name: String,
    pub(in crate::model) source: Source,
    /// How a matrix is stored; a vector has none.
    pub(in crate::model) axes: Option<MatrixAxes>,
}

/// The weights that are complete, by name.
pub(in crate::model) struct Done<B: Backend> {
    pub(in crate::model) vectors: BTreeMap<String, B::Tensor>,
    pub(in crate::model) matrices: BTreeMap<String, B::Matrix>,
    /// W_E and W_U have the same values; the one that came first is there.
    pub(super) is_one_embedding: bool,
}

impl<B: Backend> Done<B> {
    /// Takes a vector out.
    ///
    /// Errors: it is not there.
    pub(in crate::model) fn vector(&mut self, name: &str) -> Result<B::Tensor, LoadError> {
        taken(&mut self.vectors, name)
    }

    /// Takes a matrix out.
    ///
    /// Errors: it is not there.
    pub(in crate::model) fn matrix(&mut self, name: &str) -> Result<B::Matrix, LoadError> {
        taken(&mut self.matrices, name)
    }
}

/// Takes a weight out.
pub(super) fn taken<T>(weights: &mut BTreeMap<String, T>, name: &str) -> Result<T, LoadError> {
    weights.remove(name).ok_or_else(|| LoadError::MissingTensor { name: name.to_owned() })
}

impl<B: Backend> Filler<B> {
    /// Everything is still to come.
    pub(super) fn new(targets: Vec<Target>) -> Self {
        let mut to_come = BTreeMap::<u64, Vec<Target>>::new();
        for target in targets {
            to_come.entry(target.source.start).or_default().push(target);
        }
        let done = Done { vectors: BTreeMap::new(), matrices: BTreeMap::new(), is_one_embedding: false };
        Self { at: 0, to_come, current: None, done }
    }

    /// Takes the next bytes after the header.
    ///
    /// Errors: a value is not finite; the backend cannot hold a weight.
    pub(super) async fn feed(&mut self, b: &B, mut bytes: &[u8]) -> Result<(), LoadError> {
        while !bytes.is_empty() {
            let n_taken = match (&mut self.current, self.to_come.first_key_value()) {
                (Some(tensor), _) => {
                    let n_taken = tensor.feed(b, bytes).await?;
                    if let Some(tensor) = self.current.take_if(|tensor| tensor.is_whole()) {
                        tensor.finish(b, &mut self.done)?;
                    }
                    n_taken
                }
                (None, Some((start, _))) if *start == self.at => {
                    let (_, targets) = self.to_come.pop_first().expect("it was there a line ago");
                    self.current = Some(self.begin(b, targets)?);
                    0
                }
                // Nobody wants what comes now.
                (None, next) => match next {
                    Some((start, _)) => (start - self.at).min(bytes.len() as u64) as usize,
                    None => bytes.len(),
                },
            };
            self.at += n_taken as u64;
            bytes = &bytes[n_taken..];
        }
        Ok(())
    }

    /// Makes room for the weights that come from one tensor.
    fn begin(&self, b: &B, targets: Vec<Target>) -> Result<Tensor<B>, LoadError> {
        let source = targets[0].source.clone();
        let mut weights = Vec::with_capacity(targets.len());
        for target in targets {
            let shape = [target.source.n_wanted_rows(), target.source.columns.len()];
            let twin = match target.name.as_str() {
                W_E => self.done.matrices.get(W_U),
                W_U => self.done.matrices.get(W_E),
                _ => None,
            };
            let filling = match (target.axes, twin) {
                (None, _) => {
                    let mut values = Vec::new();
                    if values.try_reserve_exact(shape[0] * shape[1]).is_err() {
                        let message = format!("there is no memory for {}", target.name);
                        let fault = DeviceFault::OutOfMemory;
                        return Err(BackendError::Device { backend: b.name(), fault, message }.into());
                    }
                    Filling::Vector(values)
                }
                (Some(axes), None) => {
                    Filling::Matrix(b.begin_matrix(&target.name, source.dtype, shape, axes)?)
                }
                (Some(axes), Some(twin)) => Filling::Twin(Twin::new(twin.clone(), axes)),
            };
            weights.push((target, filling));
        }
        Ok(Tensor::new(source, weights))
    }

    /// The weights whose bytes were fed.
    pub(super) fn finish(self) -> Done<B> {
        self.done
    }
}
