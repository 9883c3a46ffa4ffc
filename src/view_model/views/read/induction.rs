//! The answer of the induction lab, and the log of a training.

use serde_json::{Error, Value};

use super::{super::choices::lab::score_of, index, list, number, tensor, tokens, whole};
use crate::{
    analysis::{
        heads::Scores,
        induction::{self, Composition, Losses},
    },
    run::Input,
    view_model::views::{Stage, Training},
};

/// The answer to [`induction::Question`], its arrays yet to be attached.
///
/// Errors: it has another form.
pub fn induction(json: &str) -> Result<induction::Answer, Error> {
    whole(json, |value| {
        Some(induction::Answer {
            tokens: tokens(value, "tokens")?,
            n_sequences: index(value.get("n_sequences")?)?,
            length: index(value.get("length")?)?,
            losses: losses(value.get("losses")?)?,
            ablated: match value.get("ablated") {
                Some(ablated) => Some(losses(ablated)?),
                None => None,
            },
            scores: list(value, "scores", scores)?,
            compositions: list(value, "compositions", composition)?,
        })
    })
}

fn losses(value: &Value) -> Option<Losses> {
    Some(Losses {
        by_place: tensor(value, "by_place")?,
        first_copy_nats: number(value, "first_copy_nats")?,
        second_copy_nats: number(value, "second_copy_nats")?,
        in_context_nats: number(value, "in_context_nats")?,
    })
}

fn scores(value: &Value) -> Option<Scores> {
    let text = |key: &str| Some(value.get(key)?.as_str()?.to_owned());
    Some(Scores {
        metric: score_of(value.get("metric")?.as_str()?)?,
        definition: text("definition")?,
        unit: text("unit")?,
        n: index(value.get("n")?)?,
        counted: text("counted")?,
        values: tensor(value, "values")?,
        top: list(value, "top", super::pair)?,
    })
}

fn composition(value: &Value) -> Option<Composition> {
    Some(Composition {
        from: index(value.get("from")?)?,
        to: index(value.get("to")?)?,
        input: match value.get("input")?.as_str()? {
            "q" => Input::Q,
            "k" => Input::K,
            "v" => Input::V,
            _ => return None,
        },
        values: tensor(value, "values")?,
        baseline: number(value, "baseline")? as f32,
    })
}

/// What was measured of the checkpoints of a training: `checkpoints/metrics.json` beside a model.
///
/// Errors: it has another form.
pub fn training(json: &str) -> Result<Training, Error> {
    whole(json, |value| {
        let stages: Option<Vec<Stage>> = value.as_array()?.iter().map(stage).collect();
        stages.filter(|stages| !stages.is_empty()).map(|stages| Training { stages })
    })
}

fn stage(value: &Value) -> Option<Stage> {
    let nats = |key: &str| number(value, key).map_or(f32::NAN, |nats| nats as f32);
    Some(Stage {
        name: value.get("file")?.as_str()?.strip_suffix(".safetensors")?.to_owned(),
        step: u32::try_from(value.get("step")?.as_u64()?).ok()?,
        n_tokens: value.get("tokens")?.as_u64()?,
        train_nats: nats("train_loss_nats"),
        validation_nats: nats("validation_loss_nats"),
        copies_nats: [nats("loss_first_copy_nats"), nats("loss_second_copy_nats")],
        induction: largest(value.get("induction")?)?,
        previous_token: largest(value.get("previous_token")?)?,
    })
}

/// The head with the largest score, and the score. `layers`: [layer head]
fn largest(layers: &Value) -> Option<([usize; 2], f32)> {
    let mut best: Option<([usize; 2], f32)> = None;
    for (layer, heads) in layers.as_array()?.iter().enumerate() {
        for (head, score) in heads.as_array()?.iter().enumerate() {
            let score = score.as_f64()? as f32;
            if best.is_none_or(|(_, so_far)| so_far < score) {
                best = Some(([layer, head], score));
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{analysis::heads::Metric, view_model::views::tests};

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let mut answer = tests::induction(true);
        answer.tensors_mut().into_iter().for_each(|tensor| _ = tensor.detach());
        let json = serde_json::to_string(&answer).expect("an answer is JSON");
        assert_eq!(induction(&json).expect("is read"), answer);
        answer.ablated = None;
        let json = serde_json::to_string(&answer).expect("an answer is JSON");
        assert_eq!(induction(&json).expect("is read"), answer);
        assert!(induction(&json.replace("\"k\"", "\"x\"")).is_err());
        assert_eq!(answer.scores[0].metric, Metric::Induction);
    }

    #[test]
    fn the_log_that_comes_with_the_page_is_read() {
        let log = include_str!("../../../../assets/models/tales-attn-2l/checkpoints/metrics.json");
        let training = training(log).expect("is read");
        let steps: Vec<u32> = training.stages.iter().map(|stage| stage.step).collect();
        assert!(steps.is_sorted() && steps.len() == 12, "{steps:?}");
        let (first, last) = (&training.stages[0], &training.stages[11]);
        assert!(first.train_nats.is_nan(), "nothing was trained yet");
        assert_eq!((first.name.as_str(), last.induction.0), ("step-000000", [1, 2]));
        assert!(first.induction.1 < 0.1 && 0.8 < last.induction.1 && last.copies_nats[1] < 0.1);
        assert!(super::training("[]").is_err() && super::training("{}").is_err());
    }
}
