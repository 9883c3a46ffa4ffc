//! The name of a hook point, one click from the clipboard.

use std::time::Duration;

use leptos::prelude::*;

use super::dom;

/// `blocks.1.attn.hook_pattern`, to copy.
#[component]
pub fn HookName(
    /// The name, as TransformerLens spells it.
    #[prop(into)]
    name: Signal<String>,
) -> impl IntoView {
    let is_copied = RwSignal::new(false);
    let copy = move |_| {
        dom::copy(&name.get_untracked());
        is_copied.set(true);
        set_timeout(move || is_copied.set(false), Duration::from_millis(1200));
    };
    view! {
        <button type="button" class="hook" title="Copy the hook point's name" on:click=copy
            aria-label=move || format!("Copy {}", name.get())>
            <code>{name}</code>
            <span class="hook-note" role="status">{move || if is_copied.get() { "copied" } else { "" }}</span>
        </button>
    }
}
