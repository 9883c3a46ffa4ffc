//! Several sequences that continue one base, at once: against the CPU in f64, and against one after another.

use vitrine::{
    backend::{Backend as _, Sequence, backward::Backward, checked::Checked, webgpu::Options},
    op::Scoring,
};

use super::ops::{self, OP_TOL, Work, agrees, read};

/// Neither the first nor the longest is like the others.
const SEQUENCES: [Sequence; 4] = [
    Sequence { start: 0, len: 3, n_past: 0 },
    Sequence { start: 3, len: 1, n_past: 70 },
    Sequence { start: 4, len: 66, n_past: 5 },
    Sequence { start: 70, len: 2, n_past: 5 },
];
const N_ROWS: usize = 72;
const N_BASE: usize = 70;
const SCORING: Scoring = Scoring { scale: 2.5, window: None };

const SIZES: [(usize, usize); 3] = [(1, 1), (3, 5), (2, 64)];

/// Heads, their size, and the sequences.
struct Together(usize, usize, [Sequence; 4]);
struct OneByOne(usize, usize);
/// Six heads share keys and values of two, and see some of them only.
struct Windowed(usize);

impl Work for Together {
    fn on<B: Backward>(&self, b: &Checked<B>) -> Vec<(&'static str, B::Tensor)> {
        let up = |n: usize, seed| ops::up(b, &[n, self.0, self.1], seed);
        let (k, v) = ([&up(N_BASE, 2), &up(N_ROWS, 3)], [&up(N_BASE, 4), &up(N_ROWS, 5)]);
        vec![("z", b.attn_sequences(&up(N_ROWS, 1), k, v, &self.2, SCORING).expect("operands fit"))]
    }
}

impl Work for Windowed {
    fn on<B: Backward>(&self, b: &Checked<B>) -> Vec<(&'static str, B::Tensor)> {
        let up = |n: usize, n_heads, seed| ops::up(b, &[n, n_heads, 7], seed);
        let (k, v) = ([&up(N_BASE, 2, 2), &up(N_ROWS, 2, 3)], [&up(N_BASE, 2, 4), &up(N_ROWS, 2, 5)]);
        let scoring = Scoring { window: Some(self.0), ..SCORING };
        vec![("z", b.attn_sequences(&up(N_ROWS, 6, 1), k, v, &SEQUENCES, scoring).expect("operands fit"))]
    }
}

impl Work for OneByOne {
    fn on<B: Backward>(&self, b: &Checked<B>) -> Vec<(&'static str, B::Tensor)> {
        let up = |n: usize, seed| ops::up(b, &[n, self.0, self.1], seed);
        let (q, k, v) = (up(N_ROWS, 1), [up(N_BASE, 2), up(N_ROWS, 3)], [up(N_BASE, 4), up(N_ROWS, 5)]);
        let one = |sequence: &Sequence| {
            let seen =
                |[base, own]: &[B::Tensor; 2]| b.rows_after(base, own, sequence).expect("operands fit");
            let q = b.rows(&q, sequence.start, sequence.len).expect("operands fit");
            let scores = b.attn_scores(&q, &seen(&k), SCORING).expect("operands fit");
            b.softmax(scores).and_then(|pattern| b.attn_mix(&pattern, &seen(&v))).expect("operands fit")
        };
        vec![("z", b.concat(&SEQUENCES.iter().map(one).collect::<Vec<_>>()).expect("operands fit"))]
    }
}

#[test]
fn sequences_at_once_are_the_oracle_and_take_two_dispatches() {
    super::both(|device| {
        for (n_heads, d_head) in SIZES {
            let at = format!("{n_heads} heads of {d_head}");
            agrees(device, &at, &Together(n_heads, d_head, SEQUENCES), OP_TOL);
            assert_eq!(device.last_submission().n_dispatches, 2);
            agrees(device, &at, &OneByOne(n_heads, d_head), OP_TOL);
        }
        for window in [1, 4, 500] {
            agrees(device, &format!("a window of {window}"), &Windowed(window), OP_TOL);
        }
    });
}

#[test]
fn a_sequence_sees_nothing_of_the_others() {
    let Some(device) = super::device(Options::default()) else { return };
    let b = Checked(device);
    let up = |n: usize, seed| ops::up(&b, &[n, 2, 8], seed);
    let z = |own_k: u32| {
        let k = up(N_ROWS, 3);
        // The third sequence's keys are others.
        let (before, after) = (b.rows(&k, 0, 4).expect("rows"), b.rows(&k, 70, 2).expect("rows"));
        let k = b.concat(&[before, up(66, own_k), after]).expect("operands fit");
        let (k, v) = ([&up(N_BASE, 2), &k], [&up(N_BASE, 4), &up(N_ROWS, 5)]);
        let z = b.attn_sequences(&up(N_ROWS, 1), k, v, &SEQUENCES, SCORING).expect("operands fit");
        pollster::block_on(b.read(&z)).expect("is read").into_data()
    };
    let (first, second) = (z(6), z(7));
    let row = 2 * 8;
    assert_eq!((&first[..4 * row], &first[70 * row..]), (&second[..4 * row], &second[70 * row..]));
    assert_ne!(first[4 * row..70 * row], second[4 * row..70 * row]);
}

#[test]
fn a_planted_error_is_noticed() {
    let Some(device) = super::device(Options::default()) else { return };
    let mut planted = SEQUENCES;
    planted[2].n_past -= 1;
    let (right, wrong) =
        (read(device.clone(), &Together(3, 5, SEQUENCES)), read(device, &Together(3, 5, planted)));
    assert!(crate::compare::compare("z", &wrong[0].1, &right[0].1, OP_TOL).is_err());
}
