//! What a user says to a download that is under way.

use std::{
    cell::{Cell, RefCell},
    task::{Context, Waker},
};

/// Whether a download should wait or end. Whoever waits for the network is woken.
#[derive(Default)]
pub(in crate::worker) struct Control {
    is_paused: Cell<bool>,
    is_cancelled: Cell<bool>,
    is_news: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Control {
    pub(in crate::worker) fn pause(&self, is_paused: bool) {
        self.is_paused.set(is_paused);
        self.wake();
    }

    pub(in crate::worker) fn cancel(&self) {
        self.is_cancelled.set(true);
        self.wake();
    }

    fn wake(&self) {
        self.is_news.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused.get()
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.is_cancelled.get()
    }

    /// Whether anything was said since this was last true; if not, whoever polls is woken when something is.
    pub(super) fn poll(&self, context: &Context<'_>) -> bool {
        let is_news = self.is_news.take();
        if !is_news {
            *self.waker.borrow_mut() = Some(context.waker().clone());
        }
        is_news
    }
}
