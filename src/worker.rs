//! The engine's side of the protocol: receive, work, send.
//!
//! Every request is a future of its own; they take turns between blocks, so that a question is answered
//! while a download goes on, and a cancel is heard within one block. Only this module of the engine's side
//! knows the browser.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use js_sys::{Array, Float32Array, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::spawn_local;
use web_sys::{DedicatedWorkerGlobalScope, File, MessageEvent};

use crate::{
    backend::webgpu::WebGpu,
    failure::{Failure, FailureKind},
    placement::Wish,
    protocol::{FromEngine, Presets, RunId, ToEngine, VERSION},
};

mod any_engine;
mod body;
mod fetch;
mod hub;
mod jobs;
mod loaded;
mod pace;
mod placing;
mod post;
mod probe;
mod reading;
mod room;
mod source;
mod tuning;
mod weights;

use hub::Control;
use loaded::Loaded;

/// What all requests share.
#[derive(Default)]
struct State {
    models: RefCell<BTreeMap<String, Rc<Loaded>>>,
    cancelled: RefCell<BTreeSet<RunId>>,
    /// Of requests that download from a hub.
    controls: RefCell<BTreeMap<RunId, Rc<Control>>>,
    wish: Cell<Wish>,
    gpu: RefCell<Option<WebGpu>>,
    presets: RefCell<Presets>,
    /// Requests under way, and all that there ever were.
    n_busy: Cell<u32>,
    n_begun: Cell<u32>,
    last_end_millis: Cell<f64>,
}

impl State {
    fn model(&self, name: &str) -> Result<Rc<Loaded>, Failure> {
        self.models.borrow().get(name).map(Rc::clone).ok_or_else(|| {
            Failure::new(
                FailureKind::Model,
                format!("no model named `{name}` is loaded"),
                "Load a model, or wait until it is there.",
            )
        })
    }

    /// What the user says to the download of a request.
    fn control(&self, run: RunId) -> Rc<Control> {
        let control = Rc::clone(self.controls.borrow_mut().entry(run).or_default());
        if self.is_cancelled(run) {
            control.cancel();
        }
        control
    }

    fn is_cancelled(&self, run: RunId) -> bool {
        self.cancelled.borrow().contains(&run)
    }
}

/// Listens to the page, and says so.
pub fn start() {
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        post::send(FromEngine::Failed {
            run: None,
            failure: Failure::new(
                FailureKind::Internal,
                format!("the engine stopped: {info}"),
                "Restart the engine; your prompt is kept. If it happens again, report it.",
            ),
        });
    }));
    let state = Rc::new(State::default());
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        receive(&state, &event.data());
    });
    scope().set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // It listens for as long as the worker lives.
    on_message.forget();
    post::send(FromEngine::Ready { version: VERSION });
}

/// The worker's global scope.
fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Starts what a message asks for.
fn receive(state: &Rc<State>, data: &JsValue) {
    let message = match read(data) {
        Ok(message) => message,
        Err(failure) => return post::send(FromEngine::Failed { run: None, failure }),
    };
    let files = files(data);
    let state = Rc::clone(state);
    match message {
        ToEngine::Cancel { run } => {
            state.cancelled.borrow_mut().insert(run);
            if let Some(control) = state.controls.borrow().get(&run) {
                control.cancel();
            }
        }
        ToEngine::Pause { run, is_paused } => {
            if let Some(control) = state.controls.borrow().get(&run) {
                control.pause(is_paused);
            }
        }
        ToEngine::Cached { run, delete } => {
            begin(&state);
            spawn_local(async move { finish(&state, run, jobs::cached(run, delete).await) });
        }
        ToEngine::Unload { model } => {
            state.models.borrow_mut().remove(&model);
        }
        ToEngine::Prefer { wish } => spawn_local(placing::prefer(state, wish)),
        ToEngine::Tune { presets } => state.presets.borrow_mut().extend(presets),
        ToEngine::LoseDevice => {
            if let Some(gpu) = state.gpu.borrow().as_ref() {
                gpu.lose();
            }
        }
        ToEngine::Load { run, model, source } => {
            begin(&state);
            // What is said of it is heard from now on.
            state.control(run);
            spawn_local(
                async move { finish(&state, run, jobs::load(&state, run, model, source, files).await) },
            );
        }
        ToEngine::LoadSae { run, model, sae, source } => {
            begin(&state);
            spawn_local(async move {
                finish(&state, run, jobs::load_sae(&state, run, &model, sae, source, files).await);
            });
        }
        ToEngine::UnloadSae { model, sae } => {
            if let Ok(model) = state.model(&model) {
                spawn_local(async move { model.drop_sae(&sae).await });
            }
        }
        ToEngine::Encode { run, model, spec } => {
            begin(&state);
            spawn_local(async move { finish(&state, run, jobs::encode(&state, run, &model, &spec).await) });
        }
        ToEngine::Inspect { run, model } => {
            begin(&state);
            finish(&state, run, jobs::inspect(&state, run, &model));
        }
        ToEngine::Ask { run, model, question } => {
            begin(&state);
            spawn_local(async move { finish(&state, run, jobs::ask(&state, run, &model, &question).await) });
        }
        ToEngine::Verify { run, model, reference } => {
            begin(&state);
            spawn_local(
                async move { finish(&state, run, jobs::verify(&state, run, &model, &reference).await) },
            );
        }
        ToEngine::Tokenize { run, model, text, bos } => {
            begin(&state);
            finish(&state, run, jobs::tokenize(&state, run, &model, text, bos));
        }
        ToEngine::Generate { run, model, spec } => {
            begin(&state);
            spawn_local(async move { finish(&state, run, jobs::generate(&state, run, &model, &spec).await) });
        }
    }
}

/// Notes that a request is under way.
fn begin(state: &State) {
    state.n_busy.set(state.n_busy.get() + 1);
    state.n_begun.set(state.n_begun.get() + 1);
}

/// Sends the last reply to a request.
fn finish(state: &State, run: RunId, result: Result<FromEngine, Failure>) {
    state.n_busy.set(state.n_busy.get() - 1);
    state.last_end_millis.set(pace::now_millis());
    state.cancelled.borrow_mut().remove(&run);
    state.controls.borrow_mut().remove(&run);
    post::send(result.unwrap_or_else(|failure| FromEngine::Failed { run: Some(run), failure }));
}

fn read(data: &JsValue) -> Result<ToEngine, Failure> {
    let refuse = |error: &dyn std::fmt::Display| {
        Failure::new(
            FailureKind::Question,
            format!("the engine cannot read the request: {error}"),
            "Check the question against assets/schema/question.json.",
        )
    };
    let text = Reflect::get(data, &"json".into()).ok().and_then(|json| json.as_string()).unwrap_or_default();
    let mut message: ToEngine = serde_json::from_str(&text).map_err(|error| refuse(&error))?;
    let arrays = list(data, "arrays").map(|array| Float32Array::new(&array).to_vec()).collect();
    message.attach(arrays).map_err(|error| refuse(&error))?;
    Ok(message)
}

/// The files that came with a message.
fn files(data: &JsValue) -> Vec<File> {
    list(data, "files").map(JsCast::unchecked_into).collect()
}

/// What a message has beside its text.
fn list(data: &JsValue, key: &str) -> impl Iterator<Item = JsValue> + use<> {
    let list = Reflect::get(data, &key.into()).unwrap_or(JsValue::UNDEFINED);
    list.dyn_into::<Array>().unwrap_or_default().into_iter()
}
