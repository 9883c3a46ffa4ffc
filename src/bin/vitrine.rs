//! The command line.

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    vitrine::cli::main()
}

// A browser has no command line, but `wasm-pack test` compiles every target of the default features.
#[cfg(target_arch = "wasm32")]
fn main() {}
