//! Operations that run as one: the same values as one by one, whatever is looked at on the way.

use vitrine::{
    backend::{Backend as _, BackendError, backward::Backward, checked::Checked},
    op::{Activation, MatrixAxes, NormKind, Scoring},
};

use crate::compare::GOLDEN_TOL;

use super::ops::{Work, agrees, read, values};

const SIZES: [(usize, usize); 4] = [(1, 5), (7, 9), (17, 70), (66, 33)];

/// A block's worth of operations; every value on the way is returned.
struct Block {
    n_pos: usize,
    d: usize,
}

impl Work for Block {
    fn on<B: Backward>(&self, b: &Checked<B>) -> Vec<(&'static str, B::Tensor)> {
        let Self { n_pos, d } = *self;
        let (n_heads, n_vocab) = (3, 19);
        let width = n_heads * d;
        let host = |shape: &[usize], seed| {
            let mut host = values(shape, seed);
            // As in a model: a product is about as large as what goes in.
            let scale = if shape.len() == 2 { (shape[0] as f32).sqrt().recip() } else { 1.0 };
            host.data_mut().iter_mut().for_each(|value| *value *= scale);
            host
        };
        let up = |shape: &[usize], seed| b.upload("test", host(shape, seed)).expect("fits");
        let weight = |shape: &[usize], seed| {
            b.upload_matrix("test", host(shape, seed), MatrixAxes::InOut).expect("fits")
        };
        let fits = |tensor: Result<B::Tensor, BackendError>| tensor.expect("operands fit");
        let kind = NormKind::LayerNorm;
        let tokens: Vec<u32> = (0..n_pos as u32).map(|pos| pos * 7 % n_vocab as u32).collect();
        let positions: Vec<u32> = (0..n_pos as u32).collect();

        let embed = fits(b.gather(&up(&[n_vocab, d], 1), &tokens));
        let pos_embed = fits(b.gather(&up(&[n_pos, d], 2), &positions));
        let resid = fits(b.add(embed.clone(), &pos_embed));
        let scale = fits(b.norm_scale(&resid, kind, 1e-5));
        let normalized = fits(b.normalize(&resid, &scale, kind));
        let normed = fits(b.affine(normalized.clone(), Some(&up(&[d], 3)), Some(&up(&[d], 4))));
        let by_head = |x: &B::Tensor| fits(b.reshape(x, &[n_pos, n_heads, d]));
        let read = |seed| fits(b.linear(&normed, &weight(&[d, width], seed), Some(&up(&[width], seed + 1))));
        let [q, k, v] = [5, 7, 9].map(|seed| by_head(&read(seed)));
        let scores = fits(b.attn_scores(&q, &k, Scoring::causal(2.3)));
        let pattern = fits(b.softmax(scores.clone()));
        let z = fits(b.attn_mix(&pattern, &v));
        let merged = fits(b.reshape(&z, &[n_pos, width]));
        let attn_out = fits(b.linear(&merged, &weight(&[width, d], 11), Some(&up(&[d], 12))));
        let resid_mid = fits(b.add(attn_out.clone(), &resid));
        let pre = fits(b.linear(&resid_mid, &weight(&[d, n_vocab], 13), Some(&up(&[n_vocab], 14))));
        let post = fits(b.activate(pre.clone(), Activation::GeluNew));
        vec![
            ("embed", embed),
            ("pos_embed", pos_embed),
            ("resid", resid),
            ("scale", scale),
            ("normalized", normalized),
            ("q", q),
            ("k", k),
            ("v", v),
            ("hook_attn_scores", scores),
            ("pattern", pattern),
            ("z", z),
            ("attn_out", attn_out),
            ("resid_mid", resid_mid),
            ("pre", pre),
            ("post", post),
        ]
    }
}

/// The same, and only some of it is held.
struct Only<'a>(&'a Block, &'a [&'a str]);

impl Work for Only<'_> {
    fn on<B: Backward>(&self, b: &Checked<B>) -> Vec<(&'static str, B::Tensor)> {
        self.0.on(b).into_iter().filter(|(name, _)| self.1.contains(name)).collect()
    }
}

// A chain of operations: as golden values, not as single operations.
#[test]
fn fused_operations_are_the_oracle() {
    super::both(|device| {
        for (n_pos, d) in SIZES {
            let block = Block { n_pos, d };
            agrees(device, &format!("{n_pos} {d} all held"), &block, GOLDEN_TOL);
            agrees(device, &format!("{n_pos} {d} the last held"), &Only(&block, &["post"]), GOLDEN_TOL);
        }
    });
}

#[test]
fn what_is_looked_at_on_the_way_changes_no_bit() {
    super::both(|device| {
        let block = Block { n_pos: 17, d: 21 };
        let all = read(device.clone(), &block);
        for (name, value) in &all {
            let alone = read(device.clone(), &Only(&block, &[*name]));
            assert_eq!(&alone[0].1, value, "{name} by itself");
            let beside = read(device.clone(), &Only(&block, &[*name, "post"]));
            assert_eq!(beside.last().expect("two values").1, all.last().expect("values").1, "beside {name}");
        }
    });
}
