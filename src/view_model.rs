//! Answers turned into things to draw: positions, labels, scales, sentences, export files.
//!
//! Pure arithmetic and text, tested natively. It never touches a page: no Leptos, no DOM, no colour value.

pub mod address;
pub mod bars;
pub mod chips;
pub mod color;
pub mod curated;
pub mod download;
pub mod elevation;
pub mod engine;
pub mod examples;
pub mod export;
pub mod finding;
pub mod head_grid;
pub mod head_score;
pub mod heatmap;
pub mod legend;
pub mod markdown;
pub mod markup;
pub mod number;
pub mod opened;
pub mod reading;
pub mod sampling;
pub mod self_check;
pub mod sentence;
pub mod threads;
pub mod token_strip;
pub mod views;
