//! Sparse features: from rows of a stream to the largest of each.

use serde_json::json;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use vitrine::backend::Backend;
use vitrine::engine::{Engine, NoPace};
use vitrine::model::sae::{CFG, SAE_WEIGHTS, SaeReader};
use vitrine::run::{Activations, EncodeSpec};
use vitrine::tensor::HostTensor;

use crate::Fallible;
use crate::job::{Job, Prepared, sample, times};

/// What it is called beside the model.
pub(crate) const NAME: &str = "bench";
/// How many features of a row are wanted.
const TOP_K: usize = 32;

/// Reads the autoencoder of the folder `weights`, encodes once, and times it.
pub(crate) fn prepare<B: Backend + 'static>(
    engine: Rc<Engine<B>>,
    job: &Job,
    weights: &Path,
) -> Fallible<Prepared> {
    let file = |name: &str| fs::read(weights.join("sae").join(name));
    let mut reader = SaeReader::new(engine.backend(), &file(CFG)?, None)?;
    pollster::block_on(reader.feed(&file(SAE_WEIGHTS)?))?;
    let sae = pollster::block_on(reader.finish())?.sae;
    let d_in = sae.config().d_in;
    engine.put_sae(NAME, sae);
    let bytes = fs::read(weights.join("sae.x.f32"))?;
    let x: Vec<f32> = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let rows = HostTensor::new(vec![x.len() / d_in, d_in], x)?;
    let spec = EncodeSpec { sae: NAME.to_owned(), of: Activations::Rows(rows), top_k: Some(TOP_K) };
    let features = pollster::block_on(engine.encode(&spec, &mut NoPace))?;
    let values: Vec<f32> = features.pairs.data().iter().step_by(2).copied().collect();
    let checks = [sample("sae.top", &values, values.len(), 0)];
    let n_samples = job.n_samples;
    let measure = move || {
        let samples = times(n_samples, || {
            pollster::block_on(engine.encode(&spec, &mut NoPace))?;
            Ok(())
        })?;
        Ok(json!(samples))
    };
    Ok(Prepared { report: json!({ "checks": checks }), measure: Box::new(measure) })
}
