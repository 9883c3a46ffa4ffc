//! The kernels as a WebAssembly module of their own, built once for each set of instructions that a browser may have.
//!
//! Its memory comes from outside and holds packed weights; the engine's worker lays it out, and copies activations in
//! and out. With shared memory the same module runs in several threads, which take pieces of one product: `job.rs`.
//! Natively it is empty.
#![cfg_attr(target_arch = "wasm32", no_std)]

#[cfg(target_arch = "wasm32")]
mod exports;
#[cfg(target_arch = "wasm32")]
mod job;

#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
