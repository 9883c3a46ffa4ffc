//! The key finding of the induction lab.

use crate::{
    analysis::{
        heads::{Metric, Scores},
        induction::Answer,
    },
    view_model::number,
};

/// Below this share of the attention we do not call it a head of that kind.
pub const CLEAR: f32 = super::CLEAR;

/// The best induction head and what the second copy costs beside the first; with heads out, what becomes of it.
pub fn induction(answer: &Answer) -> Option<String> {
    let scores = answer.scores.iter().find(|scores| scores.metric == Metric::Induction)?;
    let ([layer, head], score) = best(scores)?;
    let nats = |nats: f64| number::nats(nats as f32);
    let kind = match score {
        _ if score < CLEAR => "No clear induction head: the nearest is layer",
        _ => "An induction head: layer",
    };
    let after = match &answer.ablated {
        Some(ablated) => format!("; with heads taken out, {}", nats(ablated.second_copy_nats)),
        None => String::new(),
    };
    Some(format!(
        "{kind} {layer} head {head}, score {score:.2} over {} repeated tokens. The second copy costs {} nats a token, the \
         first {}{after}.",
        scores.n,
        nats(answer.losses.second_copy_nats),
        nats(answer.losses.first_copy_nats),
    ))
}

fn best(scores: &Scores) -> Option<([usize; 2], f32)> {
    let head = *scores.top.first()?;
    let value = scores.values.data().get(head[0] * scores.values.last_axis() + head[1])?;
    Some((head, *value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view_model::views::tests;

    #[test]
    fn a_weak_head_is_not_praised() {
        let mut answer = tests::induction(true);
        assert_eq!(
            induction(&answer).expect("has scores"),
            "An induction head: layer 1 head 1, score 0.75 over 8 repeated tokens. The second copy costs 0.50 nats a token, \
             the first 9.00; with heads taken out, 7.50."
        );
        answer.scores[0].values.data_mut()[3] = 0.25;
        answer.ablated = None;
        assert_eq!(
            induction(&answer).expect("has scores"),
            "No clear induction head: the nearest is layer 1 head 1, score 0.25 over 8 repeated tokens. The second copy costs \
             0.50 nats a token, the first 9.00."
        );
    }
}
