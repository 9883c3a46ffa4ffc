//! Times, ratios and verdicts: one line a case.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use super::cases::{Case, Figure, Rival};
use super::compare::Agreement;

/// What one half gave.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Milliseconds, in the order in which they were taken.
    pub samples: Vec<f64>,
    /// Where the same can be done in several ways: the times of each. `samples` are those of the fastest.
    pub arrangements: BTreeMap<String, Vec<f64>>,
    /// Our own forward pass on the same tokens, where the figure is a ratio to it.
    pub own_forward: Vec<f64>,
    /// What computed it.
    pub adapter: String,
    /// Milliseconds to load weights and graph, and for the results that were verified.
    pub prepare_millis: f64,
    /// How well it agreed with the native engine.
    pub agreement: Agreement,
}

impl Measured {
    /// From a page's two reports; `None` if it timed nothing.
    pub fn of(prepared: &Value, timed: &Value, agreement: Agreement) -> Option<Self> {
        let list = |value: &Value| -> Vec<f64> {
            value.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
        };
        let arrangements: BTreeMap<String, Vec<f64>> = timed["arrangements"]
            .as_object()
            .map(|all| all.iter().map(|(name, samples)| (name.clone(), list(samples))).collect())
            .unwrap_or_default();
        let fastest = arrangements.values().filter(|samples| !samples.is_empty()).min_by(|a, b| {
            typical(a).unwrap_or(f64::INFINITY).total_cmp(&typical(b).unwrap_or(f64::INFINITY))
        });
        let samples = match fastest {
            Some(samples) => samples.clone(),
            None if timed.is_array() => list(timed),
            None => list(&timed["samples"]),
        };
        typical(&samples)?;
        Some(Self {
            samples,
            own_forward: list(&timed["own_forward"]),
            arrangements,
            adapter: prepared["adapter"].as_str().unwrap_or("unknown").to_owned(),
            prepare_millis: prepared["prepare_millis"].as_f64().unwrap_or(f64::NAN),
            agreement,
        })
    }

    /// With the times of another round.
    #[must_use]
    pub fn joined(mut self, later: Self) -> Self {
        self.samples.extend(later.samples);
        self.own_forward.extend(later.own_forward);
        for (name, samples) in later.arrangements {
            self.arrangements.entry(name).or_default().extend(samples);
        }
        self
    }

    /// What it takes undisturbed, milliseconds: see [`typical`].
    pub fn millis(&self) -> f64 {
        typical(&self.samples).unwrap_or(f64::NAN)
    }

    fn json(&self) -> Value {
        let mut json = json!({
            "lower_quartile_millis": self.millis(),
            "median_millis": median(&self.samples),
            "samples_millis": self.samples,
            "adapter": self.adapter,
            "prepare_millis": self.prepare_millis,
            "verified": { "n_values": self.agreement.n_values, "worst_error": self.agreement.worst },
        });
        if !self.arrangements.is_empty() {
            json["arrangements_millis"] = json!(self.arrangements);
        }
        if !self.own_forward.is_empty() {
            json["own_forward_millis"] = json!(self.own_forward);
        }
        json
    }
}

/// The lower quartile: a quarter of the times are below it.
///
/// Whatever else a machine does only adds time, to some samples and not to others; what is compared is the computation.
pub fn typical(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 4).copied()
}

/// The middle value, or the mean of the two in the middle.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        len if len % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// How a case stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The figure is reached.
    Ok,
    /// It is not.
    Short,
    /// Vitrine cannot do it yet.
    Missing,
    /// Vitrine's half did not work, or was wrong.
    Failed,
    /// There is nothing to compare with: the other side was skipped or failed.
    Unmeasured,
    /// Nothing is aimed at: the times are told.
    Told,
}

impl Verdict {
    /// As it is printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Short => "short",
            Self::Missing => "missing",
            Self::Failed => "FAILED",
            Self::Unmeasured => "unmeasured",
            Self::Told => "-",
        }
    }
}

/// One line.
#[derive(Debug)]
pub struct Row {
    /// The case.
    pub case: &'static Case,
    /// Vitrine.
    pub ours: Option<Measured>,
    /// The peer.
    pub peer: Option<Measured>,
    /// Our own other case, where that is the rival: measured in the same rounds.
    pub own: Option<Measured>,
}

impl Row {
    /// What the figure is about; `None` if a side has no time.
    pub fn ratio(&self) -> Option<f64> {
        let ours = self.ours.as_ref()?;
        Some(match self.case.rival {
            Rival::Peer => self.peer.as_ref()?.millis() / ours.millis(),
            Rival::Own(_) => self.own.as_ref()?.millis() / ours.millis(),
            Rival::OwnForward => ours.millis() / typical(&ours.own_forward)?,
        })
    }

    /// How the case stands.
    pub fn verdict(&self) -> Verdict {
        if self.ours.is_none() {
            return if self.case.missing.is_some() { Verdict::Missing } else { Verdict::Failed };
        }
        match self.ratio() {
            None => Verdict::Unmeasured,
            Some(ratio) => match self.case.figure {
                None => Verdict::Told,
                Some(Figure { at_least, .. }) if reaches(ratio, at_least, self.case.rival) => Verdict::Ok,
                Some(_) => Verdict::Short,
            },
        }
    }

