//! How the numbers are made, and what they do not show.

use leptos::prelude::*;

use super::view::View;

/// Formula, hook points and caveat, on demand.
#[component]
pub(super) fn Formula(view: View) -> impl IntoView {
    let layer = move || view.head.get().map_or(0, |head| head[0]);
    view! {
        <details class="att-formula">
            <summary>"How this is computed, and what it does not show"</summary>
            <p><code>"score[q, k] = q·k / √d_head"</code> " at " <code>"blocks." {layer} ".attn.hook_attn_scores"</code> ", with keys after the query masked;"</p>
            <p><code>"pattern[q, k] = softmaxₖ(q·k / √d_head + mask)"</code> " at " <code>"blocks." {layer} ".attn.hook_pattern"</code> ". Each row sums to 1."</p>
            <p>
                "This is observed, not caused. Attention says where a head looks, not that what it reads there matters to the "
                "answer: it is correlational until the head is ablated or its input patched."
            </p>
        </details>
    }
}
