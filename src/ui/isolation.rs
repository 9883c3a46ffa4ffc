//! More threads: a service worker that isolates the page, where its host does not.
//!
//! It is put in quietly once a model has answered, and is at work from the next visit; a button reloads at once. The
//! page never reloads by itself, and inside another page it does nothing.

use std::time::Duration;

use leptos::{prelude::*, task::spawn_local};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{ServiceWorkerContainer, ServiceWorkerRegistration};

use super::{
    dom,
    state::{Made, State},
};
use crate::view_model::threads::{Helper, Situation};

const SCRIPT: &str = "./sw.js";
/// After the first live answer, so that its fetch is in nobody's way.
const PAUSE: Duration = Duration::from_secs(3);

/// What decides how many threads there are; `n_threads` compute now.
pub async fn situation(n_threads: usize) -> Situation {
    Situation {
        n_threads,
        n_cores: dom::window().navigator().hardware_concurrency() as usize,
        is_isolated: dom::is_isolated(),
        is_embedded: dom::is_embedded(),
        helper: helper().await,
    }
}

async fn helper() -> Helper {
    let Some(container) = container() else { return Helper::Unavailable };
    if container.controller().is_some() {
        return Helper::InVain;
    }
    match registration(&container).await {
        Some(_) => Helper::Waiting,
        None => Helper::Possible,
    }
}

/// Prepares the next visit, once a model has answered live.
pub fn prepare(state: State) {
    let is_live = Memo::new(move |_| {
        state.shown.with(|shown| matches!(shown.as_ref().map(|shown| shown.made), Some(Made::Live { .. })))
    });
    Effect::new(move || {
        if is_live.get() {
            set_timeout(|| spawn_local(put_in()), PAUSE);
        }
    });
}

/// Puts the service worker in, where it would help.
async fn put_in() {
    let is_alone = dom::window().navigator().hardware_concurrency() <= 1.0;
    if dom::is_isolated() || dom::is_embedded() || is_alone {
        return;
    }
    let Some(container) = container() else { return };
    if container.controller().is_some() {
        // It is at work in vain: better none than one more step on the way to each file.
        if let Some(registration) = registration(&container).await {
            // One that cannot be taken out is harmless.
            let _ = registration.unregister().map(JsFuture::from);
        }
        return;
    }
    // Refused, as in some private windows: the panel says that there is one thread, and why.
    let _ = JsFuture::from(container.register(SCRIPT)).await;
}

/// Puts it in and reloads the page as it stands.
///
/// Errors: the browser refuses, in its own words.
pub async fn reload_isolated(state: State) -> Result<(), String> {
    let container = container().ok_or("this browser has no service worker here")?;
    JsFuture::from(container.register(SCRIPT)).await.map_err(|error| words(&error))?;
    let ready = container.ready().map_err(|error| words(&error))?;
    JsFuture::from(ready).await.map_err(|error| words(&error))?;
    // The address is written with a pause after each change; what is in the box now must come along.
    state.touch();
    dom::replace_fragment(&untrack(|| state.address()).write());
    dom::window().location().reload().map_err(|error| words(&error))
}

fn container() -> Option<ServiceWorkerContainer> {
    // Without https, and in some private windows, the property is missing.
    let container = js_sys::Reflect::get(&dom::window().navigator(), &"serviceWorker".into()).ok()?;
    container.dyn_into().ok()
}

async fn registration(container: &ServiceWorkerContainer) -> Option<ServiceWorkerRegistration> {
    JsFuture::from(container.get_registration()).await.ok()?.dyn_into().ok()
}

fn words(error: &JsValue) -> String {
    error
        .dyn_ref::<js_sys::Error>()
        .map_or_else(|| "it gives no reason".to_owned(), |error| error.message().into())
}
