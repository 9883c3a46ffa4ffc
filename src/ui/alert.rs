//! Failures: what, why, and what to try; the rest of the page stays alive.

use leptos::prelude::*;

use super::{
    actions::{self, Sources},
    dom,
    state::{Engine, Entry, Loading, State},
};
use crate::failure::{Failure, FailureKind};

/// One failure in words.
#[component]
pub fn Alert(
    /// The failure.
    failure: Failure,
    /// What can be done about it.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    view! {
        <div class="alert" role="alert">
            <p class="alert-what">{failure.message}</p>
            <p class="alert-hint">{failure.hint}</p>
            {children.map(|children| view! { <div class="alert-actions">{children()}</div> })}
        </div>
    }
}

/// What concerns the whole page: the engine, and models that did not load.
#[component]
pub fn Alerts(
    /// Where models come from.
    sources: Sources,
) -> impl IntoView {
    let state = State::from_page();
    let engine = move || match state.engine.get() {
        Engine::Up => None,
        Engine::Failed(failure) if failure.kind == FailureKind::Version => Some(view! {
            <Alert failure>
                <button type="button" class="button" on:click=|_| reload()>"Reload the page"</button>
            </Alert>
        }.into_any()),
        Engine::Failed(failure) => Some(view! {
            <Alert failure>
                <button type="button" class="button" on:click=move |_| actions::restart(state, sources)>"Restart engine"</button>
            </Alert>
        }.into_any()),
    };
    let opened = move || state.open_failure.get().map(|failure| view! {
        <Alert failure>
            <button type="button" class="button" on:click=move |_| state.open_failure.set(None)>"Dismiss"</button>
        </Alert>
    });
    let failed = Memo::new(move |_| match state.engine.get() {
        Engine::Failed(_) => vec![], // Said once, above.
        Engine::Up => state.models.with(|models| models.iter().filter_map(failure_of).collect::<Vec<_>>()),
    });
    let loads = move || failed.get().into_iter().map(|(id, failure)| {
        let again = id.clone();
        view! {
            <Alert failure>
                <button type="button" class="button" on:click=move |_| actions::load(state, sources, &again)>
                    "Load " {id} " again"
                </button>
            </Alert>
        }
    }).collect_view();
    view! { <div class="alerts">{engine}{opened}{loads}</div> }
}

fn failure_of(entry: &Entry) -> Option<(String, Failure)> {
    match &entry.loading {
        Loading::Failed(failure) if failure.kind != FailureKind::Cancelled => {
            Some((entry.id.clone(), failure.clone()))
        }
        Loading::Idle | Loading::Running(_) | Loading::Done(_) | Loading::Failed(_) => None,
    }
}

fn reload() {
    // Only a page that is being closed refuses.
    let _ = dom::window().location().reload();
}
