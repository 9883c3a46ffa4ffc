//! Drawing that can wait for a frame, in slices short enough that the page never blocks.

use std::{cell::RefCell, collections::VecDeque};

use leptos::prelude::request_animation_frame;

use crate::ui::dom;

/// Time given to waiting jobs in one frame, milliseconds.
const SLICE_MILLIS: f64 = 8.0;

type Job = Box<dyn FnOnce()>;

thread_local! {
    static WAITING: RefCell<VecDeque<Job>> = const { RefCell::new(VecDeque::new()) };
}

/// Does `job` in one of the next frames, after those that wait already. Each job should take under a millisecond or so.
pub fn soon(job: impl FnOnce() + 'static) {
    let is_first = WAITING.with_borrow_mut(|waiting| {
        waiting.push_back(Box::new(job));
        waiting.len() == 1
    });
    if is_first {
        request_animation_frame(work);
    }
}

fn work() {
    let end_millis = now_millis() + SLICE_MILLIS;
    loop {
        // Taken out before it runs: a job may queue another.
        let Some(job) = WAITING.with_borrow_mut(VecDeque::pop_front) else { return };
        job();
        if end_millis < now_millis() {
            break;
        }
    }
    if WAITING.with_borrow(|waiting| !waiting.is_empty()) {
        request_animation_frame(work);
    }
}

fn now_millis() -> f64 {
    dom::window().performance().map_or(0.0, |clock| clock.now())
}
