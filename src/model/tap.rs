//! Where a forward pass lets others look and change: one call after each operation.

use std::future::Future;

use crate::{backend::Backend, hook::HookPoint};

/// Sees every value of a forward pass. Edits come first, then captures, so that what is kept is the value
/// that the model went on to use.
pub trait Tap<B: Backend> {
    /// Why a pass stops early.
    type Error: From<crate::backend::BackendError>;

    /// Whether the value at `hook` is to be kept: on-request values are only made for this or an edit.
    fn captures(&self, hook: HookPoint) -> bool;

    /// Whether the value at `hook` is to be changed.
    fn edits(&self, hook: HookPoint) -> bool;

    /// Whether the value at `hook` is to be kept or changed: what nobody looks at need not be made.
    fn watches(&self, hook: HookPoint) -> bool {
        self.edits(hook) || self.captures(hook)
    }

    /// The value at `hook`, changed but not kept: for a part of it, such as one head's.
    ///
    /// Errors: an edit that does not fit.
    fn edit(&mut self, hook: HookPoint, value: B::Tensor) -> Result<B::Tensor, Self::Error>;

    /// The value at `hook`; returns what the model goes on with.
    ///
    /// Errors: an edit that does not fit.
    fn at(&mut self, hook: HookPoint, value: B::Tensor) -> Result<B::Tensor, Self::Error>;

    /// Called before each block with the stream that enters it: a place to wait for the rest of the world.
    ///
    /// Errors: the user cancelled.
    fn before_block(
        &mut self,
        layer: usize,
        resid: &B::Tensor,
    ) -> impl Future<Output = Result<(), Self::Error>>;
}
