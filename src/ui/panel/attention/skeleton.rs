//! The shape of the panel before there is anything in it.

use leptos::prelude::*;

/// Empty frames while the model reads; a sentence where it has no heads.
#[component]
pub(super) fn Skeleton(is_waiting: bool) -> impl IntoView {
    if !is_waiting {
        return view! { <p class="att-note">"This result names no heads. Type a prompt to see where each head looks."</p> }.into_any();
    }
    let cells = (0..16).map(|_| view! { <span class="att-ghost"></span> }).collect_view();
    view! {
        <div class="attention ghost" aria-hidden="true">
            <div class="att-ghost-grid">{cells}</div>
            <div class="att-ghost-matrix"></div>
        </div>
        <p class="visually-hidden" role="status">"Waiting for the model"</p>
    }
    .into_any()
}
