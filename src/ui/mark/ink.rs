//! From the colours of the style sheet to the bytes that a canvas takes.
//!
//! Full ink is opaque and zero is transparent, so that the paper shows: the ramp of a canvas, of an SVG
//! (`fill-opacity`) and of a css gradient from `transparent` is the same.

use std::{cell::RefCell, collections::BTreeMap};

use leptos::prelude::document;
use wasm_bindgen::{Clamped, JsCast, JsValue};
use web_sys::{CanvasRenderingContext2d, Element, HtmlCanvasElement, ImageData};

use crate::{
    ui::dom,
    view_model::heatmap::{Heatmap, pooled},
};

thread_local! {
    static KNOWN: RefCell<BTreeMap<String, [u8; 3]>> = const { RefCell::new(BTreeMap::new()) };
}

/// The inks of a picture.
#[derive(Clone, Copy, Debug)]
struct Inks {
    positive: [u8; 3],
    negative: [u8; 3],
}

/// Draws `map` on `canvas`, one pixel a cell, or pooled where there are more cells than device pixels.
/// The style sheet says the inks, as `color` and `outline-color`, and scales the canvas without smoothing.
pub fn paint(canvas: &HtmlCanvasElement, map: &Heatmap) {
    let side_px = f64::from(canvas.client_width()) * dom::window().device_pixel_ratio();
    let side_px = (side_px as usize).clamp(1, map.n.max(1));
    let inks = Inks { positive: rgb(&css(canvas, "color")), negative: rgb(&css(canvas, "outline-color")) };
    let mut bytes = Vec::with_capacity(side_px * side_px * 4); // [row col rgba]
    for place in pooled(map, side_px) {
        let [r, g, b] = if place < 0.0 { inks.negative } else { inks.positive };
        bytes.extend([r, g, b, (place.abs() * 255.0).round() as u8]);
    }
    let side = u32::try_from(side_px).expect("a canvas is small");
    canvas.set_width(side);
    canvas.set_height(side);
    let image = ImageData::new_with_u8_clamped_array_and_sh(Clamped(&bytes), side, side);
    // A browser without memory for a canvas has no picture to lose.
    if let (Ok(image), Some(context)) = (image, context(canvas)) {
        let _ = context.put_image_data(&image, 0.0, 0.0);
    }
}

/// The 2d context of a canvas.
pub fn context(canvas: &HtmlCanvasElement) -> Option<CanvasRenderingContext2d> {
    canvas.get_context("2d").ok().flatten().map(JsCast::unchecked_into)
}

/// A property of an element as the style sheet and the theme have it now.
pub fn css(element: &Element, property: &str) -> String {
    let style = dom::window().get_computed_style(element).ok().flatten();
    style.and_then(|style| style.get_property_value(property).ok()).unwrap_or_default()
}

/// A colour of the style sheet as bytes: the browser itself does the conversion.
pub fn rgb(color: &str) -> [u8; 3] {
    if let Some(known) = KNOWN.with_borrow(|known| known.get(color).copied()) {
        return known;
    }
    let found = convert(color).unwrap_or_default();
    KNOWN.with_borrow_mut(|known| known.insert(color.to_owned(), found));
    found
}

/// A colour as every program that reads SVG knows it: red, green and blue in hexadecimal.
pub fn hex(color: &str) -> String {
    let [r, g, b] = rgb(color);
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn convert(color: &str) -> Option<[u8; 3]> {
    let canvas: HtmlCanvasElement = document().create_element("canvas").ok()?.unchecked_into();
    canvas.set_width(1);
    canvas.set_height(1);
    let options = js_sys::Object::new();
    js_sys::Reflect::set(&options, &JsValue::from_str("willReadFrequently"), &JsValue::TRUE).ok()?;
    let context = canvas.get_context_with_context_options("2d", &options).ok()??;
    let context: CanvasRenderingContext2d = context.unchecked_into();
    context.set_fill_style_str(color);
    context.fill_rect(0.0, 0.0, 1.0, 1.0);
    let pixel = context.get_image_data(0.0, 0.0, 1.0, 1.0).ok()?.data();
    pixel.0.get(..3)?.try_into().ok()
}
