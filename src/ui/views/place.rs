//! A view's text on the page: only the parts that changed are replaced, and the keyboard stays where it was.

use std::time::Duration;

use leptos::prelude::set_timeout;
use wasm_bindgen::JsCast as _;
use web_sys::{Element, HtmlElement, HtmlInputElement};

use crate::ui::dom;

/// How long a button says that it has done something.
const MOMENT: Duration = Duration::from_millis(1200);

/// Puts `html` in the place of `parts`, which are on the page.
pub(super) fn put(host: &Element, parts: &mut Vec<String>, html: Vec<String>) {
    let focused = focused_in(host);
    if parts.is_empty() {
        host.set_text_content(None); // A placeholder may be there.
    }
    while html.len() < parts.len() {
        parts.pop();
        if let Some(last) = nth_part(host, parts.len()) {
            last.remove();
        }
    }
    for (nth, part) in html.iter().enumerate() {
        if parts.get(nth) == Some(part) {
            continue;
        }
        if let Some(place) = nth_part(host, nth).or_else(|| new_part(host)) {
            replace(&place, part);
        }
    }
    *parts = html;
    if let Some(selector) = focused.filter(|_| focused_in(host).is_none())
        && let Ok(Some(again)) = host.query_selector(&selector)
        && let Ok(again) = again.dyn_into::<HtmlElement>()
    {
        let _ = again.focus(); // An element that cannot take focus is left alone.
    }
}

/// Frameworks leave nodes of their own in an element, so parts are told by their class.
fn nth_part(host: &Element, nth: usize) -> Option<Element> {
    host.query_selector_all(":scope > .view-part").ok()?.item(nth as u32)?.dyn_into().ok()
}

fn new_part(host: &Element) -> Option<Element> {
    let place = dom::document().create_element("div").ok()?;
    place.set_class_name("view-part");
    host.append_child(&place).ok()?;
    Some(place)
}

/// What scrolls in it stays where it was.
fn replace(place: &Element, html: &str) {
    let scroller = || place.query_selector(".view-scroll").ok().flatten();
    let before = scroller().map(|element| (element.scroll_left(), element.scroll_top()));
    place.set_inner_html(html);
    if let (Some((left, top)), Some(element)) = (before, scroller()) {
        element.set_scroll_left(left);
        element.set_scroll_top(top);
    }
}

/// How to find what has the keyboard's focus again, once it is drawn anew.
fn focused_in(host: &Element) -> Option<String> {
    let element = dom::document().active_element().filter(|element| host.contains(Some(element)))?;
    let named = |name: &str| Some(["[", name, "=\"", &element.get_attribute(name)?, "\"]"].concat());
    named("data-key").or_else(|| named("data-at"))
}

/// Puts the slider where the view says that it is: one that is drawn anew would be lost under the pointer.
pub(super) fn set_range(host: &Element) {
    let found = |selector| host.query_selector(selector).ok().flatten();
    let (Some(range), Some(now)) = (found("[data-range]"), found("[data-now]")) else { return };
    let of = |name: &str| now.get_attribute(name).unwrap_or_default();
    let _ = range.set_attribute("aria-valuetext", &of("data-text")); // The name of an attribute is valid.
    let range: HtmlInputElement = range.unchecked_into();
    if range.value() != of("data-now") {
        range.set_value(&of("data-now"));
    }
}

/// Says of a mark what there is to say.
pub(super) fn fill(host: &Element, html: &str) {
    if let Ok(Some(slot)) = host.query_selector("[data-slot]")
        && slot.inner_html() != html
    {
        slot.set_inner_html(html);
    }
}

/// Has a button say that something was done.
pub(super) fn say_for_a_moment(button: Element, words: &str) {
    let before = button.text_content();
    if before.as_deref() == Some(words) {
        return;
    }
    button.set_text_content(Some(words));
    set_timeout(move || button.set_text_content(before.as_deref()), MOMENT);
}
