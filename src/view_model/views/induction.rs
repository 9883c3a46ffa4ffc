//! Induction lab: how the model makes use of what it has read before.

use super::Scene;
use crate::{analysis::induction::Answer, view_model::markup::Markup};

pub(super) fn draw(_out: &mut Vec<Markup>, _scene: &Scene<'_>) {}

pub(super) fn pick(
    _scene: &Scene<'_>,
    _answer: &Answer,
    _row: usize,
    _column: usize,
) -> Vec<(&'static str, String)> {
    vec![]
}

pub(super) fn detail(_out: &mut Markup, _scene: &Scene<'_>, _answer: &Answer, _at: &str) {}

pub(super) fn table(_scene: &Scene<'_>, _answer: &Answer) -> String {
    String::new()
}
