//! The browser's handles on files and folders from disk: choosing, reading, and keeping them for the next visit.
//!
//! `assets/handles.js` does it; where a browser has no handles, files are chosen anew each time.

use js_sys::{Array, Date, Promise, Reflect};
use leptos::task::spawn_local;
use wasm_bindgen::{JsCast as _, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;
use web_sys::{DataTransfer, File};

use crate::{
    failure::{Failure, FailureKind},
    protocol::ModelCard,
    view_model::opened::{self, Opened},
};

/// What a model's files end in. Others in a folder are passed over; those that cannot be read get a sentence.
pub const ENDINGS: [&str; 7] = [".json", ".safetensors", ".txt", ".bin", ".pt", ".pth", ".gguf"];

#[wasm_bindgen(js_namespace = vitrineHandles)]
extern "C" {
    #[wasm_bindgen(catch, js_name = canPick)]
    fn js_can_pick() -> Result<bool, JsValue>;
    #[wasm_bindgen(catch, js_name = pick)]
    fn js_pick(is_folder: bool, endings: &Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(catch, js_name = dropped)]
    fn js_dropped(transfer: &DataTransfer, endings: &Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(catch, js_name = keep)]
    fn js_keep(words: &str, handles: &Array, files: &Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(catch, js_name = list)]
    fn js_list() -> Result<Promise, JsValue>;
    #[wasm_bindgen(catch, js_name = again)]
    fn js_again(id: f64, endings: &Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(catch, js_name = forget)]
    fn js_forget(id: f64) -> Result<Promise, JsValue>;
}

/// Files from disk, and the browser's handles on them, if it gives any.
#[derive(Debug)]
pub struct FromDisk {
    /// The files.
    pub files: Vec<File>,
    /// The handles; empty where there is not one for each.
    pub handles: Array,
    /// Names of files that are not what they were at an earlier visit.
    pub changed: Vec<String>,
}

/// Whether the browser gives handles on what is chosen.
pub fn can_pick() -> bool {
    js_can_pick().unwrap_or(false)
}

/// Has the user choose files or a folder: called in a click. `None` if the user changed their mind.
///
/// Errors: the browser gives none.
pub fn pick(is_folder: bool) -> impl Future<Output = Result<Option<FromDisk>, Failure>> + use<> {
    let asked = js_pick(is_folder, &endings());
    async { Ok(from_disk(&answer(asked).await?)) }
}

/// What was dropped; `None` if it was no file. It must be asked for while the event lasts; the answer may come later.
///
/// Errors: it cannot be read.
pub fn dropped(transfer: &DataTransfer) -> impl Future<Output = Result<Option<FromDisk>, Failure>> + use<> {
    let asked = js_dropped(transfer, &endings());
    async { Ok(from_disk(&answer(asked).await?)) }
}

/// Remembers a model that was opened. Where that does not work its files are chosen again the next time.
pub fn keep(card: &ModelCard, handles: &Array, files: &[File]) {
    if handles.length() == 0 {
        return;
    }
    let words = opened::words(&card.model_type, card.config.n_layers, card.n_params);
    let kept = js_keep(&words, handles, &files.iter().collect());
    // As said above: nothing is lost.
    spawn_local(async { drop(answer(kept).await) });
}

/// What was opened before, newest first; nothing where the browser keeps nothing.
pub async fn list() -> Vec<Opened> {
    let Ok(list) = answer(js_list()).await else { return vec![] };
    let opened = |one: JsValue| Opened {
        id: field(&one, "id").as_f64().unwrap_or(0.0),
        names: strings(&field(&one, "names")),
        is_folder: field(&one, "isFolder").is_truthy(),
        words: field(&one, "words").as_string().unwrap_or_default(),
        opened_millis: field(&one, "openedAt").as_f64().unwrap_or(0.0),
    };
    Array::from(&list).iter().map(opened).collect()
}

/// Reads what was opened before once more: called in a click, since the browser may ask whether it may.
///
/// Errors: it is gone, or the user says no.
pub async fn again(id: f64) -> Result<Option<FromDisk>, Failure> {
    Ok(from_disk(&answer(js_again(id, &endings())).await?))
}

/// Takes a model off the list.
pub async fn forget(id: f64) {
    // If that failed it is in the list that is shown next.
    drop(answer(js_forget(id)).await);
}

/// Now, milliseconds since 1970.
pub fn now_millis() -> f64 {
    Date::now()
}

fn endings() -> Array {
    ENDINGS.into_iter().map(JsValue::from_str).collect()
}

async fn answer(asked: Result<Promise, JsValue>) -> Result<JsValue, Failure> {
    let answered = match asked {
        Ok(promise) => JsFuture::from(promise).await,
        Err(error) => Err(error),
    };
    answered.map_err(|error| {
        let text = |key| field(&error, key).as_string();
        let (name, message) = (text("name").unwrap_or_default(), text("message").unwrap_or_default());
        let (what, hint) = opened::refusal(&name, &message, text("file").as_deref());
        Failure::new(FailureKind::Model, what, hint)
    })
}

fn from_disk(found: &JsValue) -> Option<FromDisk> {
    if !found.is_object() {
        return None;
    }
    let list = |key| field(found, key).dyn_into::<Array>().unwrap_or_default();
    let files = list("files").iter().map(|file| file.unchecked_into()).collect();
    Some(FromDisk { files, handles: list("handles"), changed: strings(&field(found, "changed")) })
}

fn strings(list: &JsValue) -> Vec<String> {
    list.dyn_ref::<Array>()
        .map(|list| list.iter().filter_map(|text| text.as_string()).collect())
        .unwrap_or_default()
}

fn field(object: &JsValue, key: &str) -> JsValue {
    Reflect::get(object, &key.into()).unwrap_or(JsValue::UNDEFINED)
}
