//! A head's whole pattern at the size of a stamp.

use std::sync::Arc;

use leptos::{html::Canvas, prelude::*};

use super::{ink, soon::soon};
use crate::view_model::heatmap::Heatmap;

/// A canvas that keeps thin stripes visible. It is decoration: its button says what it is.
#[component]
pub fn Thumbnail(
    /// What to draw; asked for only when there is time to draw it.
    map: Signal<Option<Arc<Heatmap>>>,
    /// Draws anew when something in it changes.
    repaint: Signal<()>,
) -> impl IntoView {
    let canvas = NodeRef::<Canvas>::new();
    let is_waiting = StoredValue::new(false);
    Effect::new(move || {
        repaint.get();
        if canvas.get().is_none() || is_waiting.get_value() {
            return;
        }
        is_waiting.set_value(true);
        soon(move || {
            // The picture may have left the page while it waited.
            if is_waiting.try_set_value(false).is_none()
                && let (Some(canvas), Some(map)) = (canvas.get_untracked(), map.get_untracked())
            {
                ink::paint(&canvas, &map);
            }
        });
    });
    view! { <canvas node_ref=canvas class="thumbnail" aria-hidden="true"></canvas> }
}
