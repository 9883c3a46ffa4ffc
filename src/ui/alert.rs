//! Failures: what, why, and what to try; the rest of the page stays alive.

use leptos::prelude::*;

use super::{
    actions::{self, Sources},
    dom,
    guess::Guess,
    models,
    picker::Hub,
    state::{Engine, Entry, Loading, State},
};
use crate::{
    failure::{Failure, FailureKind},
    view_model::{curated::Curated, number, sentence::sentence},
};

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
            <p class="alert-what">{sentence(&failure.message)}</p>
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
        Engine::Failed(failure) => Some(view! { <EngineAlert failure sources/> }),
    };
    let opened = move || Some(view! { <OpenAlert failure=state.open_failure.get()?/> });
    let noticed = move || Some(view! { <Notice failure=state.notice.get()?/> });
    let failed = Memo::new(move |_| match state.engine.get() {
        Engine::Failed(_) => vec![], // Said once, above.
        Engine::Up => state.models.with(|models| models.iter().filter_map(failure_of).collect::<Vec<_>>()),
    });
    let loads = move || {
        let alert = |(id, failure)| view! { <LoadAlert id failure sources/> };
        failed.get().into_iter().map(alert).collect_view()
    };
    let offered = move || Some(view! { <Offer id=state.offered.get()? sources/> });
    let guessed = move || {
        let (id, guess) = state.guessed.get()?;
        Some(view! { <Guess id guess sources/> })
    };
    view! { <div class="alerts">{engine}{offered}{guessed}{noticed}{opened}{loads}</div> }
}

#[component]
fn EngineAlert(failure: Failure, sources: Sources) -> impl IntoView {
    let state = State::from_page();
    let is_other_build = failure.kind == FailureKind::Version;
    let name = if is_other_build { "Reload the page" } else { "Restart engine" };
    let act = move |_| if is_other_build { reload() } else { actions::restart(state, sources) };
    view! {
        <Alert failure>
            <button type="button" class="button" on:click=act>{name}</button>
        </Alert>
    }
}

/// A model that went on elsewhere: nothing is lost, so it can be put aside.
#[component]
fn Notice(failure: Failure) -> impl IntoView {
    let state = State::from_page();
    view! {
        <Alert failure>
            <button type="button" class="button" on:click=move |_| state.shows_engine.set(true)>"Engine…"</button>
            <button type="button" class="button" on:click=move |_| state.notice.set(None)>"Dismiss"</button>
        </Alert>
    }
}

#[component]
fn OpenAlert(failure: Failure) -> impl IntoView {
    let state = State::from_page();
    view! {
        <Alert failure>
            <button type="button" class="button" on:click=move |_| state.open_failure.set(None)>"Dismiss"</button>
        </Alert>
    }
}

#[component]
fn LoadAlert(id: String, failure: Failure, sources: Sources) -> impl IntoView {
    let state = State::from_page();
    let name = format!("Load {id} again");
    let again = id.clone();
    let others = (!models::is_embedded(&id)).then(|| view! {
        <button type="button" class="button" on:click=move |_| state.shows_models.set(true)>"Models…"</button>
        <button type="button" class="button" on:click=move |_| actions::forget(state, &id)>"Dismiss"</button>
    });
    view! {
        <Alert failure>
            <button type="button" class="button" on:click=move |_| actions::load(state, sources, &again)>{name}</button>
            {others}
        </Alert>
    }
}

/// A link that speaks of a model which is not here: nothing is fetched without a click.
#[component]
fn Offer(id: String, sources: Sources) -> impl IntoView {
    let state = State::from_page();
    let size = Curated::of(&id).map(|model| format!(" (about {})", number::bytes(model.size_bytes)));
    let hint =
        format!("It would be fetched from a hub{} and kept in this browser.", size.unwrap_or_default());
    let load = move |_| {
        let (repo, revision) =
            id.split_once('@').map_or((id.as_str(), None), |(repo, revision)| (repo, Some(revision)));
        actions::load_hub(state, sources, Hub::of_machine().model(repo, revision.map(str::to_owned)));
    };
    let what =
        state.offered.get_untracked().map(|id| format!("This link is about {id}, which is not loaded."));
    view! {
        <div class="offered" role="status">
            <p class="alert-what">{what}</p>
            <p class="alert-hint">{hint}</p>
            <div class="alert-actions">
                <button type="button" class="button primary" on:click=load>"Load it"</button>
                <button type="button" class="button" on:click=move |_| state.offered.set(None)>"Not now"</button>
            </div>
        </div>
    }
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
