//! Fusion on graphs written by hand; no device.

use super::*;
use crate::backend::webgpu::program::{Dx, Heads, Value};

/// Adds a value; all have the same length here, which fusion does not look at.
fn push(program: &mut Program, op: Op, inputs: &[Id]) -> Id {
    program.values.push(Value { op, inputs: inputs.to_vec(), len: 8, is_kept: false });
    program.values.len() - 1
}

fn given(program: &mut Program) -> Id {
    push(program, Op::Given, &[])
}

fn keep(program: &mut Program, id: Id) {
    program.values[id].is_kept = true;
}

const D: usize = 4;
const HEADS: Heads = Heads { n_q: 2, n_k: 2, n_heads: 1, n_kv_heads: 1, d_head: 4 };

fn linear(program: &mut Program, x: Id) -> Id {
    let (w, b) = (given(program), given(program));
    let (axes, format) = (MatrixAxes::InOut, Format::F32);
    let product = Product { m: 2, k: D, n: D, axes, format, has_b: true };
    push(program, Op::Linear(product), &[x, w, b])
}

fn norm(program: &mut Program, x: Id) -> [Id; 3] {
    let kind = NormKind::LayerNorm;
    let scale = push(program, Op::NormScale { kind, d: D, eps: Bits(0) }, &[x]);
    let normalized = push(program, Op::Normalize { kind, d: D }, &[x, scale]);
    let w = given(program);
    let y = push(program, Op::Affine { d: D, has_w: true, has_b: false }, &[normalized, w]);
    [scale, normalized, y]
}

fn attention(program: &mut Program, q: Id, k: Id, v: Id) -> [Id; 3] {
    let scores = push(program, Op::AttnScores { heads: HEADS, scale: Bits(0), window: u32::MAX }, &[q, k]);
    let pattern = push(program, Op::Softmax { n: 2 }, &[scores]);
    let z = push(program, Op::AttnMix(HEADS), &[pattern, v]);
    [scores, pattern, z]
}

/// The pattern of a block: what is made, in order.
fn names(program: &Program) -> Vec<&'static str> {
    let name = |kernel: &Kernel| match kernel {
        Kernel::One(_) => "one",
        Kernel::Embed { .. } => "embed",
        Kernel::Norm { .. } => "norm",
        Kernel::Linear { then: Then::Nothing, .. } => "linear",
        Kernel::Linear { then: Then::Activate(..), .. } => "linear, activated",
        Kernel::Linear { then: Then::Add { .. }, .. } => "linear, added",
        Kernel::LinearQkv(_) => "qkv",
        Kernel::Linear { then: Then::Slope { .. }, .. } => "linear, slope",
        Kernel::Attention { .. } => "attention",
        Kernel::NormDx(_) => "norm_dx",
        Kernel::AttentionDx { .. } => "attention_dx",
        Kernel::AttnMixT { .. } => "attn_mix_t",
    };
    fuse(program).iter().map(name).collect()
}

/// A block of a transformer on `resid`.
fn block(program: &mut Program, resid: Id) -> Id {
    let [_, _, normed] = norm(program, resid);
    let [q, k, v] = [0; 3].map(|_| linear(program, normed));
    let [_, _, z] = attention(program, q, k, v);
    let attn_out = linear(program, z);
    let mid = push(program, Op::Add, &[resid, attn_out]);
    let [_, _, normed] = norm(program, mid);
    let pre = linear(program, normed);
    let post = push(program, Op::Activate(Activation::GeluNew), &[pre]);
    let mlp_out = linear(program, post);
    push(program, Op::Add, &[mid, mlp_out])
}

const BLOCK: [&str; 7] =
    ["norm", "qkv", "attention", "linear, added", "norm", "linear, activated", "linear, added"];

#[test]
fn a_block_is_seven_kernels_whether_or_not_it_is_looked_at() {
    let mut program = Program::default();
    let resid = given(&mut program);
    let out = block(&mut program, resid);
    let out = block(&mut program, out);
    keep(&mut program, out);
    assert_eq!(names(&program), [BLOCK, BLOCK].concat());
    program.values.iter_mut().for_each(|value| value.is_kept = true);
    assert_eq!(names(&program), [BLOCK, BLOCK].concat());
}

#[test]
fn what_is_kept_is_written() {
    let mut program = Program::default();
    let x = given(&mut program);
    let [scale, normalized, y] = norm(&mut program, x);
    let kept = |program: &Program| match fuse(program)[..] {
        [Kernel::Norm { scale, normalized, .. }] => (scale.is_kept, normalized.is_kept),
        _ => panic!("one norm"),
    };
    keep(&mut program, y);
    assert_eq!(kept(&program), (false, false));
    keep(&mut program, scale);
    assert_eq!(kept(&program), (true, false));
    keep(&mut program, normalized);
    assert_eq!(kept(&program), (true, true));
}

#[test]
fn what_something_else_reads_is_written() {
    let mut program = Program::default();
    let x = given(&mut program);
    let pre = linear(&mut program, x);
    let post = push(&mut program, Op::Activate(Activation::Relu), &[pre]);
    push(&mut program, Op::Add, &[pre, post]);
    let kernels = fuse(&program);
    assert!(
        matches!(kernels[..], [Kernel::Linear { pre: Written { is_kept: true, .. }, .. }, Kernel::One(_)]),
        "{kernels:?}"
    );
}

