//! Key findings: one sentence each, each a link to what it is about.
//!
//! A link is the address of what it says, so it shows the same wherever it is opened.

use leptos::prelude::*;

use super::state::{Made, Reading, State, Wanted};
use crate::view_model::{
    address::Address,
    finding::{self, Finding},
    head_score::HeadScore,
    number,
    views::View,
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
                <SaidViews/>
            </ul>
            <p class="note num made">{made}</p>
        </div>
    }
}

#[component]
fn FindingView(finding: Finding) -> impl IntoView {
    let state = State::from_page();
    let Finding { score, head, value, sentence, caveat } = finding;
    let [layer, nth] = head;
    let is_best = (score == HeadScore::Induction).then_some("best-induction");
    let href = move || {
        let address = state.whole_address();
        link(&Address {
            view: View::Attention,
            head: Some(head),
            lit_by: score,
            mark: String::new(),
            ..address
        })
    };
    view! {
        <li>
            <a href=href data-testid=is_best data-layer=layer data-head=nth data-score=value.to_string()>{sentence}</a>
            {caveat.map(|caveat| view! { <p class="note">{caveat}</p> })}
        </li>
    }
}

/// What the run says, or in its place what the view that shows it has found by now.
#[component]
fn SaidViews() -> impl IntoView {
    let state = State::from_page();
    let about = Memo::new(move |_| {
        state.shown.with(|shown| Some(Wanted { scores: None, ..shown.as_ref()?.wanted.clone() }))
    });
    let readings = Memo::new(move |_| {
        let readings = state.readings.get();
        about.get().map(|about| readings.into_iter().filter(|one| one.about == about).collect::<Vec<_>>())
    });
    let list = move || {
        let readings = readings.get().unwrap_or_default();
        let said = state.answer().get().map(|answer| finding::of_run(&answer)).unwrap_or_default();
        let is_new = |said: &finding::Said| readings.iter().all(|one| one.view != said.view);
        let of_run = said.into_iter().filter(is_new).map(|said| {
            let view = said.view;
            let href = move || link(&Address { view, mark: String::new(), ..state.whole_address() });
            view! { <li><a href=href data-view=view.key()>{said.sentence}</a></li> }.into_any()
        });
        let found = readings.iter().cloned().map(|Reading { view, sentence, address, .. }| {
            view! { <li><a href=link(&address) data-view=view.key()>{sentence}</a></li> }.into_any()
        });
        of_run.chain(found).collect_view()
    };
    view! { {list} }
}

fn link(address: &Address) -> String {
    ["#", &address.write()].concat()
}
