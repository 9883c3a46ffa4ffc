//! The hub's models that are worth opening first.

use leptos::prelude::*;

use super::{Hub, Kept};
use crate::{
    placement::room,
    ui::{
        actions::{self, Sources},
        state::{Loading, State},
    },
    view_model::{curated::Curated, number},
};

/// The list.
#[component]
pub fn CuratedModels(
    /// Where models come from.
    sources: Sources,
) -> impl IntoView {
    view! {
        <ul class="curated">
            {Curated::ALL.map(|model| view! { <Row model sources/> })}
        </ul>
    }
}

#[component]
fn Row(model: Curated, sources: Sources) -> impl IntoView {
    let state = State::from_page();
    let (hub, kept): (Hub, Kept) = (expect_context(), expect_context());
    let id = model.repo;
    // A memo, because a download changes the models many times a second.
    let is_done = Memo::new(move |_| matches!(state.loading_of(id), Loading::Done(_)));
    let is_coming = Memo::new(move |_| matches!(state.loading_of(id), Loading::Running(_)));
    let act = move |_| {
        if is_done.get_untracked() {
            actions::show_model(state, id);
        } else {
            actions::load_hub(state, sources, hub.model(id, None));
        }
    };
    let verb = move || if is_done.get() { "Use" } else { "Load" };
    // Said only of what would have to be fetched.
    let not_kept = move || match kept.is_whole(id) {
        true => None,
        false => room::not_kept(model.size_bytes, kept.left_bytes()),
    };
    let facts = format!("about {}, {}", number::about_bytes(model.size_bytes), licence(model));
    view! {
        <li>
            <p class="curated-name">{id}</p>
            <p class="note">{model.words}</p>
            <p class="quiet num">
                {facts}
                {move || kept.is_whole(id).then_some(", kept here")}
                {move || not_kept().map(|said| format!(". {said}"))}
            </p>
            <button type="button" class="button" aria-label=move || format!("{} {id}", verb()) disabled=is_coming on:click=act>
                {move || if is_coming.get() { "Coming…" } else { verb() }}
            </button>
        </li>
    }
}

fn licence(model: Curated) -> String {
    let licence = match model.licence {
        "not stated" => "licence not stated".to_owned(),
        licence => licence.to_owned(),
    };
    if model.is_gated { licence + ", gated: needs a token" } else { licence }
}
