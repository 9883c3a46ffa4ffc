//! Operands that are too large for one binding, or for the device.

use vitrine::{
    backend::{
        Backend, BackendError,
        backward::Backward,
        checked::Checked,
        webgpu::{GpuTensor, Options, WebGpu},
    },
    op::MatrixAxes,
    tensor::Dtype,
};

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
    // More than two parts of a table.
    let error = message(refused(b.gather(&table, &[3])));
    assert!(error.contains("webgpu") && error.contains("limit"), "{error}");
    let error = message(refused(b.add(table.clone(), &table)));
    assert!(error.contains("add would bind"), "{error}");
    // The device goes on.
    let small = up(&b, &[3, 5], 1);
    assert!(pollster::block_on(b.read(&b.add(small.clone(), &small).expect("recorded"))).is_ok());
}
