//! Answering a question: step, run what it needs, step again.

use super::{Engine, Pace, RunError};
use crate::{
    analysis::{Answer, Context, Question, Step},
    backend::Backend,
};

impl<B: Backend> Engine<B> {
    /// Answers a question about this model.
    ///
    /// Errors: the prompt, an intervention or the question does not fit the model; cancelled.
    pub async fn ask(&self, question: &Question, pace: &mut impl Pace) -> Result<Answer, RunError> {
        let tokens = self.tokens_of(question.prompt())?;
        self.check_tokens(&tokens)?;
        let context = Context { config: &self.config, tokens: &tokens, vocabulary: self.vocabulary() };
        let mut done = vec![];
        loop {
            match question.step(&context, &done)? {
                Step::Answer(answer) => return Ok(*answer),
                Step::Need(runs) => {
                    for spec in &runs {
                        done.push(self.run(spec, pace).await?);
                    }
                }
            }
        }
    }
}
