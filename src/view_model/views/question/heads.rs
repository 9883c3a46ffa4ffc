//! What the head finder and the head page ask.

use super::{About, Choices, Question};

/// The question of the head finder.
pub(super) fn heads(_about: &About<'_>, _choices: &Choices) -> Option<Question> {
    None
}

/// The question of the head page; none without a head.
pub(super) fn head(_about: &About<'_>, _choices: &Choices) -> Option<Question> {
    None
}
