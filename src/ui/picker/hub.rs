//! Any repository of a hub, which hub, and who asks.

use leptos::prelude::*;

use crate::{
    client::HubModel,
    protocol::Secret,
    ui::{
        actions::{self, Sources},
        dom,
        state::State,
    },
};

/// Which hub this machine's user chose.
const BASE_KEY: &str = "vitrine-hub";
const PUBLIC: &str = "https://huggingface.co";

/// Which hub is asked, and as whom. The token is in this page's memory alone.
#[derive(Clone, Copy)]
pub struct Hub {
    base: RwSignal<String>,
    token: RwSignal<String>,
}

impl Hub {
    /// The hub that was chosen here before, and nobody's token.
    pub fn of_machine() -> Self {
        Self { base: RwSignal::new(dom::stored(BASE_KEY).unwrap_or_default()), token: RwSignal::default() }
    }

    /// A model of it.
    pub fn model(self, repo: &str, revision: Option<String>) -> HubModel {
        let filled = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        HubModel {
            base: filled(self.base.get_untracked()),
            repo: repo.to_owned(),
            revision,
            token: filled(self.token.get_untracked()).map(Secret::new),
        }
    }
}

/// A field for any repository.
#[component]
pub fn AnyModel(
    /// Where models come from.
    sources: Sources,
) -> impl IntoView {
    let state = State::from_page();
    let hub: Hub = expect_context();
    let (repo, revision) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let is_empty = move || repo.with(|repo| repo.trim().is_empty());
    let load = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if is_empty() {
            return;
        }
        let asked = revision.get_untracked().trim().to_owned();
        let model =
            hub.model(repo.get_untracked().trim(), Some(asked).filter(|revision| !revision.is_empty()));
        actions::load_hub(state, sources, model);
    };
    let keep_base = move |base: String| {
        dom::store(BASE_KEY, Some(base.trim()).filter(|base| !base.is_empty()));
        hub.base.set(base);
    };
    view! {
        <form class="any-model" on:submit=load>
            <label>
                <span>"Any other"</span>
                <input type="text" placeholder="owner/name" autocomplete="off" autocapitalize="none" spellcheck="false"
                    prop:value=repo on:input:target=move |event| repo.set(event.target().value())/>
            </label>
            <label>
                <span>"Revision"</span>
                <input type="text" placeholder="main" autocomplete="off" autocapitalize="none" spellcheck="false"
                    prop:value=revision on:input:target=move |event| revision.set(event.target().value())/>
            </label>
            <button class="button primary" disabled=is_empty>"Load"</button>
        </form>
        <details class="hub-settings">
            <summary>"Another hub, gated models"</summary>
            <label>
                <span>"Address of the hub"</span>
                <input type="url" placeholder=PUBLIC autocomplete="off" prop:value=hub.base
                    on:change:target=move |event| keep_base(event.target().value())/>
            </label>
            <p class="note">"A mirror or a server of your institution that answers as the hub does. Kept on this machine."</p>
            <label>
                <span>"Token for gated models"</span>
                <input type="password" placeholder="hf_…" autocomplete="off" prop:value=hub.token
                    on:input:target=move |event| hub.token.set(event.target().value())/>
            </label>
            <p class="note">"Accept the model's conditions on its page first. The token stays in this page's memory until you close it and is sent to the hub alone; a read token is enough. Without one, download the files there and open them below."</p>
        </details>
    }
}
