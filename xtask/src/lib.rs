//! The project's own tasks, in Rust, so that a checkout needs nothing but cargo: `cargo xtask --help`.
//!
//! `site` builds what a visitor gets, `server` serves it, `stages` are what CI runs, `tidy` holds the rules of the
//! house, `webdriver` drives a browser for the end-to-end tests and the browser benches.
//! Never: anything that the app itself needs at run time.

pub mod bench;
pub mod cmd;
pub mod debian;
pub mod golden;
pub mod paths;
pub mod play;
pub mod python;
pub mod server;
pub mod site;
pub mod stages;
pub mod tidy;
pub mod tools;
pub mod vulkan;
pub mod webdriver;
