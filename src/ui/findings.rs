//! Key findings: one sentence each, each a link to what it is about.

use leptos::prelude::*;

use super::state::{Made, State};
use crate::view_model::{
    finding::{self, Finding},
    head_score::HeadScore,
    number,
};

/// What is worth saying about this prompt.
#[component]
pub fn Findings() -> impl IntoView {
    let state = State::from_page();
    let findings = move || state.answer().get().map(|answer| finding::findings(&answer)).unwrap_or_default();
    let list = move || findings().into_iter().map(|finding| view! { <FindingView finding/> }).collect_view();
    let has_none = move || {
        state.answer().get().is_some() && findings().iter().all(|found| found.score != HeadScore::Induction)
    };
    let made = move || {
        state.shown.with(|shown| {
            shown.as_ref().map(|shown| match shown.made {
                Made::Stored => "from a stored result".to_owned(),
                Made::Live { elapsed_millis } => {
                    format!("computed here in {}", number::millis(elapsed_millis))
                }
            })
        })
    };
    view! {
        <div class="findings" class:stale=move || state.is_stale()>
            <ul>
                {list}
                <Show when=has_none>
                    <li class="note">"No token occurs twice, so no head can show induction here. Repeat a few words."</li>
                </Show>
            </ul>
            <p class="note num made">{made}</p>
        </div>
    }
}

#[component]
fn FindingView(finding: Finding) -> impl IntoView {
    let state = State::from_page();
    let Finding { score, head: [layer, head], value, sentence, caveat } = finding;
    let is_best = (score == HeadScore::Induction).then_some("best-induction");
    let select = move |event: web_sys::MouseEvent| {
        event.prevent_default();
        state.lit_by.set(score);
        state.focus.head.lock(Some([layer, head]));
    };
    view! {
        <li>
            <a href=format!("#v1&head={layer}.{head}") data-testid=is_best data-layer=layer data-head=head
                data-score=value.to_string() on:click=select>{sentence}</a>
            {caveat.map(|caveat| view! { <p class="note">{caveat}</p> })}
        </li>
    }
}
