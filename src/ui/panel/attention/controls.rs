//! Choices about the picture: position 0, the scale, what is drawn, how large.

use leptos::prelude::*;

use super::view::View;
use crate::view_model::heatmap::{FirstKey, Normalisation, Quantity};

/// The choices, in a row.
#[component]
pub(super) fn Controls(view: View) -> impl IntoView {
    view! {
        <div class="att-bar att-controls">
            <FirstKeyToggle view/>
            <ScoresButton view/>
            <label class="att-choice">
                <span>"Scale"</span>
                <select prop:value=move || if view.normalisation.get() == Normalisation::Shared { "shared" } else { "own" }
                    on:change:target=move |event| view.normalisation.set(if event.target().value() == "own" {
                        Normalisation::OwnMaximum
                    } else {
                        Normalisation::Shared
                    })>
                    <option value="shared">"0 to 1"</option>
                    <option value="own">"own maximum"</option>
                </select>
            </label>
            <label class="att-choice">
                <span>"Size"</span>
                <select prop:value=move || view.zoom.get().to_string()
                    on:change:target=move |event| view.zoom.set(event.target().value().parse().unwrap_or(1))>
                    <option value="1">"fit"</option>
                    <option value="2">"×2"</option>
                    <option value="4">"×4"</option>
                </select>
            </label>
        </div>
    }
}

#[component]
fn FirstKeyToggle(view: View) -> impl IntoView {
    let taken = move || view.pattern.get().and_then(|map| map.mean_on_first_key());
    let note = move || taken().map(|taken| format!(" (it draws {taken:.2} of the attention on average)"));
    view! {
        <label class="att-check">
            <input type="checkbox" prop:checked=move || view.first_key.get() == FirstKey::Hidden
                on:change:target=move |event| view.first_key.set(if event.target().checked() {
                    FirstKey::Hidden
                } else {
                    FirstKey::Shown
                })/>
            <span>"Hide position 0" <span class="att-note num">{note}</span></span>
        </label>
    }
}

#[component]
fn ScoresButton(view: View) -> impl IntoView {
    let has_scores = move || view.answer.get().is_some_and(|answer| !answer.scores.is_empty());
    let is_on = move || view.quantity.get() == Quantity::Score;
    let toggle = move |_| {
        view.quantity.update(|quantity| {
            *quantity = match quantity {
                Quantity::Attention => Quantity::Score,
                Quantity::Score => Quantity::Attention,
            };
        });
    };
    view! {
        <button type="button" class="button" aria-pressed=move || is_on().to_string() on:click=toggle
            disabled=move || !view.can_ask && !has_scores()
            title="Switches the matrix to q·k/√d_head before the softmax">
            "Show scores"
        </button>
    }
}
