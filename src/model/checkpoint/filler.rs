//! From bytes in file order to weights on a backend, through a buffer of one part.

use std::collections::BTreeMap;

use super::{LoadError, Source};
use crate::{
    backend::{Backend, BackendError, DeviceFault},
    model::{
        ModelConfig,
        weights::{OnBackend, W_E, W_U, Weights},
    },
    op::MatrixAxes,
};

mod tensor;
mod twin;

use tensor::{Filling, Tensor};
use twin::Twin;

/// Weights that are being filled.
pub(super) struct Filler<B: Backend> {
    config: ModelConfig,
    plan: Weights<Source>,
    /// Bytes after the header that were seen.
    at: u64,
    /// What is still to come, by where its tensor begins.
    to_come: BTreeMap<u64, Vec<Target>>,
    current: Option<Tensor<B>>,
    done: Done<B>,
}

/// A weight that some columns of a tensor go to.
struct Target {
    /// Its name in the model.
    name: String,
    source: Source,
    /// How a matrix is stored; a vector has none.
    axes: Option<MatrixAxes>,
}

/// The weights that are complete, by name.
struct Done<B: Backend> {
    vectors: BTreeMap<String, B::Tensor>,
    matrices: BTreeMap<String, B::Matrix>,
    /// W_E and W_U have the same values; the one that came first is there.
    is_one_embedding: bool,
}

impl<B: Backend> Filler<B> {
    /// Everything is still to come.
    pub(super) fn new(config: ModelConfig, plan: Weights<Source>) -> Self {
        let (mut vectors, mut matrices) = (vec![], vec![]);
        let target = |name: &str, source: &Source, axes| Target {
            name: name.to_owned(),
            source: source.clone(),
            axes,
        };
        plan.visit(
            &mut |name, source| vectors.push(target(name, source, None)),
            &mut |name, source, axes| matrices.push(target(name, source, Some(axes))),
        );
        let mut to_come = BTreeMap::<u64, Vec<Target>>::new();
        for target in vectors.into_iter().chain(matrices) {
            to_come.entry(target.source.start).or_default().push(target);
        }
        let done = Done { vectors: BTreeMap::new(), matrices: BTreeMap::new(), is_one_embedding: false };
        Self { config, plan, at: 0, to_come, current: None, done }
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

    /// The weights, once all their bytes were fed.
    ///
    /// Errors: they were not.
    pub(super) fn finish(self) -> Result<(ModelConfig, OnBackend<B>), LoadError> {
        let Self { config, mut plan, done: Done { mut vectors, mut matrices, is_one_embedding }, .. } = self;
        if is_one_embedding {
            plan.w_u = None;
            if let Some(w_u) = matrices.remove(W_U) {
                matrices.insert(W_E.to_owned(), w_u);
            }
        }
        let is_tied = plan.w_u.is_none();
        let missing = |name: &str| LoadError::MissingTensor { name: name.to_owned() };
        let weights = plan.try_map(
            &mut |name, _| vectors.remove(name).ok_or_else(|| missing(name)),
            &mut |name, _, _| matrices.remove(name).ok_or_else(|| missing(name)),
        )?;
        Ok((ModelConfig { is_tied, ..config }, weights))
    }
}
