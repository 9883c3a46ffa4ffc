//! What the engine's worker and its helpers call. Addresses are bytes from the start of the memory.

#![allow(unsafe_code, reason = "exports have plain names, and work on a memory that their caller lays out")]

use core::slice;

use vitrine_kernel::{gelu, gelu_new, relu, silu, standing, top_k_scratch_len};

use crate::job::{self, Product};

/// How often a helper looks for the next job before it sleeps: about a millisecond, longer than what lies between two
/// products of a pass. To wake one takes a tenth of that, on both sides.
const N_LOOKS: usize = 200_000;

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

/// A non-linearity of `len` values, in place: 0 is `gelu_new`, 1 `gelu`, 2 `silu`, 3 `relu`.
#[unsafe(no_mangle)]
extern "C" fn activate(number: u32, at: usize, len: usize) {
    let activate = [gelu_new, gelu, silu, relu][number as usize];
    // SAFETY: the caller laid out the memory.
    activate(unsafe { slice::from_raw_parts_mut(at as *mut f32, len) });
}

/// [`standing`] of an entry of each row of `d`. `chosen`: [n_rows], of 32 bits; `to`: [n_rows 4]
#[unsafe(no_mangle)]
extern "C" fn standings(at: usize, n_rows: usize, d: usize, chosen: usize, to: usize) {
    // SAFETY: the caller laid out the memory; the three are apart.
    let (x, chosen, to) = unsafe {
        (
            slice::from_raw_parts(at as *const f32, n_rows * d),
            slice::from_raw_parts(chosen as *const u32, n_rows),
            slice::from_raw_parts_mut(to as *mut [f32; 4], n_rows),
        )
    };
    for ((row, chosen), to) in x.chunks_exact(d.max(1)).zip(chosen).zip(to) {
        *to = standing(row, *chosen as usize);
    }
}

/// `vitrine_kernel::top_k` of each row of `d`. `keys`: as many of 64 bits as it needs; `to`: [n_rows k 2]
#[unsafe(no_mangle)]
extern "C" fn top_k(at: usize, n_rows: usize, d: usize, k: usize, keys: usize, to: usize) {
    // SAFETY: the caller laid out the memory; the three are apart.
    let (x, keys, to) = unsafe {
        (
            slice::from_raw_parts(at as *const f32, n_rows * d),
            slice::from_raw_parts_mut(keys as *mut u64, top_k_scratch_len(k)),
            slice::from_raw_parts_mut(to as *mut f32, n_rows * k * 2),
        )
    };
    for (row, pairs) in x.chunks_exact(d.max(1)).zip(to.chunks_exact_mut((2 * k).max(1))) {
        vitrine_kernel::top_k(row, k, keys, pairs);
    }
}
