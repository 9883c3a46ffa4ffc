//! Models: what they are made of, and their forward passes.
//!
//! The configuration is plain data that every part of Vitrine may read. Everything else here needs
//! the engine. One file per architecture; each reads top to bottom like the paper.

mod config;
pub mod sae;

#[cfg(feature = "engine")]
pub mod checkpoint;
#[cfg(feature = "engine")]
pub mod fold;
#[cfg(feature = "engine")]
pub mod folder;
#[cfg(feature = "engine")]
pub mod gpt2;
#[cfg(feature = "engine")]
pub mod tap;
#[cfg(feature = "engine")]
pub mod tokenizer;
#[cfg(feature = "engine")]
pub mod weights;

pub use config::{Architecture, ModelConfig};
pub use sae::{SaeArchitecture, SaeConfig};
