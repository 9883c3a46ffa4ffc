//! Weights that came without config.json: what their tensors say, what is assumed, and the choice to go on with it.

use leptos::prelude::*;

use super::{
    actions::{self, Sources},
    state::State,
};
use crate::protocol::ConfigGuess;

/// The guess, for somebody to look at and correct.
#[component]
pub fn Guess(
    /// The id under which the files are kept.
    id: String,
    /// The guess.
    guess: ConfigGuess,
    /// Where models come from.
    sources: Sources,
) -> impl IntoView {
    let state = State::from_page();
    let ConfigGuess { config, read_off, assumed } = guess;
    let config = RwSignal::new(config);
    let open = move |_| actions::open_guessed(state, sources, &id, &config.get_untracked());
    let list = |sentences: Vec<String>| {
        sentences.into_iter().map(|sentence| view! { <li>{with_code(&sentence)}</li> }).collect_view()
    };
    view! {
        <section class="offered guess" role="status" data-testid="guess">
            <p class="alert-what">"These files have no config.json. It was guessed from the tensors: is it right?"</p>
            <p class="alert-hint">"What is assumed changes the answers without a warning. Correct it below, or add the model's own config.json to the files."</p>
            <p class="quiet">"Assumed"</p>
            <ul class="notes">{list(assumed)}</ul>
            <details>
                <summary>"Read off the tensors"</summary>
                <ul class="notes">{list(read_off)}</ul>
            </details>
            <details>
                <summary>"The whole config.json"</summary>
                <textarea class="config-text" aria-label="config.json" spellcheck="false" rows="12" prop:value=config
                    on:input:target=move |event| config.set(event.target().value())></textarea>
            </details>
            <div class="alert-actions">
                <button type="button" class="button primary" on:click=open>"Open with it"</button>
                <button type="button" class="button" on:click=move |_| state.guessed.set(None)>"Cancel"</button>
            </div>
        </section>
    }
}

/// A sentence whose keys stand between backticks.
fn with_code(sentence: &str) -> impl IntoView + use<> {
    let part = |(nth, part): (usize, &str)| match nth % 2 {
        0 => view! { <span>{part.to_owned()}</span> }.into_any(),
        _ => view! { <code>{part.to_owned()}</code> }.into_any(),
    };
    sentence.split('`').enumerate().map(part).collect_view()
}
