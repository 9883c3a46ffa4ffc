//! Answers turned into things to draw: positions, labels, scales, sentences, export files.
//!
//! Pure arithmetic and text, tested natively. It never touches a page: no Leptos, no DOM, no colour value.

pub mod address;
pub mod bars;
pub mod chips;
pub mod elevation;
pub mod finding;
pub mod head_score;
pub mod number;
pub mod sampling;
pub mod token_strip;
