//! The native integration tests, one binary.
#![cfg(not(target_arch = "wasm32"))]

mod compare;
mod golden;
