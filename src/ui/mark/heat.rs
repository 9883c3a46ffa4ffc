//! The cells of a matrix: SVG while they are few, a canvas above that; the same view model under both.

use std::sync::Arc;

use leptos::{html::Canvas, prelude::*};

use super::{ink, soon::soon};
use crate::view_model::{
    export::cells_svg,
    heatmap::{Heatmap, Layout},
};

/// Above this many cells a canvas draws faster than a document.
const MAX_SVG_CELLS: usize = 2_500;

/// The cells, in a box of their own size.
#[component]
pub fn Heat(
    /// What to draw.
    map: Memo<Option<Arc<Heatmap>>>,
    /// Where.
    layout: Memo<Layout>,
    /// Draws anew when it changes.
    repaint: Signal<u32>,
) -> impl IntoView {
    let is_large = Memo::new(move |_| layout.with(|layout| MAX_SVG_CELLS < layout.n * layout.n));
    move || {
        if is_large.get() {
            view! { <Pixels map layout repaint/> }.into_any()
        } else {
            view! { <Marks map layout/> }.into_any()
        }
    }
}

#[component]
fn Marks(map: Memo<Option<Arc<Heatmap>>>, layout: Memo<Layout>) -> impl IntoView {
    let side_px = move || layout.with(Layout::side_px);
    let cells = move || {
        let layout = layout.get();
        // While an answer changes, map and layout may be of two prompts for a moment.
        map.get().filter(|map| map.n == layout.n).map(|map| cells_svg(&map, &layout)).unwrap_or_default()
    };
    view! { <svg class="heat" aria-hidden="true" width=side_px height=side_px><g inner_html=cells></g></svg> }
}

#[component]
fn Pixels(map: Memo<Option<Arc<Heatmap>>>, layout: Memo<Layout>, repaint: Signal<u32>) -> impl IntoView {
    let canvas = NodeRef::<Canvas>::new();
    let size = move || layout.with(|layout| format!("width:{0}px;height:{0}px", layout.side_px()));
    Effect::new(move || {
        map.track();
        layout.track();
        repaint.track();
        if canvas.get().is_none() {
            return;
        }
        soon(move || {
            let drawn = map.try_get_untracked().flatten().zip(canvas.try_get_untracked().flatten());
            if let Some((map, canvas)) = drawn {
                ink::paint(&canvas, &map);
            }
        });
    });
    view! { <canvas node_ref=canvas class="heat" aria-hidden="true" style=size></canvas> }
}
