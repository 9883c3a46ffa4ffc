//! The engine's worker.

/// Starts listening; natively there is nobody to listen to.
fn main() {
    #[cfg(target_arch = "wasm32")]
    vitrine::worker::start();
}
