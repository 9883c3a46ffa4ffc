//! A safetensors file as its bytes come, in portions of any length: the header, then the weights that a plan wants.

use super::{
    LoadError, TensorFile,
    filler::{Done, Filler, Target},
    header::{Header, too_long},
};
use crate::backend::Backend;

/// A file on its way to a backend, of which the header gave a plan `P`. Dropping it gives up what was loaded.
pub(in crate::model) struct Stream<B: Backend, P> {
    total_bytes: Option<u64>,
    n_bytes: u64,
    stage: Stage<B, P>,
}

/// What the next byte belongs to.
enum Stage<B: Backend, P> {
    Header(Header),
    Tensors(Box<Tensors<B, P>>),
}

/// What the header said, and the values that came after it.
struct Tensors<B: Backend, P> {
    file_bytes: u64,
    plan: P,
    filler: Filler<B>,
}

impl<B: Backend, P> Stream<B, P> {
    /// Begins; `total_bytes` is the length of the file, if that is known.
    pub(in crate::model) fn new(total_bytes: Option<u64>) -> Self {
        Self { total_bytes, n_bytes: 0, stage: Stage::Header(Header::default()) }
    }

    /// Begins after headers that were read, with `data_bytes` to come.
    pub(in crate::model) fn after_headers(plan: P, targets: Vec<Target>, data_bytes: u64) -> Self {
        let tensors = Tensors { file_bytes: data_bytes, plan, filler: Filler::new(targets) };
        Self { total_bytes: None, n_bytes: 0, stage: Stage::Tensors(Box::new(tensors)) }
    }

    /// Takes the next bytes; once the header is whole, `plan` says which weights are wanted.
    ///
    /// Errors: the file is not what it should be, or does not fit the plan or the backend.
    pub(in crate::model) async fn feed(
        &mut self,
        b: &B,
        mut bytes: &[u8],
        plan: impl FnOnce(TensorFile) -> Result<(P, Vec<Target>), LoadError>,
    ) -> Result<(), LoadError> {
        self.n_bytes += bytes.len() as u64;
        if let Stage::Header(header) = &mut self.stage {
            let Some((file, file_bytes)) = header.take(&mut bytes, self.total_bytes)? else {
                return Ok(());
            };
            let (plan, targets) = plan(file)?;
            let filler = Filler::new(targets);
            self.stage = Stage::Tensors(Box::new(Tensors { file_bytes, plan, filler }));
        }
        match &mut self.stage {
            Stage::Tensors(tensors) if tensors.file_bytes < self.n_bytes => Err(too_long(tensors.file_bytes)),
            Stage::Tensors(tensors) => tensors.filler.feed(b, bytes).await,
            Stage::Header(_) => Ok(()),
        }
    }

    /// The plan, once the header was read.
    pub(in crate::model) fn plan(&self) -> Option<&P> {
        match &self.stage {
            Stage::Tensors(tensors) => Some(&tensors.plan),
            _ => None,
        }
    }

    /// The plan and the weights, once all bytes were fed.
    ///
    /// Errors: the file ended early.
    pub(in crate::model) fn finish(self) -> Result<(P, Done<B>), LoadError> {
        match self.stage {
            Stage::Header(header) => Err(header.cut()),
            Stage::Tensors(tensors) if self.n_bytes < tensors.file_bytes => {
                Err(LoadError::Truncated { expected_bytes: tensors.file_bytes, got_bytes: self.n_bytes })
            }
            Stage::Tensors(tensors) => Ok((tensors.plan, tensors.filler.finish())),
        }
    }
}
