//! Operands that are too large for one binding, or for the device.

use vitrine::{
    backend::{
        Backend, BackendError,
        backward::Backward,
        checked::Checked,
        webgpu::{GpuTensor, Options, WebGpu},
    },
    engine::NoPace,
    op::MatrixAxes,
    run::{Readout, RunSpec},
    tensor::Dtype,
};

use crate::support;

use super::ops::{OP_TOL, Work, agrees, matrix, up, values};

/// So small that an unembedding of the sizes below does not fit, bytes.
const TINY_BINDING: u64 = 64 << 10;
const N_VOCAB: usize = 3_008;
const D: usize = 64;

/// A table and an unembedding over the limit.
struct Large;

impl Work for Large {
    fn on<B: Backward>(&self, b: &Checked<B>) -> Vec<(&'static str, B::Tensor)> {
        let table = matrix(b, &[N_VOCAB, D], 1, MatrixAxes::OutIn);
        let other = up(b, &[11, D], 2);
        let bias = up(b, &[N_VOCAB], 3);
        let tokens: Vec<u32> = [0, 255, 256, 257, 511, 512, 7, 90, 300, 400, 1].into();
        let fits = |tensor: Result<B::Tensor, BackendError>| tensor.expect("operands fit");
        let gathered = fits(b.columns(&table, &tokens));
        let embedded = fits(b.add(gathered.clone(), &other));
        let logits = fits(b.linear(&embedded, &table, Some(&bias)));
        vec![("columns", gathered), ("linear", logits)]
    }
}

fn tiny() -> Option<WebGpu> {
    super::device(Options { max_binding_bytes: Some(TINY_BINDING), ..Options::default() })
}

#[test]
fn an_unembedding_is_cut_where_it_is_larger_than_a_binding() {
    let Some(tiny) = tiny() else { return };
    let whole = super::device(Options::default()).expect("the same adapter");
    agrees(&whole, "whole", &Large, OP_TOL);
    let n_whole = whole.last_submission().n_dispatches;
    let cut = Options { max_binding_bytes: Some(512 << 10), ..Options::default() };
    let cut = super::device(cut).expect("the same adapter");
    agrees(&cut, "cut", &Large, OP_TOL);
    // 752 KiB of weights in two parts; 129 KiB of logits in one.
    assert_eq!(cut.last_submission().n_dispatches, n_whole + 1);
    let narrow = Options { max_binding_bytes: Some(256 << 10), ..Options::default() };
    // Sums of thousands of terms.
    agrees(&super::device(narrow).expect("the same adapter"), "cut narrow", &Narrow, 10.0 * OP_TOL);
    agrees(&tiny, "cut small", &OnlyLogits, OP_TOL);
    agrees(&tiny, "cut small, backwards", &BackFromLogits, OP_TOL);
}

/// A table that is many times as large as a buffer, its gathers alone and with positions, and products with it.
struct ManyParts(Dtype);

impl Work for ManyParts {
    fn on<B: Backward>(&self, b: &Checked<B>) -> Vec<(&'static str, B::Tensor)> {
        let Self(dtype) = *self;
        let narrow = dtype.decode(&dtype.encode(values(&[N_VOCAB, D], 1).data()));
        let mut filling = b.begin_matrix("table", dtype, [N_VOCAB, D], MatrixAxes::OutIn).expect("fits");
        for rows in narrow.chunks(100 * D) {
            b.fill(&mut filling, &dtype.encode(rows)).expect("fits");
        }
        let table = b.finish(filling).expect("fits");
        // The first and the last row of the table and of its parts, whose lengths are multiples of these.
        let tokens = [0, 1, 127, 128, 255, 256, 257, 511, 512, 1_023, 1_024, 2_047, 2_048, 3_006, 3_007];
        let (others, positions) = (up(b, &[40, D], 2), (0..15).collect::<Vec<u32>>());
        let fits = |tensor: Result<B::Tensor, BackendError>| tensor.expect("operands fit");
        let embed = fits(b.columns(&table, &tokens));
        let sum = fits(b.add(embed.clone(), &fits(b.gather(&others, &positions))));
        // Without anybody who looks at its summands.
        let unseen = fits(b.columns(&table, &tokens));
        let unseen = fits(b.add(unseen, &fits(b.gather(&others, &positions))));
        let logits = fits(b.linear(&up(b, &[5, D], 3), &table, None));
        let some = fits(b.linear_at(&up(b, &[5, D], 3), &table, None, &tokens));
        let mut dy = values(&[3, N_VOCAB], 4);
        dy.data_mut().iter_mut().for_each(|value| *value /= (N_VOCAB as f32).sqrt());
        let dx = fits(b.linear_dx(&b.upload("dy", dy).expect("fits"), &table));
        let best = fits(b.top_k(&logits, 4));
        let standings = fits(b.standings(&logits, &[0, 3_007, 128, 500, 2_048]));
        let capped = fits(b.soft_cap(logits.clone(), 3.0));
        vec![
            ("embed", embed),
            ("sum", sum),
            ("unseen", unseen),
            ("linear", logits),
            ("linear_at", some),
            ("linear_dx", dx),
            ("top_k", best),
            ("standings", standings),
            ("soft_cap", capped),
        ]
    }
}

