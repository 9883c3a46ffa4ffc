//! Where does each head look? All heads at once, one head in full, and its attention over the text.

#![expect(unreachable_pub, reason = "the component macro turns pub(super) into pub")]

use std::sync::Arc;

use leptos::prelude::*;

use super::Frame;
use crate::{
    analysis::attention::Answer,
    view_model::{
        head_grid,
        heatmap::{Heatmap, Quantity},
    },
};

mod controls;
mod export;
mod formula;
mod heads;
mod matrix;
mod over_text;
mod skeleton;
mod view;

use view::View;

/// From this many tokens on the matrix takes the whole width.
const LONG: usize = 72;

/// The attention panel.
#[component]
pub fn AttentionPanel(
    /// What was seen.
    #[prop(into)]
    answer: Signal<Option<Arc<Answer>>>,
    /// Asks for the scores before the softmax of one head; a later answer brings them.
    #[prop(optional, into)]
    ask_scores: Option<Callback<[usize; 2]>>,
) -> impl IntoView {
    let view = View::new(answer, ask_scores);
    let caption = Signal::derive(move || {
        let n_tokens = view.tokens.with(|tokens| tokens.len());
        match view.cells.with(Vec::len) {
            0 => "Each head of each layer, drawn as what it looks at.".to_owned(),
            n_heads => format!(
                "The {n_heads} heads of the model on these {n_tokens} tokens. In each picture a row is a query, a column a \
                 key it may look at; more colour is more attention."
            ),
        }
    });
    let hook = Signal::derive(move || {
        let head = view.head.get().unwrap_or_default();
        view.shown.with(|map| map.as_deref().map(Heatmap::hook)).unwrap_or_else(|| {
            match view.quantity.get() {
                Quantity::Attention => format!("blocks.{}.attn.hook_pattern", head[0]),
                Quantity::Score => format!("blocks.{}.attn.hook_attn_scores", head[0]),
            }
        })
    });
    let has_heads = Memo::new(move |_| view.cells.with(|cells| !cells.is_empty()));
    view! {
        <Frame id="attention" question="Where does each head look?" caption hook>
            <Show when=move || has_heads.get() fallback=move || view! { <skeleton::Skeleton is_waiting=answer.get().is_none()/> }>
                <div class="attention" class:stale=move || view.is_stale.get()>
                    <heads::Heads view/>
                    <OneHead view/>
                </div>
            </Show>
        </Frame>
    }
}

#[component]
fn OneHead(view: View) -> impl IntoView {
    let title = move || view.head.get().map(head_grid::name);
    let score = move || {
        let score =
            view.cells.with(|cells| cells.iter().find(|cell| Some(cell.head) == view.head.get())?.score);
        head_grid::score_phrase(view.metric.get(), score)
    };
    let note = move || match view.head.get() {
        Some(head) if view.focus.head.is_locked(head) => "kept; Esc lets go",
        Some(_) if view.focus.head.focused().is_some() => "preview; click to keep",
        _ => "the highest on this prompt",
    };
    let style = move || format!("--head-hue:{}", view.hue.get());
    // A long prompt needs the whole width for its matrix.
    let is_long = move || view.tokens.with(|tokens| LONG < tokens.len());
    view! {
        <section class="att-head" class:long=is_long style=style aria-label="One head">
            <header class="att-head-title">
                <span class="att-swatch" aria-hidden="true"></span>
                <h3 class="att-subtitle num">{title}</h3>
                <span class="att-note num">{score} "; " {note}</span>
            </header>
            <over_text::OverText view/>
            <controls::Controls view/>
            <matrix::Matrix view/>
            <export::Summary view/>
            <formula::Formula view/>
        </section>
    }
}
