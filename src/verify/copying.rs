//! Whether a head's circuit makes what it reads likelier: the copying score of Elhage et al. 2021,
//! <https://transformer-circuits.pub/2021/framework/index.html>.
//!
//! Sum of the circuit's eigenvalues over the sum of their moduli: 1 copies, -1 does the opposite. A product A B has
//! the eigenvalues of B A and zeros, so the matrices here are d_head wide, whatever the vocabulary.

use super::{Circuit, check::in_out, eigenvalues::Square};
use crate::{
    backend::Backend,
    engine::{Engine, RunError},
    model::weights::OnBackend,
    op::MatrixAxes,
    run::WeightForm,
    tensor::HostTensor,
};

/// Tokens whose embeddings are on the host at once.
const PART_TOKENS: usize = 4_096;

/// The score of every head. [layer head]
pub(super) async fn scores<B: Backend>(
    engine: &Engine<B>,
    form: WeightForm,
    circuit: Circuit,
) -> Result<Vec<Vec<f64>>, RunError> {
    let (b, config) = (engine.backend(), engine.config());
    let weights = engine.weights(form).await?;
    let between = match circuit {
        Circuit::Ov => None,
        Circuit::FullOv => {
            let between = unembed_embed(b, weights, [config.d_model, config.d_vocab]).await?;
            Some(b.upload("W_U W_E", between)?)
        }
    };
    let mut scores = vec![];
    for block in &weights.blocks {
        let w_o = in_out(b.read_matrix(&block.attn.w_o).await?, weights.axes); // [(head e) d_model]
        let w_v = match &between {
            None => in_out(b.read_matrix(&block.attn.w_v).await?, weights.axes), // [d_model (kv e)]
            // einsum: a d, d (kv e) -> a (kv e)
            Some(between) => b.read(&b.linear(between, &block.attn.w_v, None)?).await?,
        };
        let per_kv = config.n_heads / config.n_kv_heads;
        let of_head = |head: usize| score(&w_v, &w_o, [head / per_kv, head], config.d_head);
        scores.push((0..config.n_heads).map(of_head).collect());
    }
    Ok(scores)
}

/// W_U W_E, over the whole vocabulary. [d_model d_model]
async fn unembed_embed<B: Backend>(
    b: &B,
    weights: &OnBackend<B>,
    [d_model, d_vocab]: [usize; 2],
) -> Result<HostTensor, RunError> {
    let w_u = weights.w_u.as_ref().unwrap_or(&weights.w_e);
    let mut sum = HostTensor::full(vec![d_model, d_model], 0.0);
    for start in (0..d_vocab).step_by(PART_TOKENS) {
        let ids: Vec<u32> = (start..d_vocab.min(start + PART_TOKENS)).map(|id| id as u32).collect();
        let reads = b.read(&b.columns(&weights.w_e, &ids)?).await?; // [token d_model]
        let writes = b.read(&b.columns(w_u, &ids)?).await?; // [token d_model]
        let reads = b.upload_matrix("W_E, a part", reads, MatrixAxes::InOut)?;
        let writes = b.upload("W_U, a part", writes.transposed())?;
        // einsum: a token, token d -> a d
        let part = b.read(&b.linear(&writes, &reads, None)?).await?;
        sum.data_mut().iter_mut().zip(part.data()).for_each(|(sum, part)| *sum += part);
    }
    Ok(sum)
}

/// The score of one head; NaN where its circuit does nothing.
fn score(w_v: &HostTensor, w_o: &HostTensor, [kv, head]: [usize; 2], d_head: usize) -> f64 {
    // einsum: i d, d j -> i j, with rows of W_O and columns of W_V.
    let mut product = vec![0.0; d_head * d_head];
    for (i, row) in product.chunks_exact_mut(d_head).enumerate() {
        for (d, w) in w_o.row(head * d_head + i).iter().enumerate() {
            let values = &w_v.row(d)[kv * d_head..][..d_head];
            row.iter_mut().zip(values).for_each(|(to, value)| *to += f64::from(*w) * f64::from(*value));
        }
    }
    let Some(eigenvalues) = Square::new(d_head, product).eigenvalues() else { return f64::NAN };
    let sum: f64 = eigenvalues.iter().map(|(re, _)| re).sum();
    sum / eigenvalues.iter().map(|(re, im)| re.hypot(*im)).sum::<f64>()
}