/// A device whose buffers are hardly larger than its bindings.
fn small_buffers() -> Option<WebGpu> {
    super::device(Options {
        max_binding_bytes: Some(TINY_BINDING),
        max_buffer_bytes: Some(2 * TINY_BINDING),
        ..Options::default()
    })
}

#[test]
fn a_table_larger_than_any_buffer_is_in_many() {
    let Some(small) = small_buffers() else { return };
    for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
        agrees(&small, "many parts", &ManyParts(dtype), 10.0 * OP_TOL);
    }
    let table = matrix(&Checked(small.clone()), &[N_VOCAB, D], 1, MatrixAxes::OutIn);
    let b = Checked(small);
    let back = pollster::block_on(b.read_matrix(&table)).expect("is read");
    assert_eq!(back, values(&[N_VOCAB, D], 1), "comes back as it went");
    // A value that is no weight is refused, and nothing else suffers.
    assert!(b.upload("value", values(&[N_VOCAB, D], 1)).is_err());
    let last = b.columns(&table, &[3_007]).expect("is recorded");
    let last = pollster::block_on(b.read(&last)).expect("is read");
    assert_eq!(last.data(), values(&[N_VOCAB, D], 1).row(3_007));
}

#[test]
fn a_model_whose_embedding_is_larger_than_any_buffer_answers_as_on_the_cpu() {
    // Its embedding takes 1 MiB in 16 bits, its positions 256 KiB, each of its other matrices 128 KiB.
    let limits = Options {
        max_binding_bytes: Some(256 << 10),
        max_buffer_bytes: Some(320 << 10),
        ..Options::default()
    };
    let Some(device) = super::device(limits) else { return };
    let on_gpu = support::engine_on(device.clone(), support::TALES);
    assert_eq!(device.most_bytes(), [320 << 10, 256 << 10]);
    // So many that their logits are larger than a buffer as well.
    let tokens: Vec<u32> = (0..60).map(|nth| nth * nth * 53 % 2_048).collect();
    let spec = RunSpec { readout: Readout::Predictions { top_k: 5 }, ..support::spec(&tokens) };
    let [got, want] =
        [support::run(&on_gpu, &spec), support::run(&support::engine::<f64>(support::TALES), &spec)];
    for (got, want) in got.predictions.iter().zip(&want.predictions) {
        assert_eq!(got.top[0].0, want.top[0].0);
        assert!((got.top[0].1 - want.top[0].1).abs() <= 1e-4, "{got:?} {want:?}");
        if let (Some(got), Some(want)) = (got.actual, want.actual) {
            assert!((got.logprob - want.logprob).abs() <= 1e-4, "{got:?} {want:?}");
        }
    }
    assert_eq!(got.predictions.len(), tokens.len());
    // One that comes from the CPU, which keeps 32 bits, has 16 again.
    let on_cpu = support::engine::<f32>(support::TALES);
    let moved = pollster::block_on(on_cpu.on(device, &mut NoPace)).expect("fits in parts");
    assert_eq!(moved.memory_bytes(), on_gpu.memory_bytes());
    assert!(on_gpu.memory_bytes() < on_cpu.memory_bytes() * 6 / 10);
    assert_eq!(support::run(&moved, &spec).predictions, got.predictions);
}

