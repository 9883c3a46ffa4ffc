//! One head in full: queries down, keys across, a cursor for the pointer and the keyboard.

use leptos::{
    html::{self, Div},
    prelude::*,
};
use web_sys::{KeyboardEvent, PointerEvent};

use super::view::View;
use crate::{
    ui::mark::{heat::Heat, legend::ScaleLegend, watch},
    view_model::{
        heatmap::{FirstKey, Label, Layout, LayoutSpec, Quantity},
        legend, reading,
    },
};

/// A cell: query and key.
type At = [usize; 2];

/// The matrix with its axes, what the cursor says, and its scale.
#[component]
pub(super) fn Matrix(view: View) -> impl IntoView {
    let element = NodeRef::<Div>::new();
    let width_px = watch::width_px(element);
    let layout = Memo::new(move |_| {
        let spec = LayoutSpec { width_px: width_px.get().max(240.0), zoom: f32::from(view.zoom.get()) };
        view.tokens.with(|tokens| Layout::new(tokens, spec))
    });
    let cursor = RwSignal::new(None::<At>);
    let said = Memo::new(move |_| {
        let (map, tokens) = (view.shown.get()?, view.tokens.get());
        let [q, k] = cursor.get().filter(|at| at.iter().all(|pos| *pos < map.n.min(tokens.len())))?;
        Some(reading::cell_sentence(&map, &tokens, q, k))
    });
    let hint = move || match (view.shown.with(Option::is_some), view.quantity.get(), view.can_ask) {
        (true, _, _) => "Point at a cell, or focus the matrix and use the arrow keys.",
        (false, Quantity::Score, true) => "Asking the model for the scores of this head…",
        (false, Quantity::Score, false) => "This result came without scores before the softmax.",
        (false, Quantity::Attention, _) => "This result came without this head’s pattern.",
    };
    let scale = move || {
        view.shown
            .get()
            .map(|map| view! { <ScaleLegend legend=legend::legend(&map, view.normalisation.get())/> })
    };
    let class =
        move || if view.quantity.get() == Quantity::Score { "att-matrix scores" } else { "att-matrix" };
    view! {
        <div class=class>
            <p class="att-said num" id="att-said" aria-live="polite" data-testid="attention-cell">
                {move || said.get().unwrap_or_else(|| hint().to_owned())}
            </p>
            <div class="att-scroll" node_ref=element>
                <Plot view layout cursor/>
            </div>
            {scale}
        </div>
    }
}

#[component]
fn Plot(view: View, layout: Memo<Layout>, cursor: RwSignal<Option<At>>) -> impl IntoView {
    let size = move || {
        layout.with(|layout| {
            format!(
                "width:{}px;height:{}px;--left:{}px;--top:{}px;--side:{}px;--cell:{}px",
                layout.width_px(),
                layout.height_px(),
                layout.left_px,
                layout.top_px,
                layout.side_px(),
                layout.cell_px
            )
        })
    };
    view! {
        <div class="att-plot" style=size>
            <Axes view layout/>
            <div class="att-cells"><Heat map=view.shown layout repaint=view.repaints.into()/></div>
            <Overlay view layout cursor/>
            <Surface view layout cursor/>
        </div>
    }
}

/// Names of rows and columns, the masked half, the hidden column.
#[component]
fn Axes(view: View, layout: Memo<Layout>) -> impl IntoView {
    let labels =
        move |turn: fn(&Label) -> String, class: &'static str| {
            move || {
                layout.with(|layout| {
                    layout.labels.iter().map(|label| view! {
            <text class=class transform=turn(label) dy="0.35em">{label.text.clone()}</text>
        }).collect_view()
                })
            }
        };
    let rows = labels(|label| format!("translate(-6 {})", label.at_px), "row");
    let cols = labels(|label| format!("translate({} -6) rotate(-90)", label.at_px), "col");
    let frame = move || layout.with(|layout| layout.side_px());
    let hidden = move || {
        let layout = layout.get();
        (view.first_key.get() == FirstKey::Hidden).then(|| view! {
            <rect fill="url(#att-hatch)" width=layout.cell_px height=layout.side_px()><title>"Position 0 is hidden"</title></rect>
        })
    };
    view! {
        <svg class="att-axes" aria-hidden="true" width=move || layout.with(Layout::width_px) height=move || layout.with(Layout::height_px)>
            <defs>
                <pattern id="att-hatch" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
                    <line class="att-hatch" y2="4"/>
                </pattern>
            </defs>
            <g transform=move || layout.with(|layout| format!("translate({} {})", layout.left_px, layout.top_px))>
                <path class="att-masked" d=move || layout.with(Layout::mask_path)/>
                {hidden}
                <rect class="att-frame" width=frame height=frame/>
                {rows}{cols}
                <text class="att-axis down" transform=move || layout.with(|layout| format!("translate({} 0) rotate(-90)", 12.0 - layout.left_px))>"query (q_pos)"</text>
                <text class="att-axis" y=move || layout.with(|layout| 12.0 - layout.top_px)>"key (k_pos)"</text>
            </g>
        </svg>
    }
}

