//! The page: panels over one shared focus, and the engine behind a door.
//!
//! A component draws a view model and reports what the user does; it neither computes nor waits.

use std::sync::Arc;

use leptos::{mount::mount_to, prelude::*};
use wasm_bindgen::JsCast as _;

use crate::{client::Client, failure::Failure, protocol::ModelCard};

pub mod actions;
pub mod address;
pub mod alert;
pub mod app;
pub mod bars;
pub mod card;
pub mod card_text;
pub mod dialog;
pub mod dom;
pub mod elevation;
pub mod engine_panel;
pub mod findings;
pub mod focus;
pub mod guess;
pub mod handles;
pub mod header;
pub mod help;
pub mod hook;
pub mod inspector;
pub mod isolation;
pub mod keys;
pub mod mark;
pub mod models;
pub mod panel;
pub mod picker;
pub mod prompt;
pub mod self_check;
pub mod state;
pub mod strip;
pub mod tabs;
pub mod theme;
pub mod views;
pub mod wish;

use app::App;
use state::{Door, Engine, Entry, Loading, State};

/// Puts the page in place of the skeleton that came with it.
pub fn start() {
    console_error_panic_hook::set_once();
    let document = dom::document();
    let skeleton = document.query_selector("#page").ok().flatten();
    let place: web_sys::HtmlElement = match skeleton {
        Some(skeleton) => skeleton.unchecked_into(),
        None => document.body().expect("a document that runs scripts has a body"),
    };
    place.set_inner_html("");
    mount_to(place, App).forget();
}

/// A client whose engine, when it fails or moves a model, does so visibly.
fn connect(models: Vec<Entry>) -> Door {
    let (engine, models) = (RwSignal::new(Engine::Up), RwSignal::new(models));
    let (notice, is_moving) = (RwSignal::new(None), RwSignal::new(false));
    let on_stop = move |failure| engine.set(Engine::Failed(failure));
    let on_move = move |card: ModelCard, failure: Option<Failure>| {
        is_moving.set(false);
        if failure.is_some() {
            notice.set(failure);
        }
        models.update(|models| {
            let entry = models.iter_mut().find(|entry| entry.id == card.model);
            if let Some(entry) = entry.filter(|entry| matches!(entry.loading, Loading::Done(_))) {
                entry.loading = Loading::Done(Arc::new(card));
            }
        });
    };
    Door {
        client: Client::start(on_stop, on_move, wish::remember_presets),
        engine,
        models,
        notice,
        is_moving,
    }
}

/// The name of the stored answer to the page's own question.
const OWN_ANSWER: &str = "attention";
