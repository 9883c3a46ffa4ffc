//! The native integration tests, one binary.
#![cfg(not(target_arch = "wasm32"))]

#[cfg(feature = "cli")]
mod cli;
mod compare;
mod golden;
mod gradients;
mod guess;
mod heads;
mod hostile;
mod laws;
mod loading;
mod long;
mod models;
mod readings;
mod saes;
#[cfg(feature = "schema")]
mod schema;
mod support;
mod sweeps;
mod verify;
#[cfg(feature = "webgpu")]
mod webgpu;
