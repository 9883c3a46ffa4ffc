//! From the rows of a group to the metric of each variant.

use super::{Base, Engine, Group, LogitsAt, Metric, Pace, RunError, SweepSpec, Taps, Variant};
use crate::{
    backend::{Backend, Sequence},
    engine::{edits::Edits, readout::log_sum_exp},
    metric::MetricError,
    model::transformer::{self, Transformer},
    tensor::HostTensor,
};

/// How many rows of all logits are on the host at once.
const MAX_LOGIT_ROWS: usize = 128;

/// What the metric reads, and what the base gave.
pub(super) enum Reading {
    /// Logits of one position.
    One { pos: usize, columns: Option<Vec<u32>>, metric: Metric, base: f64 },
    /// The loss: log-probabilities of each next token.
    Loss { base: Vec<f64> },
}

impl Reading {
    /// `metric` reads the logits `at`, which are those of the base.
    pub(super) fn new(
        at: LogitsAt,
        metric: Metric,
        logits: &HostTensor,
        tokens: &[u32],
    ) -> Result<Self, RunError> {
        if logits.first_non_finite().is_some() {
            return Err(RunError::NonFinite { hook: "logits".to_owned() });
        }
        match at.positions.as_deref() {
            Some([pos]) => {
                let (base, _) = metric.value_and_gradient(logits, tokens)?;
                Ok(Self::One { pos: *pos as usize, columns: at.columns, metric, base })
            }
            Some(_) | None => Ok(Self::Loss { base: logprobs(logits, &tokens[1..])? }),
        }
    }

    /// The base's own value.
    pub(super) fn base(&self) -> f64 {
        match self {
            Self::One { base, .. } => *base,
            Self::Loss { base } => -base.iter().sum::<f64>() / base.len() as f64,
        }
    }
}

/// log p of each token after its row; rows without a next token are left out.
fn logprobs(logits: &HostTensor, next: &[u32]) -> Result<Vec<f64>, MetricError> {
    let d_vocab = logits.last_axis();
    let one = |(row, token): (usize, &u32)| {
        let logit = logits.row(row).get(*token as usize);
        let logit = logit.ok_or(MetricError::Token { token: *token, d_vocab })?;
        Ok(f64::from(*logit) - log_sum_exp(logits.row(row)))
    };
    next.iter().enumerate().map(one).collect()
}

impl<B: Backend> Engine<B> {
    /// The metric of each variant of a group whose rows have left the last block.
    pub(super) async fn read_group(
        &self,
        spec: &SweepSpec,
        base: &Base<'_, B>,
        group: &Group<'_, B::Tensor>,
        pace: &mut impl Pace,
    ) -> Result<Vec<(usize, f64)>, RunError> {
        let Some(resid) = &group.resid else { return Ok(vec![]) };
        let model = Transformer { b: base.backend, config: &self.config, weights: base.weights };
        let nothing = Edits::default();
        let mut values = vec![];
        // Those that are not edited after the last block are read together.
        let mut plain: Vec<(&Variant, Sequence)> = vec![];
        for (variant, sequence) in group.variants.iter().copied().zip(group.sequences.iter().copied()) {
            let mut taps = Taps::new(base.backend, &variant.edits, vec![], spec.tokens.len(), pace);
            if !transformer::is_end_watched(&taps) {
                plain.push((variant, sequence));
                continue;
            }
            variant.edits.check_whole(&self.config, spec.tokens.len())?;
            taps.starts_at(sequence.n_past);
            let Some(at) = base.reading.within(&sequence) else {
                values.push((variant.nth, base.reading.base()));
                continue;
            };
            let rows = base.backend.rows(resid, sequence.start, sequence.len)?;
            let logits = model.unembed(&rows, &at, &mut taps)?;
            let logits = taps.read(&logits).await?;
            values.push((variant.nth, base.reading.value(&logits, &sequence, &spec.tokens)?));
        }
        for chunk in base.reading.chunks(&plain) {
            let rows = base.reading.rows(chunk);
            let untouched = chunk.iter().filter(|(_, sequence)| base.reading.within(sequence).is_none());
            values.extend(untouched.map(|(variant, _)| (variant.nth, base.reading.base())));
            if rows.is_empty() {
                continue;
            }
            let mut taps = Taps::new(base.backend, &nothing, vec![], spec.tokens.len(), pace);
            let at = LogitsAt { positions: Some(rows), columns: base.reading.columns() };
            let logits = model.unembed(resid, &at, &mut taps)?;
            let logits = taps.read(&logits).await?;
            let mut first = 0;
            for (variant, sequence) in chunk {
                let Some(at) = base.reading.within(sequence) else { continue };
                let n_rows = at.positions.map_or(sequence.len, |positions| positions.len());
                let own = logits.rows(first..first + n_rows);
                first += n_rows;
                values.push((variant.nth, base.reading.value(&own, sequence, &spec.tokens)?));
            }
        }
        Ok(values)
    }
}

impl Reading {
    fn columns(&self) -> Option<Vec<u32>> {
        match self {
            Self::One { columns, .. } => columns.clone(),
            Self::Loss { .. } => None,
        }
    }

    /// The logits to make of a sequence's own rows; `None` if the metric reads nothing that changed.
    fn within(&self, sequence: &Sequence) -> Option<LogitsAt> {
        match self {
            Self::One { pos, columns, .. } => {
                let row = pos.checked_sub(sequence.n_past)?;
                Some(LogitsAt { columns: columns.clone(), ..LogitsAt::position(row) })
            }
            Self::Loss { .. } => Some(LogitsAt::everywhere()),
        }
    }

    /// The rows of a group that are read for some sequences, in their order.
    fn rows(&self, of: &[(&Variant, Sequence)]) -> Vec<u32> {
        let rows = of.iter().flat_map(|(_, sequence)| match self.within(sequence) {
            Some(LogitsAt { positions: Some(positions), .. }) => {
                positions.into_iter().map(|row| row + sequence.start as u32).collect()
            }
            Some(_) => (sequence.start as u32..).take(sequence.len).collect(),
            None => vec![],
        });
        rows.collect()
    }

    /// Sequences whose logits fit on the host together.
    fn chunks<'p, 'v>(&self, plain: &'p [(&'v Variant, Sequence)]) -> Vec<&'p [(&'v Variant, Sequence)]> {
        match self {
            Self::One { columns: Some(_), .. } => vec![plain],
            Self::One { columns: None, .. } => plain.chunks(MAX_LOGIT_ROWS).collect(),
            Self::Loss { .. } => {
                let longest = plain.iter().map(|(_, sequence)| sequence.len).max().unwrap_or(1);
                plain.chunks((MAX_LOGIT_ROWS / longest).max(1)).collect()
            }
        }
    }

    /// The metric of a sequence with these logits.
    fn value(&self, logits: &HostTensor, sequence: &Sequence, tokens: &[u32]) -> Result<f64, RunError> {
        if logits.first_non_finite().is_some() {
            return Err(RunError::NonFinite { hook: "logits".to_owned() });
        }
        match self {
            Self::One { metric, .. } => Ok(metric.value_and_gradient(logits, tokens)?.0),
            Self::Loss { base } => {
                let own = logprobs(logits, &tokens[sequence.n_past + 1..])?;
                let sum = base[..sequence.n_past].iter().chain(&own).sum::<f64>();
                Ok(-sum / base.len() as f64)
            }
        }
    }
}
