//! Models on their way, each with what can be done about it.

use leptos::prelude::*;

use crate::{
    ui::{
        actions,
        state::{Entry, Loading, State},
    },
    view_model::download::Download,
};

/// All that are on their way.
#[component]
pub fn Coming() -> impl IntoView {
    let state = State::from_page();
    let ids = Memo::new(move |_| {
        let is_coming = |entry: &&Entry| matches!(entry.loading, Loading::Running(_));
        state
            .models
            .with(|models| models.iter().filter(is_coming).map(|entry| entry.id.clone()).collect::<Vec<_>>())
    });
    view! {
        <ul class="coming-models" aria-label="On their way">
            <For each=move || ids.get() key=String::clone children=move |id| view! { <Row id/> }/>
        </ul>
    }
}

#[component]
fn Row(id: String) -> impl IntoView {
    let state = State::from_page();
    let title = id.clone();
    let download = {
        let id = id.clone();
        Memo::new(move |_| match state.loading_of(&id) {
            Loading::Running(download) => download,
            Loading::Idle | Loading::Done(_) | Loading::Failed(_) => Download::default(),
        })
    };
    let is_paused = move || download.with(|download| download.is_paused);
    let (to_pause, to_cancel) = (id.clone(), id.clone());
    let pause = Entry::is_of_hub(&id).then(|| view! {
        <button type="button" class="button" on:click=move |_| actions::pause(state, &to_pause, !is_paused())
            aria-label=format!("Pause or go on: {id}")>
            {move || if is_paused() { "Go on" } else { "Pause" }}
        </button>
    });
    let cancel_name = format!("Cancel {title}");
    view! {
        <li>
            <p class="coming-name">{title.clone()}</p>
            <p class="num" role="status">{move || download.with(Download::text)}</p>
            <progress max="100" value=move || download.with(Download::percent) aria-label=format!("Loading {title}")></progress>
            <div class="coming-actions">
                {pause}
                <button type="button" class="button" aria-label=cancel_name on:click=move |_| actions::cancel(state, &to_cancel)>"Cancel"</button>
            </div>
        </li>
    }
}
