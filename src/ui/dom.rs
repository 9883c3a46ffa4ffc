//! The browser, as far as the page needs it.

use std::time::Duration;

use js_sys::{Promise, Reflect};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Element, File, FileList, HtmlElement, Response};

/// The window.
pub fn window() -> web_sys::Window {
    web_sys::window().expect("the page runs in a window")
}

/// The document.
pub fn document() -> web_sys::Document {
    window().document().expect("a window has a document")
}

/// The root element.
pub fn root() -> Element {
    document().document_element().expect("a document has a root")
}

/// An absolute URL for a path relative to the page.
pub fn absolute(path: &str) -> String {
    let base = document().base_uri().ok().flatten().unwrap_or_default();
    web_sys::Url::new_with_base(path, &base).map_or_else(|_| path.to_owned(), |url| url.href())
}

/// The text of a file beside the page.
///
/// Errors: it is not there, or the network fails.
pub async fn fetch_text(path: &str) -> Result<String, JsValue> {
    let response: Response = JsFuture::from(window().fetch_with_str(path)).await?.unchecked_into();
    if !response.ok() {
        return Err(JsValue::from_str(&response.status_text()));
    }
    let text = JsFuture::from(response.text()?).await?;
    Ok(text.as_string().unwrap_or_default())
}

/// Comes back later.
pub async fn sleep(duration: Duration) {
    let millis = i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
    let promise = Promise::new(&mut |resolve, _| {
        // A window that refuses timers is closing; then nobody waits.
        let _ = window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, millis);
    });
    let _ = JsFuture::from(promise).await; // A timer does not reject.
}

/// The fragment of the page's URL, with `#`.
pub fn fragment() -> String {
    window().location().hash().unwrap_or_default()
}

/// Changes the fragment without a new entry in the history.
pub fn replace_fragment(fragment: &str) {
    let location = window().location();
    let path =
        format!("{}{}", location.pathname().unwrap_or_default(), location.search().unwrap_or_default());
    let url = if fragment.is_empty() { path } else { format!("#{fragment}") };
    if let Ok(history) = window().history() {
        // Browsers limit how often this may be called; a link that lags is better than an error.
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&url));
    }
}

/// Puts the keyboard's focus on the first element that matches.
pub fn focus_on(selector: &str) {
    let found = document().query_selector(selector).ok().flatten();
    if let Some(element) = found.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
        let _ = element.focus(); // An element that cannot take focus is left alone.
    }
}

/// As [`focus_on`], for a mark in a drawing.
pub fn focus_on_svg(selector: &str) {
    let found = document().query_selector(selector).ok().flatten();
    if let Some(mark) = found.and_then(|mark| mark.dyn_into::<web_sys::SvgElement>().ok()) {
        let _ = mark.focus(); // As above.
    }
}

/// Scrolls the first element that matches into view, no more than needed.
pub fn reveal(selector: &str) {
    if let Ok(Some(element)) = document().query_selector(selector) {
        let options = web_sys::ScrollIntoViewOptions::new();
        options.set_block(web_sys::ScrollLogicalPosition::Nearest);
        element.scroll_into_view_with_scroll_into_view_options(&options);
    }
}

/// Whether keys typed now belong to a text or a control that uses them.
pub fn is_typing() -> bool {
    document()
        .active_element()
        .is_some_and(|element| matches!(element.tag_name().as_str(), "TEXTAREA" | "INPUT" | "SELECT"))
}

/// The files in a list.
pub fn files_of(list: Option<FileList>) -> Vec<File> {
    list.map(|list| (0..list.length()).filter_map(|idx| list.get(idx)).collect()).unwrap_or_default()
}

/// Whether the page may share memory between threads.
pub fn is_isolated() -> bool {
    Reflect::get(&window(), &"crossOriginIsolated".into()).is_ok_and(|value| value.is_truthy())
}

/// Whether the page is inside another page.
pub fn is_embedded() -> bool {
    window().parent().ok().flatten().is_none_or(|parent| parent != window())
}

/// Puts a text on the clipboard, where the page may.
pub fn copy(text: &str) {
    let _ = window().navigator().clipboard().write_text(text); // Refused in some embeds: nothing to do.
}

/// Reads a preference kept on this machine.
pub fn stored(key: &str) -> Option<String> {
    window().local_storage().ok().flatten()?.get_item(key).ok().flatten()
}

/// Keeps a preference on this machine, where storage is allowed.
pub fn store(key: &str, value: Option<&str>) {
    if let Ok(Some(storage)) = window().local_storage() {
        // Private windows may refuse; the preference then lasts as long as the page.
        let _ = match value {
            Some(value) => storage.set_item(key, value),
            None => storage.remove_item(key),
        };
    }
}

/// What this page's files take, and how much they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes in use.
    pub used_bytes: u64,
    /// Bytes in all.
    pub quota_bytes: u64,
}

/// How much room the browser gives the page; `None` where it does not say.
pub async fn room() -> Option<Room> {
    let storage = Reflect::get(&window().navigator(), &"storage".into()).ok().filter(JsValue::is_object)?;
    let storage: web_sys::StorageManager = storage.unchecked_into();
    let estimate: web_sys::StorageEstimate =
        JsFuture::from(storage.estimate().ok()?).await.ok()?.unchecked_into();
    Some(Room { used_bytes: estimate.get_usage()? as u64, quota_bytes: estimate.get_quota()? as u64 })
}
