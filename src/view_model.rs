//! Answers turned into things to draw: positions, labels, scales, sentences, export files.
//!
//! Pure arithmetic and text, tested natively. It never touches a page: no Leptos, no DOM, no colour value.

pub mod token_strip;
