//! The elevation: the model as a building, the map of every view.

use leptos::prelude::*;
use wasm_bindgen::JsCast as _;
use web_sys::{Element, KeyboardEvent};

use super::{dom, state::State};
use crate::{
    analysis::attention::HeadScores,
    view_model::{
        elevation::{self, Building, Elevation, Rect, Storey, WIDTH, Window},
        head_score::HeadScore,
        number,
    },
};

/// The drawing, what lights it, and its scale.
#[component]
pub fn ElevationView() -> impl IntoView {
    let state = State::from_page();
    let building = Memo::new(move |_| state.building());
    let drawing = move || {
        let building = building.get().unwrap_or(Building { n_layers: 2, n_heads: 8, has_mlp: false });
        view! { <Drawing building/> }
    };
    let class = move || if state.is_stale() { "elevation stale" } else { "elevation" };
    view! {
        <div class=class>
            <LitBy/>
            {drawing}
            <Scale/>
        </div>
    }
}

#[component]
fn LitBy() -> impl IntoView {
    let state = State::from_page();
    let choose = move |key: String| state.lit_by.set(HeadScore::from_key(&key).unwrap_or_default());
    view! {
        <label class="lit-by">
            <span class="quiet">"Windows lit by"</span>
            <select aria-label="Score that lights the windows" on:change:target=move |event| choose(event.target().value())
                prop:value=move || state.lit_by.get().key()>
                {HeadScore::ALL.map(|score| view! {
                    <option value=score.key() selected=move || state.lit_by.get() == score>{score.name()}</option>
                })}
            </select>
        </label>
    }
}

#[component]
fn Scale() -> impl IntoView {
    let state = State::from_page();
    let n_tokens = move || state.answer().get().map_or(0, |answer| answer.tokens.len());
    let end = move || {
        let score = state.lit_by.get();
        if score == HeadScore::Entropy { number::nats(score.max(n_tokens())) } else { "1".to_owned() }
    };
    let is_dark =
        move || state.answer().get().is_some_and(|answer| state.lit_by.get().best(&answer.heads).is_none());
    view! {
        <p class="legend">
            <span class="num">"0"</span><span class="ramp seq-ramp" aria-hidden="true"></span><span class="num">{end}</span>
            <span>{move || state.lit_by.get().unit()}</span>
        </p>
        <Show when=is_dark>
            <p class="note">"No token of this prompt occurs twice, so this score has nothing to average: the windows are dark."</p>
        </Show>
    }
}

#[component]
fn Drawing(building: Building) -> impl IntoView {
    let Elevation { height, roof, roof_label, storeys, ground, stair, landings } =
        elevation::elevation(building);
    let label = format!("The model in section: {} layers of {} heads", building.n_layers, building.n_heads);
    view! {
        <svg class="building" viewBox=format!("0 0 {WIDTH} {height}") role="group" aria-label=label on:keydown=on_key>
            <path class="wall" d=roof/>
            <text class="room-name" x=roof_label.x y=roof_label.y + 4.0>"unembed"</text>
            {storeys.into_iter().map(|storey| view! { <StoreyView storey/> }).collect_view()}
            <g class="ground">
                {rect(ground, "wall")}
                <text class="room-name" x=ground.x + ground.width / 2.0 y=ground.y + 19.0>"embed"</text>
                <path class="earth" d=format!("M0 {}H{WIDTH}", ground.y + ground.height)/>
            </g>
            <path class="stair" d=stair><title>"The residual stream: every head and MLP reads from it and adds to it"</title></path>
            {landings.into_iter().map(|at| view! { <circle class="landing" cx=at.x cy=at.y r="2"/> }).collect_view()}
        </svg>
    }
}

#[component]
fn StoreyView(storey: Storey) -> impl IntoView {
    let Storey { layer, wall, label, windows, mlp } = storey;
    view! {
        <g class="storey">
            {rect(wall, "wall")}
            <text class="storey-no num" x=label.x y=label.y>{layer}<title>{format!("Layer {layer}")}</title></text>
            {mlp.map(|room| view! {
                {rect(room, "room")}
                <text class="room-name" x=room.x + room.width / 2.0 y=room.y + room.height / 2.0 + 4.0>"MLP"</text>
            })}
            {windows.into_iter().map(|window| view! { <WindowView layer window/> }).collect_view()}
        </g>
    }
}

#[component]
fn WindowView(layer: usize, window: Window) -> impl IntoView {
    let state = State::from_page();
    let focus = state.focus.head;
    let Window { head, pane, hit } = window;
    let at = [layer, head];
    let value = Memo::new(move |_| {
        let score = state.lit_by.get();
        let answer = state.answer().get()?;
        let of_head = |scores: &&HeadScores| scores.layer == layer && scores.head == head;
        let value = score.of(answer.heads.iter().find(of_head)?)?;
        Some((score, value, value / score.max(answer.tokens.len())))
    });
    let label = move || match value.get() {
        Some((score, value, _)) => format!("Layer {layer} head {head}, {} score {value:.2}", score.name()),
        None => format!("Layer {layer} head {head}"),
    };
    let style = move || value.get().map(|(_, _, lit)| format!("--v:{lit:.3}"));
    let class = move || {
        let unlit = if value.get().is_none() { " unlit" } else { "" };
        let focused = if focus.focused() == Some(at) { " focused" } else { "" };
        let locked = if focus.is_locked(at) { " locked" } else { "" };
        format!("window{unlit}{focused}{locked}")
    };
    let press = move |event: KeyboardEvent| {
        if matches!(event.key().as_str(), "Enter" | " ") {
            event.prevent_default();
            focus.toggle_lock(at);
        }
    };
    view! {
        <g class=class style=style role="button" aria-label=label data-at=format!("{layer}.{head}")
            aria-pressed=move || focus.is_locked(at).to_string()
            tabindex=move || if focus.locked().unwrap_or([0, 0]) == at { "0" } else { "-1" }
            on:pointerenter=move |_| focus.hover(Some(at)) on:pointerleave=move |_| focus.hover(None)
            on:focus=move |_| focus.hover(Some(at)) on:blur=move |_| focus.hover(None)
            on:click=move |_| focus.toggle_lock(at) on:keydown=press>
            <title>{label}</title>
            {rect(hit, "hit")}
            {rect(pane, "pane")}
        </g>
    }
}

fn rect(rect: Rect, class: &'static str) -> impl IntoView {
    let Rect { x, y, width, height } = rect;
    view! { <rect class=class x=x y=y width=width height=height/> }
}

/// Arrows walk from window to window; up is towards the roof.
fn on_key(event: KeyboardEvent) {
    let Some(window) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else { return };
    let Some(at) = window.get_attribute("data-at") else { return };
    let Some((layer, head)) = at.split_once('.') else { return };
    let (Ok(layer), Ok(head)) = (layer.parse::<i32>(), head.parse::<i32>()) else { return };
    let (layer, head) = match event.key().as_str() {
        "ArrowUp" => (layer + 1, head),
        "ArrowDown" => (layer - 1, head),
        "ArrowLeft" => (layer, head - 1),
        "ArrowRight" => (layer, head + 1),
        _ => return,
    };
    event.prevent_default();
    dom::focus_on_svg(&format!(".window[data-at='{layer}.{head}']"));
}
