//! Estimates and cuts with rates made up; no device.

use super::*;
use crate::{
    backend::webgpu::{
        launch::{Limits, Preset, Scheme},
        plan,
        program::{Bits, Format, Heads, Value},
    },
    op::{Activation, MatrixAxes, NormKind},
};

/// From a processor that plays a GPU to more than any GPU does. Below the first, a single workgroup may be too long.
const RATES: [Rates; 4] = [
    Rates { flops_per_second: 6e8, bytes_per_second: 1e9, seconds_per_dispatch: 1e-3 },
    Rates { flops_per_second: 1e9, bytes_per_second: 1e9, seconds_per_dispatch: 1e-5 },
    Rates { flops_per_second: 2e10, bytes_per_second: 5e9, seconds_per_dispatch: 1e-4 },
    Rates { flops_per_second: 1e14, bytes_per_second: 1e12, seconds_per_dispatch: 1e-6 },
];

/// A forward pass, as the model asks for it.
struct Gpt2 {
    n_pos: usize,
    n_layers: usize,
    n_heads: usize,
    d_head: usize,
    d_vocab: usize,
}

const SMALL: Gpt2 = Gpt2 { n_pos: 64, n_layers: 12, n_heads: 12, d_head: 64, d_vocab: 50_257 };
const SMALL_FULL: Gpt2 = Gpt2 { n_pos: 1_024, ..SMALL };
const SMALL_ONE: Gpt2 = Gpt2 { n_pos: 1, ..SMALL };
const XL_FULL: Gpt2 = Gpt2 { n_layers: 48, n_heads: 25, ..SMALL_FULL };

impl Gpt2 {
    fn program(&self) -> Program {
        let mut program = Program::default();
        let p = &mut program;
        let (n, d) = (self.n_pos, self.n_heads * self.d_head);
        let table = push(p, Op::Given, &[], self.d_vocab * d);
        let places = push(p, Op::Given, &[], 1_024 * d);
        let tokens =
            push(p, Op::Gather { n_table: self.d_vocab, n_rows: n, d, format: Format::F32 }, &[table], n * d);
        let positions =
            push(p, Op::Gather { n_table: 1_024, n_rows: n, d, format: Format::F32 }, &[places], n * d);
        let mut resid = push(p, Op::Add, &[tokens, positions], n * d);
        for _ in 0..self.n_layers {
            let normed = norm(p, resid, n, d);
            let [q, k, v] = [(); 3].map(|()| linear(p, normed, [n, d, d], MatrixAxes::InOut));
            let heads = Heads {
                n_q: n,
                n_k: n,
                n_heads: self.n_heads,
                n_kv_heads: self.n_heads,
                d_head: self.d_head,
            };
            let n_scores = self.n_heads * n * n;
            let scores =
                push(p, Op::AttnScores { heads, scale: Bits(0), window: u32::MAX }, &[q, k], n_scores);
            let pattern = push(p, Op::Softmax { n }, &[scores], n_scores);
            let z = push(p, Op::AttnMix(heads), &[pattern, v], n * d);
            let out = linear(p, z, [n, d, d], MatrixAxes::InOut);
            resid = push(p, Op::Add, &[resid, out], n * d);
            let normed = norm(p, resid, n, d);
            let pre = linear(p, normed, [n, d, 4 * d], MatrixAxes::InOut);
            let post = push(p, Op::Activate(Activation::GeluNew), &[pre], n * 4 * d);
            let out = linear(p, post, [n, 4 * d, d], MatrixAxes::InOut);
            resid = push(p, Op::Add, &[resid, out], n * d);
        }
        let normed = norm(p, resid, n, d);
        let logits = linear(p, normed, [n, d, self.d_vocab], MatrixAxes::OutIn);
        p.values[logits].is_kept = true;
        program
    }
}

fn push(program: &mut Program, op: Op, inputs: &[Id], len: usize) -> Id {
    program.values.push(Value { op, inputs: inputs.to_vec(), len, is_kept: false });
    program.values.len() - 1
}

fn norm(p: &mut Program, x: Id, n: usize, d: usize) -> Id {
    let (kind, w, b) = (NormKind::LayerNorm, push(p, Op::Given, &[], d), push(p, Op::Given, &[], d));
    let scale = push(p, Op::NormScale { kind, d, eps: Bits(0) }, &[x], n);
    let normalized = push(p, Op::Normalize { kind, d }, &[x, scale], n * d);
    push(p, Op::Affine { d, has_w: true, has_b: true }, &[normalized, w, b], n * d)
}

fn linear(p: &mut Program, x: Id, [m, k, n]: [usize; 3], axes: MatrixAxes) -> Id {
    let (w, b) = (push(p, Op::Given, &[], k * n), push(p, Op::Given, &[], n));
    push(p, Op::Linear(Product { m, k, n, axes, format: Format::F32, has_b: true }), &[x, w, b], m * n)
}

/// Every dispatch of a pass: kernel, window, seconds.
fn dispatches(model: &Gpt2, scheme: Scheme, costs: &Costs) -> Vec<(&'static str, Window, f64)> {
    let limits = Limits { scheme, has_subgroups: false, preset: Preset::Large, max_binding_bytes: 128 << 20 };
    let cut = |(launch, work): (super::super::launch::Launch, Work)| {
        let name = launch.source.name;
        let parts = costs.cut(name, launch.grid, work).into_iter();
        parts.map(|(window, work)| (name, window, costs.seconds(name, work))).collect::<Vec<_>>()
    };
    plan::launches(&model.program(), limits).into_iter().flat_map(cut).collect()
}

