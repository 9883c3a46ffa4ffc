//! Models: what they are made of, and their forward passes.
//!
//! The configuration is plain data that every part of Vitrine may read. Everything else here needs
//! the engine. One file per architecture; each reads top to bottom like the paper.

mod config;

pub use config::{Activation, Architecture, ModelConfig, NormKind};
