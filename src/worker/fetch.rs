//! Bytes: downloads with progress, the only requests that Vitrine makes, and the user's files.

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, ReadableStreamDefaultReader, Response};

use crate::failure::{Failure, FailureKind};

/// A length that a server may claim and that is worth reserving memory for.
const MAX_RESERVED_BYTES: u64 = 1 << 31;

/// The bytes at `url`; `None` if there is no such file. `on_bytes(done, total)` may end it by failing.
///
/// Errors: the network, the server, or a body that ends early.
pub(super) async fn bytes(
    url: &str,
    mut on_bytes: impl FnMut(u64, Option<u64>) -> Result<(), Failure>,
) -> Result<Option<Vec<u8>>, Failure> {
    let response =
        JsFuture::from(super::scope().fetch_with_str(url)).await.map_err(|error| unreachable(url, &error))?;
    let response: Response = response.unchecked_into();
    if response.status() == 404 {
        return Ok(None);
    }
    if !response.ok() {
        return Err(Failure::new(
            FailureKind::Network,
            format!("the server answered {} {}, {url}", response.status(), response.status_text()),
            "Try again later, or load the files from disk.",
        ));
    }
    let total = content_length(&response);
    let mut body = Vec::new();
    // Without the memory the pushes below fail with a message of their own.
    let _ = body.try_reserve_exact(total.unwrap_or(0).min(MAX_RESERVED_BYTES) as usize);
    let Some(stream) = response.body() else { return Ok(Some(body)) };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    loop {
        let chunk = JsFuture::from(reader.read()).await.map_err(|error| unreachable(url, &error))?;
        if field(&chunk, "done").is_truthy() {
            break;
        }
        let chunk: Uint8Array = field(&chunk, "value").unchecked_into();
        append(&mut body, &chunk, url)?;
        if let Err(failure) = on_bytes(body.len() as u64, total) {
            // The download is given up; whether the server hears of it does not matter.
            let _ = reader.cancel();
            return Err(failure);
        }
    }
    match total {
        Some(total) if (body.len() as u64) < total => Err(Failure::new(
            FailureKind::Network,
            format!("the download ended after {} of {total} bytes, {url}", body.len()),
            "Try again.",
        )),
        _ => Ok(Some(body)),
    }
}

/// The bytes of a file of the user's.
///
/// Errors: it cannot be read any more.
pub(super) async fn file(name: &str, file: &File) -> Result<Vec<u8>, Failure> {
    let buffer = JsFuture::from(file.array_buffer()).await.map_err(|error| {
        Failure::new(
            FailureKind::Model,
            format!("{name} cannot be read{}", reason(&error)),
            "Choose the files again; they may have moved or changed on disk.",
        )
    })?;
    let bytes = Uint8Array::new(&buffer);
    let mut body = Vec::new();
    append(&mut body, &bytes, name)?;
    Ok(body)
}

fn append(body: &mut Vec<u8>, chunk: &Uint8Array, url: &str) -> Result<(), Failure> {
    let start = body.len();
    let n_more = chunk.length() as usize;
    body.try_reserve(n_more).map_err(|_| {
        Failure::new(
            FailureKind::Model,
            format!("the file does not fit into memory after {start} bytes, {url}"),
            "Close other tabs, or take a smaller model.",
        )
    })?;
    body.resize(start + n_more, 0);
    chunk.copy_to(&mut body[start..]);
    Ok(())
}

/// The length of the body, where the server says it and the body is not compressed on the way.
fn content_length(response: &Response) -> Option<u64> {
    let header = |name| response.headers().get(name).ok().flatten();
    match header("content-encoding") {
        None => header("content-length")?.parse().ok(),
        Some(_) => None,
    }
}

fn field(object: &JsValue, key: &str) -> JsValue {
    Reflect::get(object, &key.into()).unwrap_or(JsValue::UNDEFINED)
}

fn unreachable(url: &str, error: &JsValue) -> Failure {
    Failure::new(
        FailureKind::Network,
        format!("the download did not work{}, {url}", reason(error)),
        "Check the connection and try again, or load the files from disk.",
    )
}

/// What the browser says, in brackets.
fn reason(error: &JsValue) -> String {
    error.dyn_ref::<js_sys::Error>().map_or_else(String::new, |error| format!(" ({})", error.message()))
}
