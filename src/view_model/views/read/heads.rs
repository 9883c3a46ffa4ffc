//! Answers of the head finder and the head page.

use serde_json::{Error, Value};

use super::{super::heads::words, index, list, number, pair, push, tensor, tokens, whole};
use crate::analysis::{
    head::{self, Detected, Detector, Pair, Reads, Spread},
    heads::{self, Metric, Scores},
};

/// The answer to [`heads::Question`], its arrays yet to be attached.
///
/// Errors: it has another form.
pub fn heads(json: &str) -> Result<heads::Answer, Error> {
    whole(json, |value| {
        Some(heads::Answer {
            tokens: tokens(value, "tokens")?,
            n_sequences: index(value.get("n_sequences")?)?,
            scores: list(value, "scores", scores)?,
        })
    })
}

fn scores(value: &Value) -> Option<Scores> {
    let text = |key| value.get(key)?.as_str();
    let metric = text("metric")?;
    Some(Scores {
        metric: Metric::ALL.into_iter().find(|one| words::key(*one) == metric)?,
        definition: text("definition")?.to_owned(),
        unit: text("unit")?.to_owned(),
        n: index(value.get("n")?)?,
        counted: text("counted")?.to_owned(),
        values: tensor(value, "values")?,
        top: list(value, "top", pair)?,
    })
}

/// The answer to [`head::Question`], its arrays yet to be attached.
///
/// Errors: it has another form.
pub fn head(json: &str) -> Result<head::Answer, Error> {
    whole(json, |value| {
        let spread = value.get("spread")?;
        Some(head::Answer {
            tokens: tokens(value, "tokens")?,
            layer: index(value.get("layer")?)?,
            head: index(value.get("head")?)?,
            pattern: tensor(value, "pattern")?,
            value_weighted: tensor(value, "value_weighted")?,
            output_weighted: tensor(value, "output_weighted")?,
            norms: tensor(value, "norms")?,
            pair: one_pair(value.get("pair")?)?,
            reads: match value.get("reads")?.as_str()? {
                "embedding" => Reads::Embedding,
                _ => Reads::Stream,
            },
            promoted: list(value, "promoted", push)?,
            suppressed: list(value, "suppressed", push)?,
            share: float(value, "share"),
            spread: Spread {
                max_attention: list(spread, "max_attention", index)?,
                by_distance: floats(spread, "by_distance")?,
            },
            detectors: list(value, "detectors", detected)?,
        })
    })
}

fn one_pair(value: &Value) -> Option<Pair> {
    Some(Pair {
        query: index(value.get("query")?)?,
        key: index(value.get("key")?)?,
        products: floats(value, "products")?,
        dot: float(value, "dot")?,
        scale: float(value, "scale")?,
        soft_cap: float(value, "soft_cap"),
        score: float(value, "score"),
        log_sum_exp: float(value, "log_sum_exp")?,
        probability: float(value, "probability")?,
    })
}

fn detected(value: &Value) -> Option<Detected> {
    Some(Detected {
        detector: match value.get("detector")?.as_str()? {
            "previous_token_head" => Detector::PreviousTokenHead,
            "duplicate_token_head" => Detector::DuplicateTokenHead,
            "induction_head" => Detector::InductionHead,
            _ => return None,
        },
        mul: float(value, "mul"),
        abs: float(value, "abs")?,
    })
}

fn float(value: &Value, key: &str) -> Option<f32> {
    number(value, key).map(|value| value as f32)
}

fn floats(value: &Value, key: &str) -> Option<Vec<f32>> {
    list(value, key, |value| value.as_f64().map(|value| value as f32))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            super::tests,
            tests::{detach, sent},
        },
        *,
    };

    #[test]
    fn both_answers_are_read_as_they_were_written() {
        let mut answer = tests::heads();
        detach(answer.tensors_mut());
        assert_eq!(heads(&sent(&answer)).expect("is read"), answer);
        for metric in Metric::ALL {
            answer.scores[0].metric = metric;
            assert_eq!(heads(&sent(&answer)).expect("is read"), answer);
        }

        let mut answer = tests::head();
        detach(answer.tensors_mut());
        assert_eq!(head(&sent(&answer)).expect("is read"), answer);
        (answer.reads, answer.share, answer.pair.score, answer.pair.soft_cap) =
            (Reads::Embedding, None, None, Some(50.0));
        answer.detectors[0].mul = None;
        assert_eq!(head(&sent(&answer)).expect("is read"), answer);
    }

    #[test]
    fn answers_of_another_form_are_refused() {
        let json = sent(&tests::heads());
        assert!(heads(&json.replace("previous_token", "previous")).is_err());
        assert!(head(&json).is_err());
        assert!(heads(&sent(&tests::head())).is_err());
    }
}