/// A table in 16 bits, over the limit all the same.
struct Narrow;

impl Work for Narrow {
    fn on<B: Backward>(&self, b: &Checked<B>) -> Vec<(&'static str, B::Tensor)> {
        let mut table = values(&[N_VOCAB, D], 1);
        // As bf16.
        let cut = |value: f32| f32::from_bits(value.to_bits() & 0xffff_0000);
        table.data_mut().iter_mut().for_each(|value| *value = cut(*value));
        let bytes = Dtype::BF16.encode(table.data());
        let mut filling =
            b.begin_matrix("table", Dtype::BF16, [N_VOCAB, D], MatrixAxes::OutIn).expect("fits");
        b.fill(&mut filling, &bytes).expect("fits");
        let table = b.finish(filling).expect("fits");
        let (x, tokens) = (up(b, &[5, D], 2), [0, 2_047, 2_048, 2_049, 3_007, 7]);
        let made = [
            ("columns", b.columns(&table, &tokens)),
            ("linear", b.linear(&x, &table, None)),
            ("linear_dx", b.linear_dx(&up(b, &[5, N_VOCAB], 3), &table)),
        ];
        made.map(|(name, tensor)| (name, tensor.expect("operands fit"))).into()
    }
}

/// The way back, whose sums are cut, with what follows them.
struct BackFromLogits;

impl Work for BackFromLogits {
    fn on<B: Backward>(&self, b: &Checked<B>) -> Vec<(&'static str, B::Tensor)> {
        let mut dy = values(&[11, N_VOCAB], 1);
        dy.data_mut().iter_mut().for_each(|value| *value /= (N_VOCAB as f32).sqrt());
        let (dy, before) = (b.upload("dy", dy).expect("fits"), up(b, &[11, D], 3));
        let w = matrix(b, &[N_VOCAB, D], 2, MatrixAxes::OutIn);
        let dx = b.linear_dx(&dy, &w).expect("operands fit");
        let sum = b.add(before, &dx).expect("operands fit");
        vec![("linear_dx", dx), ("sum", sum)]
    }
}

/// A value over the limit, of which little is read.
struct ReadOff;

impl Work for ReadOff {
    fn on<B: Backward>(&self, b: &Checked<B>) -> Vec<(&'static str, B::Tensor)> {
        let x = up(b, &[301, D], 1);
        let chosen: Vec<u32> = (0..301).map(|row| row % D as u32).collect();
        let reference = up(b, &[301, D], 2);
        let made = [
            ("top_k", b.top_k(&x, 3)),
            ("standings", b.standings(&x, &chosen)),
            ("divergence", b.divergence(&x, &reference)),
        ];
        made.map(|(name, tensor)| (name, tensor.expect("operands fit"))).into()
    }
}

#[test]
fn what_is_read_off_is_cut_where_the_value_is_larger_than_a_binding() {
    let Some(tiny) = tiny() else { return };
    agrees(&tiny, "cut", &ReadOff, OP_TOL);
    assert_eq!(tiny.last_submission().n_dispatches, 6);
}

/// An unembedding whose result is over the limit as well.
struct OnlyLogits;

impl Work for OnlyLogits {
    fn on<B: Backward>(&self, b: &Checked<B>) -> Vec<(&'static str, B::Tensor)> {
        let (x, w) = (up(b, &[11, D], 1), matrix(b, &[N_VOCAB, D], 2, MatrixAxes::OutIn));
        vec![("linear", b.linear(&x, &w, None).expect("operands fit"))]
    }
}

#[test]
fn what_is_too_large_is_refused_in_words() {
    let Some(device) = tiny() else { return };
    let b = Checked(device);
    let table = up(&b, &[N_VOCAB, D], 1);
    let refused = |tensor: Result<GpuTensor, BackendError>| {
        pollster::block_on(b.read(&tensor.expect("recorded"))).err()
    };
    let message = |error: Option<BackendError>| error.expect("too large").to_string();
    let error = message(refused(b.add(table.clone(), &table)));
    assert!(error.contains("webgpu: add would bind") && error.contains("limit"), "{error}");
    // The device goes on.
    let small = up(&b, &[3, 5], 1);
    assert!(pollster::block_on(b.read(&b.add(small.clone(), &small).expect("recorded"))).is_ok());
}
