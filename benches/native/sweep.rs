//! A sweep of residual patches: the stream before each block at each position of a clean run into a corrupted one.

use serde_json::json;
use std::rc::Rc;

use vitrine::backend::Backend;
use vitrine::engine::{Engine, NoPace};
use vitrine::hook::{HookPoint, Site};
use vitrine::intervention::{Edit, Index, Intervention, Select, Source};
use vitrine::metric::Metric;
use vitrine::prompt::Prompt;
use vitrine::run::{SweepSpec, WeightForm};

use crate::Fallible;
use crate::job::{Job, Prepared, check, times};

/// Computes the logit difference of every variant once, and times it.
pub(crate) fn prepare<B: Backend + 'static>(engine: Rc<Engine<B>>, job: &Job) -> Fallible<Prepared> {
    let n_pos = job.corrupted.len();
    let all = || (0..job.n_layers).flat_map(|layer| (0..n_pos).map(move |pos| (layer, pos))).collect();
    let places: Vec<(usize, usize)> = job.variants.clone().unwrap_or_else(all);
    let spec = SweepSpec {
        tokens: job.corrupted.clone(),
        weights: WeightForm::Raw,
        interventions: vec![],
        variants: places.iter().map(|&(layer, pos)| vec![patch(layer, pos, &job.clean)]).collect(),
        metric: Metric::LogitDiff { pos: -1, correct: job.columns[0], wrong: job.columns[1] },
    };
    let values = pollster::block_on(engine.sweep(&spec, &mut NoPace, |_, _| {}))?.values;
    let at = places.iter().map(|(layer, pos)| layer * n_pos + pos).collect();
    let checks = [check("sweep.diff", at, values.iter().map(|value| *value as f32).collect())];
    let n_samples = job.n_samples;
    let measure = move || {
        let samples = times(n_samples, || {
            pollster::block_on(engine.sweep(&spec, &mut NoPace, |_, _| {}))?;
            Ok(())
        })?;
        Ok(json!(samples))
    };
    Ok(Prepared { report: json!({ "checks": checks }), measure: Box::new(measure) })
}

fn patch(layer: usize, pos: usize, clean: &[u32]) -> Intervention {
    let prompt = Prompt::Tokens { tokens: clean.to_vec() };
    let from = Box::new(Source { prompt, interventions: vec![] });
    Intervention {
        at: HookPoint::Block(layer, Site::ResidPre),
        select: Select { pos: Some(Index::One(pos as i64)), ..Select::default() },
        edit: Edit::Patch { from, positions: None },
    }
}
