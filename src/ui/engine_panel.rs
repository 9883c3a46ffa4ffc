//! The engine: where the model is computed and why, threads, memory, and where the time went; with the choice.

use leptos::{html::Dialog, prelude::*, task::spawn_local};

use super::{
    dialog, isolation,
    state::{Generation, State},
    wish,
};
use crate::{
    placement::{Report, Wish},
    view_model::{
        engine::{EngineView, OpRow, engine_view, slow, wish_in_words},
        sentence::sentence,
        threads::{Situation, threads_view},
    },
};

/// What is known, once it was asked for.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    report: Report,
    situation: Situation,
    /// What to know beforehand of a slow model.
    slow: Option<String>,
}

/// The button that opens the panel; it says where the model is.
#[component]
pub fn EngineButton() -> impl IntoView {
    let state = State::from_page();
    let backend = Memo::new(move |_| state.card_of(&state.present_model()).map(|card| card.backend.clone()));
    let place = move || match backend.get().as_deref() {
        Some("webgpu") => "WebGPU",
        Some(_) => "CPU",
        None => "Engine",
    };
    view! {
        <button type="button" class="button engine-button" aria-haspopup="dialog" aria-label=move || format!("Engine: {}", place())
            title="Where the model is computed" on:click=move |_| state.shows_engine.set(true)>{place}</button>
    }
}

/// The panel, over the page.
#[component]
pub fn EnginePanel() -> impl IntoView {
    let state = State::from_page();
    let dialog = NodeRef::<Dialog>::new();
    let known = RwSignal::new(None::<Known>);
    dialog::follow(dialog, state.shows_engine);
    keep_known(state, known);
    let body = move || match known.get() {
        None => view! { <p class="note">"No model is loaded yet."</p> }.into_any(),
        Some(Known { report, situation, slow }) => {
            view! { <Body view=engine_view(&report) situation slow/> }.into_any()
        }
    };
    view! {
        <dialog class="help engine" node_ref=dialog aria-labelledby="engine-title" data-testid="engine"
            on:close=move |_| state.shows_engine.set(false)>
            <form method="dialog"><button class="button">"Close"</button></form>
            <h2 class="question" id="engine-title">"Where is the model computed?"</h2>
            <Choice/>
            {body}
        </dialog>
    }
}

/// Asks the engine again whenever something may have changed while the panel is open.
fn keep_known(state: State, known: RwSignal<Option<Known>>) {
    // Memos, because downloads and continuations change these many times a second.
    let card = Memo::new(move |_| state.card_of(&state.present_model()));
    let is_generating = Memo::new(move |_| state.generation.with(Generation::is_running));
    Effect::new(move || {
        if !state.shows_engine.get() {
            return;
        }
        state.shown.track();
        is_generating.track();
        let Some(card) = card.get() else {
            known.set(None);
            return;
        };
        let report = state.client.get_value().inspect(&card.model);
        spawn_local(async move {
            // A model that is gone, or an engine that stopped, is said on the page.
            let Ok(report) = report.await else { return };
            let situation = isolation::situation(report.n_threads).await;
            let slow = slow(&card.backend, card.cpu_pass, card.config.n_ctx);
            known.set(Some(Known { report, situation, slow }));
        });
    });
}

#[component]
fn Choice() -> impl IntoView {
    let state = State::from_page();
    let option = move |wish: Wish| {
        view! { <option value=wish.key() selected=move || state.wish.get() == wish>{wish_in_words(wish)}</option> }
    };
    let choose = move |key: String| wish::prefer(state, Wish::from_key(&key).unwrap_or_default());
    view! {
        <label class="engine-choice">
            <span class="quiet">"Compute on"</span>
            <select aria-label="Compute on" on:change:target=move |event| choose(event.target().value())>
                {Wish::ALL.map(option)}
            </select>
            <span class="quiet" role="status">{move || state.is_moving.get().then_some("Moving the model…")}</span>
        </label>
    }
}

#[component]
fn Body(view: EngineView, situation: Situation, slow: Option<String>) -> impl IntoView {
    let state = State::from_page();
    let EngineView { place, why, adapter, memory, ops, ops_caption, is_refused } = view;
    let again = is_refused.then(|| view! {
        <button type="button" class="button" on:click=move |_| wish::prefer(state, Wish::Webgpu)>"Try WebGPU again"</button>
    });
    let rows = memory
        .into_iter()
        .map(|(role, bytes)| view! { <div><dt>{role}</dt><dd class="num">{bytes}</dd></div> });
    view! {
        <p data-testid="engine-place" data-place=place><strong>{place}</strong>". " {why}</p>
        {slow.map(|said| view! { <p class="note slow">{said}</p> })}
        {again}
        <dl class="engine-facts">
            <div><dt>"adapter"</dt><dd>{adapter}</dd></div>
            <Threads situation/>
        </dl>
        <h3>"Memory"</h3>
        <dl class="engine-facts">{rows.collect_view()}</dl>
        <h3>"The last run, operation by operation"</h3>
        <p class="note">{ops_caption}</p>
        {(!ops.is_empty()).then(|| view! { <Ops ops/> })}
    }
}

#[component]
fn Threads(situation: Situation) -> impl IntoView {
    let state = State::from_page();
    let view = threads_view(situation);
    let refusal = RwSignal::new(None::<String>);
    let reload = move |_| {
        spawn_local(async move {
            if let Err(why) = isolation::reload_isolated(state).await {
                refusal.set(Some(sentence(&format!("that did not work: {why}"))));
            }
        });
    };
    view! {
        <div data-testid="threads" data-n=situation.n_threads data-isolated=situation.is_isolated.to_string()>
            <dt>"threads"</dt>
            <dd>
                {view.count} {(!view.why.is_empty()).then(|| view! { ". " <span class="quiet">{view.why}</span> })}
                {view.is_offered.then(|| view! {
                    <button type="button" class="button" on:click=reload>"Use more threads (reloads the page)"</button>
                })}
                {move || refusal.get().map(|why| view! { <span role="alert" class="alert-hint">{why}</span> })}
            </dd>
        </div>
    }
}

#[component]
fn Ops(ops: Vec<OpRow>) -> impl IntoView {
    let row = |row: OpRow| {
        view! {
            <tr>
                <th scope="row">{row.op}</th>
                <td class="num">{row.n_calls}</td>
                <td class="num">{row.millis}</td>
                <td class="track" aria-hidden="true"><span class="fill" style=format!("width:{:.1}%", row.percent)></span></td>
            </tr>
        }
    };
    view! {
        <table class="ops" data-testid="engine-ops">
            <thead><tr><th scope="col">"operation"</th><th scope="col">"calls"</th><th scope="col">"ms"</th><td></td></tr></thead>
            <tbody>{ops.into_iter().map(row).collect_view()}</tbody>
        </table>
    }
}
