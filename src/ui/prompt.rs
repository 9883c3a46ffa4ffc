//! The prompt: a text, examples, BOS, and how much of the context it takes.

use leptos::prelude::*;

use super::{
    actions,
    alert::Alert,
    state::{Asking, State},
};
use crate::{
    failure::Failure,
    prompt::Bos,
    view_model::{
        address::key_of,
        examples::{EXAMPLES, Example},
    },
};

/// The editor.
#[component]
pub fn PromptEditor() -> impl IntoView {
    let state = State::from_page();
    let edit = move |text: String| {
        state.touch();
        state.prompt.set(text);
    };
    let on_key = move |event: web_sys::KeyboardEvent| {
        if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) {
            event.prevent_default();
            actions::ask(state);
        }
        if event.key() == "Escape" {
            event.prevent_default(); // Leaves the box, and lets go of nothing else.
            blur(&event);
        }
    };
    let failure = move || match state.asking.get() {
        Asking::Failed(failure) => Some(view! { <PromptAlert failure/> }),
        Asking::Idle | Asking::Running => None,
    };
    view! {
        <div class="prompt">
            <div class="prompt-line">
                <label for="prompt">"Prompt"</label>
                <textarea id="prompt" rows="2" spellcheck="false" autocomplete="off" autocapitalize="off"
                    prop:value=move || state.prompt.get()
                    on:input:target=move |event| edit(event.target().value())
                    on:keydown=on_key></textarea>
                <button type="button" class="button primary" title="Ctrl+Enter" on:click=move |_| actions::ask(state)>"Run"</button>
            </div>
            <div class="prompt-tools">
                <div class="examples" role="group" aria-label="Examples">
                    <span class="quiet" aria-hidden="true">"Try"</span>
                    {EXAMPLES.map(|Example { name, text }| view! {
                        <button type="button" class="textlink" title=text on:click=move |_| edit(text.to_owned())>{name}</button>
                    })}
                </div>
                <BosChoice/>
                <TokenCount/>
            </div>
            {failure}
        </div>
    }
}

#[component]
fn PromptAlert(failure: Failure) -> impl IntoView {
    let has_older = State::from_page().shown.with_untracked(Option::is_some);
    let older = has_older.then_some("What is shown below still belongs to the last prompt that worked.");
    view! {
        <Alert failure>
            <p class="note">{older}</p>
        </Alert>
    }
}

fn blur(event: &web_sys::KeyboardEvent) {
    use wasm_bindgen::JsCast as _;
    if let Some(box_) = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlElement>().ok()) {
        let _ = box_.blur(); // An element in a page can always lose focus.
    }
}

#[component]
fn BosChoice() -> impl IntoView {
    let state = State::from_page();
    let choice = move |bos: Bos| {
        view! {
            <label class="choice">
                <input type="radio" name="bos" prop:checked=move || state.bos.get() == bos
                    on:change=move |_| { state.touch(); state.bos.set(bos); }/>
                <span>{key_of(bos)}</span>
            </label>
        }
    };
    view! {
        <fieldset class="choices" title="A beginning-of-sequence token in front: auto does what the model was trained with">
            <legend>"BOS"</legend>
            {[Bos::Auto, Bos::Yes, Bos::No].map(choice)}
        </fieldset>
    }
}

#[component]
fn TokenCount() -> impl IntoView {
    let state = State::from_page();
    let n_tokens = move || state.shown.with(|shown| shown.as_ref().map(|shown| shown.answer.tokens.len()));
    let n_ctx =
        move || state.card_of(&state.present_model()).map(|card| format!(" of {}", card.config.n_ctx));
    view! {
        <p class="count num" title="Tokens in the prompt, of as many as the model can read">
            {move || n_tokens().filter(|_| !state.is_stale()).map(|n| format!("{n}{} tokens", n_ctx().unwrap_or_default()))}
        </p>
    }
}
