//! The views of one prompt as tabs. Arrow keys walk along them, as tabs do everywhere.

use leptos::prelude::*;
use web_sys::KeyboardEvent;

use super::{dom, panel::attention::AttentionPanel, state::State, views::TextView};
use crate::view_model::views::View;

/// Tabs and the open view.
#[component]
pub fn Tabs(
    /// Asks for the scores before the softmax of one head.
    ask_scores: Callback<[usize; 2]>,
) -> impl IntoView {
    let state = State::from_page();
    let open = Memo::new(move |_| state.view.get());
    let tab = move |view: View| {
        let is_open = move || open.get() == view;
        view! {
            <button type="button" role="tab" id=format!("tab-{}", view.key()) aria-controls=panel_of(view)
                aria-selected=move || is_open().to_string() tabindex=move || if is_open() { "0" } else { "-1" }
                on:click=move |_| state.open(view)>{view.name()}</button>
        }
    };
    let is_attention = move || open.get() == View::Attention;
    view! {
        <div class="tabs" role="tablist" aria-label="Views of this prompt" on:keydown=move |event| on_key(state, &event)>
            {View::ALL.map(tab)}
        </div>
        <div role="tabpanel" id=panel_of(View::Attention) aria-labelledby="tab-attention" hidden=move || !is_attention()>
            <AttentionPanel answer=state.drawn ask_scores/>
        </div>
        <div role="tabpanel" id=panel_of(View::Lens) aria-labelledby=move || format!("tab-{}", open.get().key())
            hidden=is_attention>
            <TextView/>
        </div>
    }
}

/// All views that are texts share a panel, of which one at a time is open.
fn panel_of(view: View) -> &'static str {
    if view == View::Attention { "panel-attention" } else { "panel-view" }
}

fn on_key(state: State, event: &KeyboardEvent) {
    let n = View::ALL.len();
    let at = View::ALL.iter().position(|view| *view == state.view.get_untracked()).unwrap_or(0);
    let to = match event.key().as_str() {
        "ArrowRight" => (at + 1) % n,
        "ArrowLeft" => (at + n - 1) % n,
        "Home" => 0,
        "End" => n - 1,
        _ => return,
    };
    event.prevent_default();
    state.open(View::ALL[to]);
    dom::focus_on(&format!("#tab-{}", View::ALL[to].key()));
}
