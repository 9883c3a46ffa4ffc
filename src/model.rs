//! Models: what they are made of, and their forward passes.
//!
//! The configuration is plain data that every part of Vitrine may read. Everything else here needs
//! the engine. One forward pass reads top to bottom like the papers; what families differ in is in the configuration,
//! and how their files are written in one file per family under `checkpoint/`.

mod config;
pub mod sae;

#[cfg(feature = "engine")]
pub mod checkpoint;
#[cfg(feature = "engine")]
pub mod fold;
#[cfg(feature = "engine")]
pub mod folder;
#[cfg(feature = "engine")]
pub mod tap;
#[cfg(feature = "engine")]
pub mod tokenizer;
#[cfg(feature = "engine")]
pub mod transformer;
#[cfg(feature = "engine")]
pub mod weights;

pub use config::{Architecture, ModelConfig, Positions, Rope, RopeScaling};
pub use sae::{SaeArchitecture, SaeConfig};
