//! One entry of a reference on an engine.

use super::{
    Case, Check, Continuation, Entry, Outcome, Pair, Reference, Summary, attention,
    compare::Compared,
    copying,
    logits::{Last, of_tokens},
    written::written,
};
use crate::{
    analysis::{Answer, Question, patching},
    backend::{Backend, backward::Backward},
    engine::{Engine, Pace, RunError},
    hook::{HookPoint, HookSet},
    intervention::Intervention,
    prompt::{Bos, Prompt},
    run::{GenerateSpec, Readout, RunResult, RunSpec},
    tensor::HostTensor,
};

/// What a check needs to know.
pub(super) struct Checking<'a, B: Backend> {
    pub(super) engine: &'a Engine<B>,
    reference: &'a Reference,
    pub(super) entry: &'a Entry,
}

/// Runs one entry by its own conventions.
///
/// Errors: as [`Engine::run`]. What needs a tokenizer or a BOS that is not there is not checked, which is no error.
pub async fn check<B: Backward>(
    engine: &Engine<B>,
    reference: &Reference,
    entry: &Entry,
    pace: &mut impl Pace,
) -> Result<Outcome, RunError> {
    let checking = Checking { engine, reference, entry };
    let not_checked = |why: &str| Ok(Outcome::not_checked(entry, String::new(), why));
    if checking.needs_own_activation() {
        return not_checked("it was published of this model with another non-linearity");
    }
    match checking.outcome(pace).await {
        Err(error @ (RunError::NoTokenizer | RunError::NoBos)) => not_checked(&error.to_string()),
        outcome => outcome,
    }
}

