//! Where does each head look?

use std::sync::Arc;

use leptos::prelude::*;

use crate::analysis::attention::Answer;

/// The attention panel.
#[component]
pub fn AttentionPanel(
    /// What was asked and answered.
    #[prop(into)]
    answer: Signal<Option<Arc<Answer>>>,
    /// Asks for the scores before the softmax of one head.
    #[prop(optional, into)]
    ask_scores: Option<Callback<[usize; 2]>>,
) -> impl IntoView {
    let _ = (answer, ask_scores);
    view! { <section class="panel"></section> }
}
