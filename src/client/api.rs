//! `window.vitrine`: the same client for scripts, tests and pages that embed this one.
//!
//! `await vitrine.ask(question, { model })` resolves to the JSON that `vitrine ask` prints; it rejects
//! with an `Error` that carries `kind` and `hint`.

use std::{future::Future, pin::Pin, rc::Rc};

use js_sys::{Error, JSON, Object, Promise, Reflect};
use wasm_bindgen::{JsValue, closure::Closure};
use wasm_bindgen_futures::future_to_promise;

use super::Client;
use crate::{
    analysis::Question,
    failure::{Failure, FailureKind},
};

/// Says which model a call without `model` means, once one is loaded.
pub type CurrentModel = Rc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<String, Failure>>>>>;

/// Puts `vitrine` on the window.
pub fn publish(client: &Client, current: CurrentModel) {
    let client = client.clone();
    let ask = Closure::<dyn Fn(JsValue, JsValue) -> Promise>::new(move |question, options| {
        let (client, current) = (client.clone(), Rc::clone(&current));
        future_to_promise(async move {
            answer(&client, &current, &question, &options).await.map_err(|failure| error_of(&failure))
        })
    });
    let vitrine = Object::new();
    set(&vitrine, "ask", &ask.into_js_value());
    set(&vitrine, "version", &env!("CARGO_PKG_VERSION").into());
    if let Some(window) = web_sys::window() {
        set(&window, "vitrine", &vitrine);
    }
}

async fn answer(
    client: &Client,
    current: &CurrentModel,
    question: &JsValue,
    options: &JsValue,
) -> Result<JsValue, Failure> {
    let question = JSON::stringify(question).ok().and_then(|json| json.as_string()).unwrap_or_default();
    let question: Question = serde_json::from_str(&question).map_err(|error| {
        Failure::new(
            FailureKind::Question,
            format!("This is not a question: {error}."),
            r#"For example {"kind": "attention", "prompt": {"text": "The cat sat on the cat"}}."#,
        )
    })?;
    let model = Reflect::get(options, &"model".into()).ok().and_then(|model| model.as_string());
    let model = match model {
        Some(model) => model,
        None => current().await?,
    };
    let answered = client.ask(&model, question).1.await?;
    let json = serde_json::to_string(&answered.answer).expect("answers have string keys");
    Ok(JSON::parse(&json).expect("what serde wrote is JSON"))
}

fn error_of(failure: &Failure) -> JsValue {
    let error = Error::new(&failure.message);
    let kind = serde_json::to_value(failure.kind).expect("a kind is a word");
    set(&error, "kind", &kind.as_str().unwrap_or_default().into());
    set(&error, "hint", &failure.hint.as_str().into());
    error.into()
}

fn set(object: &Object, key: &str, value: &JsValue) {
    Reflect::set(object, &key.into(), value).expect("an extensible object takes any key");
}
