//! Candidates as bars: token, length, probability, log-probability.

use leptos::prelude::*;

use crate::view_model::bars::{Bar, Bars};

/// A list of candidates, the likeliest first.
#[component]
pub fn BarList(
    /// What to draw.
    bars: Bars,
    /// For tests and scripts.
    #[prop(optional, into)]
    testid: Option<String>,
) -> impl IntoView {
    view! { <ol class="bars" data-testid=testid aria-label="Candidates">{bars.rows.into_iter().map(row).collect_view()}</ol> }
}

fn row(bar: Bar) -> impl IntoView {
    let class = if bar.is_actual { "bar actual" } else { "bar" };
    let actual = bar.is_actual.then(|| view! { <span class="visually-hidden">", which came"</span> });
    view! {
        <li class=class data-token-id=bar.id data-prob=bar.prob.to_string() title=format!("id {}", bar.id)>
            <span class="token">{bar.token.glyphs()}{actual}</span>
            <span class="track" aria-hidden="true"><span class="fill" style=format!("width:{:.2}%", bar.percent)></span></span>
            <span class="num prob">{bar.prob_text}</span>
            <span class="num logprob">{bar.logprob_text}</span>
        </li>
    }
}
