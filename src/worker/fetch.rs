//! Downloads; the only requests that Vitrine makes.

use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;

use super::body::{Body, unreachable};
use crate::failure::{Failure, FailureKind};

/// The bytes at `url`; `None` if there is no such file.
///
/// Errors: the network or the server.
pub(super) async fn open(url: &str) -> Result<Option<Body>, Failure> {
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
    Ok(response.body().map(|stream| Body::of_url(url, &stream, content_length(&response))))
}

/// The length of the body, where the server says it and the body is not compressed on the way.
fn content_length(response: &Response) -> Option<u64> {
    let header = |name| response.headers().get(name).ok().flatten();
    match header("content-encoding") {
        None => header("content-length")?.parse().ok(),
        Some(_) => None,
    }
}
