//! The worker itself: a JSON text and its buffers, one message at a time.

use js_sys::{Array, Float32Array, Object, Reflect};
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure};
use web_sys::{ErrorEvent, MessageEvent, Worker, WorkerOptions, WorkerType};

use crate::{
    failure::{Failure, FailureKind},
    protocol::{FromEngine, ToEngine},
};

const JSON: &str = "json";
const ARRAYS: &str = "arrays";
const FILES: &str = "files";

/// A running worker; dropping it ends the worker.
pub(super) struct Link {
    worker: Worker,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(ErrorEvent)>,
}

impl Link {
    /// Starts the worker that the page names in `<meta name="vitrine-worker">`.
    pub(super) fn open(
        receive: impl Fn(Result<FromEngine, Failure>) + Clone + 'static,
    ) -> Result<Self, Failure> {
        let worker = start().map_err(|error| {
            Failure::new(
                FailureKind::Internal,
                format!("The engine's worker did not start: {}.", text_of(&error)),
                "Reload the page. Vitrine needs Web Workers and WebAssembly.",
            )
        })?;
        let receive_error = receive.clone();
        let on_message = Closure::new(move |event: MessageEvent| receive(read(&event.data())));
        let on_error = Closure::new(move |event: ErrorEvent| {
            event.prevent_default();
            receive_error(Err(Failure::new(
                FailureKind::Internal,
                format!("The engine stopped: {}.", message_of(&event)),
                "Restart the engine. Your prompt is kept.",
            )));
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Ok(Self { worker, _on_message: on_message, _on_error: on_error })
    }

    /// Sends one message. Of files only the handles go over; the engine reads them.
    pub(super) fn post(&self, message: &ToEngine, files: &Array) {
        let json = serde_json::to_string(message).expect("messages have string keys and finite numbers");
        let envelope = Object::new();
        set(&envelope, JSON, &JsValue::from_str(&json));
        set(&envelope, FILES, files);
        self.worker.post_message(&envelope).expect("a text and files can be cloned");
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}

fn start() -> Result<Worker, JsValue> {
    let document = web_sys::window().and_then(|window| window.document());
    let meta =
        document.and_then(|document| document.query_selector("meta[name=vitrine-worker]").ok().flatten());
    let attribute = |name| meta.as_ref().and_then(|meta| meta.get_attribute(name));
    // Without the meta the page was built by Trunk alone, which leaves this loader.
    let url = attribute("content").unwrap_or_else(|| "./worker_loader.js".to_owned());
    let is_module = attribute("data-type").as_deref() == Some("module");
    let options = WorkerOptions::new();
    options.set_name("vitrine-engine");
    options.set_type(if is_module { WorkerType::Module } else { WorkerType::Classic });
    Worker::new_with_options(&url, &options)
}

fn read(data: &JsValue) -> Result<FromEngine, Failure> {
    let broken = |why: String| {
        Failure::new(
            FailureKind::Internal,
            format!("A message of the engine cannot be read: {why}."),
            "Reload the page; if it happens again, please report it.",
        )
    };
    let json = Reflect::get(data, &JSON.into()).ok().and_then(|json| json.as_string());
    let json = json.ok_or_else(|| broken("it has no text".to_owned()))?;
    let mut letter: FromEngine = serde_json::from_str(&json).map_err(|error| broken(error.to_string()))?;
    let arrays = Reflect::get(data, &ARRAYS.into()).unwrap_or(JsValue::UNDEFINED);
    let arrays: Vec<Vec<f32>> = match arrays.dyn_ref::<Array>() {
        Some(arrays) => arrays.iter().map(|array| Float32Array::new(&array).to_vec()).collect(),
        None => vec![],
    };
    letter.attach(arrays).map_err(|error| broken(error.to_string()))?;
    Ok(letter)
}

fn set(object: &Object, key: &str, value: &JsValue) {
    Reflect::set(object, &key.into(), value).expect("a plain object takes any key");
}

/// The event of a script that could not be fetched has no message.
fn message_of(event: &ErrorEvent) -> String {
    let message = Reflect::get(event, &"message".into()).ok().and_then(|message| message.as_string());
    message.filter(|text| !text.is_empty()).unwrap_or_else(|| "its script could not be loaded".to_owned())
}

fn text_of(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => error.message().into(),
        None => error.as_string().unwrap_or_else(|| "unknown reason".to_owned()),
    }
}
