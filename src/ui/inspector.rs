//! The inspector: the head in focus with its numbers, their definitions and formulas.

use leptos::prelude::*;

use super::{hook::HookName, state::State};
use crate::{
    analysis::attention::HeadScores,
    view_model::{head_score::HeadScore, number, views::View},
};

/// The head in focus; on a phone, a sheet about the locked one.
#[component]
pub fn Inspector() -> impl IntoView {
    let state = State::from_page();
    let focus = state.focus.head;
    let scores = Memo::new(move |_| {
        let [layer, head] = focus.focused()?;
        let answer = state.answer().get()?;
        answer.heads.iter().find(|scores| (scores.layer, scores.head) == (layer, head)).cloned()
    });
    let class = move || if focus.locked().is_some() { "panel inspector open" } else { "panel inspector" };
    view! {
        <section class=class aria-label="Inspector">
            {move || match scores.get() {
                Some(scores) => view! { <HeadCard scores/> }.into_any(),
                None => view! { <Empty/> }.into_any(),
            }}
        </section>
    }
}

#[component]
fn Empty() -> impl IntoView {
    view! {
        <h2 class="question">"What does one head do?"</h2>
        <p class="note">"Point at a window of the building or at a picture; click to keep it. Its scores and their formulas appear here."</p>
    }
}

#[component]
fn HeadCard(scores: HeadScores) -> impl IntoView {
    let state = State::from_page();
    let (layer, head) = (scores.layer, scores.head);
    let hook = Signal::derive(move || format!("blocks.{layer}.attn.hook_pattern"));
    let is_locked = move || state.focus.head.is_locked([layer, head]);
    view! {
        <header class="panel-head">
            <h2 class="question">"Layer " <span class="num">{layer}</span> " head " <span class="num">{head}</span></h2>
            <Show when=is_locked fallback=|| view! { <span class="tag">"preview"</span> }>
                <button type="button" class="textlink" title="Esc" on:click=move |_| state.focus.head.release()>"Release"</button>
            </Show>
        </header>
        <dl class="scores">
            {HeadScore::ALL.map(|score| view! { <ScoreRow score value=score.of(&scores)/> })}
        </dl>
        <Show when=is_locked>
            <button type="button" class="textlink" on:click=move |_| state.open(View::Head)>"Open the head page"</button>
        </Show>
        <p class="note">"Where a head looks is no proof that what it reads there matters."</p>
        <footer class="panel-foot"><HookName name=hook/></footer>
    }
}

#[component]
fn ScoreRow(score: HeadScore, value: Option<f32>) -> impl IntoView {
    let text = match (score, value) {
        (_, None) => "no repetition".to_owned(),
        (HeadScore::Entropy, Some(value)) => format!("{} nats", number::nats(value)),
        (_, Some(value)) => number::prob(value),
    };
    view! {
        <div class="score">
            <dt>
                <details>
                    <summary>{score.name()}</summary>
                    <p>{score.definition()}</p>
                    <p class="formula"><code>{score.formula()}</code></p>
                    <p class="quiet">"Unit: " {score.unit()}</p>
                </details>
            </dt>
            <dd class="num">{text}</dd>
        </div>
    }
}
