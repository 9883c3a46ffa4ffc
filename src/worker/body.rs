//! Bytes on their way in, from a server or from disk: read as they come, never all at once.

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, ReadableStream, ReadableStreamDefaultReader};

use crate::failure::{Failure, FailureKind};

/// A stream of bytes. Dropping it gives up what was not read.
pub(super) struct Body {
    reader: ReadableStreamDefaultReader,
    from: From,
    is_open: bool,
    /// Bytes so far.
    pub(super) done_bytes: u64,
    /// Bytes in all, where that is known.
    pub(super) total_bytes: Option<u64>,
}

/// Where it comes from.
enum From {
    Url(String),
    Disk(String),
}

impl Body {
    /// What a server sends.
    pub(super) fn of_url(url: &str, stream: &ReadableStream, total_bytes: Option<u64>) -> Self {
        Self::new(stream, From::Url(url.to_owned()), total_bytes)
    }

    /// A file that the page was given.
    pub(super) fn of_file(file: &File) -> Self {
        Self::new(&file.stream(), From::Disk(file.name()), Some(file.size() as u64))
    }

    fn new(stream: &ReadableStream, from: From, total_bytes: Option<u64>) -> Self {
        Self { reader: stream.get_reader().unchecked_into(), from, is_open: true, done_bytes: 0, total_bytes }
    }

    /// The next bytes, as many as there are; `None` at the end.
    ///
    /// Errors: it broke off.
    pub(super) async fn next(&mut self) -> Result<Option<Uint8Array>, Failure> {
        let chunk = JsFuture::from(self.reader.read()).await.map_err(|error| {
            self.is_open = false;
            self.from.failure(&error)
        })?;
        if field(&chunk, "done").is_truthy() {
            self.is_open = false;
            return match self.total_bytes {
                Some(total_bytes) if self.done_bytes < total_bytes => {
                    Err(self.from.ended(self.done_bytes, total_bytes))
                }
                _ => Ok(None),
            };
        }
        let chunk: Uint8Array = field(&chunk, "value").unchecked_into();
        self.done_bytes += u64::from(chunk.length());
        Ok(Some(chunk))
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if self.is_open {
            // Whether the other side hears of it does not matter.
            let _ = self.reader.cancel();
        }
    }
}

impl From {
    fn failure(&self, error: &JsValue) -> Failure {
        match self {
            Self::Url(url) => unreachable(url, error),
            Self::Disk(name) => changed(name, &why(error)),
        }
    }

    fn ended(&self, done_bytes: u64, total_bytes: u64) -> Failure {
        let after = format!("after {done_bytes} of {total_bytes} bytes");
        match self {
            Self::Url(url) => {
                Failure::new(FailureKind::Network, format!("the download ended {after}, {url}"), "Try again.")
            }
            Self::Disk(name) => changed(name, &format!(" (it ended {after})")),
        }
    }
}

/// A server that does not answer, or no longer.
pub(super) fn unreachable(url: &str, error: &JsValue) -> Failure {
    Failure::new(
        FailureKind::Network,
        format!("the download did not work{}, {url}", why(error)),
        "Check the connection and try again, or load the files from disk.",
    )
}

fn changed(name: &str, why: &str) -> Failure {
    Failure::new(
        FailureKind::Model,
        format!("the file cannot be read{why}, {name}"),
        "Choose the files again; they may have moved or changed on disk.",
    )
}

fn why(error: &JsValue) -> String {
    let message = field(error, "message").as_string().filter(|message| !message.is_empty());
    message.map_or_else(String::new, |message| format!(" ({message})"))
}

fn field(object: &JsValue, key: &str) -> JsValue {
    Reflect::get(object, &key.into()).unwrap_or(JsValue::UNDEFINED)
}
