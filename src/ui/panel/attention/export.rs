//! The head in words, and the matrix as files.

use std::sync::Arc;

use leptos::{html, prelude::*};

use super::view::View;
use crate::{
    ui::{
        dom,
        mark::{ink, save},
    },
    view_model::{
        export::{Palette, figure_svg, file_name, matrix_csv},
        heatmap::{Heatmap, Layout, LayoutSpec},
        reading,
        token_strip::TokenText,
    },
};

/// Pairs named in the summary.
const N_PAIRS: usize = 5;
/// Width of an exported figure; long prompts take more.
const FIGURE_PX: f32 = 720.0;
/// Device pixels per px of an exported PNG.
const PNG_SCALE: f64 = 2.0;

/// The strongest pairs, copyable, and the downloads.
#[component]
pub(super) fn Summary(view: View) -> impl IntoView {
    let is_copied = RwSignal::new(false);
    let with_map = move |then: fn(&Heatmap, &[TokenText])| {
        move |_| {
            if let Some((map, tokens)) = shown(view) {
                then(&map, &tokens);
            }
        }
    };
    let pairs = move || {
        let Some((map, tokens)) = view.shown.get().map(|map| (map, view.tokens.get())) else { return vec![] };
        if map.n != tokens.len() {
            return vec![];
        }
        let pairs = reading::strongest(&map, N_PAIRS);
        pairs.into_iter().map(|pair| (pair, reading::pair_sentence(pair, map.quantity, &tokens))).collect()
    };
    let lines = move || {
        pairs().into_iter().map(|(pair, sentence)| view! {
        <li class="num" on:pointerenter=move |_| { view.focus.pos.hover(Some(pair.q)); view.key.set(Some(pair.k)); }
            on:pointerleave=move |_| { view.focus.pos.hover(None); view.key.set(None); }>{sentence}</li>
    }).collect_view()
    };
    let is_empty = move || pairs().is_empty();
    let copy = move |_| {
        if let Some((map, tokens)) = shown(view) {
            dom::copy(&reading::summary(&map, &tokens, N_PAIRS));
            is_copied.set(true);
            set_timeout(move || is_copied.set(false), std::time::Duration::from_millis(1200));
        }
    };
    let probe = NodeRef::<html::Div>::new();
    view! {
        <section class="att-summary" aria-label="Strongest pairs and files">
            <h4 class="att-subtitle">"Strongest pairs"</h4>
            <ul class="att-pairs">{lines}</ul>
            <Show when=is_empty><p class="att-note">"Nothing is shown: all attention goes to position 0."</p></Show>
            <div class="att-bar att-files" node_ref=probe>
                <button type="button" class="button" on:click=copy>{move || if is_copied.get() { "Copied" } else { "Copy as text" }}</button>
                <button type="button" class="button" title="The matrix, unrounded, position 0 included"
                    on:click=with_map(|map, tokens| keep(save::text(&file_name(map, "csv"), "text/csv", &matrix_csv(map, tokens))))>"CSV"</button>
                <button type="button" class="button" title="The picture as a vector drawing"
                    on:click=with_map(|map, tokens| keep(save::text(&file_name(map, "svg"), "image/svg+xml", &figure(map, tokens))))>"SVG"</button>
                <button type="button" class="button" title="The picture in pixels"
                    on:click=with_map(|map, tokens| keep(save::png(&file_name(map, "png"), &figure(map, tokens), PNG_SCALE)))>"PNG"</button>
            </div>
        </section>
    }
}

fn shown(view: View) -> Option<(Arc<Heatmap>, Arc<Vec<TokenText>>)> {
    let (map, tokens) = (view.shown.get_untracked()?, view.tokens.get_untracked());
    (map.n == tokens.len()).then_some((map, tokens))
}

/// A browser that refuses downloads says so itself.
fn keep(saved: Result<(), wasm_bindgen::JsValue>) {
    if let Err(refused) = saved {
        leptos::logging::warn!("the file could not be made: {refused:?}");
    }
}

fn figure(map: &Heatmap, tokens: &[TokenText]) -> String {
    let layout = Layout::new(tokens, LayoutSpec { width_px: FIGURE_PX, zoom: 1.0 });
    figure_svg(map, &layout, &palette())
}

/// The page's colours as they are now, read off the matrix on it.
fn palette() -> Palette {
    let of = |selector: &str, property: &str| {
        let element = leptos::prelude::document().query_selector(selector).ok().flatten();
        element.map(|element| ink::hex(&ink::css(&element, property))).unwrap_or_default()
    };
    Palette {
        paper: of(".att-plot", "background-color"),
        masked: of(".att-masked", "fill"),
        ink: of(".att-plot", "color"),
        grey: of(".att-axis", "fill"),
        positive: of(".att-cells", "color"),
        negative: of(".att-cells", "outline-color"),
    }
}
