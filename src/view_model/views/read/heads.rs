//! Answers of the head finder and the head page.

use serde_json::Error;

use super::whole;
use crate::analysis::{head, heads};

/// The answer to [`heads::Question`], its arrays yet to be attached.
///
/// Errors: it has another form.
pub fn heads(json: &str) -> Result<heads::Answer, Error> {
    whole(json, |_| None)
}

/// The answer to [`head::Question`], its arrays yet to be attached.
///
/// Errors: it has another form.
pub fn head(json: &str) -> Result<head::Answer, Error> {
    whole(json, |_| None)
}
