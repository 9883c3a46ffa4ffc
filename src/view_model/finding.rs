//! Key findings of a run: one sentence each, about one head or about a view.

use super::{head_score::HeadScore, number, token_strip::token_text, views::View};
use crate::analysis::attention::Answer;

pub mod heads;
pub mod induction;
pub mod readings;

/// Below this share of the attention we do not call it a head of that kind.
const CLEAR: f32 = 0.4;
/// From here on the kind is plain to see in the picture.
const STRONG: f32 = 0.5;

/// A sentence about a head.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Which score it is about.
    pub score: HeadScore,
    /// `[layer, head]`
    pub head: [usize; 2],
    /// The unrounded score.
    pub value: f32,
    /// The sentence.
    pub sentence: String,
    /// What else would look the same.
    pub caveat: Option<&'static str>,
}

/// A sentence, and the view that shows what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The view.
    pub view: View,
    /// The sentence.
    pub sentence: String,
}

/// What the run itself says about the prompt: what surprised the model, and what it would say next.
pub fn of_run(answer: &Answer) -> Vec<Said> {
    [surprise(answer), next(answer)].into_iter().flatten().collect()
}

fn surprise(answer: &Answer) -> Option<Said> {
    let nats = |pos: usize| answer.positions.get(pos)?.next_logprob.map(|logprob| -logprob);
    let before = (0..answer.tokens.len()).filter_map(|pos| Some((pos, nats(pos)?)));
    let (before, worst) = before.reduce(|best, next| if best.1 < next.1 { next } else { best })?;
    let token = token_text(answer.tokens.get(before + 1)?).quoted();
    let sentence = [
        &token,
        " at position ",
        &(before + 1).to_string(),
        " surprises most: ",
        &number::nats(worst),
        " nats, where the mean is ",
        &number::nats(answer.loss_nats?),
    ]
    .concat();
    Some(Said { view: View::Loss, sentence })
}

fn next(answer: &Answer) -> Option<Said> {
    let best = answer.positions.last()?.top.first()?;
    let (token, prob) = (token_text(&best.token).quoted(), number::prob(best.prob));
    Some(Said {
        view: View::Attribution,
        sentence: ["Next it would say ", &token, ", p ", &prob, ": who writes that?"].concat(),
    })
}

/// What is worth saying about the heads, the induction head first.
pub fn findings(answer: &Answer) -> Vec<Finding> {
    [HeadScore::Induction, HeadScore::PreviousToken]
        .into_iter()
        .filter_map(|score| {
            let (head, value) = score.best(&answer.heads)?;
            let sentence = sentence(score, head.layer, head.head, value, answer.n_repeated);
            let caveat = caveat(score, value, head.previous_token);
            Some(Finding { score, head: [head.layer, head.head], value, sentence, caveat })
        })
        .collect()
}

/// A repetition of two tokens puts the token after the earlier copy one step back.
fn caveat(score: HeadScore, value: f32, previous_token: Option<f32>) -> Option<&'static str> {
    let looks_back = score == HeadScore::Induction && previous_token.is_some_and(|back| 0.8 * value < back);
    (looks_back && CLEAR <= value).then_some(
        "It looks one token back everywhere, which on so short a repetition scores the same. Repeat something longer.",
    )
}

fn sentence(score: HeadScore, layer: usize, head: usize, value: f32, n_repeated: usize) -> String {
    let kind = score.name().replace("previous token", "previous-token");
    let lead = if value < CLEAR {
        format!("No clear {kind} head here; the nearest is")
    } else {
        let article = if score == HeadScore::Induction { "An" } else { "A" };
        let faint = if value < STRONG { " faint" } else { "" };
        let article = if faint.is_empty() { article } else { "A" };
        format!("{article}{faint} {kind} head:")
    };
    let over = match score {
        HeadScore::Induction if n_repeated == 1 => " over 1 repeated token".to_owned(),
        HeadScore::Induction => format!(" over {n_repeated} repeated tokens"),
        HeadScore::PreviousToken | HeadScore::DuplicateToken | HeadScore::FirstToken | HeadScore::Entropy => {
            String::new()
        }
    };
    format!("{lead} layer {layer} head {head}, score {value:.2}{over}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::attention::{Candidate, Position},
        prompt::Token,
    };

    #[test]
    fn the_most_surprising_token_and_the_next_one_are_named() {
        let token = |text: &str| Token { id: 1, text: Some(text.to_owned()), bytes: None, is_special: false };
        let position = |next_logprob| Position {
            top: vec![Candidate { token: token(" x"), prob: 0.25, logprob: -1.4 }],
            next_logprob,
            next_rank: None,
        };
        let mut answer = Answer {
            tokens: ["a", "b", "c"].map(token).into(),
            loss_nats: Some(2.5),
            positions: vec![position(Some(-1.0)), position(Some(-4.0)), position(None)],
            heads: vec![],
            n_repeated: 0,
            patterns: vec![],
            scores: vec![],
        };
        let sentences =
            |answer: &Answer| of_run(answer).into_iter().map(|said| said.sentence).collect::<Vec<_>>();
        assert_eq!(
            sentences(&answer),
            [
                "‘c’ at position 2 surprises most: 4.00 nats, where the mean is 2.50",
                "Next it would say ‘·x’, p 0.250: who writes that?"
            ]
        );
        (answer.loss_nats, answer.positions) = (None, vec![]);
        assert_eq!(of_run(&answer), []);
    }

    #[test]
    fn a_head_that_looks_one_back_is_told_from_induction() {
        assert!(caveat(HeadScore::Induction, 1.0, Some(0.99)).is_some());
        assert_eq!(caveat(HeadScore::Induction, 0.86, Some(0.02)), None);
        assert_eq!(caveat(HeadScore::PreviousToken, 0.99, Some(0.99)), None);
    }

    #[test]
    fn a_strong_head_is_named_and_a_weak_one_is_not_praised() {
        assert_eq!(
            sentence(HeadScore::Induction, 1, 3, 0.861, 9),
            "An induction head: layer 1 head 3, score 0.86 over 9 repeated tokens"
        );
        assert_eq!(
            sentence(HeadScore::Induction, 1, 3, 0.12, 1),
            "No clear induction head here; the nearest is layer 1 head 3, score 0.12 over 1 repeated token"
        );
        assert_eq!(
            sentence(HeadScore::PreviousToken, 0, 5, 0.45, 9),
            "A faint previous-token head: layer 0 head 5, score 0.45"
        );
    }
}
