//! How an engine shares its thread with the rest of the world.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

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

/// Waits for `work`, and breathes whenever it has come further; work that is no longer wanted is given up there.
///
/// Errors: [`Cancelled`].
pub(super) async fn breathing<T>(
    pace: &mut impl Pace,
    work: impl Future<Output = T>,
) -> Result<T, Cancelled> {
    let mut work = pin!(work);
    loop {
        let mut is_woken = false;
        let result = poll_fn(|context| {
            if std::mem::replace(&mut is_woken, true) {
                return Poll::Ready(None);
            }
            work.as_mut().poll(context).map(Some)
        });
        match result.await {
            Some(result) => return Ok(result),
            None => pace.breathe().await?,
        }
    }
}

/// Works straight through: for the command line and tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPace;

impl Pace for NoPace {
    fn breathe(&mut self) -> impl Future<Output = Result<(), Cancelled>> {
        std::future::ready(Ok(()))
    }
}
