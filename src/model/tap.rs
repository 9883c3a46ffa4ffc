//! Where a forward pass lets others look and change: one call after each operation.

use std::future::Future;

use crate::{backend::Backend, hook::HookPoint};

/// Sees every value of a forward pass. Edits come first, then captures, so that what is kept is the value
/// that the model went on to use.
pub trait Tap<B: Backend> {
    /// Why a pass stops early.
    type Error: From<crate::backend::BackendError>;

    /// Whether anybody asked for `hook`: on-request values are only made then.
    fn wants(&self, hook: HookPoint) -> bool;

    /// The value at `hook`; returns what the model goes on with.
    ///
    /// Errors: an edit that does not fit.
    fn at(&mut self, hook: HookPoint, value: B::Tensor) -> Result<B::Tensor, Self::Error>;

    /// Called between blocks: a place to wait for the rest of the world.
    ///
    /// Errors: the user cancelled.
    fn between_blocks(&mut self) -> impl Future<Output = Result<(), Self::Error>>;
}
