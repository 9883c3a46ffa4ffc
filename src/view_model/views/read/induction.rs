//! The answer of the induction lab.

use serde_json::Error;

use super::whole;
use crate::analysis::induction;

/// The answer to [`induction::Question`], its arrays yet to be attached.
///
/// Errors: it has another form.
pub fn induction(json: &str) -> Result<induction::Answer, Error> {
    whole(json, |_| None)
}
