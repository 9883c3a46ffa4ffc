//! Weights in the kernel module's own memory, where it multiplies with the best instructions and threads there are.
//!
//! In a browser the kernels are a module beside the engine's (`kernel/wasm`), since one relaxed instruction or one
//! shared memory makes a module invalid where the browser has none. Natively, and where the module cannot be had,
//! there is no such thing: the same kernels are called directly.

#[cfg(any(target_arch = "wasm32", test))]
mod layout;

#[cfg(target_arch = "wasm32")]
mod browser;
#[cfg(target_arch = "wasm32")]
mod region;
#[cfg(target_arch = "wasm32")]
pub(super) use browser::Block;
#[cfg(target_arch = "wasm32")]
pub use browser::Kernel;
#[cfg(target_arch = "wasm32")]
pub(super) use region::Region;

#[cfg(not(target_arch = "wasm32"))]
mod nowhere;
#[cfg(not(target_arch = "wasm32"))]
pub(super) use nowhere::Block;
#[cfg(not(target_arch = "wasm32"))]
pub use nowhere::Kernel;
#[cfg(not(target_arch = "wasm32"))]
pub(super) use nowhere::Region;
