//! What would it say next?

use leptos::prelude::*;

use super::Frame;
use crate::{
    ui::{bars::BarList, state::State},
    view_model::{bars, chips, number, token_strip::token_text},
};

/// The distribution after the last position, or after the one that is locked.
#[component]
pub fn NextTokenPanel() -> impl IntoView {
    let state = State::from_page();
    let answer = state.answer();
    let pos = move || {
        let n_tokens = answer.get().map_or(0, |answer| answer.tokens.len());
        state.focus.pos.locked().filter(|pos| *pos < n_tokens).or(n_tokens.checked_sub(1))
    };
    let caption = Signal::derive(move || {
        let after = answer.get().zip(pos()).and_then(|(answer, pos)| {
            let token = token_text(answer.tokens.get(pos)?).quoted();
            let is_last = pos + 1 == answer.tokens.len();
            Some(if is_last {
                format!("The likeliest tokens after the prompt, which ends with {token}.")
            } else {
                format!("The likeliest tokens after {token} at position {pos}; what came is marked.")
            })
        });
        after.unwrap_or_else(|| "The likeliest tokens after the prompt.".to_owned())
    });
    let picture = move || {
        let (answer, pos) = answer.get().zip(pos())?;
        let actual = answer.tokens.get(pos + 1);
        let position = answer.positions.get(pos)?;
        let bars = bars::bars(&position.top, actual.map(|token| token.id));
        let end = bars.end;
        let came =
            actual.zip(position.next_logprob).zip(position.next_rank).map(|((token, logprob), rank)| {
                format!(
                    "Came: {}, the {}, p {}, log p {} nats.",
                    token_text(token).quoted(),
                    chips::rank_text(rank),
                    number::prob(logprob.exp()),
                    number::nats(logprob),
                )
            });
        Some(view! {
            <BarList bars testid="next-token"/>
            <p class="axis num" aria-hidden="true">
                <span></span><span class="axis-line"><span>"0"</span><span>{end}</span></span><span>"p"</span><span>"log p"</span>
            </p>
            {came.map(|came| view! { <p class="note">{came}</p> })}
        })
    };
    let class = move || if state.is_stale() { "picture stale" } else { "picture" };
    let hook = Signal::derive(|| "logits".to_owned());
    view! {
        <Frame id="next" question="What would it say next?" caption hook>
            <div class=class>
                {move || picture().map_or_else(|| view! { <Skeleton/> }.into_any(), IntoAny::into_any)}
            </div>
        </Frame>
    }
}

#[component]
fn Skeleton() -> impl IntoView {
    let rows = [62, 41, 30, 22, 17, 13, 10, 8, 7, 6];
    let row = |width: u32| view! { <li class="bar ghost"><span class="token"></span><span class="track"><span class="fill" style=format!("width:{width}%")></span></span></li> };
    view! { <ol class="bars" aria-hidden="true">{rows.map(row)}</ol> }
}
