//! Sending: a JSON text, and the large arrays beside it as transferred buffers.

use js_sys::{Array, Float32Array, Object, Reflect};
use wasm_bindgen::JsValue;

use crate::protocol::FromEngine;

/// Sends a message to the page.
pub(super) fn send(mut message: FromEngine) {
    let arrays = Array::new();
    let buffers = Array::new();
    for values in message.detach() {
        let array = Float32Array::from(values.as_slice());
        buffers.push(&array.buffer());
        arrays.push(&array);
    }
    let json = serde_json::to_string(&message).expect("messages have string keys only");
    let envelope = Object::new();
    let set = |key: &str, value: &JsValue| {
        Reflect::set(&envelope, &key.into(), value).expect("a plain object takes any key");
    };
    set("json", &JsValue::from_str(&json));
    set("arrays", &arrays);
    super::scope()
        .post_message_with_transfer(&envelope, &buffers)
        .expect("a text and fresh buffers can be cloned and moved");
}
