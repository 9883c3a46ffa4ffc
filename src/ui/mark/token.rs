//! A token as text, its stand-ins for whitespace fainter than its letters.

use leptos::prelude::*;

use crate::view_model::token_strip::{Part, TokenText};

/// The parts of a token.
pub fn parts(token: &TokenText) -> impl IntoView + use<> {
    token
        .parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => view! { <span>{text.clone()}</span> }.into_any(),
            Part::Mark(mark) => view! { <span class="glyph">{mark.clone()}</span> }.into_any(),
        })
        .collect_view()
}
