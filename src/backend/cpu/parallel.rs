//! Products on several threads, where the threads are the program's own: natively.
//!
//! Each thread takes rows, in whole tiles, so that every sum is made as one thread alone would make it.

use vitrine_kernel::Dims;

/// How many threads take part: as many as there are cores, or as `RAYON_NUM_THREADS` says.
pub(super) fn n_threads() -> usize {
    #[cfg(not(target_arch = "wasm32"))]
    return rayon::current_num_threads();
    #[cfg(target_arch = "wasm32")]
    1
}

/// `product` of all rows of `a` into those of `c`, which have `n_in` and `n_out` values.
pub(super) fn by_rows<R: Send + Sync>(
    dims: Dims,
    (a, n_in): (&[R], usize),
    (c, n_out): (&mut [R], usize),
    product: impl Fn(Dims, &[R], &mut [R]) + Sync,
) {
    #[cfg(not(target_arch = "wasm32"))]
    {
        use rayon::prelude::*;
        use vitrine_kernel::TILE_ROWS;

        /// A product with fewer multiplications is done before a thread wakes.
        const MIN_SHARED: usize = 1 << 20;

        let n_rows = dims.m.div_ceil(n_threads()).next_multiple_of(TILE_ROWS);
        if n_rows < dims.m && MIN_SHARED <= dims.m * dims.n * dims.k {
            let parts = a.par_chunks(n_rows * n_in).zip(c.par_chunks_mut(n_rows * n_out));
            parts.for_each(|(a, c)| product(Dims { m: a.len() / n_in, ..dims }, a, c));
            return;
        }
    }
    let _ = (n_in, n_out); // One thread needs no parts.
    product(dims, a, c);
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn threads_change_no_bit() {
        let (m, n, k) = (67, 90, 211);
        let values = |len: usize, seed: usize| -> Vec<f32> {
            (0..len).map(|i| ((i * 7919 + seed) % 1009) as f32 / 500.0 - 1.0).collect()
        };
        let (a, b) = (values(m * k, 1), values(vitrine_kernel::packed_len(k, n), 2));
        let made_by = |n_threads: usize| {
            let mut c = vec![f32::NAN; m * n];
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("threads start");
            pool.install(|| {
                by_rows(Dims { m, n, k }, (&a, k), (&mut c, n), |dims, a, c| {
                    vitrine_kernel::gemm_packed(dims, a, &b, None, c);
                });
            });
            c
        };
        let alone = made_by(1);
        assert!(alone.iter().all(|x| x.is_finite()));
        for n_threads in [2, 3, 16] {
            assert_eq!(made_by(n_threads), alone, "{n_threads}");
        }
    }
}
