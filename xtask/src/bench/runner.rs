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

/// One half of a case, loaded and verified: each call times a round of it.
pub type Side<'a> = Box<dyn FnMut() -> Result<Measured> + 'a>;

/// Loads one half of a case and verifies its result; what it returns makes [`Measured`] of a round's times.
///
/// Errors: it does not work, or its result is wrong; then nothing is timed.
pub fn verified(
    subject: &mut dyn Subject,
    reference: &Reference,
    case: &Case,
    half: Half,
) -> Result<impl Fn(&Value) -> Result<Measured> + use<>> {
    let prepared = subject.prepare(&case.job())?;
    let agreement = reference.verify(case, &prepared, half)?;
    Ok(move |timed: &Value| Measured::of(&prepared, timed, agreement).context("nothing was timed"))
}

/// The cases, printed as they are done; `open` makes one half of one ready.
pub fn rows<'a>(
    cases: &[&'static Case],
    has_peer: bool,
    open: &mut dyn FnMut(&'static Case, Half) -> Result<Side<'a>>,
) -> Vec<Row> {
    if let Some(load) = machine::load().filter(|load| *load > 0.5) {
        println!("  Other programs are running (load {load:.1}): these times mean little.");
    }
    println!("{}", table::header());
    let mut rows: Vec<Row> = Vec::new();
    for &case in cases {
        let own = match case.rival {
            Rival::Own(other) => cases.iter().find(|case| case.name == other).copied(),
            Rival::Peer | Rival::OwnForward => None,
        };
        let sides = [
            case.missing.is_none().then_some((case, Half::Ours)),
            (case.has_peer && has_peer).then_some((case, Half::Peer)),
            own.map(|own| (own, Half::Ours)),
        ];
        let [ours, peer, own] = in_turns(case.n_rounds, sides, open);
        let row = Row { case, ours, peer, own };
        println!("{}", row.line());
        for half in [&row.ours, &row.peer].into_iter().flatten() {
            for (name, samples) in &half.arrangements {
                println!("    {name}: {:.1} ms", table::typical(samples).unwrap_or(f64::NAN));
            }
        }
        rows.push(row);
    }
    rows
}

/// Some sides, one after another in each round; one that fails is not asked again, and has no times.
fn in_turns<'a, const N: usize>(
    n_rounds: usize,
    sides: [Option<(&'static Case, Half)>; N],
    open: &mut dyn FnMut(&'static Case, Half) -> Result<Side<'a>>,
) -> [Option<Measured>; N] {
    let mut turns = sides.map(|side| side.map(|(case, half)| Turns { case, half, side: None, so_far: None }));
    for _ in 0..n_rounds {
        for slot in &mut turns {
            let Some(turns) = slot else { continue };
            if let Err(error) = turns.take(open) {
                println!("  {}, {:?}: FAILED: {error:#}", turns.case.name, turns.half);
                *slot = None;
            }
        }
    }
    turns.map(|turns| turns?.so_far)
}

/// What one side has done so far.
struct Turns<'a> {
    case: &'static Case,
    half: Half,
    side: Option<Side<'a>>,
    so_far: Option<Measured>,
}

impl<'a> Turns<'a> {
    fn take(&mut self, open: &mut dyn FnMut(&'static Case, Half) -> Result<Side<'a>>) -> Result<()> {
        let side = match &mut self.side {
            Some(side) => side,
            none => none.insert(open(self.case, self.half)?),
        };
        let measured = side()?;
        self.so_far = Some(match self.so_far.take() {
            Some(before) => before.joined(measured),
            None => measured,
        });
        Ok(())
    }
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
    use std::cell::RefCell;

    fn measured(millis: f64) -> Result<Measured> {
        Measured::of(&json!({}), &json!([millis]), Agreement::default()).context("timed")
    }

    /// A side that takes `millis` each time.
    fn side<'a>(millis: f64) -> Result<Side<'a>> {
        Ok(Box::new(move || measured(millis)))
    }

    #[test]
    fn a_case_that_fails_does_not_stop_the_others() {
        let cases: Vec<&'static Case> = CASES.iter().take(3).collect();
        let rows = rows(&cases, true, &mut |case, half| match (case.name, half) {
            ("forward-16", Half::Ours) => bail!("planted"),
            (_, Half::Ours) => side(1.0),
            (_, Half::Peer) => side(10.0),
        });
        let verdicts: Vec<Verdict> = rows.iter().map(Row::verdict).collect();
        assert_eq!(verdicts, [Verdict::Failed, Verdict::Ok, Verdict::Ok]);
        assert_eq!(failures(&rows, true), ["forward-16 (ours)"]);
    }

    #[test]
    fn sides_take_turns_until_one_fails() {
        let case = Case::named(CASES, "forward-16").expect("in the table");
        let asked = RefCell::new(vec![]);
        let sides = [Some((case, Half::Ours)), Some((case, Half::Peer)), None];
        let [ours, peer, none] = in_turns(3, sides, &mut |_, half| {
            let asked = &asked;
            Ok(Box::new(move || {
                asked.borrow_mut().push(half);
                let n_asked = asked.borrow().len();
                if n_asked == 4 { bail!("planted") } else { measured(n_asked as f64) }
            }))
        });
        assert_eq!(*asked.borrow(), [Half::Ours, Half::Peer, Half::Ours, Half::Peer, Half::Ours]);
        assert_eq!(ours.map(|ours| ours.samples), Some(vec![1.0, 3.0, 5.0]));
        assert!(peer.is_none() && none.is_none(), "a half that failed once has no time");
    }

    #[test]
    fn threads_are_compared_with_one_thread_of_the_same_minute() {
        let cases = Case::chosen(CASES, Some("forward-64-threads-2")).expect("in the table");
        let rows = rows(&cases, true, &mut |case, _| side(if case.n_threads == 1 { 9.0 } else { 5.0 }));
        assert_eq!(rows.iter().map(Row::ratio).collect::<Vec<_>>(), [Some(1.0), Some(1.8)]);
    }

    #[test]
    fn a_peer_that_is_not_there_is_no_failure() {
        let cases: Vec<&'static Case> = CASES.iter().take(1).collect();
        let rows = rows(&cases, false, &mut |_, half| match half {
            Half::Ours => side(1.0),
            Half::Peer => bail!("it is not there"),
        });
        assert_eq!(rows[0].verdict(), Verdict::Unmeasured);
        assert!(failures(&rows, false).is_empty());
    }
}