    /// As it is printed.
    pub fn line(&self) -> String {
        let millis = |half: &Option<Measured>| {
            half.as_ref().map_or("-".into(), |half| format!("{:.1}", half.millis()))
        };
        let ratio = self.ratio().map_or("-".into(), |ratio| format!("{ratio:.2}x"));
        let unit = match self.case.rival {
            Rival::Peer => "",
            Rival::Own(_) => " own",
            Rival::OwnForward => " own, at most",
        };
        let figure = match self.case.figure {
            Some(Figure { at_least, stretch: Some(stretch) }) => format!("{at_least}x ({stretch}x){unit}"),
            Some(Figure { at_least, stretch: None }) => format!("{at_least}x{unit}"),
            None => "-".into(),
        };
        let (ours, peer, word) = (millis(&self.ours), millis(&self.peer), self.verdict().word());
        line(self.case.name, &ours, &peer, &ratio, &figure, word)
    }

    /// As it is stored.
    pub fn json(&self) -> Value {
        let mut json = Map::new();
        let mut put = |key: &str, value: Value| json.insert(key.to_owned(), value);
        put("case", json!(self.case.name));
        put("ours", self.ours.as_ref().map_or(Value::Null, Measured::json));
        put("peer", self.peer.as_ref().map_or(Value::Null, Measured::json));
        put("ratio", json!(self.ratio()));
        put("at_least", json!(self.case.figure.map(|figure| figure.at_least)));
        put("stretch", json!(self.case.figure.and_then(|figure| figure.stretch)));
        put("verdict", json!(self.verdict().word()));
        if let (Some(why), None) = (self.case.missing, &self.ours) {
            put("missing", json!(why));
        }
        json.into()
    }
}

/// Whether a ratio is good enough; one that is not a number is not.
fn reaches(ratio: f64, at_least: f64, rival: Rival) -> bool {
    match rival {
        Rival::Peer | Rival::Own(_) => ratio >= at_least,
        Rival::OwnForward => ratio <= at_least,
    }
}

/// What stands above the lines.
pub fn header() -> String {
    line("case (quartile, ms)", "ours", "peer", "ratio", "figure (stretch)", "")
}

fn line(case: &str, ours: &str, peer: &str, ratio: &str, figure: &str, verdict: &str) -> String {
    format!("  {case:<22} {ours:>9} {peer:>9} {ratio:>7}  {figure:<24} {verdict}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::cases::CASES;

    fn measured(samples: Value) -> Option<Measured> {
        Measured::of(&json!({}), &samples, Agreement::default())
    }

    fn row(name: &str, ours: Value, peer: Value) -> Row {
        let case = Case::named(CASES, name).expect("in the table");
        Row { case, ours: measured(ours), peer: measured(peer), own: None }
    }

    #[test]
    fn verdicts_follow_the_figure() {
        for (ours, verdict) in [(40.0, Verdict::Ok), (66.0, Verdict::Ok), (67.0, Verdict::Short)] {
            assert_eq!(row("forward-64", json!([ours]), json!([100.0])).verdict(), verdict, "{ours}");
        }
        assert_eq!(row("forward-64", json!([1.0]), json!([])).verdict(), Verdict::Unmeasured);
        assert_eq!(
            row("forward-64", json!([0.0]), json!([0.0])).verdict(),
            Verdict::Short,
            "0/0 reaches nothing"
        );
        assert_eq!(row("forward-64", json!([]), json!([1.0])).verdict(), Verdict::Failed);
        let told = Case { figure: None, ..*Case::named(CASES, "forward-64").expect("in the table") };
        let row = Row {
            case: Box::leak(Box::new(told)),
            ours: measured(json!([1.0])),
            peer: measured(json!([2.0])),
            own: None,
        };
        assert_eq!((row.verdict(), row.ratio()), (Verdict::Told, Some(2.0)));
    }

    #[test]
    fn what_does_not_exist_is_missing() {
        let missing = CASES.iter().find(|case| case.missing.is_some());
        let Some(case) = missing else { return };
        let row = Row { case, ours: None, peer: measured(json!([100.0])), own: None };
        assert_eq!(row.verdict(), Verdict::Missing);
    }

    #[test]
    fn what_exists_is_no_longer_missing() {
        let row =
            row("sweep-12x15", json!([1.0]), json!({ "arrangements": { "a": [9.0, 8.0], "b": [7.0] } }));
        assert_eq!((row.ratio(), row.verdict()), (Some(7.0), Verdict::Ok));
        assert!(row.line().ends_with(" ok"), "{}", row.line());
    }

    #[test]
    fn attribution_costs_few_forward_passes() {
        let row = |own| row("attribution-15", json!({ "samples": [30.0], "own_forward": [own] }), json!([]));
        assert_eq!((row(10.0).verdict(), row(5.0).verdict()), (Verdict::Ok, Verdict::Short));
    }

    #[test]
    fn rounds_are_joined() {
        let first = measured(json!({ "samples": [1.0, 2.0], "own_forward": [3.0] })).expect("timed");
        let second = measured(json!({ "samples": [9.0], "own_forward": [4.0] })).expect("timed");
        let both = first.joined(second);
        assert_eq!((both.samples.as_slice(), both.millis()), ([1.0, 2.0, 9.0].as_slice(), 1.0));
        assert_eq!(both.own_forward, [3.0, 4.0]);
    }

    #[test]
    fn a_quarter_of_the_times_are_below_what_is_typical() {
        assert_eq!(typical(&[9.0, 5.0, 7.0, 6.0, 8.0]), Some(6.0));
        assert_eq!(typical(&[5.0]), Some(5.0));
        assert_eq!(typical(&[8.0, 7.0]), Some(7.0));
        assert_eq!(typical(&[]), None);
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}
