//! Values at hook points, and what attention does on average.

use super::{
    Entry, Outcome,
    check::{Checking, misfit},
    compare::Compared,
};
use crate::{
    backend::backward::Backward,
    engine::{Pace, RunError},
    hook::{HookPoint, HookSet, Site},
    run::Readout,
    tensor::{HostTensor, row_major_strides},
};

/// The first values at each of some places.
pub(super) fn values(
    entry: &Entry,
    value: &HostTensor,
    index: &[Vec<usize>],
    published: &[Vec<f64>],
) -> Outcome {
    if index.len() != published.len() {
        return misfit(entry, &[published.len()], &[index.len()]);
    }
    let strides = row_major_strides(value.shape());
    let mut compared = vec![];
    for (index, published) in index.iter().zip(published) {
        let is_inside =
            index.len() <= value.shape().len() && index.iter().zip(value.shape()).all(|(idx, len)| idx < len);
        let n_values: usize = value.shape().get(index.len()..).unwrap_or_default().iter().product();
        if !is_inside || n_values < published.len() {
            return Outcome::misfit(
                entry,
                format!("values at {index:?}"),
                format!("a value of {:?}", value.shape()),
            );
        }
        let start: usize = index.iter().zip(&strides).map(|(idx, stride)| idx * stride).sum();
        compared.extend(published.iter().enumerate().map(|(nth, published)| Compared {
            at: if n_values == 1 { format!("{index:?}") } else { format!("{index:?}[{nth}]") },
            published: *published,
            ours: f64::from(value.data()[start + nth]),
        }));
    }
    Outcome::numbers(entry, &compared)
}

/// Mean attention `offset` positions back, over passages and queries from `offset` on. [layer head]
pub(super) async fn stripes<B: Backward>(
    checking: &Checking<'_, B>,
    passages: &[String],
    offset: usize,
    layers: &[usize],
    pace: &mut impl Pace,
) -> Result<Vec<Vec<f64>>, RunError> {
    let n_heads = checking.engine.config().n_heads;
    let hooks: Vec<HookPoint> = layers.iter().map(|layer| HookPoint::Block(*layer, Site::Pattern)).collect();
    let mut sums = vec![vec![0.0; n_heads]; layers.len()];
    let mut n_queries = 0;
    for passage in passages {
        let tokens = checking.read(passage)?;
        let n_pos = tokens.len();
        n_queries += n_pos.saturating_sub(offset);
        let capture = HookSet::of(hooks.iter().copied());
        let run = checking.run(tokens, &[], capture, Readout::Nothing, pace).await?;
        for (sums, hook) in sums.iter_mut().zip(&hooks) {
            let pattern = run.captures[hook].data(); // [head q k]
            for (head, sum) in sums.iter_mut().enumerate() {
                let at = |q: usize| f64::from(pattern[(head * n_pos + q) * n_pos + q - offset]);
                *sum += (offset..n_pos).map(at).sum::<f64>();
            }
        }
    }
    // Without queries the mean is not a number, and differs from any.
    sums.iter_mut().flatten().for_each(|sum| *sum /= n_queries as f64);
    Ok(sums)
}
