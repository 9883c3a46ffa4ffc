//! What loading takes of the heap, counted by an allocator. A binary of its own, so that nothing else allocates.
#![cfg(not(target_arch = "wasm32"))]

use std::sync::{Mutex, PoisonError};

use vitrine::{
    backend::{Backend, MAX_PART_BYTES, cpu::Cpu},
    model::{
        checkpoint::{Checkpoint, WeightsReader},
        fold,
    },
};

mod counting;
mod model;
mod nothing;

use counting::Heap;
use model::{CONFIG, Order, WeightsFile};
use nothing::Nothing;

/// Tests take turns: the count is of the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// What loading may take beside the weights.
const MAX_EXTRA_BYTES: usize = 8 << 20;

/// Loads the model in portions of `portion` bytes, none of which is kept.
fn load<B: Backend>(b: &B, file: &WeightsFile, portion: usize) -> Checkpoint<B> {
    pollster::block_on(async {
        let mut reader = WeightsReader::new(b, CONFIG.as_bytes(), None)?;
        for bytes in file.portions(portion) {
            reader.feed(&bytes).await?;
        }
        reader.finish().await
    })
    .expect("a whole model")
}

#[test]
fn a_backend_with_memory_of_its_own_needs_little_of_the_heap() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for order in [Order::EmbeddingFirst, Order::EmbeddingLast] {
        for portion in [1 << 16, 3 << 20] {
            let file = WeightsFile::new(order);
            let (b, heap) = (Nothing::default(), Heap::now());
            let checkpoint = load(&b, &file, portion);
            let extra_bytes = heap.peak_bytes();
            println!("{order:?}, {portion} at a time: {extra_bytes} bytes at most");
            assert!(extra_bytes <= MAX_EXTRA_BYTES + portion, "{extra_bytes} bytes");
            assert!(50 << 20 < file.len() && checkpoint.weights.n_values(&b) * 4 < file.len() as u64);
            // Each value is moved once, in parts that are small.
            let (moved_bytes, largest_part) = b.moved();
            assert_eq!(moved_bytes as u64, checkpoint.weights.n_values(&b) * 4);
            assert!(largest_part <= MAX_PART_BYTES, "{largest_part} bytes at once");
        }
    }
}

#[test]
fn the_cpu_needs_little_beside_the_weights() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for order in [Order::EmbeddingFirst, Order::EmbeddingLast] {
        let file = WeightsFile::new(order);
        let (b, heap) = (Cpu::<f32>::default(), Heap::now());
        let checkpoint = load(&b, &file, 1 << 16);
        let (kept_bytes, peak_bytes) = (heap.kept_bytes(), heap.peak_bytes());
        println!("{order:?}: {kept_bytes} bytes kept, {peak_bytes} at most");
        assert!(checkpoint.weights.n_values(&b) * 4 <= kept_bytes as u64, "the weights are counted");
        assert!(peak_bytes - kept_bytes <= MAX_EXTRA_BYTES, "{} bytes more", peak_bytes - kept_bytes);
    }
}

#[test]
fn processing_needs_one_matrix_beside_both_forms() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let b = Cpu::<f32>::default();
    let Checkpoint { config, weights: raw, .. } = load(&b, &WeightsFile::new(Order::EmbeddingFirst), 1 << 16);
    let heap = Heap::now();
    let processed = pollster::block_on(fold::process(&b, &config, &raw)).expect("there is memory");
    let (kept_bytes, peak_bytes) = (heap.kept_bytes(), heap.peak_bytes());
    println!("{kept_bytes} bytes kept, {peak_bytes} at most");
    assert!(raw.n_values(&b) < processed.n_values(&b), "the unembedding is no longer the embedding");
    let [d_model, d_vocab] = b.matrix_shape(&raw.w_e);
    assert!(peak_bytes - kept_bytes <= d_model * d_vocab * 4 + MAX_EXTRA_BYTES);
}

#[test]
fn the_count_can_be_too_high() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let heap = Heap::now();
    let file = WeightsFile::new(Order::EmbeddingFirst);
    let whole: Vec<u8> = file.portions(1 << 16).flatten().collect();
    assert_eq!(whole.len(), file.len());
    assert!(MAX_EXTRA_BYTES < heap.kept_bytes() && heap.kept_bytes() <= heap.peak_bytes());
    drop(whole);
    assert!(heap.kept_bytes() < MAX_EXTRA_BYTES && file.len() <= heap.peak_bytes());
}
