//! All heads as small multiples: layers upwards as in the building, heads to the right.

use leptos::{html::Div, prelude::*};
use web_sys::KeyboardEvent;

use super::view::View;
use crate::{
    ui::{
        dom,
        mark::{thumbnail::Thumbnail, watch},
    },
    view_model::{
        head_grid::{self, GridCell, Move},
        head_score::HeadScore,
    },
};

/// The score that ranks them, and the pictures.
#[component]
pub(super) fn Heads(view: View) -> impl IntoView {
    view! {
        <section class="att-heads" aria-label="All heads">
            <MetricSwitch view/>
            <Definition view/>
            <Grid view/>
        </section>
    }
}

#[component]
fn MetricSwitch(view: View) -> impl IntoView {
    let n_heads = move || view.cells.with(Vec::len);
    let set_n = move |text: String| view.n_ranked.set(text.parse().unwrap_or(0));
    view! {
        <div class="att-bar">
            <fieldset class="att-switch">
                <legend class="visually-hidden">"Score of the heads"</legend>
                {HeadScore::ALL.map(|score| view! {
                    <label>
                        <input type="radio" name="att-metric" value=score.key() prop:checked=move || view.metric.get() == score
                            on:change=move |_| view.metric.set(score)/>
                        <span>{score.name()}</span>
                    </label>
                })}
            </fieldset>
            <label class="att-top">
                <span>"Number the top " <output class="num">{view.n_ranked}</output></span>
                <input type="range" min="0" max=move || n_heads().min(24) step="1" prop:value=move || view.n_ranked.get().to_string()
                    aria-label="How many heads carry their rank" on:input:target=move |event| set_n(event.target().value())/>
            </label>
        </div>
    }
}

#[component]
fn Definition(view: View) -> impl IntoView {
    let sample = move || {
        view.answer
            .get()
            .map(|answer| head_grid::averaged_over(view.metric.get(), answer.tokens.len(), answer.n_repeated))
    };
    view! {
        <details class="att-definition">
            <summary><span>{move || view.metric.get().definition()} " " {sample}</span></summary>
            <p><code>{move || view.metric.get().formula()}</code></p>
            <p class="att-note">"Unit: " {move || view.metric.get().unit()} ". The strip under a head is its score on a scale from 0 to the largest possible."</p>
        </details>
    }
}

#[component]
fn Grid(view: View) -> impl IntoView {
    let element = NodeRef::<Div>::new();
    let width_px = watch::width_px(element);
    let repaint = Signal::derive(move || {
        width_px.track();
        view.repaints.track();
        view.answer.track();
        view.first_key.track();
        view.normalisation.track();
    });
    let columns = move || format!("--n-heads:{}", view.dims.get()[1]);
    let rows = move || {
        let [n_layers, n_heads] = view.dims.get();
        (0..n_layers)
            .rev()
            .map(|layer| view! {
                <div class="att-layer" role="row" aria-label=format!("Layer {layer}")>
                    <span class="att-layer-name num" role="rowheader">"L" {layer}</span>
                    {(0..n_heads).map(|head| view! { <HeadCell view head=[layer, head] repaint/> }).collect_view()}
                </div>
            })
            .collect_view()
    };
    let columns_named =
        move || (0..view.dims.get()[1]).map(|head| view! { <span class="num">{head}</span> }).collect_view();
    view! {
        <div class="att-grid-scroll" node_ref=element>
            <div class="att-grid" data-testid="head-grid" role="grid" aria-label="Heads by layer" style=columns
                aria-busy=move || view.is_busy.get().to_string()
                on:pointerleave=move |_| view.focus.head.hover(None)>
                {rows}
                <div class="att-head-names" role="presentation" aria-hidden="true"><span></span>{columns_named}</div>
            </div>
        </div>
    }
}

#[component]
fn HeadCell(view: View, head: [usize; 2], repaint: Signal<()>) -> impl IntoView {
    let focus = view.focus.head;
    let cell =
        Memo::new(move |_| view.cells.with(|cells| cells.iter().find(|cell| cell.head == head).cloned()));
    let of = move |get: fn(GridCell) -> String| move || cell.get().map(get).unwrap_or_default();
    let style = of(|cell| format!("--head-hue:{};--share:{:.4}", cell.hue, cell.share));
    let rank = move || {
        cell.get()
            .and_then(|cell| cell.rank)
            .map(|rank| view! { <span class="att-rank num" aria-hidden="true">{rank}</span> })
    };
    let is_shown = Memo::new(move |_| view.head.get() == Some(head));
    let is_locked = Memo::new(move |_| focus.is_locked(head));
    view! {
        <div role="gridcell" class="att-cell">
            <button type="button" class="att-thumb" class:shown=is_shown class:locked=is_locked style=style
                data-layer=head[0] data-head=head[1] aria-label=of(|cell| cell.label) title=of(|cell| cell.label)
                aria-pressed=move || is_locked.get().to_string()
                tabindex=move || if is_shown.get() { "0" } else { "-1" }
                on:pointerenter=move |_| focus.hover(Some(head))
                on:focus=move |_| focus.hover(Some(head)) on:blur=move |_| focus.hover(None)
                on:click=move |_| focus.toggle_lock(head) on:keydown=move |event| on_key(view, head, &event)>
                <Thumbnail map=view.pattern_of(head) repaint/>
                <span class="att-strip" aria-hidden="true"><span></span></span>
                <span class="att-score num" aria-hidden="true">{of(|cell| cell.score_text)}</span>
                {rank}
            </button>
        </div>
    }
}

fn on_key(view: View, from: [usize; 2], event: &KeyboardEvent) {
    let by = match event.key().as_str() {
        "ArrowUp" => Move::Up,
        "ArrowDown" => Move::Down,
        "ArrowLeft" => Move::Left,
        "ArrowRight" => Move::Right,
        "Home" => Move::First,
        "End" => Move::Last,
        "Escape" => {
            view.focus.head.release();
            return;
        }
        _ => return,
    };
    event.prevent_default();
    let [layer, head] = head_grid::step(from, by, view.dims.get_untracked());
    dom::focus_on(&format!(".att-thumb[data-layer=\"{layer}\"][data-head=\"{head}\"]"));
}
