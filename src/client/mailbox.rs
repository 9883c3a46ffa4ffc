//! Where the replies to one request wait until they are read.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
};

use crate::protocol::FromEngine;

/// One request's replies; clones share them.
#[derive(Clone, Default)]
pub(super) struct Mailbox(Rc<RefCell<Letters>>);

#[derive(Default)]
struct Letters {
    waiting: VecDeque<FromEngine>,
    reader: Option<Waker>,
}

impl Mailbox {
    /// Puts a reply in and wakes the reader.
    pub(super) fn put(&self, letter: FromEngine) {
        let reader = {
            let mut letters = self.0.borrow_mut();
            letters.waiting.push_back(letter);
            letters.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// The next reply, in order of arrival.
    pub(super) async fn next(&self) -> FromEngine {
        poll_fn(|context| {
            let mut letters = self.0.borrow_mut();
            match letters.waiting.pop_front() {
                Some(letter) => Poll::Ready(letter),
                None => {
                    letters.reader = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}
