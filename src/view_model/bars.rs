//! Candidates for the next token as bars on a probability axis that starts at 0.

use super::{
    number,
    token_strip::{TokenText, token_text},
};
use crate::analysis::attention::Candidate;

/// Bars, the likeliest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Bars {
    /// The bars.
    pub rows: Vec<Bar>,
    /// Probability at the right end of the axis.
    pub end: f32,
}

/// One candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// The token's id.
    pub id: u32,
    /// How it is shown.
    pub token: TokenText,
    /// Its unrounded probability.
    pub prob: f32,
    /// Length of the bar in percent of the axis.
    pub percent: f32,
    /// The probability as text.
    pub prob_text: String,
    /// The log-probability in nats, as text.
    pub logprob_text: String,
    /// Whether it is the token that did follow.
    pub is_actual: bool,
}

/// Bars for `candidates`; `actual` is the id of the token that did follow, where one did.
pub fn bars(candidates: &[Candidate], actual: Option<u32>) -> Bars {
    let top = candidates.iter().map(|candidate| candidate.prob).fold(0.0, f32::max);
    let end = axis_end(top);
    let rows = candidates
        .iter()
        .map(|candidate| Bar {
            id: candidate.token.id,
            token: token_text(&candidate.token),
            prob: candidate.prob,
            percent: candidate.prob / end * 100.0,
            prob_text: number::prob(candidate.prob),
            logprob_text: number::nats(candidate.logprob),
            is_actual: actual == Some(candidate.token.id),
        })
        .collect();
    Bars { rows, end }
}

/// The smallest round number that all bars fit under.
fn axis_end(top: f32) -> f32 {
    [0.05, 0.1, 0.2, 0.5].into_iter().find(|end| top <= *end).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::Token;

    fn candidate(id: u32, prob: f32) -> Candidate {
        let token = Token { id, text: Some("x".into()), bytes: None, is_special: false };
        Candidate { token, prob, logprob: prob.ln() }
    }

    #[test]
    fn bars_share_an_axis_from_zero() {
        let bars = bars(&[candidate(3, 0.4), candidate(5, 0.1)], Some(5));
        assert_eq!(bars.end, 0.5);
        assert!((bars.rows[0].percent - 80.0).abs() < 1e-4);
        assert_eq!(bars.rows.iter().map(|bar| bar.is_actual).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn the_axis_ends_at_a_round_number() {
        assert_eq!([0.01, 0.05, 0.3, 0.99].map(axis_end), [0.05, 0.05, 0.5, 1.0]);
    }
}
