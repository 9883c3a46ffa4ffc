//! What the induction lab asks.

use super::{About, Choices, Question};

/// The question of the induction lab.
pub(super) fn induction(_about: &About<'_>, _choices: &Choices) -> Option<Question> {
    None
}
