//! Vitrine: a glass case for looking inside language models.
//!
//! ```text
//!  bytes, as they come --checkpoint--> Weights on a Backend                     (worker)
//!  prompt --tokenizer--> tokens --+
//!  Question --step--> runs -------+--engine------> results {captures, predictions}
//!       ^                              taps at HookPoints: edit, then capture
//!       +--step again--- results ----> Answer                                   (worker)
//!  ------------------------- protocol: small, typed -------------------------
//!  Answer --view_model--> Heatmap / TokenStrip / Bars --> marks                 (page)
//!  pointer, keys, URL --> Selection --> next Question                           (page)
//! ```
//!
//! Start reading at `model/gpt2.rs`, then `engine.rs`, then one file of `analysis/`.

pub mod op;
pub mod tensor;

pub mod hook;
pub mod intervention;
pub mod metric;
pub mod prompt;
pub mod run;

pub mod model;

#[cfg(feature = "engine")]
pub mod backend;

#[cfg(feature = "engine")]
pub mod engine;

pub mod analysis;
pub mod verify;

#[cfg(feature = "engine")]
pub mod hub;

pub mod failure;
pub mod placement;
pub mod protocol;

#[cfg(all(feature = "webgpu", target_arch = "wasm32"))]
pub mod worker;

#[cfg(all(feature = "cli", not(target_arch = "wasm32")))]
pub mod cli;

pub mod view_model;

#[cfg(all(feature = "ui", target_arch = "wasm32"))]
pub mod client;
#[cfg(all(feature = "ui", target_arch = "wasm32"))]
pub mod ui;
