//! What the induction lab asks.

use super::{About, Choices};

/// The question of the induction lab.
pub(super) fn induction(_about: &About<'_>, _choices: &Choices) -> Option<String> {
    None
}
