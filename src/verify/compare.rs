//! How far apart published and own numbers are: `!(err <= tolerance)` differs, and so does what is not a number.

use super::{Entry, Outcome, Verdict};

/// A published number, ours, and what it is of where there are many.
pub(super) struct Compared {
    pub(super) at: String,
    pub(super) published: f64,
    pub(super) ours: f64,
}

impl Outcome {
    fn of(entry: &Entry, published: String, ours: String) -> Self {
        let Entry { id, what, source, tolerance, .. } = entry.clone();
        let (n_compared, difference, verdict) = (0, None, Verdict::Differs);
        Self { id, what, source, published, ours, n_compared, difference, tolerance, verdict }
    }

    /// Numbers: all must be within the tolerance, and there must be at least one.
    pub(super) fn numbers(entry: &Entry, numbers: &[Compared]) -> Self {
        // An error of NaN is further away than any other.
        let err = |it: &Compared| {
            let err = (it.ours - it.published).abs();
            if err.is_nan() { f64::INFINITY } else { err }
        };
        let Some(worst) = numbers.iter().max_by(|a, b| err(a).total_cmp(&err(b))) else {
            return Self::of(entry, "nothing".to_owned(), String::new());
        };
        let digits = digits_of(entry.tolerance);
        let write = |value: f64| {
            let at = if worst.at.is_empty() { String::new() } else { format!(" at {}", worst.at) };
            format!("{value:.digits$}{at}")
        };
        let differs = !(err(worst) <= entry.tolerance);
        Self {
            n_compared: numbers.len(),
            difference: Some((worst.ours - worst.published).abs()).filter(|err| err.is_finite()),
            verdict: if differs { Verdict::Differs } else { Verdict::Agrees },
            ..Self::of(entry, write(worst.published), write(worst.ours))
        }
    }

    /// Tokens or text: both are the same, of `n` tokens or characters; shown as they are written here.
    pub(super) fn same(entry: &Entry, published: String, ours: String, n_compared: usize) -> Self {
        let verdict = if published == ours && n_compared > 0 { Verdict::Agrees } else { Verdict::Differs };
        Self { n_compared, verdict, ..Self::of(entry, published, ours) }
    }

    /// Something that was not as large or as long as what was published.
    pub(super) fn misfit(entry: &Entry, published: impl Into<String>, ours: impl Into<String>) -> Self {
        Self::of(entry, published.into(), ours.into())
    }

    /// Nothing was compared.
    pub(super) fn not_checked(entry: &Entry, published: String, why: impl Into<String>) -> Self {
        let verdict = Verdict::NotChecked { why: why.into() };
        Self { verdict, ..Self::of(entry, published, String::new()) }
    }
}

/// Digits after the point that show a difference as large as the tolerance.
fn digits_of(tolerance: f64) -> usize {
    if tolerance > 0.0 { (1.0 - tolerance.log10().floor()).clamp(1.0, 9.0) as usize } else { 6 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{run::WeightForm, verify::Check};

    fn entry(tolerance: f64) -> Entry {
        let check = Check::Tokens { passages: vec![] };
        let (id, what, source) = ("a".to_owned(), "b".to_owned(), "c".to_owned());
        Entry { id, what, source, weights: WeightForm::Raw, activation: None, tolerance, check }
    }

    fn verdict(tolerance: f64, pairs: &[(f64, f64)]) -> Verdict {
        let compared = |(published, ours): &(f64, f64)| Compared {
            at: String::new(),
            published: *published,
            ours: *ours,
        };
        Outcome::numbers(&entry(tolerance), &pairs.iter().map(compared).collect::<Vec<_>>()).verdict
    }

    #[test]
    fn every_number_must_be_near() {
        assert_eq!(verdict(0.01, &[(1.0, 1.005), (2.0, 2.0)]), Verdict::Agrees);
        assert_eq!(verdict(0.01, &[(1.0, 1.0), (2.0, 2.02)]), Verdict::Differs);
        assert_eq!(verdict(0.0, &[(1.0, 1.0)]), Verdict::Agrees);
    }

    #[test]
    fn nothing_that_is_not_a_number_agrees() {
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(verdict(0.01, &[(1.0, odd), (2.0, 2.0)]), Verdict::Differs);
            assert_eq!(verdict(0.01, &[(odd, odd)]), Verdict::Differs);
        }
        assert_eq!(verdict(0.01, &[]), Verdict::Differs);
    }

    #[test]
    fn the_furthest_of_many_is_shown() {
        let compared = |at: &str, published, ours| Compared { at: at.to_owned(), published, ours };
        let all =
            [compared("[0, 1]", 1.0, 1.001), compared("[0, 2]", 2.0, 2.5), compared("[1, 0]", 3.0, 3.1)];
        let outcome = Outcome::numbers(&entry(0.001), &all);
        assert_eq!(
            (outcome.published.as_str(), outcome.ours.as_str()),
            ("2.0000 at [0, 2]", "2.5000 at [0, 2]")
        );
        assert_eq!((outcome.n_compared, outcome.difference), (3, Some(0.5)));
    }

    #[test]
    fn text_must_be_the_same_and_not_nothing() {
        let verdict = |a: &str, b: &str, n| Outcome::same(&entry(0.0), a.into(), b.into(), n).verdict;
        assert_eq!(verdict("a b", "a b", 3), Verdict::Agrees);
        assert_eq!(verdict("a b", "a c", 3), Verdict::Differs);
        assert_eq!(verdict("", "", 0), Verdict::Differs);
    }
}
