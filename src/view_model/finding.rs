//! Key findings of a run: one sentence each, about one head.

use super::head_score::HeadScore;
use crate::analysis::attention::Answer;

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
