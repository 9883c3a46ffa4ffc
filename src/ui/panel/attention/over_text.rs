//! Attention over the text: the token in focus is boxed, what it reads is tinted, who reads it is marked grey.

use std::sync::Arc;

use leptos::prelude::*;
use web_sys::KeyboardEvent;

use super::view::View;
use crate::{
    ui::{dom, mark::token},
    view_model::{
        reading::{self, Reading},
        token_strip::TokenText,
    },
};

/// The prompt, tinted by one head.
#[component]
pub(super) fn OverText(view: View) -> impl IntoView {
    let readings: Memo<Arc<Vec<Reading>>> = Memo::new(move |_| {
        let readings = view.pattern.get().zip(view.pos.get()).map(|(map, pos)| reading::readings(&map, pos));
        Arc::new(readings.unwrap_or_default())
    });
    let words = move || {
        let tokens = view.tokens.get();
        tokens
            .iter()
            .enumerate()
            .map(|(pos, text)| view! { <Word view pos text=text.clone() readings/> })
            .collect_view()
    };
    let told = Memo::new(move |_| {
        let (map, pos, tokens) = (view.pattern.get()?, view.pos.get()?, view.tokens.get());
        (map.n == tokens.len() && pos < map.n).then(|| reading::told(&map, &tokens, pos))
    });
    view! {
        <div class="att-text-block">
            <p class="att-key" id="att-text-key">
                <span class="att-key-query">"query"</span>
                <span class="att-key-reads">"what it reads"</span>
                <span class="att-key-by">"who reads it"</span>
            </p>
            <div class="att-text" role="group" aria-label="Attention over the text" aria-describedby="att-text-key"
                data-testid="attention-text" on:pointerleave=move |_| view.focus.pos.hover(None)>
                {words}
            </div>
            <p class="att-told num" aria-hidden="true">{move || told.get().map(|told| told.written)}</p>
            <p class="visually-hidden" aria-live="polite">{move || told.get().map(|told| told.spoken)}</p>
        </div>
    }
}

#[component]
fn Word(view: View, pos: usize, text: TokenText, readings: Memo<Arc<Vec<Reading>>>) -> impl IntoView {
    let focus = view.focus.pos;
    let reading =
        Memo::new(move |_| readings.with(|readings| readings.get(pos).copied()).unwrap_or_default());
    let style = move || {
        let Reading { reads, read_by, .. } = reading.get();
        format!("--w:{reads:.3};--by:{read_by:.3}")
    };
    let is_shown = Memo::new(move |_| view.pos.get() == Some(pos));
    let class = move || {
        let query = if reading.get().is_query { " query" } else { "" };
        let special = if text.is_special { " special" } else { "" };
        let key = if view.key.get() == Some(pos) { " key" } else { "" };
        let locked = if focus.is_locked(pos) { " locked" } else { "" };
        format!("att-word{special}{query}{key}{locked}")
    };
    let label = format!("Position {pos}, {}", text.spoken);
    let ends_line = text.ends_line.then(|| view! { <br/> });
    view! {
        <button type="button" class=class style=style data-pos=pos aria-label=label
            aria-pressed=move || focus.is_locked(pos).to_string()
            tabindex=move || if is_shown.get() { "0" } else { "-1" }
            on:pointerenter=move |_| focus.hover(Some(pos))
            on:focus=move |_| focus.hover(Some(pos)) on:blur=move |_| focus.hover(None)
            on:click=move |_| focus.toggle_lock(pos) on:keydown=move |event| on_key(view, pos, &event)>
            {token::parts(&text)}
        </button>
        {ends_line}
    }
}

fn on_key(view: View, from: usize, event: &KeyboardEvent) {
    let last = view.tokens.with_untracked(|tokens| tokens.len().saturating_sub(1));
    let pos = match event.key().as_str() {
        "ArrowLeft" => from.saturating_sub(1),
        "ArrowRight" => (from + 1).min(last),
        "Home" => 0,
        "End" => last,
        "Escape" => {
            view.focus.pos.release();
            return;
        }
        _ => return,
    };
    event.prevent_default();
    dom::focus_on(&format!(".att-word[data-pos=\"{pos}\"]"));
}
