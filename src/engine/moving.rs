//! Moving a model to another backend: its weights are copied over, tensor by tensor.

use std::{
    cell::{OnceCell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use super::{Engine, Pace, RunError};
use crate::{
    backend::{Backend, checked::Checked},
    model::weights::OnBackend,
};

impl<B: Backend> Engine<B> {
    /// The same model on another backend, with its sparse autoencoders; this one stays as it is. Processed weights are
    /// made anew there.
    ///
    /// Errors: one of the two cannot read or hold them; cancelled.
    pub async fn on<C: Backend>(&self, backend: C, pace: &mut impl Pace) -> Result<Engine<C>, RunError> {
        let backend = Checked(backend);
        let raw = copied(&self.raw, &self.backend, &backend, pace).await?;
        let mut saes = BTreeMap::new();
        let here: Vec<_> =
            self.saes.borrow().iter().map(|(name, sae)| (name.clone(), Rc::clone(sae))).collect();
        for (name, sae) in here {
            saes.insert(name, Rc::new(sae.on(&self.backend, &backend).await?));
            pace.breathe().await?;
        }
        Ok(Engine {
            backend,
            config: self.config.clone(),
            tokenizer: self.tokenizer.as_ref().map(Rc::clone),
            raw,
            processed: OnceCell::new(),
            streams: RefCell::default(),
            saes: RefCell::new(saes),
        })
    }
}

/// One tensor at a time is on the host, so that a large model needs no third place.
async fn copied<B: Backend, C: Backend>(
    weights: &OnBackend<B>,
    from: &B,
    to: &C,
    pace: &mut impl Pace,
) -> Result<OnBackend<C>, RunError> {
    let (mut vectors, mut matrices) = (vec![], vec![]);
    let skeleton = weights.clone().try_map::<(), (), RunError>(
        &mut |name, vector| {
            vectors.push((name.to_owned(), vector));
            Ok(())
        },
        &mut |name, matrix, axes| {
            matrices.push((name.to_owned(), matrix, axes));
            Ok(())
        },
    )?;
    let (mut new_vectors, mut new_matrices) = (vec![], vec![]);
    for (name, vector) in vectors {
        new_vectors.push(to.upload(&name, from.read(&vector).await?)?);
        pace.breathe().await?;
    }
    for (name, matrix, axes) in matrices {
        new_matrices.push(to.upload_matrix(&name, from.read_matrix(&matrix).await?, axes)?);
        pace.breathe().await?;
    }
    let (mut new_vectors, mut new_matrices) = (new_vectors.into_iter(), new_matrices.into_iter());
    // Each goes through the vectors, and through the matrices, in the same order.
    skeleton.try_map(&mut |_, ()| Ok(new_vectors.next().expect("one for each vector")), &mut |_, (), _| {
        Ok(new_matrices.next().expect("one for each matrix"))
    })
}
