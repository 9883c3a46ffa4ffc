//! How an engine shares its thread with the rest of the world.

use std::future::Future;

use super::RunError;

/// Somebody asked the engine to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl From<Cancelled> for RunError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

/// Called between blocks.
pub trait Pace {
    /// Lets others run for a moment.
    ///
    /// Errors: [`Cancelled`] if the work is no longer wanted.
    fn breathe(&mut self) -> impl Future<Output = Result<(), Cancelled>>;
}

/// Works straight through: for the command line and tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPace;

impl Pace for NoPace {
    fn breathe(&mut self) -> impl Future<Output = Result<(), Cancelled>> {
        std::future::ready(Ok(()))
    }
}