/// What is pointed at: only these marks move, the picture under them stays.
#[component]
fn Overlay(view: View, layout: Memo<Layout>, cursor: RwSignal<Option<At>>) -> impl IntoView {
    let place = move |pos: Option<usize>, place: fn(&Layout, f32) -> String| {
        layout.with(|layout| match pos.filter(|pos| *pos < layout.n) {
            Some(pos) => place(layout, layout.edge_px(pos)),
            None => "display:none".to_owned(),
        })
    };
    let query = move || view.focus.pos.focused();
    let key = move || view.key.get();
    let name = move |pos: Option<usize>| {
        let tokens = view.tokens.get();
        pos.and_then(|pos| Some(format!("{pos} {}", tokens.get(pos)?.glyphs())))
    };
    let cell = move || match cursor.get() {
        Some([q, k]) => {
            layout.with(|layout| format!("left:{}px;top:{}px", layout.edge_px(k), layout.edge_px(q)))
        }
        None => "display:none".to_owned(),
    };
    view! {
        <div class="att-overlay" aria-hidden="true">
            <div class="att-row" style=move || place(query(), |_, px| format!("top:{px}px"))></div>
            <div class="att-col" style=move || place(key(), |_, px| format!("left:{px}px"))></div>
            <div class="att-col by" style=move || place(query(), |_, px| format!("left:{px}px"))></div>
            <div class="att-at" style=cell></div>
            <span class="att-name q num" style=move || place(query(), |layout, px| format!("top:{}px", px + layout.cell_px / 2.0))>{move || name(query())}</span>
            <span class="att-name k num" style=move || place(key(), |layout, px| format!("left:{}px", px + layout.cell_px / 2.0))>{move || name(key())}</span>
        </div>
    }
}

/// What takes the pointer and the keyboard.
#[component]
fn Surface(view: View, layout: Memo<Layout>, cursor: RwSignal<Option<At>>) -> impl IntoView {
    let go = move |at: Option<At>| {
        if cursor.get_untracked() != at {
            cursor.set(at);
            view.key.set(at.map(|at| at[1]));
            view.focus.pos.hover(at.map(|at| at[0]));
        }
    };
    let under = move |event: &PointerEvent| {
        let (x, y) = (event.offset_x() as f32, event.offset_y() as f32);
        layout.with_untracked(|layout| Some([layout.pos_at(y)?, layout.pos_at(x)?]))
    };
    let surface = NodeRef::<html::Div>::new();
    let keyed = move |event: KeyboardEvent| match event.key().as_str() {
        "Enter" | " " => {
            event.prevent_default();
            if let Some([q, _]) = cursor.get_untracked() {
                view.focus.pos.toggle_lock(q);
            }
        }
        "Escape" => {
            go(None);
            view.focus.pos.release();
        }
        key => {
            if let Some(at) = moved(
                cursor.get_untracked().unwrap_or_else(|| start(view)),
                key,
                layout.with_untracked(|layout| layout.n),
            ) {
                event.prevent_default();
                go(Some(at));
                if let Some(surface) = surface.get_untracked() {
                    layout.with_untracked(|layout| reveal(&surface, layout, at));
                }
            }
        }
    };
    let label = move || {
        let head = view.head.get().map(crate::view_model::head_grid::name).unwrap_or_default();
        let what = if view.quantity.get() == Quantity::Score { "Scores" } else { "Attention" };
        format!(
            "{what} of {head}: queries down, keys across. Arrow keys move the cursor, Enter keeps the query."
        )
    };
    view! {
        <div class="att-surface" node_ref=surface tabindex="0" role="application" aria-roledescription="matrix" aria-label=label
            aria-describedby="att-said" data-testid="attention-matrix"
            on:pointermove=move |event| go(under(&event))
            on:pointerdown=move |event| go(under(&event))
            on:pointerleave=move |event: PointerEvent| if event.pointer_type() == "mouse" { go(None) }
            on:click=move |_| if let Some([q, _]) = cursor.get_untracked() { view.focus.pos.toggle_lock(q) }
            on:focus=move |_| if cursor.get_untracked().is_none() { go(Some(start(view))) }
            on:blur=move |_| go(None)
            on:keydown=keyed></div>
    }
}

/// Where the keyboard's cursor begins: at the focused query's strongest key.
fn start(view: View) -> At {
    let (Some(map), Some(q)) = (view.shown.get_untracked(), view.pos.get_untracked()) else { return [0, 0] };
    if q < map.n { [q, reading::strongest_key(&map, q).unwrap_or(q)] } else { [0, 0] }
}

fn moved([q, k]: At, key: &str, n: usize) -> Option<At> {
    let last = n.saturating_sub(1);
    Some(match key {
        "ArrowUp" => [q.saturating_sub(1), k],
        "ArrowDown" => [(q + 1).min(last), k],
        "ArrowLeft" => [q, k.saturating_sub(1)],
        "ArrowRight" => [q, (k + 1).min(last)],
        "Home" => [q, 0],
        "End" => [q, q],
        _ => return None,
    })
}

/// Scrolls the matrix in its own region so that a cell is inside.
fn reveal(surface: &web_sys::HtmlElement, layout: &Layout, [_, k]: At) {
    let Some(region) = surface.closest(".att-scroll").ok().flatten() else { return };
    let (start, end) = (layout.edge_px(k) as i32, (layout.left_px + layout.edge_px(k + 1)) as i32 + 8);
    let (left, width) = (region.scroll_left(), region.client_width());
    if start < left {
        region.set_scroll_left(start);
    } else if left + width < end {
        region.set_scroll_left(end - width);
    }
}
