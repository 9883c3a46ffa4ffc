//! What a computation costs on paper: multiplications and additions of its matrix products, causal attention counted
//! once. Everything else (norms, softmax, GELU) is under one in a hundred of it.

use super::cases::{D_MODEL, D_VOCAB, N_LAYERS};

/// Weights of one block's four matrices: in, out, up, down.
const BLOCK: f64 = (12 * D_MODEL * D_MODEL) as f64;
/// Weights of the unembedding.
const UNEMBED: f64 = (D_MODEL * D_VOCAB) as f64;

/// A forward pass of `n_layers` blocks, all logits.
pub fn forward(n_layers: usize, n_tokens: usize) -> f64 {
    n_layers as f64 * block(0, n_tokens) + 2.0 * n_tokens as f64 * UNEMBED
}

/// One block on the positions from `first` on, of a prompt of `n_tokens`.
fn block(first: usize, n_tokens: usize) -> f64 {
    // A query at position p sees p + 1 keys; once for the scores, once for the mix.
    let n_pairs: usize = (first..n_tokens).map(|pos| pos + 1).sum();
    2.0 * (n_tokens - first) as f64 * BLOCK + 4.0 * (n_pairs * D_MODEL) as f64
}

/// A sweep that patches the stream before each of some `(block, position)`s, of two prompts of `n_tokens`, and reads a
/// few logits at the last position: both prompts once, and of each variant the rows from its position on, from its
/// block on.
pub fn sweep(variants: &[(usize, usize)], n_tokens: usize) -> f64 {
    let whole = 2.0 * N_LAYERS as f64 * block(0, n_tokens);
    let of = |&(layer, pos): &(usize, usize)| (N_LAYERS - layer) as f64 * block(pos, n_tokens);
    whole + variants.iter().map(of).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forward_pass_costs_what_the_arithmetic_says() {
        for (n_tokens, gflop) in [(16, 3.96), (64, 15.89), (256, 64.5), (1024, 272.0)] {
            let flops = forward(N_LAYERS, n_tokens) / 1e9;
            assert!((flops / gflop - 1.0).abs() < 5e-3, "{n_tokens}: {flops}");
        }
        let per_layer = forward(12, 64) - forward(11, 64);
        assert!((forward(11, 64) - forward(10, 64) - per_layer).abs() < 1.0, "layers cost alike");
    }

    #[test]
    fn a_sweep_costs_less_than_one_pass_a_variant() {
        let all: Vec<(usize, usize)> =
            (0..12).flat_map(|layer| (0..15).map(move |pos| (layer, pos))).collect();
        let gflop = sweep(&all, 15) / 1e9;
        assert!(135.0 < gflop && gflop < 150.0, "{gflop}");
        assert!(sweep(&all[..1], 15) < sweep(&all[..2], 15));
        assert!(sweep(&all, 15) < 0.25 * 180.0 * forward(N_LAYERS, 15));
    }
}