impl<B: Backward> Checking<'_, B> {
    /// Whether it would have to be run with another non-linearity, and only single passes can.
    fn needs_own_activation(&self) -> bool {
        let is_other = self.entry.activation.is_some_and(|it| it != self.engine.config().activation);
        let is_one_pass = match self.entry.check {
            Check::Metric { .. }
            | Check::Logits { .. }
            | Check::TopK { .. }
            | Check::Values { .. }
            | Check::Stripe { .. }
            | Check::Tokens { .. }
            | Check::Copying { .. }
            | Check::UnembedBias { .. }
            | Check::NotChecked { .. } => true,
            Check::Greedy { .. } | Check::Patching { .. } | Check::Written { .. } => false,
        };
        is_other && !is_one_pass
    }

    async fn outcome(&self, pace: &mut impl Pace) -> Result<Outcome, RunError> {
        let entry = self.entry;
        match &entry.check {
            Check::Tokens { passages } => self.tokens(passages),
            Check::Metric { cases, interventions, summary, published } => {
                self.metric(cases, interventions, *summary, published, pace).await
            }
            Check::Logits { passage, amount, published } => {
                let last = self.last(passage, pace).await?;
                let read = |id: u32| last.amount(*amount, id);
                Ok(of_tokens(entry, published, read, |id| self.token(id)))
            }
            Check::TopK { passage, published } => {
                let last = self.last(passage, pace).await?;
                Ok(last.top_k(entry, published, |id| self.token(id)))
            }
            Check::Values { passage, at, index, published } => {
                let capture = HookSet::of([*at]);
                let run = self.run(self.read(passage)?, &[], capture, Readout::Nothing, pace).await?;
                Ok(attention::values(entry, &run.captures[at], index, published))
            }
            Check::Stripe { passages, offset, layers, published } => {
                let ours = attention::stripes(self, passages, *offset, layers, pace).await?;
                let row = |nth: usize| layers.get(nth).copied().unwrap_or(nth);
                Ok(matrix(entry, published, &ours, row))
            }
            Check::Greedy { passage, published } => self.greedy(passage, published, pace).await,
            Check::Patching { pairs, at, method, published } => {
                let ours = self.patching(pairs, *at, *method, pace).await?;
                Ok(matrix(entry, published, &ours, |nth| nth))
            }
            Check::Written { cases, of, published } => {
                let ours = written(self, cases, *of, pace).await?;
                Ok(matrix(entry, published, &ours, |nth| nth))
            }
            Check::Copying { of, published } => {
                let ours = copying::scores(self.engine, entry.weights, *of, pace).await?;
                Ok(matrix(entry, published, &ours, |nth| nth))
            }
            Check::UnembedBias { published } => {
                let weights = self.engine.weights(entry.weights).await?;
                let Some(b_u) = &weights.b_u else {
                    return Ok(Outcome::misfit(entry, "b_U", "these weights have none"));
                };
                let b_u = self.engine.backend().read(b_u).await?;
                let read = |id: u32| b_u.data().get(id as usize).map_or(f64::NAN, |bias| f64::from(*bias));
                Ok(of_tokens(entry, published, read, |id| self.token(id)))
            }
            Check::NotChecked { why, published } => {
                Ok(Outcome::not_checked(entry, published.to_string(), why.as_str()))
            }
        }
    }

    /// The ids that a passage is read as.
    pub(super) fn read(&self, passage: &str) -> Result<Vec<u32>, RunError> {
        let Some(passage) = self.reference.passages.get(passage) else { return Err(RunError::EmptyPrompt) };
        match (&passage.ids, &passage.text) {
            (Some(ids), _) => Ok(ids.clone()),
            (None, Some(_)) => self.encode(passage),
            (None, None) => Err(RunError::EmptyPrompt),
        }
    }

    /// The ids of a passage's text.
    fn encode(&self, passage: &super::Passage) -> Result<Vec<u32>, RunError> {
        let bos = if passage.bos { Bos::Yes } else { Bos::No };
        self.engine.tokens_of(&Prompt::Text { text: passage.text.clone().unwrap_or_default(), bos })
    }

    /// A token as it is written, for a reader.
    fn token(&self, id: u32) -> String {
        let text = self.engine.vocabulary().token(id).text;
        text.map_or_else(|| id.to_string(), |text| format!("{text:?}"))
    }

    /// One forward pass by the entry's conventions.
    pub(super) async fn run(
        &self,
        tokens: Vec<u32>,
        interventions: &[Intervention],
        capture: HookSet,
        readout: Readout,
        pace: &mut impl Pace,
    ) -> Result<RunResult, RunError> {
        let (weights, interventions) = (self.entry.weights, interventions.to_vec());
        let spec = RunSpec { tokens, weights, interventions, capture, readout };
        match self.entry.activation {
            Some(activation) => self.engine.run_with(activation, &spec, pace).await,
            None => self.engine.run(&spec, pace).await,
        }
    }

    /// The logits after a passage.
    async fn last(&self, passage: &str, pace: &mut impl Pace) -> Result<Last, RunError> {
        let capture = HookSet::of([HookPoint::Logits]);
        let mut run = self.run(self.read(passage)?, &[], capture, Readout::Nothing, pace).await?;
        let logits =
            run.captures.remove(&HookPoint::Logits).unwrap_or_else(|| HostTensor::full(vec![1, 0], 0.0));
        Ok(Last::of(&logits))
    }

    fn tokens(&self, passages: &[String]) -> Result<Outcome, RunError> {
        let (mut n_ids, mut last) = (0, (String::new(), String::new()));
        for name in passages {
            let passage = &self.reference.passages[name];
            let Some(ids) = &passage.ids else { continue };
            let ours = self.encode(passage)?;
            n_ids += ids.len().max(1);
            let is_same = *ids == ours;
            last = (format!("{ids:?}, {name}"), format!("{ours:?}, {name}"));
            if !is_same {
                break;
            }
        }
        Ok(Outcome::same(self.entry, last.0, last.1, n_ids))
    }

    async fn metric(
        &self,
        cases: &[Case],
        interventions: &[Intervention],
        summary: Summary,
        published: &[f64],
        pace: &mut impl Pace,
    ) -> Result<Outcome, RunError> {
        let mut ours = vec![];
        for Case { passage, metric } in cases {
            let readout = Readout::Metric(metric.clone());
            let run = self.run(self.read(passage)?, interventions, HookSet::default(), readout, pace).await?;
            ours.push(run.metric.unwrap_or(f64::NAN));
        }
        if summary == Summary::Mean {
            ours = vec![ours.iter().sum::<f64>() / ours.len() as f64];
        }
        if ours.len() != published.len() {
            return Ok(misfit(self.entry, &[published.len()], &[ours.len()]));
        }
        let at = |nth: usize| match (summary, cases) {
            (Summary::Each, [_, _, ..]) => cases[nth].passage.clone(),
            (Summary::Each | Summary::Mean, _) => String::new(),
        };
        let compared = published.iter().zip(&ours).enumerate();
        let compared = compared.map(|(nth, (published, ours))| Compared {
            at: at(nth),
            published: *published,
            ours: *ours,
        });
        Ok(Outcome::numbers(self.entry, &compared.collect::<Vec<_>>()))
    }

    async fn greedy(
        &self,
        passage: &str,
        published: &Continuation,
        pace: &mut impl Pace,
    ) -> Result<Outcome, RunError> {
        let n_new = match published {
            Continuation::Ids(ids) => ids.len(),
            Continuation::Text(text) => {
                self.engine.tokens_of(&Prompt::Text { text: text.clone(), bos: Bos::No })?.len()
            }
        };
        let prompt = Prompt::Tokens { tokens: self.read(passage)? };
        let made = self.engine.generate(&GenerateSpec::greedy(prompt, n_new), pace, |_| {}).await?;
        let ids: Vec<u32> = made.steps.iter().map(|step| step.id).collect();
        Ok(match published {
            Continuation::Ids(want) => {
                let write = |ids: &[u32]| ids.iter().map(|id| self.token(*id)).collect::<Vec<_>>().join(" ");
                let (want_text, got_text) = (write(want), write(&ids));
                if *want == ids || want_text != got_text {
                    Outcome::same(self.entry, want_text, got_text, n_new)
                } else {
                    // Two tokens may share a text.
                    Outcome::same(self.entry, format!("{want:?}"), format!("{ids:?}"), n_new)
                }
            }
            Continuation::Text(text) => {
                let tokenizer = self.engine.tokenizer().ok_or(RunError::NoTokenizer)?;
                Outcome::same(self.entry, text.clone(), tokenizer.decode(&ids), text.chars().count())
            }
        })
    }

    /// The effects of all pairs together. [layer column]
    async fn patching(
        &self,
        pairs: &[Pair],
        at: patching::Place,
        method: patching::Method,
        pace: &mut impl Pace,
    ) -> Result<Vec<Vec<f64>>, RunError> {
        let (mut sums, mut whole): (Vec<Vec<f64>>, f64) = (vec![], 0.0);
        for Pair { clean, corrupted, metric } in pairs {
            let prompt = |name: &str| Ok::<_, RunError>(Prompt::Tokens { tokens: self.read(name)? });
            let (clean, corrupted) = (prompt(clean)?, prompt(corrupted)?);
            let (metric, weights) = (metric.clone(), self.entry.weights);
            let question = patching::Question { clean, corrupted, metric, at, method, weights };
            let answer = self.engine.ask(&Question::Patching(question), pace, |_| {}).await?;
            let Answer::Patching(answer) = answer else {
                unreachable!("the answer is of the question's kind")
            };
            whole += answer.clean_metric - answer.corrupted_metric;
            let n_columns = answer.changes.last_axis().max(1);
            let rows = answer.changes.data().chunks(n_columns);
            let rows: Vec<Vec<f64>> = rows.map(|row| row.iter().map(|v| f64::from(*v)).collect()).collect();
            if sums.is_empty() {
                sums = rows;
            } else if sums[0].len() == n_columns {
                let all = sums.iter_mut().flatten().zip(rows.iter().flatten());
                all.for_each(|(sum, change)| *sum += change);
            } else {
                // Passages of other lengths have no columns in common.
                return Ok(vec![]);
            }
        }
        sums.iter_mut().flatten().for_each(|sum| *sum /= whole);
        Ok(sums)
    }
}

/// Two matrices, entry by entry; `row` is what a row is called.
fn matrix(entry: &Entry, published: &[Vec<f64>], ours: &[Vec<f64>], row: impl Fn(usize) -> usize) -> Outcome {
    let shape = |rows: &[Vec<f64>]| rows.iter().map(Vec::len).collect::<Vec<_>>();
    if shape(published) != shape(ours) {
        return misfit(entry, &shape(published), &shape(ours));
    }
    let mut compared = vec![];
    for (nth, (published, ours)) in published.iter().zip(ours).enumerate() {
        compared.extend(published.iter().zip(ours).enumerate().map(|(column, (published, ours))| Compared {
            at: format!("[{}, {column}]", row(nth)),
            published: *published,
            ours: *ours,
        }));
    }
    Outcome::numbers(entry, &compared)
}

/// Published numbers that have no counterpart; the numbers are lengths of rows.
pub(super) fn misfit(entry: &Entry, published: &[usize], ours: &[usize]) -> Outcome {
    Outcome::misfit(entry, format!("rows of {published:?}"), format!("rows of {ours:?}"))
}
