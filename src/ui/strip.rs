//! The token strip: the prompt as the model reads it, the spine of the page.

use std::sync::Arc;

use leptos::prelude::*;
use wasm_bindgen::JsCast as _;
use web_sys::{Element, KeyboardEvent};

use super::{bars::BarList, dom, mark::token, state::State};
use crate::{
    analysis::attention::Answer,
    view_model::{
        bars,
        chips::{self, Chip, MAX_SURPRISE_NATS},
        number,
    },
};

/// How many expectations fit under a finger.
const N_EXPECTED: usize = 5;

/// Where the card about a chip hangs.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Hung {
    pos: usize,
    left_px: f64,
    top_px: f64,
}

/// The strip.
#[component]
pub fn TokenStrip() -> impl IntoView {
    let state = State::from_page();
    let hung = RwSignal::new(None::<Hung>);
    // Of all chips only two hear of a move: the one that is left and the one that is entered.
    let focused = Selector::new(move || state.focus.pos.focused());
    let chips = move || state.answer().get().map(|answer| chips::chips(&answer)).unwrap_or_default();
    let has_chips = Memo::new(move |_| state.shown.with(Option::is_some));
    let is_busy = move || state.is_busy().to_string();
    let class =
        move || if state.is_stale() && state.shown.with(Option::is_some) { "strip stale" } else { "strip" };
    view! {
        <div class=class>
            <ol class="chips" data-testid="token-strip" aria-label="Tokens" aria-busy=is_busy on:keydown=on_key
                on:scroll=move |_| hung.set(None)>
                <Show when=move || has_chips.get() fallback=SkeletonChips>
                    // A later token changes no earlier one, so what was typed before keeps its chips.
                    <For each=chips key=chips::key children={
                        let focused = focused.clone();
                        move |chip| view! { <ChipView chip hung focused=focused.clone()/> }
                    }/>
                </Show>
            </ol>
            <StripFoot/>
            <ExpectationCard hung/>
        </div>
    }
}

#[component]
fn ChipView(chip: Chip, hung: RwSignal<Option<Hung>>, focused: Selector<Option<usize>>) -> impl IntoView {
    let focus = State::from_page().focus;
    let Chip { pos, id, .. } = chip;
    let enter = move |target: Option<web_sys::EventTarget>| {
        focus.pos.hover(Some(pos));
        hung.set(target.map(|target| hang(pos, target.unchecked_ref())));
    };
    let leave = move || {
        focus.pos.hover(None);
        hung.set(None);
    };
    let class = move || {
        let state = if focused.selected(&Some(pos)) { " focused" } else { "" };
        let special = if chip.token.is_special { " special" } else { "" };
        format!("chip{special}{state}")
    };
    let spoken = chips::spoken(&chip);
    let surprise = chip.expected.as_ref().map(|expected| format!("--v:{:.3}", expected.surprise));
    let item = if chip.token.ends_line { "ends-line" } else { "" };
    view! {
        <li class=item>
            <button type="button" class=class data-pos=pos data-token-id=id aria-label=spoken
                aria-pressed=move || focus.pos.is_locked(pos).to_string()
                tabindex=move || if focus.pos.locked().unwrap_or(0) == pos { "0" } else { "-1" }
                on:pointerenter=move |event| enter(event.target())
                on:pointerleave=move |_| leave()
                on:focus=move |event| enter(event.target())
                on:blur=move |_| leave()
                on:click=move |_| focus.pos.toggle_lock(pos)>
                <span class="chip-text" aria-hidden="true">{token::parts(&chip.token)}</span>
                <span class="surprise" style=surprise></span>
                <span class="chip-id num" aria-hidden="true">{id}</span>
            </button>
        </li>
    }
}

fn hang(pos: usize, chip: &Element) -> Hung {
    let rect = chip.get_bounding_client_rect();
    Hung { pos, left_px: rect.left(), top_px: rect.bottom() }
}

/// Arrows walk along the strip, Home and End go to its ends.
fn on_key(event: KeyboardEvent) {
    let Some(chip) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else { return };
    let Some(pos) = chip.get_attribute("data-pos").and_then(|pos| pos.parse::<usize>().ok()) else { return };
    let selector = match event.key().as_str() {
        "ArrowRight" => format!(".chip[data-pos='{}']", pos + 1),
        "ArrowLeft" => format!(".chip[data-pos='{}']", pos.saturating_sub(1)),
        "Home" => ".chip[data-pos='0']".to_owned(),
        "End" => ".chips li:last-child .chip".to_owned(),
        _ => return,
    };
    event.prevent_default();
    dom::focus_on(&selector);
}

/// What the model had expected where a token came, beside the token that came.
#[component]
fn ExpectationCard(hung: RwSignal<Option<Hung>>) -> impl IntoView {
    let state = State::from_page();
    let card = move || {
        let Hung { pos, left_px, top_px } = hung.get()?;
        let answer = state.answer().get()?;
        let style = format!("--x:{left_px}px;--y:{top_px}px");
        Some(view! { <div class="expectation" style=style role="tooltip">{expectation(&answer, pos)}</div> })
    };
    view! { {card} }
}

fn expectation(answer: &Arc<Answer>, pos: usize) -> AnyView {
    let Some(chip) = chips::chip(answer, pos) else { return ().into_any() };
    let head = format!("Position {pos}, id {}", chip.id);
    let Some((expected, before)) = chip.expected.zip(pos.checked_sub(1)) else {
        return view! {
            <p class="expectation-head">{head}</p>
            <p class="note">"Nothing stands before it, so the model expected nothing here."</p>
        }
        .into_any();
    };
    let top = answer.positions[before].top.iter().take(N_EXPECTED).cloned().collect::<Vec<_>>();
    let bars = bars::bars(&top, Some(chip.id));
    view! {
        <p class="expectation-head">{head}</p>
        <p class="note">
            "Came: " <span class="token">{chip.token.glyphs()}</span>
            {format!(", the {}, p {}, log p {} nats.", expected.rank_text, expected.prob_text, expected.logprob_text)}
        </p>
        <p class="note">"Expected here:"</p>
        <BarList bars/>
    }
    .into_any()
}

#[component]
fn StripFoot() -> impl IntoView {
    let state = State::from_page();
    let loss = move || state.answer().get().and_then(|answer| answer.loss_nats);
    let coming = move || state.download().map(|(id, download)| format!("{id}: {}", download.text()));
    view! {
        <div class="strip-foot">
            <p class="legend">
                <span>"underline: −log p of the token, 0"</span>
                <span class="ramp surprise-ramp" aria-hidden="true"></span>
                <span class="num">{MAX_SURPRISE_NATS} "+ nats"</span>
            </p>
            <p class="loss num">
                {move || loss().map(|loss| view! { "loss " <strong>{number::nats(loss)}</strong> " nats per token" })}
            </p>
            <Show when=move || state.is_stored()>
                <p class="tag" data-testid="stored-tag" title="Computed by the same engine when this page was built; replaced as soon as the model is here">"stored result"</p>
            </Show>
            <p class="coming num">{coming}</p>
        </div>
    }
}

#[component]
fn SkeletonChips() -> impl IntoView {
    let widths = [3, 5, 4, 7, 4, 6, 3, 5, 8, 4, 3, 6, 5, 4, 7, 3];
    widths.map(|width| view! { <li aria-hidden="true"><span class="chip ghost" style=format!("width:{width}ch")></span></li> })
}
