//! One product at a time, cut into chunks of panels that threads take until none is left.
//!
//! The thread that asks for a product takes part, so that it is done even if nobody else wakes. Who takes a chunk
//! computes all of it; where one was taken and never finished, the one who asked begins anew, in another place.

#![allow(
    unsafe_code,
    reason = "the memory is laid out by the engine's worker; addresses and lengths come from there"
)]

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

use vitrine_kernel::{Dims, PANEL, gemm_packed_cols_at, gemm_packed_t_cols_at, packed_len};

/// Chunks of a job, at most.
pub(crate) const MAX_CHUNKS: usize = 64;

/// What is to be multiplied, and where it lies.
#[derive(Clone, Copy)]
pub(crate) struct Product {
    /// 1 for the product with the transpose.
    pub(crate) is_transposed: u32,
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    pub(crate) a: usize,
    pub(crate) b: usize,
    /// 0 for none.
    pub(crate) bias: usize,
    pub(crate) c: usize,
    /// Panels in a chunk.
    pub(crate) chunk: usize,
}

const N_WORDS: usize = 9;

impl Product {
    fn words(self) -> [u32; N_WORDS] {
        let Self { is_transposed, m, n, k, a, b, bias, c, chunk } = self;
        [is_transposed, m as u32, n as u32, k as u32, a as u32, b as u32, bias as u32, c as u32, chunk as u32]
    }

    fn of_words(words: [u32; N_WORDS]) -> Self {
        let [is_transposed, rest @ ..] = words;
        let [m, n, k, a, b, bias, c, chunk] = rest.map(|word| word as usize);
        Self { is_transposed, m, n, k, a, b, bias, c, chunk }
    }

    fn n_panels(self) -> usize {
        if self.is_transposed == 0 { self.n.div_ceil(PANEL) } else { self.k.div_ceil(PANEL) }
    }

    fn n_chunks(self) -> usize {
        self.n_panels().div_ceil(self.chunk.max(1))
    }

    /// Computes one chunk.
    ///
    /// Safety: the addresses hold what the sizes say, and nobody else writes this chunk.
    unsafe fn compute(self, chunk_idx: usize) {
        let Self { is_transposed, m, n, k, a, b, bias, c, chunk } = self;
        let dims = Dims { m, n, k };
        let (first, end) = (chunk_idx * chunk, ((chunk_idx + 1) * chunk).min(self.n_panels()));
        // SAFETY: the caller's promise.
        unsafe {
            let b = core::slice::from_raw_parts(b as *const f32, packed_len(k, n));
            if is_transposed == 0 {
                let a = core::slice::from_raw_parts(a as *const f32, m * k);
                let bias = (bias != 0).then(|| core::slice::from_raw_parts(bias as *const f32, n));
                gemm_packed_cols_at(dims, a, b, bias, c as *mut f32, first, end);
            } else {
                let a = core::slice::from_raw_parts(a as *const f32, m * n);
                gemm_packed_t_cols_at(dims, a, b, c as *mut f32, first, end);
            }
        }
    }
}

/// Shared by all threads, as everything in the memory is.
#[repr(C)]
struct Job {
    /// The job's number, and below it the next chunk to take.
    next: AtomicU64,
    /// The number of the job; threads sleep on this word.
    number: AtomicU32,
    words: [AtomicU32; N_WORDS],
    /// The number of the job in which a chunk was last finished.
    finished_in: [AtomicU32; MAX_CHUNKS],
}

static JOB: Job = Job {
    next: AtomicU64::new(u32::MAX as u64),
    number: AtomicU32::new(0),
    words: [const { AtomicU32::new(0) }; N_WORDS],
    finished_in: [const { AtomicU32::new(0) }; MAX_CHUNKS],
};

/// Where threads sleep, as an address.
pub(crate) fn number_address() -> usize {
    JOB.number.as_ptr() as usize
}

/// The number of the newest job.
pub(crate) fn number() -> u32 {
    JOB.number.load(SeqCst)
}

/// Makes a product the job; the one before is finished or given up.
pub(crate) fn begin(product: Product) {
    let number = number().wrapping_add(1);
    // Closed first: who still looks at the job before takes nothing of this one by mistake.
    JOB.next.store((u64::from(number) << 32) | u64::from(u32::MAX), SeqCst);
    for (word, value) in JOB.words.iter().zip(product.words()) {
        word.store(value, SeqCst);
    }
    JOB.next.store(u64::from(number) << 32, SeqCst);
    JOB.number.store(number, SeqCst);
}

/// Takes chunks until none is left.
///
/// Safety: the job's addresses hold what its sizes say.
pub(crate) unsafe fn work() {
    loop {
        let next = JOB.next.load(SeqCst);
        let (number, chunk_idx) = ((next >> 32) as u32, next as u32 as usize);
        let product = product();
        if chunk_idx >= product.n_chunks().min(MAX_CHUNKS) {
            return;
        }
        // It succeeds only if nothing has changed: then the words are those of this job.
        if JOB.next.compare_exchange(next, next + 1, SeqCst, SeqCst).is_ok() {
            // SAFETY: the caller's promise; the chunk is ours.
            unsafe { product.compute(chunk_idx) };
            JOB.finished_in[chunk_idx].store(number, SeqCst);
        }
    }
}

/// How many chunks were taken by somebody who has not finished them.
pub(crate) fn n_unfinished() -> usize {
    let number = number();
    JOB.finished_in[..product().n_chunks()].iter().filter(|done| done.load(SeqCst) != number).count()
}

fn product() -> Product {
    Product::of_words(core::array::from_fn(|i| JOB.words[i].load(SeqCst)))
}
