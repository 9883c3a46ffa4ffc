//! One request for bytes of a hub's file, from asking to the end of its body.

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, ReadableStreamDefaultReader, ReferrerPolicy, RequestCache, RequestInit,
    Response,
};

use crate::{
    hub::download::{Arrival, ContentRange, Head, Request, RequestId},
    protocol::Secret,
};

/// A request under way. Dropping it gives it up.
pub(super) struct Flight {
    pub(super) id: RequestId,
    abort: Option<AbortController>,
    /// What comes next of it.
    pub(super) pending: JsFuture,
    body: Option<ReadableStreamDefaultReader>,
}

impl Flight {
    /// Asks for the bytes at `url`.
    pub(super) fn start(request: &Request, url: &str, token: Option<&Secret>) -> Self {
        let range = (!request.is_whole).then(|| format!("bytes={}-{}", request.start, request.end - 1));
        let abort = AbortController::new().ok();
        let pending = fetch(url, range.as_deref(), token, abort.as_ref());
        Self { id: request.id, abort, pending, body: None }
    }

    /// What has come, by what `pending` came to; whether more comes.
    pub(super) fn arrived(&mut self, came: Result<JsValue, JsValue>) -> (Arrival, bool) {
        let came = match came {
            Ok(came) => came,
            Err(error) => return (Arrival::Broken { message: message_of(&error) }, false),
        };
        let Some(body) = &self.body else {
            let response: Response = came.unchecked_into();
            let head = head_of(&response);
            let Some(stream) = response.body() else { return (Arrival::Head(head), false) };
            let body: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
            self.pending = body.read().into();
            self.body = Some(body);
            return (Arrival::Head(head), true);
        };
        if field(&came, "done").is_truthy() {
            return (Arrival::End, false);
        }
        let chunk: Uint8Array = field(&came, "value").unchecked_into();
        self.pending = body.read().into();
        (Arrival::Bytes(chunk.to_vec()), true)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(abort) = &self.abort {
            abort.abort();
        }
    }
}

/// Asks a hub. Nothing goes along that is not needed: the token only as far as the hub's own server, because a browser
/// drops `Authorization` where it is sent on to another.
pub(super) fn fetch(
    url: &str,
    range: Option<&str>,
    token: Option<&Secret>,
    abort: Option<&AbortController>,
) -> JsFuture {
    let headers = Headers::new().expect("needs no argument");
    let put = |name, value: &str| {
        // A token with characters that no header has is refused by the hub as any wrong one.
        let _ = headers.set(name, value);
    };
    if let Some(range) = range {
        put("Range", range);
    }
    if let Some(token) = token {
        put("Authorization", &format!("Bearer {}", token.reveal()));
    }
    let init = RequestInit::new();
    init.set_headers(&headers);
    // What is kept, is kept in one place, and parts of a file are never mixed with those of another.
    init.set_cache(RequestCache::NoStore);
    init.set_referrer_policy(ReferrerPolicy::NoReferrer);
    if let Some(abort) = abort {
        init.set_signal(Some(&abort.signal()));
    }
    crate::worker::scope().fetch_with_str_and_init(url, &init).into()
}

/// What a server says before the bytes.
pub(super) fn head_of(response: &Response) -> Head {
    let header = |name| response.headers().get(name).ok().flatten();
    let body_bytes = match header("Content-Encoding") {
        None => header("Content-Length").and_then(|length| length.parse().ok()),
        Some(_) => None,
    };
    Head {
        status: response.status(),
        content_range: header("Content-Range").and_then(|range| ContentRange::parse(&range)),
        body_bytes,
        code: header("X-Error-Code"),
        retry_after: header("Retry-After"),
    }
}

/// What a browser says of a request that did not work.
pub(super) fn message_of(error: &JsValue) -> String {
    field(error, "message").as_string().unwrap_or_default()
}

fn field(object: &JsValue, key: &str) -> JsValue {
    Reflect::get(object, &key.into()).unwrap_or(JsValue::UNDEFINED)
}
