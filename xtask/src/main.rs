//! `cargo xtask`: build, serve and check Vitrine.
fn main() {}
