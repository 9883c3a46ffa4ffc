//! How would it go on?

use leptos::prelude::*;

use super::Frame;
use crate::{
    protocol::FinishReason,
    ui::{
        actions,
        alert::Alert,
        state::{Loading, NewToken, Phase, State},
    },
    view_model::{number, sampling::Sampling, token_strip::token_text},
};

/// The continuation, as it comes.
#[component]
pub fn GenerationPanel() -> impl IntoView {
    let state = State::from_page();
    let is_running = Memo::new(move |_| state.generation.with(|generation| generation.is_running()));
    let is_there = Memo::new(move |_| matches!(state.loading_of(&state.model.get()), Loading::Done(_)));
    let n_tokens = Memo::new(move |_| state.generation.with(|generation| generation.tokens.len()));
    let serial = Memo::new(move |_| state.generation.with(|generation| generation.serial));
    let caption = Signal::derive(|| {
        "Each new token is drawn from what the model expects next; the underline says how unlikely it was."
            .to_owned()
    });
    let failure = move || match state.generation.with(|generation| generation.phase.clone()) {
        Phase::Failed(failure) => Some(view! { <Alert failure/> }),
        Phase::Idle | Phase::Running(_) | Phase::Done { .. } | Phase::Stopped => None,
    };
    let use_as_prompt = move |_| {
        let text =
            state.generation.with_untracked(|generation| format!("{}{}", generation.prompt, generation.text));
        state.touch();
        state.prompt.set(text);
    };
    view! {
        <Frame id="generation" question="How would it go on?" caption>
            <div class="generation-tools">
                <button type="button" class="button primary" disabled=move || !is_there.get()
                    on:click=move |_| { state.touch(); actions::generate(state); }>"Generate"</button>
                // Beside it, not in its place: the keyboard's focus stays where it is.
                <Show when=move || is_running.get()>
                    <button type="button" class="button" on:click=move |_| actions::stop(state)>"Stop"</button>
                </Show>
                <Settings/>
            </div>
            <div class="generated" class:empty=move || n_tokens.get() == 0>
                <span class="given">{move || state.generation.with(|generation| generation.prompt.clone())}</span>
                <span data-testid="generated" role="log" aria-live="polite" aria-label="Generated text"
                    data-n-tokens=n_tokens aria-busy=move || is_running.get().to_string()>
                    <For each=move || 0..n_tokens.get() key=move |idx| (serial.get_untracked(), *idx) children=move |idx| new_token(state, idx)/>
                </span>
                <Show when=move || is_running.get()><span class="caret" aria-hidden="true"></span></Show>
                <Show when=move || n_tokens.get() == 0 && !is_running.get()>
                    <span class="note">"Generate writes here, token by token."</span>
                </Show>
            </div>
            <div class="generation-foot">
                <p class="note num" role="status">{move || state.generation.with(|generation| ending(&generation.phase, generation.tokens.len()))}</p>
                <Show when=move || 0 < n_tokens.get() && !is_running.get()>
                    <button type="button" class="textlink" on:click=use_as_prompt>"Use as prompt"</button>
                </Show>
            </div>
            {failure}
        </Frame>
    }
}

fn new_token(state: State, idx: usize) -> impl IntoView {
    let token = state.generation.with_untracked(|generation| generation.tokens.get(idx).cloned());
    token.map(|NewToken { token, logprob }| {
        let shown = token_text(&token);
        let title = format!(
            "{}  id {}  p {}  log p {} nats",
            shown.glyphs(),
            token.id,
            number::prob(logprob.exp()),
            number::nats(logprob)
        );
        let style = format!("--v:{:.3}", crate::view_model::chips::surprise(logprob));
        let class = if token.is_special { "new special" } else { "new" };
        let text = match token.text {
            Some(text) if !token.is_special => text,
            Some(_) | None => shown.glyphs(),
        };
        view! { <span class=class title=title style=style>{text}</span> }
    })
}

fn ending(phase: &Phase, n_tokens: usize) -> String {
    match phase {
        Phase::Idle | Phase::Failed(_) => String::new(),
        Phase::Running(_) => format!("{n_tokens} tokens"),
        Phase::Stopped => format!("Stopped after {n_tokens} tokens."),
        Phase::Done { reason, millis_per_token } => {
            let why = match reason {
                FinishReason::EndOfSequence => "the model ended its text",
                FinishReason::MaxNewTokens => "as many as asked for",
                FinishReason::ContextFull => "the context is full",
            };
            format!("{n_tokens} tokens, {why}; {} per token.", number::millis(*millis_per_token))
        }
    }
}

#[component]
fn Settings() -> impl IntoView {
    let sampling = State::from_page().sampling;
    let shown = move |text: fn(Sampling) -> String| Signal::derive(move || text(sampling.get()));
    let change = move |edit: &dyn Fn(&mut Sampling)| {
        sampling.update(|sampling| {
            edit(sampling);
            *sampling = sampling.clamped();
        });
    };
    view! {
        <details class="settings">
            <summary class="num">{move || sampling.get().summary()}</summary>
            <div class="settings-grid" role="group" aria-label="Sampling settings">
            <Setting name="temperature" title="0 always takes the likeliest token; 1 samples from the model's own distribution"
                value=shown(|sampling| sampling.temperature.to_string()) min="0" max="5" step="0.1"
                set=Callback::new(move |text: String| change(&|sampling| put(&mut sampling.temperature, &text)))/>
            <Setting name="top-k" title="Sample among so many likeliest tokens only; 0 is all of them"
                value=shown(|sampling| sampling.top_k.to_string()) min="0" max="100000" step="1"
                set=Callback::new(move |text: String| change(&|sampling| put(&mut sampling.top_k, &text)))/>
            <Setting name="top-p" title="Sample among the likeliest tokens that together have this probability; 1 is all of them"
                value=shown(|sampling| sampling.top_p.to_string()) min="0.01" max="1" step="0.01"
                set=Callback::new(move |text: String| change(&|sampling| put(&mut sampling.top_p, &text)))/>
            <Setting name="seed" title="The same seed gives the same text"
                value=shown(|sampling| sampling.seed.to_string()) min="0" max="4294967295" step="1"
                set=Callback::new(move |text: String| change(&|sampling| put(&mut sampling.seed, &text)))/>
            <Setting name="max new tokens" title="Stop after so many tokens"
                value=shown(|sampling| sampling.max_new_tokens.to_string()) min="1" max="1024" step="1"
                set=Callback::new(move |text: String| change(&|sampling| put(&mut sampling.max_new_tokens, &text)))/>
            </div>
        </details>
    }
}

#[component]
fn Setting(
    name: &'static str,
    title: &'static str,
    value: Signal<String>,
    min: &'static str,
    max: &'static str,
    step: &'static str,
    set: Callback<String>,
) -> impl IntoView {
    view! {
        <label class="setting" title=title>
            <span>{name}</span>
            <input type="number" class="num" aria-label=name min=min max=max step=step prop:value=value
                on:change:target=move |event| set.run(event.target().value())/>
        </label>
    }
}

fn put<T: std::str::FromStr>(place: &mut T, text: &str) {
    if let Ok(value) = text.parse() {
        *place = value;
    }
}
