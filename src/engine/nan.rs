//! Never hide a NaN: find where the first one came from.

use super::{Engine, Pace, RunError};
use crate::{
    backend::Backend,
    hook::{HookPoint, HookSet, Presence, Site},
    run::{Readout, RunSpec},
};

impl<B: Backend> Engine<B> {
    /// Runs again, keeping everything, to name the first hook point with a value that is not finite.
    pub(super) async fn first_non_finite(
        &self,
        spec: &RunSpec,
        pace: &mut impl Pace,
    ) -> Result<RunError, RunError> {
        let points = self.config.hook_points();
        let always: Vec<HookPoint> =
            points.into_iter().filter(|point| point.presence() == Presence::Always).collect();
        let capture = HookSet::of(always.iter().copied());
        let again = RunSpec { capture, readout: Readout::Nothing, ..spec.clone() };
        let result = Box::pin(self.run(&again, pace)).await?;
        let is_damaged = |hook: &&HookPoint| {
            result.captures.get(hook).is_some_and(|value| match hook {
                // A masked score is -inf by design.
                HookPoint::Block(_, Site::AttnScores) => {
                    value.data().iter().any(|v| v.is_nan() || *v == f32::INFINITY)
                }
                _ => value.first_non_finite().is_some(),
            })
        };
        let hook = always.iter().find(is_damaged).map_or_else(|| "logits".to_owned(), ToString::to_string);
        Ok(RunError::NonFinite { hook })
    }
}
