//! Taking turns: the engine lets the worker's messages in between blocks.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    task::Poll,
};

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::{JsCast as _, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;
use web_sys::MessageChannel;

use super::State;
use crate::{
    engine::{Cancelled, Pace},
    protocol::RunId,
};

/// How long work may go on before others get a turn, milliseconds.
const TURN_MILLIS: f64 = 16.0;

/// The turns of one request, or of work that nobody can cancel.
pub(super) struct Turns {
    state: Rc<State>,
    run: Option<RunId>,
    last_millis: f64,
}

impl Turns {
    pub(super) fn new(state: &Rc<State>, run: RunId) -> Self {
        Self { state: Rc::clone(state), run: Some(run), last_millis: now_millis() }
    }

    /// For the worker's own work.
    pub(super) fn of_worker(state: &Rc<State>) -> Self {
        Self { state: Rc::clone(state), run: None, last_millis: now_millis() }
    }
}

impl Pace for Turns {
    async fn breathe(&mut self) -> Result<(), Cancelled> {
        if now_millis() - self.last_millis >= TURN_MILLIS {
            next_turn().await;
            self.last_millis = now_millis();
        }
        let is_cancelled = self.run.is_some_and(|run| self.state.is_cancelled(run));
        if is_cancelled { Err(Cancelled) } else { Ok(()) }
    }
}

/// Milliseconds since the worker started.
pub(super) fn now_millis() -> f64 {
    super::scope().performance().map_or(0.0, |performance| performance.now())
}

#[wasm_bindgen]
extern "C" {
    /// The browser's own, where it has one: <https://wicg.github.io/scheduling-apis/>.
    type Scheduler;
    #[wasm_bindgen(method, js_name = postTask)]
    fn post_task(this: &Scheduler, task: &Function) -> Promise;
}

/// Waits until every message that has arrived was heard. A timer would be throttled to 4 ms.
async fn next_turn() {
    let scheduler = Reflect::get(&js_sys::global(), &"scheduler".into()).ok().filter(JsValue::is_object);
    let Some(scheduler) = scheduler else { return next_turn_by_message().await };
    let scheduler: Scheduler = scheduler.unchecked_into();
    // A task is not aborted, so neither promise is rejected.
    let turn = Promise::new(&mut |resolve, _| drop(scheduler.post_task(&resolve)));
    let _ = JsFuture::from(turn).await;
}

/// As [`next_turn`], by a message to itself: that passes through other threads, and takes some tenths of a millisecond.
async fn next_turn_by_message() {
    let channel = MessageChannel::new().expect("every worker has message channels");
    let (port, far_port) = (channel.port1(), channel.port2());
    let arrived = Promise::new(&mut |resolve, _| port.set_onmessage(Some(&resolve)));
    far_port.post_message(&JsValue::NULL).expect("null can be cloned");
    // The promise cannot be rejected: nobody holds its reject.
    let _ = JsFuture::from(arrived).await;
    port.close();
}

/// Comes back later.
pub(super) async fn sleep(millis: i32) {
    let promise = Promise::new(&mut |resolve, _| {
        // A worker that refuses timers is being closed; then nobody waits.
        let _ = super::scope().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, millis);
    });
    let _ = JsFuture::from(promise).await; // A timer does not reject.
}

/// What `work` comes to, unless it takes longer.
pub(super) async fn within<T>(millis: f64, work: impl Future<Output = T>) -> Option<T> {
    let (mut work, mut alarm) = (pin!(work), pin!(sleep(millis as i32)));
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending => alarm.as_mut().poll(context).map(|()| None),
    })
    .await
}
