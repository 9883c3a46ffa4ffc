//! The page.

/// Mounts it; natively there is nothing to mount.
fn main() {
    #[cfg(target_arch = "wasm32")]
    vitrine::ui::start();
}
