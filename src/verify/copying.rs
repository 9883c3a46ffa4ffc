//! Whether a head's circuit makes what it reads likelier, by the eigenvalues of its weights.

use super::Circuit;
use crate::{
    analysis::heads::copying_scores,
    backend::Backend,
    engine::{Engine, Pace, RunError},
    run::{self, CircuitSpec, WeightForm},
    tensor::HostTensor,
};

/// The score of every head. [layer head]
pub(super) async fn scores<B: Backend>(
    engine: &Engine<B>,
    weights: WeightForm,
    circuit: Circuit,
    pace: &mut impl Pace,
) -> Result<Vec<Vec<f64>>, RunError> {
    let n_layers = engine.config().n_layers;
    let scores = |products: &HostTensor| copying_scores(products).collect();
    match circuit {
        Circuit::Ov => {
            let mut by_layer = vec![];
            for layer in 0..n_layers {
                let spec = CircuitSpec { weights, of: run::Circuit::Ov { layer } };
                by_layer.push(scores(&engine.circuit(&spec, pace).await?));
            }
            Ok(by_layer)
        }
        Circuit::FullOv => {
            let products = engine.circuit(&CircuitSpec { weights, of: run::Circuit::FullOv }, pace).await?;
            Ok((0..n_layers).map(|layer| scores(&products.outer(layer))).collect())
        }
    }
}
