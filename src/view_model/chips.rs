//! The token strip: one chip a token, underlined by how much it surprised the model.

use super::{
    number,
    token_strip::{TokenText, token_text},
};
use crate::analysis::attention::Answer;

/// Surprise at the dark end of the scale, nats (e^-8 is one in three thousand).
pub const MAX_SURPRISE_NATS: f32 = 8.0;

/// One token of the prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Chip {
    /// Its position, BOS included.
    pub pos: usize,
    /// Its id.
    pub id: u32,
    /// How it is shown.
    pub token: TokenText,
    /// How the model had expected it; absent at position 0.
    pub expected: Option<Expected>,
}

/// How the model had expected a token that came.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// 0 for a token that was certain, 1 for [`MAX_SURPRISE_NATS`] or more.
    pub surprise: f32,
    /// `p 0.120`
    pub prob_text: String,
    /// `−2.12`
    pub logprob_text: String,
    /// `likeliest`, `2nd likeliest`, ..
    pub rank_text: String,
}

/// The chips of an answer's prompt.
pub fn chips(answer: &Answer) -> Vec<Chip> {
    (0..answer.tokens.len()).filter_map(|pos| chip(answer, pos)).collect()
}

/// The chip at one position.
pub fn chip(answer: &Answer, pos: usize) -> Option<Chip> {
    let token = answer.tokens.get(pos)?;
    let expected = pos.checked_sub(1).and_then(|before| expected(answer, before));
    Some(Chip { pos, id: token.id, token: token_text(token), expected })
}

/// What tells a chip from another that looks different.
pub fn key(chip: &Chip) -> (usize, u32, u32) {
    (chip.pos, chip.id, chip.expected.as_ref().map_or(u32::MAX, |expected| expected.surprise.to_bits()))
}

/// What a reader of the screen hears for a chip.
pub fn spoken(chip: &Chip) -> String {
    let Chip { pos, id, token, expected } = chip;
    let head = format!("Position {pos}: {}, id {id}", token.spoken);
    match expected {
        Some(expected) => {
            format!("{head}, probability {}, {}", expected.prob_text, expected.rank_text)
        }
        None => head,
    }
}

fn expected(answer: &Answer, before: usize) -> Option<Expected> {
    let position = answer.positions.get(before)?;
    let logprob = position.next_logprob?;
    Some(Expected {
        surprise: surprise(logprob),
        prob_text: number::prob(logprob.exp()),
        logprob_text: number::nats(logprob),
        rank_text: rank_text(position.next_rank?),
    })
}

/// Where a log-probability lies on the scale from certain (0) to [`MAX_SURPRISE_NATS`] (1).
pub fn surprise(logprob: f32) -> f32 {
    (-logprob / MAX_SURPRISE_NATS).clamp(0.0, 1.0)
}

/// `likeliest`, `2nd likeliest`: how a token stood that `n_likelier` others were ahead of.
pub fn rank_text(n_likelier: usize) -> String {
    if n_likelier == 0 { "likeliest".to_owned() } else { format!("{} likeliest", ordinal(n_likelier + 1)) }
}

/// `1st`, `2nd`, `11th`.
fn ordinal(n: usize) -> String {
    let ending = match (n % 100, n % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{analysis::attention::Position, prompt::Token};

    #[test]
    fn a_chip_is_about_the_prediction_before_it() {
        let token = |id| Token { id, text: Some("a".into()), bytes: None, is_special: false };
        let answer = Answer {
            tokens: vec![token(0), token(5)],
            loss_nats: Some(4.0),
            positions: vec![
                Position { top: vec![], next_logprob: Some(-4.0), next_rank: Some(2) },
                Position { top: vec![], next_logprob: None, next_rank: None },
            ],
            heads: vec![],
            n_repeated: 0,
            patterns: vec![],
            scores: vec![],
        };
        let chips = chips(&answer);
        assert_eq!(chips[0].expected, None);
        let expected = chips[1].expected.as_ref().expect("position 0 has a prediction");
        assert_eq!((expected.surprise, expected.rank_text.as_str()), (0.5, "3rd likeliest"));
        assert_eq!(spoken(&chips[1]), "Position 1: a, id 5, probability 0.018, 3rd likeliest");
    }

    #[test]
    fn ordinals() {
        assert_eq!(
            [1, 2, 3, 4, 11, 12, 21, 113].map(ordinal),
            ["1st", "2nd", "3rd", "4th", "11th", "12th", "21st", "113th"]
        );
    }
}
