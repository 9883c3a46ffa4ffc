//! A self-check in words and numbers.

use crate::verify::{Outcome, Verdict};

/// How many entries came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Those that agree.
    pub n_agree: usize,
    /// Those that differ.
    pub n_differ: usize,
    /// Those that were not checked.
    pub n_unknown: usize,
}

impl Summary {
    /// Of what has come out so far.
    pub fn of(outcomes: &[Outcome]) -> Self {
        let mut summary = Self::default();
        for outcome in outcomes {
            match outcome.verdict {
                Verdict::Agrees => summary.n_agree += 1,
                Verdict::Differs => summary.n_differ += 1,
                Verdict::NotChecked { .. } => summary.n_unknown += 1,
            }
        }
        summary
    }

    /// `12 agree, 1 differs, 2 not checked, of 40`
    pub fn text(self, n_entries: usize) -> String {
        let Self { n_agree, n_differ, n_unknown } = self;
        let [agree, differ] = [(n_agree, "agree"), (n_differ, "differ")].map(|(n, verb)| match n {
            1 => format!("1 {verb}s"),
            n => format!("{n} {verb}"),
        });
        let text = format!("{agree}, {differ}, {n_unknown} not checked");
        if n_agree + n_differ + n_unknown < n_entries { format!("{text}, of {n_entries}") } else { text }
    }
}

/// `1.2e-5, 1e-3`: how far apart the two are, and how far they may be.
pub fn difference(outcome: &Outcome) -> String {
    let tolerance = outcome.tolerance;
    outcome.difference.map_or_else(String::new, |difference| format!("{difference:.1e}, {tolerance:.0e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(verdict: Verdict, difference: Option<f64>) -> Outcome {
        Outcome {
            id: "loss".into(),
            what: "the loss".into(),
            source: "a paper".into(),
            published: "1.0".into(),
            ours: "1.1".into(),
            n_compared: 1,
            difference,
            tolerance: 1e-3,
            verdict,
        }
    }

    #[test]
    fn verdicts_are_counted() {
        let unknown = Verdict::NotChecked { why: "no tokenizer".into() };
        let outcomes =
            [outcome(Verdict::Agrees, Some(0.0)), outcome(Verdict::Differs, None), outcome(unknown, None)];
        assert_eq!(Summary::of(&outcomes).text(40), "1 agrees, 1 differs, 1 not checked, of 40");
        assert_eq!(Summary::of(&outcomes[..1]).text(1), "1 agrees, 0 differ, 0 not checked");
        assert_eq!(difference(&outcome(Verdict::Agrees, Some(1.234e-5))), "1.2e-5, 1e-3");
        assert_eq!(difference(&outcomes[1]), "");
    }
}
