//! Looking into every layer of one prompt: all at once where it is short, a layer at a time where it is long.

use crate::{
    hook::{HookPoint, HookSet},
    run::{MAX_WHOLE, Readout, RunSpec},
};

/// The runs that capture `of_layer` of each layer and make the readout of `base` once, in this order.
///
/// A long prompt is read in full by the first of them; the engine then computes each layer again from the stream
/// that enters it.
pub fn runs(base: &RunSpec, n_layers: usize, of_layer: impl Fn(usize) -> Vec<HookPoint>) -> Vec<RunSpec> {
    let whole = |capture, readout| RunSpec { capture, readout, ..base.clone() };
    let mut runs = vec![];
    if base.tokens.len() <= MAX_WHOLE {
        runs.push(whole(HookSet::of((0..n_layers).flat_map(&of_layer)), base.readout.clone()));
    } else {
        if base.readout != Readout::Nothing {
            runs.push(whole(HookSet::default(), base.readout.clone()));
        }
        let of_layer = |layer| HookSet::of(of_layer(layer));
        let captures = (0..n_layers).map(of_layer).filter(|capture| *capture != HookSet::default());
        runs.extend(captures.map(|capture| whole(capture, Readout::Nothing)));
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hook::Site, run::WeightForm};

    fn captures(n_tokens: usize, readout: Readout) -> Vec<(usize, bool)> {
        let base = RunSpec {
            tokens: vec![1; n_tokens],
            weights: WeightForm::Raw,
            interventions: vec![],
            capture: HookSet::default(),
            readout,
        };
        let of_layer = |layer| match layer {
            1 => vec![],
            _ => vec![HookPoint::Block(layer, Site::Pattern)],
        };
        let all: Vec<HookPoint> = (0..3).map(|layer| HookPoint::Block(layer, Site::Pattern)).collect();
        let n = |run: &RunSpec| run.capture.resolve(&all).expect("they are there").len();
        runs(&base, 3, of_layer).iter().map(|run| (n(run), run.readout != Readout::Nothing)).collect()
    }

    #[test]
    fn a_long_prompt_is_looked_at_layer_by_layer() {
        let readout = || Readout::Predictions { top_k: 0 };
        assert_eq!(captures(MAX_WHOLE, readout()), [(2, true)]);
        assert_eq!(captures(MAX_WHOLE + 1, readout()), [(0, true), (1, false), (1, false)]);
        assert_eq!(captures(MAX_WHOLE + 1, Readout::Nothing), [(1, false), (1, false)]);
    }
}
