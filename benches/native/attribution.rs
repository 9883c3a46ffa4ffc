//! Attribution patching: what every patch of the stream would do to the logit difference, to first order, from one
//! pass on the clean prompt and one there and back on the corrupted one.

use serde_json::json;
use std::rc::Rc;

use vitrine::backend::backward::Backward;
use vitrine::engine::{Engine, NoPace};
use vitrine::hook::{HookPoint, HookSet, Site};
use vitrine::metric::Metric;
use vitrine::run::{GradientSpec, Readout, RunSpec, WeightForm};

use crate::Fallible;
use crate::job::{Job, Prepared, sample, times};

/// Computes it once, and times it beside a forward pass on the same tokens.
pub(crate) fn prepare<B: Backward + 'static>(engine: Rc<Engine<B>>, job: &Job) -> Fallible<Prepared> {
    let streams: Vec<HookPoint> =
        (0..job.n_layers).map(|layer| HookPoint::Block(layer, Site::ResidPre)).collect();
    let clean = RunSpec {
        tokens: job.clean.clone(),
        weights: WeightForm::Raw,
        interventions: vec![],
        capture: HookSet::of(streams.clone()),
        readout: Readout::Nothing,
    };
    let corrupted = GradientSpec {
        tokens: job.corrupted.clone(),
        weights: WeightForm::Raw,
        interventions: vec![],
        metric: Metric::LogitDiff { pos: -1, correct: job.columns[0], wrong: job.columns[1] },
        at: HookSet::of(streams.clone()),
    };
    let forward = RunSpec {
        tokens: job.corrupted.clone(),
        capture: HookSet::default(),
        // As the page asks, on both tables: what to expect at every position.
        readout: Readout::Predictions { top_k: 5 },
        ..clean.clone()
    };
    let attribution = move |engine: &Engine<B>| -> Fallible<Vec<f32>> {
        let clean = pollster::block_on(engine.run(&clean, &mut NoPace))?;
        let corrupted = pollster::block_on(engine.gradients(&corrupted, &mut NoPace))?;
        let mut all = vec![]; // [block pos]
        for hook in &streams {
            let (to, from, slope) =
                (&clean.captures[hook], &corrupted.values[hook], &corrupted.gradients[hook]);
            for pos in 0..to.shape()[0] {
                let moved = to.row(pos).iter().zip(from.row(pos)).map(|(to, from)| f64::from(to - from));
                let change: f64 =
                    moved.zip(slope.row(pos)).map(|(moved, slope)| moved * f64::from(*slope)).sum();
                all.push(change as f32);
            }
        }
        Ok(all)
    };
    let all = attribution(&engine)?;
    let checks = [sample("attribution", &all, all.len(), 0)];
    let n_samples = job.n_samples;
    let measure = move || {
        let samples = times(n_samples, || attribution(&engine).map(drop))?;
        let own_forward = times(n_samples, || {
            pollster::block_on(engine.run(&forward, &mut NoPace))?;
            Ok(())
        })?;
        Ok(json!({ "samples": samples, "own_forward": own_forward }))
    };
    Ok(Prepared { report: json!({ "checks": checks }), measure: Box::new(measure) })
}
