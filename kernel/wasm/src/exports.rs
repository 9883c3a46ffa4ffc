//! What the engine's worker and its helpers call. Addresses are bytes from the start of the memory.

#![allow(unsafe_code, reason = "exports have plain names, and work on a memory that their caller lays out")]

use crate::job::{self, Product};

/// How often a helper looks for the next job before it sleeps: about 0.2 ms, for products come one after another.
const N_LOOKS: usize = 40_000;

/// Makes `c = a b + bias` the job, or `c = a bᵀ` with `is_transposed`; `help` and `work` compute it.
///
/// Shapes are those of `gemm_packed` and `gemm_packed_t`. A `bias` of 0 is none. A chunk has `chunk` panels, and there
/// are at most 64 chunks.
#[unsafe(no_mangle)]
extern "C" fn begin(
    is_transposed: u32,
    m: usize,
    n: usize,
    k: usize,
    a: usize,
    b: usize,
    bias: usize,
    c: usize,
    chunk: usize,
) {
    job::begin(Product { is_transposed, m, n, k, a, b, bias, c, chunk });
}

/// Takes chunks of the job until none is left; returns how many others have not finished.
#[unsafe(no_mangle)]
extern "C" fn work() -> usize {
    // SAFETY: whoever began the job laid out the memory.
    unsafe { job::work() };
    job::n_unfinished()
}

/// How many chunks others have not finished.
#[unsafe(no_mangle)]
extern "C" fn n_unfinished() -> usize {
    job::n_unfinished()
}

/// A helper's share of the job; returns the job's number once there is nothing to do, to sleep on.
#[unsafe(no_mangle)]
extern "C" fn help() -> u32 {
    loop {
        let number = job::number();
        // SAFETY: whoever began the job laid out the memory.
        unsafe { job::work() };
        if (0..N_LOOKS).all(|_| job::number() == number) {
            return number;
        }
    }
}

/// The address of the word that threads sleep on.
#[unsafe(no_mangle)]
extern "C" fn number_address() -> usize {
    job::number_address()
}
