//! Bytes on their way in, from a server or from disk: read as they come, never all at once.

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, ReadableStream, ReadableStreamDefaultReader};

use super::hub::Slot;
use crate::failure::{Failure, FailureKind};

/// A stream of bytes. Dropping it gives up what was not read.
pub(super) struct Body {
    from: From,
    /// Bytes so far.
    pub(super) done_bytes: u64,
    /// Bytes in all, where that is known.
    pub(super) total_bytes: Option<u64>,
}

/// Where it comes from.
enum From {
    Stream { reader: ReadableStreamDefaultReader, origin: Origin, is_open: bool },
    Hub { slot: Slot, file_idx: usize },
}

/// Whom a stream is of.
enum Origin {
    Url(String),
    Disk(String),
}

/// Bytes, wherever they are.
pub(super) enum Chunk {
    Js(Uint8Array),
    Here(Vec<u8>),
}

impl Chunk {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Js(bytes) => bytes.length() as usize,
            Self::Here(bytes) => bytes.len(),
        }
    }

    /// Copies the bytes from `start` on, as many as `into` has.
    pub(super) fn read(&self, start: usize, into: &mut [u8]) {
        match self {
            Self::Js(bytes) => bytes.subarray(start as u32, (start + into.len()) as u32).copy_to(into),
            Self::Here(bytes) => into.copy_from_slice(&bytes[start..start + into.len()]),
        }
    }
}

impl Body {
    /// What a server sends.
    pub(super) fn of_url(url: &str, stream: &ReadableStream, total_bytes: Option<u64>) -> Self {
        Self::new(stream, Origin::Url(url.to_owned()), total_bytes)
    }

    /// A file that the page was given, or one that was kept.
    pub(super) fn of_blob(blob: &Blob, name: &str) -> Self {
        Self::new(&blob.stream(), Origin::Disk(name.to_owned()), Some(blob.size() as u64))
    }

    /// A file of a hub's, which a transfer brings.
    pub(super) fn of_hub(slot: &Slot, file_idx: usize, size_bytes: u64) -> Self {
        let from = From::Hub { slot: Slot::clone(slot), file_idx };
        Self { from, done_bytes: 0, total_bytes: Some(size_bytes) }
    }

    fn new(stream: &ReadableStream, origin: Origin, total_bytes: Option<u64>) -> Self {
        let reader = stream.get_reader().unchecked_into();
        Self { from: From::Stream { reader, origin, is_open: true }, done_bytes: 0, total_bytes }
    }

    /// Whether progress is told by whoever brings it.
    pub(super) fn is_reported(&self) -> bool {
        matches!(self.from, From::Hub { .. })
    }

    /// The next bytes, as many as there are; `None` at the end.
    ///
    /// Errors: it broke off.
    pub(super) async fn next(&mut self) -> Result<Option<Chunk>, Failure> {
        let chunk = match &mut self.from {
            From::Stream { reader, origin, is_open } => {
                let next = next_of(reader).await;
                *is_open = matches!(next, Ok(Some(_)));
                match next.map_err(|error| origin.failure(&error))? {
                    Some(chunk) => Some(Chunk::Js(chunk)),
                    None => match self.total_bytes {
                        Some(total_bytes) if self.done_bytes < total_bytes => {
                            return Err(origin.ended(self.done_bytes, total_bytes));
                        }
                        _ => None,
                    },
                }
            }
            From::Hub { slot, file_idx } => {
                let mut transfer = slot.take().expect("one file is read at a time");
                let next = transfer.next(*file_idx).await;
                slot.set(Some(transfer));
                next?.map(Chunk::Here)
            }
        };
        self.done_bytes += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        Ok(chunk)
    }
}

async fn next_of(reader: &ReadableStreamDefaultReader) -> Result<Option<Uint8Array>, JsValue> {
    let next = JsFuture::from(reader.read()).await?;
    let is_end = field(&next, "done").is_truthy();
    Ok((!is_end).then(|| field(&next, "value").unchecked_into()))
}

impl Drop for Body {
    fn drop(&mut self) {
        if let From::Stream { reader, is_open: true, .. } = &self.from {
            // Whether the other side hears of it does not matter.
            let _ = reader.cancel();
        }
    }
}

impl Origin {
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
