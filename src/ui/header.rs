//! The name, the model chooser, theme and help.

use leptos::prelude::*;

use super::{
    engine_panel::EngineButton,
    models,
    picker::PickerButton,
    state::{Entry, Loading, State},
    theme::ThemeButton,
};
use crate::view_model::address::Address;

/// The line on top.
#[component]
pub fn Header(
    /// Whether the help is open.
    is_helping: RwSignal<bool>,
) -> impl IntoView {
    view! {
        <header class="top">
            <h1 class="wordmark">"Vitrine"</h1>
            <p class="motto">"a glass case for looking inside language models"</p>
            <div class="top-tools">
                <WholePage/>
                <ModelChooser/>
                <PickerButton/>
                <EngineButton/>
                <ThemeButton/>
                <button type="button" class="icon" aria-label="Help" title="Help and keys (?)" on:click=move |_| is_helping.set(true)>
                    <span aria-hidden="true">"?"</span>
                </button>
            </div>
        </header>
    }
}

/// Inside another page: the way to the whole of this one, as it stands.
#[component]
fn WholePage() -> impl IntoView {
    let state = State::from_page();
    let href = move || format!("#{}", Address { is_embed: false, ..state.address() }.write());
    view! {
        <Show when=move || state.is_embed.get()>
            <a class="whole-page" href=href target="_blank" rel="noopener">"Open in Vitrine"</a>
        </Show>
    }
}

#[component]
fn ModelChooser() -> impl IntoView {
    let state = State::from_page();
    let choose = move |id: String| {
        state.touch();
        state.model.set(id);
    };
    // Its own memo, because a download changes the models many times a second.
    let names = Memo::new(move |_| {
        let name = |entry: &Entry| (entry.id.clone(), entry.words.clone(), label(entry));
        state.models.with(|models| models.iter().map(name).collect::<Vec<_>>())
    });
    let options = move || {
        let chosen = state.model.get();
        let option = |(id, words, label): (String, String, String)| {
            view! { <option selected=id == chosen title=words value=id>{label}</option> }
        };
        names.get().into_iter().map(option).collect_view()
    };
    view! {
        <label class="chooser">
            <span class="quiet">"Model"</span>
            <select aria-label="Model" on:change:target=move |event| choose(event.target().value())>{options}</select>
        </label>
        <Show when=move || models::is_default_on_offer(state)>
            <button type="button" class="offer" on:click=move |_| choose(models::DEFAULT.to_owned())>
                {models::DEFAULT} " is ready: switch"
            </button>
        </Show>
        <Progress/>
    }
}

fn label(entry: &Entry) -> String {
    let suffix = match &entry.loading {
        Loading::Idle | Loading::Done(_) => "",
        Loading::Running(_) => " (loading)",
        Loading::Failed(_) => " (failed)",
    };
    format!("{}{suffix}", entry.title())
}

/// What is on its way, as a line that fills the header's; the strip says it in bytes.
#[component]
fn Progress() -> impl IntoView {
    let state = State::from_page();
    let running = Memo::new(move |_| state.download().map(|(id, download)| (id, download.percent())));
    view! {
        {move || running.get().map(|(id, percent)| view! {
            <progress class="progress" max="100" value=percent aria-label=format!("Loading {id}")></progress>
        })}
    }
}
