//! Sparse autoencoders: a value of the model as a sum of a few of many directions.
//!
//! ```text
//! x' = norm(x) - b_dec     pre = x' W_enc + b_enc     f = activation(pre)     x̂ = unnorm(f W_dec + b_dec)
//! ```
//!
//! Read as SAELens saves them. It never knows where the files or the values come from.

mod config;

#[cfg(feature = "engine")]
mod cfg_json;
#[cfg(feature = "engine")]
mod decode;
#[cfg(feature = "engine")]
mod encode;
#[cfg(feature = "engine")]
mod error;
#[cfg(feature = "engine")]
mod host;
#[cfg(feature = "engine")]
mod normalize;
#[cfg(feature = "engine")]
mod on_backend;
#[cfg(feature = "engine")]
mod reader;

pub use config::{Normalization, SaeArchitecture, SaeConfig, SaeOutput};
#[cfg(feature = "engine")]
pub use decode::Decoded;
#[cfg(feature = "engine")]
pub use error::{EncodeError, SaeError};
#[cfg(feature = "engine")]
pub use on_backend::{Sae, SaeOn};
#[cfg(feature = "engine")]
pub use reader::{CFG, SAE_WEIGHTS, SaeFound, SaeReader};