fn for_all(check: impl Fn(&Gpt2, Scheme, Rates)) {
    for model in [SMALL_ONE, SMALL, SMALL_FULL, XL_FULL] {
        for scheme in [Scheme::Serial, Scheme::Parallel] {
            RATES.into_iter().for_each(|rates| check(&model, scheme, rates));
        }
    }
}

#[test]
fn no_submission_is_estimated_above_the_limit() {
    for_all(|model, scheme, rates| {
        let dispatches = dispatches(model, scheme, &Costs::new(rates));
        let seconds: Vec<f64> = dispatches.iter().map(|(_, _, seconds)| *seconds).collect();
        let cut = submissions(&seconds);
        assert_eq!(cut.iter().flat_map(Clone::clone).collect::<Vec<_>>(), Vec::from_iter(0..seconds.len()));
        for steps in cut {
            let sum: f64 = seconds[steps.clone()].iter().sum();
            assert!(sum <= MAX_SUBMISSION_SECONDS, "{scheme:?} {rates:?}: {:?}", dispatches[steps.start]);
        }
    });
}

#[test]
fn without_cuts_there_are_dispatches_above_the_limit() {
    let costs = Costs::new(RATES[1]);
    let limits = Limits {
        scheme: Scheme::Serial,
        has_subgroups: false,
        preset: Preset::Large,
        max_binding_bytes: 128 << 20,
    };
    let long = |model: &Gpt2| -> Vec<&'static str> {
        let launches = plan::launches(&model.program(), limits);
        let name = |(launch, work): &(super::super::launch::Launch, Work)| {
            let name = launch.source.name;
            (MAX_SUBMISSION_SECONDS < costs.seconds(name, *work)).then_some(name)
        };
        launches.iter().filter_map(name).collect()
    };
    assert!(long(&SMALL).contains(&"linear_t"), "the unembedding");
    assert!(long(&SMALL_FULL).contains(&"attention"));
}

#[test]
fn fast_devices_get_one_submission_and_no_more_dispatches() {
    let costs = Costs::new(RATES[3]);
    let dispatches = dispatches(&SMALL, Scheme::Parallel, &costs);
    // The table and the unembedding are two parts: 147 MiB are more than a binding.
    assert_eq!(dispatches.len(), 12 * 7 + 4);
    let seconds: Vec<f64> = dispatches.iter().map(|(_, _, seconds)| *seconds).collect();
    assert_eq!(submissions(&seconds).len(), 1);
}

#[test]
fn windows_cover_a_grid_once_and_are_small_enough() {
    let sizes = [1, 2, 3, 7, 64, 65];
    for grid in sizes.iter().flat_map(|x| sizes.map(|y| [*x, y, 3])) {
        for n_parts in [1, 2, 3, 10, 100, 1_000_000] {
            let windows = windows(grid, n_parts);
            let most = (n_groups(grid) / n_parts).max(1);
            assert!(
                windows.iter().all(|window| (1..=most).contains(&window.n_groups())),
                "{grid:?} {n_parts}"
            );
            let mut seen = vec![0; n_groups(grid) as usize];
            for Window { first, size } in windows {
                let along = |axis: usize| first[axis]..first[axis] + size[axis];
                for (z, y, x) in
                    along(2).flat_map(|z| along(1).flat_map(move |y| along(0).map(move |x| (z, y, x))))
                {
                    seen[((z * grid[1] + y) * grid[0] + x) as usize] += 1;
                }
            }
            assert!(seen.iter().all(|n| *n == 1), "{grid:?} in {n_parts}");
        }
    }
}

#[test]
fn a_program_takes_what_its_products_take() {
    let launches = plan::launches(
        &SMALL.program(),
        Limits {
            scheme: Scheme::Parallel,
            has_subgroups: false,
            preset: Preset::Large,
            max_binding_bytes: 1 << 30,
        },
    );
    let flops: f64 = launches.iter().map(|(_, work)| work.flops).sum();
    // 2 * 64 * (12 * 12 * 768^2 + 768 * 50257), and some for attention and norms.
    let products = 1.581e10;
    assert!(products < flops && flops < 1.1 * products, "{flops:e}");
}

#[test]
fn what_was_measured_corrects_estimates() {
    let work = Work { flops: 1e9, bytes: 0.0 };
    let mut costs =
        Costs::new(Rates { flops_per_second: 1e10, bytes_per_second: 1e10, seconds_per_dispatch: 0.0 });
    // Ten times slower than thought; another kernel beside it is not to blame.
    for _ in 0..4 {
        let estimate = costs.seconds("linear", work);
        costs.learn(&[("linear", estimate)], 1.0);
    }
    assert!((costs.seconds("linear", work) - 1.0).abs() < 0.01);
    assert_eq!(costs.seconds("softmax", work), 0.1);
    // Faster is believed as well, in more steps.
    for _ in 0..20 {
        let estimate = costs.seconds("linear", work);
        costs.learn(&[("linear", estimate)], 0.02);
    }
    assert!((costs.seconds("linear", work) - 0.02).abs() < 0.001);
}

#[test]
fn the_way_to_the_device_corrects_nothing() {
    let mut costs = Costs::new(RATES[2]);
    let before = costs.seconds("linear", Work { flops: 1e6, bytes: 1e6 });
    // A short submission whose end is heard late, and measurements that cannot be.
    for measured in [0.1, 0.0, -1.0, f64::NAN] {
        costs.learn(&[("linear", before)], measured);
    }
    assert_eq!(costs.seconds("linear", Work { flops: 1e6, bytes: 1e6 }), before);
    // One that takes much too long is slow.
    costs.learn(&[("linear", before)], 3.0);
    assert!(before < costs.seconds("linear", Work { flops: 1e6, bytes: 1e6 }));
}
