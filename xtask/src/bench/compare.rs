//! Nothing is timed before its result was found right.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::collections::BTreeMap;

/// The furthest that two implementations may lie apart: absolutely up to 1, beyond that relatively.
pub const TOLERANCE: f64 = 1e-3;

/// Values of one array that a page computed.
#[derive(Debug)]
pub struct Check {
    /// Which array, by hook point.
    pub name: String,
    /// Places in the flattened array.
    pub at: Vec<usize>,
    /// The values there; what is not a number came as null.
    pub values: Vec<f64>,
}

/// How well a result agreed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Agreement {
    /// How many values were compared.
    pub n_values: usize,
    /// The largest error.
    pub worst: f64,
}

/// Reads what a page reports.
///
/// Errors: it has another form.
pub fn checks_of(report: &Value) -> Result<Vec<Check>> {
    let checks = report["checks"].as_array().context("the page returned nothing to check")?;
    checks.iter().map(check_of).collect()
}

fn check_of(check: &Value) -> Result<Check> {
    let list = |key: &str| check[key].as_array().with_context(|| format!("a check without `{key}`"));
    let at = list("at")?.iter().map(|at| at.as_u64().map(|at| at as usize).context("a place is a number"));
    Ok(Check {
        name: check["name"].as_str().context("a check has a name")?.to_owned(),
        at: at.collect::<Result<_>>()?,
        // JSON has no NaN: it arrives as null, and must not be taken for "nothing to compare".
        values: list("values")?.iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect(),
    })
}

/// Holds `checks` against `expected(name, place)`; places where it knows nothing are passed over.
/// Each name in `wanted` must come with at least so many comparable values.
///
/// Errors: a value is off, or not a number; too little was compared.
pub fn verify(
    checks: &[Check],
    expected: &dyn Fn(&str, usize) -> Option<f32>,
    wanted: &BTreeMap<String, usize>,
) -> Result<Agreement> {
    let mut agreement = Agreement::default();
    let mut n_compared: BTreeMap<&str, usize> = BTreeMap::new();
    for Check { name, at, values } in checks {
        ensure!(at.len() == values.len(), "{name}: {} places but {} values", at.len(), values.len());
        for (&at, &value) in at.iter().zip(values) {
            let Some(expected) = expected(name, at).map(f64::from) else { continue };
            let error = (value - expected).abs() / expected.abs().max(1.0);
            if !(error <= TOLERANCE) {
                bail!(
                    "{name}[{at}] is {value}, expected {expected}: off by {error:.1e}, over {TOLERANCE:.0e}"
                );
            }
            agreement.worst = agreement.worst.max(error);
            agreement.n_values += 1;
            *n_compared.entry(name).or_default() += 1;
        }
    }
    for (name, &n_wanted) in wanted {
        let n = n_compared.get(name.as_str()).copied().unwrap_or(0);
        ensure!(n >= n_wanted, "only {n} values of {name} could be compared, {n_wanted} are wanted");
    }
    Ok(agreement)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const EXPECTED: [f32; 3] = [0.5, -200.0, 3.0];

    fn verified(values: Value) -> Result<Agreement> {
        let report = json!({ "checks": [{ "name": "logits", "at": [0, 1, 7], "values": values }] });
        let wanted = BTreeMap::from([("logits".to_owned(), 2)]);
        let expected = |name: &str, at: usize| EXPECTED.get(at).copied().filter(|_| name == "logits");
        verify(&checks_of(&report)?, &expected, &wanted)
    }

    #[test]
    fn what_agrees_passes() {
        let agreement = verified(json!([0.5004, -200.1, 99.0])).expect("within the tolerance");
        assert_eq!(agreement.n_values, 2, "the third place is unknown");
        assert!(agreement.worst > 3e-4 && agreement.worst < 6e-4, "{agreement:?}");
    }

    #[test]
    fn what_does_not_agree_fails() {
        for wrong in [
            json!([0.502, -200.0, 3.0]), // Too far, absolutely.
            json!([0.5, -200.3, 3.0]),   // Too far, relatively.
            json!([null, -200.0, 3.0]),  // NaN, as JSON has it.
            json!([0.5, 1e300, 3.0]),    // Much too far.
            json!([0.5, -200.0]),        // A value is missing.
        ] {
            assert!(verified(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn comparing_nothing_fails() {
        let wanted = BTreeMap::from([("logits".to_owned(), 1)]);
        assert!(verify(&[], &|_, _| Some(0.0), &wanted).is_err());
        let other = Check { name: "other".into(), at: vec![0], values: vec![0.0] };
        assert!(verify(&[other], &|_, _| Some(0.0), &wanted).is_err());
        let unknown = Check { name: "logits".into(), at: vec![0], values: vec![0.0] };
        assert!(verify(&[unknown], &|_, _| None, &wanted).is_err());
    }

    #[test]
    fn an_expectation_that_is_not_a_number_fails() {
        let check = Check { name: "logits".into(), at: vec![0], values: vec![f64::NAN] };
        assert!(verify(&[check], &|_, _| Some(f32::NAN), &BTreeMap::new()).is_err());
    }
}
