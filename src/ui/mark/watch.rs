//! What the page around a picture does to it: its width, and the theme.

use leptos::{html::Div, prelude::*};
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure};
use web_sys::{HtmlElement, MediaQueryList, MutationObserver, MutationObserverInit, ResizeObserver};

use crate::ui::dom;

type Heard = Closure<dyn FnMut(JsValue)>;

/// The width of an element's inside in px, kept up to date; 0 until it is on the page.
pub fn width_px(element: NodeRef<Div>) -> ReadSignal<f32> {
    let (width, set_width) = signal(0.0_f32);
    let held = StoredValue::new_local(None::<(ResizeObserver, Heard)>);
    Effect::new(move || {
        let Some(element) = element.get() else { return };
        let measured = element.clone();
        let measure = move || {
            let px = measured.client_width() as f32;
            if (px - width.get_untracked()).abs() > 0.5 {
                set_width.set(px);
            }
        };
        measure();
        let heard = Heard::new(move |_| measure());
        if let Ok(observer) = ResizeObserver::new(heard.as_ref().unchecked_ref()) {
            observer.observe(&element);
            held.set_value(Some((observer, heard)));
        }
    });
    on_cleanup(move || {
        held.update_value(|held| {
            if let Some((observer, _)) = held.take() {
                observer.disconnect();
            }
        });
    });
    width
}

/// Counts changes of the theme and of the resolution: pictures made of pixels read it and are drawn anew.
pub fn repaints() -> ReadSignal<u32> {
    let (count, set_count) = signal(0_u32);
    let held = StoredValue::new_local(None::<(MutationObserver, Vec<MediaQueryList>, Heard)>);
    let heard = Heard::new(move |_| set_count.update(|count| *count += 1));
    let queries = ["(prefers-color-scheme: dark)", "(resolution: 1dppx)", "(resolution: 2dppx)"]
        .into_iter()
        .filter_map(|query| dom::window().match_media(query).ok().flatten())
        .inspect(|query| query.set_onchange(Some(heard.as_ref().unchecked_ref())))
        .collect();
    if let Ok(observer) = MutationObserver::new(heard.as_ref().unchecked_ref()) {
        let options = MutationObserverInit::new();
        options.set_attributes(true);
        options.set_attribute_filter(&js_sys::Array::of1(&JsValue::from_str("data-theme")));
        let root: HtmlElement = dom::root().unchecked_into();
        if observer.observe_with_options(&root, &options).is_ok() {
            held.set_value(Some((observer, queries, heard)));
        }
    }
    on_cleanup(move || {
        held.update_value(|held| {
            if let Some((observer, queries, _)) = held.take() {
                observer.disconnect();
                queries.iter().for_each(|query| query.set_onchange(None));
            }
        });
    });
    count
}