#[test]
fn an_edit_on_the_way_keeps_operations_apart() {
    let mut program = Program::default();
    let [q, k, v, keep, add] = [0; 5].map(|_| given(&mut program));
    let scores =
        push(&mut program, Op::AttnScores { heads: HEADS, scale: Bits(0), window: u32::MAX }, &[q, k]);
    let edited = push(&mut program, Op::Edit, &[scores, keep, add]);
    let pattern = push(&mut program, Op::Softmax { n: 2 }, &[edited]);
    push(&mut program, Op::AttnMix(HEADS), &[pattern, v]);
    assert_eq!(names(&program), ["one"; 4]);

    // Scale of one stream, values of another.
    let mut program = Program::default();
    let [x, other] = [0; 2].map(|_| given(&mut program));
    let kind = NormKind::LayerNorm;
    let scale = push(&mut program, Op::NormScale { kind, d: D, eps: Bits(0) }, &[other]);
    push(&mut program, Op::Normalize { kind, d: D }, &[x, scale]);
    assert_eq!(names(&program), ["one"; 2]);
}

#[test]
fn a_value_that_is_read_too_early_is_not_made_later() {
    let mut program = Program::default();
    let x = given(&mut program);
    let product = linear(&mut program, x);
    // The residual itself needs the product: it must be there before the sum.
    let residual = push(&mut program, Op::Softmax { n: 2 }, &[product]);
    push(&mut program, Op::Add, &[residual, product]);
    assert_eq!(names(&program), ["linear", "one", "one"]);

    let mut program = Program::default();
    let x = given(&mut program);
    let q = linear(&mut program, x);
    let early = push(&mut program, Op::Softmax { n: 2 }, &[q]);
    let [k, v] = [0; 2].map(|_| linear(&mut program, x));
    attention(&mut program, early, k, v);
    assert_eq!(names(&program), ["linear", "one", "linear", "linear", "attention"]);
}

#[test]
fn twice_the_same_is_no_residual() {
    let mut program = Program::default();
    let x = given(&mut program);
    let product = linear(&mut program, x);
    push(&mut program, Op::Add, &[product, product]);
    assert_eq!(names(&program), ["linear", "one"]);
}

#[test]
fn two_gathers_and_their_sum_are_one() {
    let mut program = Program::default();
    let [tokens, positions] = [0; 2].map(|_| given(&mut program));
    let [a, b] = [(tokens, 9), (positions, 5)].map(|(table, n_table)| {
        push(&mut program, Op::Gather { n_table, n_rows: 2, d: D, format: Format::F32 }, &[table])
    });
    push(&mut program, Op::Add, &[a, b]);
    assert_eq!(names(&program), ["embed"]);
}

/// The gradient behind a norm: `before`, and what comes through the norm of `x`; what is on the way.
fn norm_dx(program: &mut Program, before: Id) -> [Id; 3] {
    let [x, scale, normalized, dy, w] = [0; 5].map(|_| given(program));
    let kind = NormKind::LayerNorm;
    let dn = push(program, Op::Affine { d: D, has_w: true, has_b: false }, &[dy, w]);
    let direct = push(program, Op::Normalize { kind, d: D }, &[dn, scale]);
    let sum = push(program, Op::Add, &[before, direct]);
    let ds = push(program, Op::Dx(Dx::NormalizeScale { d: D }), &[dn, normalized, scale]);
    let through_scale = push(program, Op::Dx(Dx::NormScale { kind, d: D }), &[x, scale, ds]);
    [push(program, Op::Add, &[sum, through_scale]), dn, ds]
}

#[test]
fn a_norm_is_one_kernel_backwards_unless_its_scale_is_looked_at() {
    let mut program = Program::default();
    let before = given(&mut program);
    let [_, dn, ds] = norm_dx(&mut program, before);
    keep(&mut program, dn);
    let kernels = fuse(&program);
    let keeps_dn = Written { id: dn, is_kept: true };
    assert!(matches!(kernels[..], [Kernel::NormDx(NormDx { d_normalized, .. })] if d_normalized == keeps_dn));
    keep(&mut program, ds);
    assert_eq!(names(&program), ["one"; 6]);
}

#[test]
fn attention_is_three_kernels_backwards() {
    let mut program = Program::default();
    let [q, k, v, pattern, dz] = [0; 5].map(|_| given(&mut program));
    let d_pattern = push(&mut program, Op::Dx(Dx::AttnDots(HEADS)), &[dz, v]);
    push(&mut program, Op::Dx(Dx::AttnMixT(HEADS)), &[pattern, dz]);
    let d_scores = push(&mut program, Op::Dx(Dx::Softmax { n: 2 }), &[pattern, d_pattern]);
    let mix = push(&mut program, Op::AttnMix(HEADS), &[d_scores, k]);
    push(&mut program, Op::Scale(Bits(0)), &[mix]);
    let mix_t = push(&mut program, Op::Dx(Dx::AttnMixT(HEADS)), &[d_scores, q]);
    push(&mut program, Op::Scale(Bits(0)), &[mix_t]);
    assert_eq!(names(&program), ["attn_mix_t", "attention_dx", "attn_mix_t"]);
    // Scaled afterwards, where the sum itself is looked at.
    keep(&mut program, mix_t);
    assert_eq!(names(&program), ["attn_mix_t", "attention_dx", "attn_mix_t", "one"]);
}
