//! Waiting for what a device says when it has done something.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, Waker},
};

/// Whether something worked, once that is known.
#[derive(Clone, Default)]
pub(super) struct Signal(Arc<Mutex<(Option<bool>, Option<Waker>)>>);

impl Signal {
    pub(super) fn set(&self, worked: bool) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = Some(worked);
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }

    pub(super) async fn wait(&self) -> bool {
        poll_fn(|context| {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.1 = Some(context.waker().clone());
            state.0.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// Gives whoever waits for this a moment to stop waiting.
pub(super) async fn pause() {
    let mut is_first = true;
    poll_fn(|context| {
        if std::mem::take(&mut is_first) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}
