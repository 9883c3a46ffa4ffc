//! Metrics of heads as words: in answers and addresses, on screen, and as places on a scale.

use crate::{
    analysis::heads::{Metric, Scores},
    view_model::{color::Domain, number},
};

/// The word for it in answers and in addresses.
pub(in crate::view_model::views) fn key(metric: Metric) -> &'static str {
    match metric {
        Metric::Induction => "induction",
        Metric::InductionStripe => "induction_stripe",
        Metric::PreviousToken => "previous_token",
        Metric::DuplicateToken => "duplicate_token",
        Metric::FirstToken => "first_token",
        Metric::CurrentToken => "current_token",
        Metric::Entropy => "entropy",
        Metric::Distance => "distance",
        Metric::OutputNorm => "output_norm",
        Metric::Copying => "copying",
    }
}

/// Its name.
pub(in crate::view_model::views) fn name(metric: Metric) -> &'static str {
    match metric {
        Metric::Induction => "induction",
        Metric::InductionStripe => "induction stripe",
        Metric::PreviousToken => "previous token",
        Metric::DuplicateToken => "duplicate token",
        Metric::FirstToken => "first token",
        Metric::CurrentToken => "current token",
        Metric::Entropy => "entropy",
        Metric::Distance => "distance",
        Metric::OutputNorm => "norm of output",
        Metric::Copying => "copying",
    }
}

/// Its colours: shares of attention from 0 to 1, copying from -1 to 1, anything else up to the largest value.
pub(super) fn domain(scores: &Scores) -> Domain {
    match scores.metric {
        Metric::Entropy | Metric::Distance | Metric::OutputNorm => {
            let values = scores.values.data().iter().copied().filter(|value| value.is_finite());
            Domain::Sequential { max: values.fold(0.0, f32::max) }
        }
        Metric::Copying => Domain::Diverging { max: 1.0 },
        Metric::Induction
        | Metric::InductionStripe
        | Metric::PreviousToken
        | Metric::DuplicateToken
        | Metric::FirstToken
        | Metric::CurrentToken => Domain::Sequential { max: 1.0 },
    }
}

/// A value in a cell or beside a bar; a dash where there was nothing to measure.
pub(super) fn short(value: f32) -> String {
    if value.is_finite() { number::nats(value) } else { "–".to_owned() }
}

/// A value in a sentence, with its unit where it is more than a share.
pub(in crate::view_model::views) fn long(metric: Metric, value: f32) -> String {
    match metric {
        _ if !value.is_finite() => short(value),
        Metric::Entropy => short(value) + " nats",
        Metric::Distance => short(value) + " tokens",
        Metric::OutputNorm | Metric::Copying => short(value),
        Metric::Induction
        | Metric::InductionStripe
        | Metric::PreviousToken
        | Metric::DuplicateToken
        | Metric::FirstToken
        | Metric::CurrentToken => number::prob(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_answers() {
        for metric in Metric::ALL {
            let written = serde_json::to_value(metric).expect("a word");
            assert_eq!(written, key(metric));
        }
    }
}
