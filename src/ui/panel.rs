//! Panels: one a question.

use leptos::prelude::*;

use super::hook::HookName;

pub mod attention;
pub mod generation;
pub mod next_token;

/// The frame of a panel: the question, a caption, whether it is observed or caused, and the hook point.
#[component]
pub fn Frame(
    /// For links and labels.
    id: &'static str,
    /// The title, which is a question.
    question: &'static str,
    /// What you see, in one sentence.
    #[prop(into)]
    caption: Signal<String>,
    /// The hook point that it is read from.
    #[prop(optional, into)]
    hook: Option<Signal<String>>,
    /// The picture.
    children: Children,
) -> impl IntoView {
    view! {
        <section class="panel" id=id aria-labelledby=format!("{id}-question")>
            <header class="panel-head">
                <h2 class="question" id=format!("{id}-question")>{question}</h2>
                <span class="tag" title="Read off a run as it is; nothing was changed to see what follows from it">"observed"</span>
            </header>
            <p class="caption">{caption}</p>
            {children()}
            {hook.map(|name| view! { <footer class="panel-foot"><HookName name/></footer> })}
        </section>
    }
}
