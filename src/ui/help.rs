//! What the keys do, and how to read the page.

use leptos::{html::Dialog, prelude::*};

use super::dialog;

const KEYS: [(&str, &str); 6] = [
    ("/", "to the prompt"),
    ("Ctrl+Enter", "ask now"),
    ("arrows", "walk over heads, windows and tokens"),
    ("Enter", "keep what is pointed at"),
    ("Esc", "let go"),
    ("?", "this page"),
];

/// The help, over the page.
#[component]
pub fn Help(
    /// Whether it is open.
    is_open: RwSignal<bool>,
) -> impl IntoView {
    let dialog = NodeRef::<Dialog>::new();
    dialog::follow(dialog, is_open);
    view! {
        <dialog class="help" node_ref=dialog aria-labelledby="help-title" on:close=move |_| is_open.set(false)>
            <h2 class="question" id="help-title">"How to read this page"</h2>
            <p>"A language model runs in this page; nothing you type leaves it. The prompt is cut into tokens. For each token the model says what it expects next, and each of its heads looks back at earlier tokens."</p>
            <p>"Pointing previews, a click keeps, Esc lets go; what is kept stays kept in every view and in the address, which you can copy as a link."</p>
            <dl class="keys">
                {KEYS.map(|(key, what)| view! { <div><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div> })}
            </dl>
            <form method="dialog"><button class="button primary">"Close"</button></form>
        </dialog>
    }
}
