//! Attention over the text: the token in focus is boxed, what it reads is tinted, who reads it is marked grey.

use std::sync::Arc;

use leptos::{html::Div, prelude::*};
use wasm_bindgen::JsCast as _;
use web_sys::{Element, Event, HtmlElement, KeyboardEvent};

use super::view::View;
use crate::{
    ui::{
        dom,
        mark::{soon::soon, token},
    },
    view_model::{
        reading::{self, Reading, WordMark},
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
        tokens.iter().enumerate().map(|(pos, token)| word(pos, token)).collect_view()
    };
    let told = Memo::new(move |_| {
        let (map, pos, tokens) = (view.pattern.get()?, view.pos.get()?, view.tokens.get());
        (map.n == tokens.len() && pos < map.n).then(|| reading::told(&map, &tokens, pos))
    });
    let element = NodeRef::<Div>::new();
    let is_inside = StoredValue::new(false);
    // One effect for all words: a memo and three closures a word are too slow at 256 tokens.
    Effect::new(move |before: Option<Before>| {
        let (tokens, readings) = (view.tokens.get(), readings.get());
        let marks = reading::word_marks(&readings, view.key.get(), view.focus.pos.locked());
        let element = element.get()?;
        let before = before.flatten().filter(|(tokens_before, _, _)| Arc::ptr_eq(tokens_before, &tokens));
        let (words, marks_before) =
            before.map_or_else(|| (words_of(&element), vec![]), |(_, words, marks)| (words, marks));
        for (pos, (word, mark)) in words.iter().zip(&marks).enumerate() {
            draw(word, marks_before.get(pos).copied(), *mark);
        }
        // What is pointed at elsewhere comes into view here; under the pointer nothing moves.
        let query = marks.iter().position(|mark| mark.is_query);
        if let (Some(word), false) = (query.and_then(|pos| words.get(pos)).cloned(), is_inside.get_value()) {
            // Later: to measure now would lay the page out in the middle of a change.
            soon(move || reveal(&element, &word));
        }
        Some((tokens, words, marks))
    });
    let focus = view.focus.pos;
    view! {
        <div class="att-text-block">
            <p class="att-key" id="att-text-key">
                <span class="att-key-query">"query"</span>
                <span class="att-key-reads">"what it reads"</span>
                <span class="att-key-by">"who reads it"</span>
            </p>
            <div class="att-text" node_ref=element role="group" aria-label="Attention over the text" aria-describedby="att-text-key"
                data-testid="attention-text"
                on:pointerenter=move |_| is_inside.set_value(true)
                on:pointerleave=move |_| { is_inside.set_value(false); focus.hover(None); }
                on:pointerover=move |event| if let Some(pos) = pos_of(&event) { focus.hover(Some(pos)) }
                on:focusin=move |event| focus.hover(pos_of(&event)) on:focusout=move |_| focus.hover(None)
                on:click=move |event| if let Some(pos) = pos_of(&event) { focus.toggle_lock(pos) }
                on:keydown=move |event| if let Some(pos) = pos_of(&event) { on_key(view, pos, &event) }>
                {words}
            </div>
            <p class="att-told num" aria-hidden="true">{move || told.get().map(|told| told.written)}</p>
            <p class="visually-hidden" aria-live="polite">{move || told.get().map(|told| told.spoken)}</p>
        </div>
    }
}

/// What the words were drawn from last: their tokens, the elements, the marks.
type Before = Option<(Arc<Vec<TokenText>>, Vec<HtmlElement>, Vec<WordMark>)>;

fn word(pos: usize, text: &TokenText) -> impl IntoView + use<> {
    let class = if text.is_special { "att-word special" } else { "att-word" };
    let label = format!("Position {pos}, {}", text.spoken);
    let ends_line = text.ends_line.then(|| view! { <br/> });
    view! {
        <button type="button" class=class data-pos=pos aria-label=label aria-pressed="false" tabindex="-1">{token::parts(text)}</button>
        {ends_line}
    }
}

fn words_of(text: &HtmlElement) -> Vec<HtmlElement> {
    let Ok(found) = text.query_selector_all(".att-word") else { return vec![] };
    (0..found.length()).filter_map(|idx| found.get(idx)?.dyn_into().ok()).collect()
}

/// Makes a word look like `mark`. Only what differs is written: each write has the browser look at the word again.
fn draw(word: &HtmlElement, before: Option<WordMark>, mark: WordMark) {
    let is_new = |of: fn(WordMark) -> u8| before.is_none_or(|before| of(before) != of(mark));
    // Constant names of properties, classes and attributes are always accepted.
    let toggle = |class, is_on| _ = word.class_list().toggle_with_force(class, is_on);
    if is_new(|mark| mark.reads_percent) || is_new(|mark| mark.read_by_percent) {
        let style = format!("--w:{}%;--by:{}%", mark.reads_percent, mark.read_by_percent);
        let _ = word.set_attribute("style", &style);
    }
    if is_new(|mark| mark.is_query.into()) {
        toggle("query", mark.is_query);
        let _ = word.set_attribute("tabindex", if mark.is_query { "0" } else { "-1" });
    }
    if is_new(|mark| mark.is_key.into()) {
        toggle("key", mark.is_key);
    }
    if is_new(|mark| mark.is_locked.into()) {
        toggle("locked", mark.is_locked);
        let _ = word.set_attribute("aria-pressed", if mark.is_locked { "true" } else { "false" });
    }
}

/// The word that an event is about.
fn pos_of(event: &Event) -> Option<usize> {
    let element: Element = event.target()?.dyn_into().ok()?;
    element.closest("[data-pos]").ok()??.get_attribute("data-pos")?.parse().ok()
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

/// Scrolls a long text in its own box so that `word` is inside.
fn reveal(text: &HtmlElement, word: &HtmlElement) {
    let (top, height) = (text.scroll_top(), text.client_height());
    if text.scroll_height() <= height {
        return;
    }
    let (start, end) = (word.offset_top(), word.offset_top() + word.offset_height());
    if start < top {
        text.set_scroll_top(start - 4);
    } else if top + height < end {
        text.set_scroll_top(end - height + 4);
    }
}
