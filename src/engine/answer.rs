//! Answering a question: step, do the work that it needs, step again.

use super::{Engine, Pace, RunError};
use crate::{
    analysis::{Answer, Context, Done, Question, Step, Work},
    backend::backward::Backward,
    run::{LensResult, SweepResult, SweepSpec},
};

impl<B: Backward> Engine<B> {
    /// Answers a question about this model; `on_partial` hears of answers that are not complete yet.
    ///
    /// Errors: a prompt, an intervention or the question does not fit the model; cancelled.
    pub async fn ask(
        &self,
        question: &Question,
        pace: &mut impl Pace,
        mut on_partial: impl FnMut(Answer),
    ) -> Result<Answer, RunError> {
        let mut prompts = vec![];
        for prompt in question.prompts() {
            let tokens = self.tokens_of(prompt)?;
            self.check_tokens(&tokens)?;
            prompts.push(tokens);
        }
        let context = Context { config: &self.config, prompts: &prompts, vocabulary: self.vocabulary() };
        let mut done = vec![];
        let mut tell = |done: &mut Vec<Done>, so_far: Done| {
            done.push(so_far);
            // What fails here fails at the end as well, where it is heard.
            if let Ok(Step::Answer(answer)) = question.step(&context, done) {
                on_partial(*answer);
            }
            done.pop();
        };
        loop {
            let work = match question.step(&context, &done)? {
                Step::Answer(answer) => return Ok(*answer),
                Step::Need(work) => work,
            };
            for work in work {
                let result = match work {
                    Work::Run(spec) => Done::Run(self.run(&spec, pace).await?),
                    Work::Circuit(spec) => Done::Circuit(self.circuit(&spec, pace).await?),
                    Work::Writes(spec) => Done::Writes(self.writes(&spec, pace).await?),
                    Work::Gradients(spec) => Done::Gradients(self.gradients(&spec, pace).await?),
                    Work::Writers(spec) => Done::Writers(Box::new(self.writers(&spec, pace).await?)),
                    Work::Sweep(spec) => {
                        let mut tell = |so_far: &SweepResult| tell(&mut done, Done::Sweep(so_far.clone()));
                        Done::Sweep(self.sweep_telling(&spec, pace, &mut tell).await?)
                    }
                    Work::Lens(spec) => {
                        let mut tell = |so_far: &LensResult| tell(&mut done, Done::Lens(so_far.clone()));
                        Done::Lens(self.lens(&spec, pace, &mut tell).await?)
                    }
                };
                let kept = question.keep(&context, &done, result)?;
                done.push(kept);
            }
        }
    }

    /// A sweep that tells how far it is.
    async fn sweep_telling(
        &self,
        spec: &SweepSpec,
        pace: &mut impl Pace,
        tell: &mut impl FnMut(&SweepResult),
    ) -> Result<SweepResult, RunError> {
        let mut so_far = SweepResult { base: f64::NAN, values: vec![f64::NAN; spec.variants.len()] };
        let on_values = |base: f64, values: &[(usize, f64)]| {
            so_far.base = base;
            values.iter().for_each(|(nth, value)| so_far.values[*nth] = *value);
            if so_far.values.iter().any(|value| value.is_nan()) {
                tell(&so_far);
            }
        };
        self.sweep(spec, pace, on_values).await
    }
}
