//! Sparse autoencoders: a value of the model as a sum of a few of many directions.
//!
//! ```text
//! x' = x - b_dec      pre = x' W_enc + b_enc      f = activation(pre)      x̂ = f W_dec + b_dec
//! ```
//!
//! Read as SAELens saves them. It never knows where the files or the values come from.

mod config;

#[cfg(feature = "engine")]
mod cfg_json;
#[cfg(feature = "engine")]
mod encode;
#[cfg(feature = "engine")]
mod error;
#[cfg(feature = "engine")]
mod on_backend;
#[cfg(feature = "engine")]
mod reader;

pub use config::{SaeArchitecture, SaeConfig};
#[cfg(feature = "engine")]
pub use error::{EncodeError, SaeError};
#[cfg(feature = "engine")]
pub use on_backend::{Sae, SaeOn};
#[cfg(feature = "engine")]
pub use reader::{CFG, SAE_WEIGHTS, SaeFound, SaeReader};
