//! How long a prompt takes on the CPU, from one pass that was timed there: to be said where it is long.

use serde::{Deserialize, Serialize};

use super::PROBE_TOKENS;

/// A prompt of about the length of a paragraph, tokens.
const PARAGRAPH_TOKENS: usize = 100;
/// Somebody who waits longer for it wants to know beforehand.
const SLOW_MILLIS: f64 = 2_000.0;

/// One forward pass on the CPU, as it was timed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CpuPass {
    /// Over so many tokens.
    pub n_tokens: usize,
    /// It took so long, milliseconds; the best of several where it was short.
    pub millis: f64,
}

/// What a prompt is expected to take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Its length.
    pub n_tokens: usize,
    /// Milliseconds.
    pub millis: f64,
}

impl CpuPass {
    /// A pass over as many tokens as a probe times, in a model of `n_ctx` positions.
    pub fn of_probe(n_ctx: usize, millis: f64) -> Self {
        Self { n_tokens: PROBE_TOKENS.min(n_ctx), millis }
    }

    /// What a paragraph will take, if that is long; `n_ctx` is the longest prompt. Work grows with the number of tokens:
    /// what attention adds is little in a model that is slow at this length.
    pub fn slow(&self, n_ctx: usize) -> Option<Estimate> {
        let n_tokens = PARAGRAPH_TOKENS.min(n_ctx);
        let millis = self.millis * n_tokens as f64 / self.n_tokens.max(1) as f64;
        (millis.is_finite() && SLOW_MILLIS <= millis).then_some(Estimate { n_tokens, millis })
    }
}

impl Estimate {
    /// `about 9 s for 100 tokens on this CPU`
    pub fn in_words(&self) -> String {
        let secs = self.millis / 1e3;
        let time = if secs < 10.0 { format!("{secs:.1} s") } else { format!("{secs:.0} s") };
        format!("about {} for {} tokens on this CPU", time.replace(".0 ", " "), self.n_tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slow(n_tokens: usize, millis: f64, n_ctx: usize) -> Option<String> {
        CpuPass { n_tokens, millis }.slow(n_ctx).map(|estimate| estimate.in_words())
    }

    #[test]
    fn what_is_long_is_said() {
        assert_eq!(slow(16, 1_440.0, 1_024), Some("about 9 s for 100 tokens on this CPU".to_owned()));
        assert_eq!(slow(16, 400.0, 1_024), Some("about 2.5 s for 100 tokens on this CPU".to_owned()));
        assert_eq!(slow(16, 16_000.0, 1_024), Some("about 100 s for 100 tokens on this CPU".to_owned()));
        // From exactly two seconds on.
        assert!(slow(16, 320.0, 1_024).is_some() && slow(16, 319.0, 1_024).is_none());
    }

    #[test]
    fn a_short_context_is_no_longer_than_it_is() {
        assert_eq!(slow(8, 3_000.0, 8), Some("about 3 s for 8 tokens on this CPU".to_owned()));
        assert_eq!(CpuPass::of_probe(8, 1.0).n_tokens, 8);
        assert_eq!(CpuPass::of_probe(1_024, 1.0).n_tokens, PROBE_TOKENS);
    }

    #[test]
    fn what_is_no_time_says_nothing() {
        for millis in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
            assert_eq!(slow(16, millis, 1_024), None, "{millis}");
        }
        assert!(slow(0, 5_000.0, 100).is_some(), "a message from outside divides by nothing");
    }
}
