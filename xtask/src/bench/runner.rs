//! A table, case by case: prepared, verified, timed. A case that fails is reported, and the others go on.

use anyhow::{Context as _, Result};
use serde_json::Value;
use std::time::Instant;

use super::cases::{Case, Rival};
use super::machine;
use super::reference::{Half, Reference};
use super::table::{self, Measured, Row, Verdict};

/// A page or a program that computes one half of a case.
pub trait Subject {
    /// Loads what `job` needs and returns values to verify.
    ///
    /// Errors: the subject's.
    fn prepare(&mut self, job: &Value) -> Result<Value>;

    /// Times what was prepared.
    ///
    /// Errors: the subject's.
    fn measure(&mut self) -> Result<Value>;
}

/// One half of a case.
///
/// Errors: it does not work, or its result is wrong; then nothing is timed.
pub fn half(subject: &mut impl Subject, reference: &Reference, case: &Case, half: Half) -> Result<Measured> {
    let prepared = subject.prepare(&case.job())?;
    let agreement = reference.verify(case, &prepared, half)?;
    let timed = subject.measure()?;
    Measured::of(&prepared, &timed, agreement).context("nothing was timed")
}

/// The cases, printed as they are done; `measure` does one half of one.
pub fn rows(
    cases: &[&'static Case],
    has_peer: bool,
    measure: &mut dyn FnMut(&'static Case, Half) -> Result<Measured>,
) -> Vec<Row> {
    if let Some(load) = machine::load().filter(|load| *load > 0.5) {
        println!("  Other programs are running (load {load:.1}): these times mean little.");
    }
    println!("{}", table::header());
    let mut rows: Vec<Row> = Vec::new();
    for &case in cases {
        let own_millis = match case.rival {
            Rival::Own(other) => rows
                .iter()
                .find(|row| row.case.name == other)
                .and_then(|row| row.ours.as_ref().map(Measured::millis)),
            Rival::Peer | Rival::OwnForward => None,
        };
        let mut tried = |half, is_wanted: bool| {
            let result = is_wanted.then(|| measure(case, half))?;
            result.map_err(|error| println!("  {}, {half:?}: FAILED: {error:#}", case.name)).ok()
        };
        let ours = tried(Half::Ours, case.missing.is_none());
        let peer = tried(Half::Peer, case.has_peer && has_peer);
        let row = Row { case, ours, peer, own_millis };
        println!("{}", row.line());
        for half in [&row.ours, &row.peer].into_iter().flatten() {
            for (name, samples) in &half.arrangements {
                println!("    {name}: {:.1} ms", table::median(samples).unwrap_or(f64::NAN));
            }
        }
        rows.push(row);
    }
    rows
}

/// What should have been measured and was not.
pub fn failures(rows: &[Row], has_peer: bool) -> Vec<String> {
    let mut failures = Vec::new();
    for Row { case, ours, peer, .. } in rows {
        if case.missing.is_none() && ours.is_none() {
            failures.push(format!("{} (ours)", case.name));
        }
        if case.has_peer && has_peer && peer.is_none() {
            failures.push(format!("{} (peer)", case.name));
        }
    }
    failures
}

/// How many cases stand how, and how long all took.
pub fn summary(rows: &[Row], started_at: Instant) -> String {
    let n = |verdict| rows.iter().filter(|row| row.verdict() == verdict).count();
    let (n_ok, n_short, n_missing) = (n(Verdict::Ok), n(Verdict::Short), n(Verdict::Missing));
    let elapsed_s = started_at.elapsed().as_secs();
    let (minutes, seconds) = (elapsed_s / 60, elapsed_s % 60);
    format!("  {n_ok} ok, {n_short} short, {n_missing} missing; {minutes} min {seconds} s in all")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::cases::CASES;
    use crate::bench::compare::Agreement;
    use anyhow::bail;
    use serde_json::json;

    fn measured(millis: f64) -> Result<Measured> {
        Measured::of(&json!({}), &json!([millis]), Agreement::default()).context("timed")
    }

    #[test]
    fn a_case_that_fails_does_not_stop_the_others() {
        let cases: Vec<&'static Case> = CASES.iter().take(3).collect();
        let rows = rows(&cases, true, &mut |case, half| match (case.name, half) {
            ("forward-16", Half::Ours) => bail!("planted"),
            (_, Half::Ours) => measured(1.0),
            (_, Half::Peer) => measured(10.0),
        });
        let verdicts: Vec<Verdict> = rows.iter().map(Row::verdict).collect();
        assert_eq!(verdicts, [Verdict::Failed, Verdict::Ok, Verdict::Ok]);
        assert_eq!(failures(&rows, true), ["forward-16 (ours)"]);
    }

    #[test]
    fn a_peer_that_is_not_there_is_no_failure() {
        let cases: Vec<&'static Case> = CASES.iter().take(1).collect();
        let rows = rows(&cases, false, &mut |_, half| match half {
            Half::Ours => measured(1.0),
            Half::Peer => bail!("it is not there"),
        });
        assert_eq!(rows[0].verdict(), Verdict::Unmeasured);
        assert!(failures(&rows, false).is_empty());
    }
}
