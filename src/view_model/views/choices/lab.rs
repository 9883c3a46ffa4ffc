//! Choices of the induction lab.

use super::super::cell_of;
use crate::analysis::heads::Metric;

/// Heads that can be out at once, so that a link cannot ask for more than a sentence can name.
const MAX_OUT: usize = 8;
/// The most sequences of one question.
pub(in super::super) const MAX_BATCH: usize = 64;

/// What is read twice, what is taken out, and which checkpoint is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lab {
    /// How many tokens are read twice; as many as the engine takes by itself.
    pub length: Option<usize>,
    /// How many sequences.
    pub batch: usize,
    /// Seed of their drawing.
    pub seed: u32,
    /// Heads that are taken out, as `[layer, head]`.
    pub out: Vec<[usize; 2]>,
    /// Whether their means take their places, instead of 0.
    pub is_mean: bool,
    /// Seed of the choice of other heads beside them.
    pub others: u32,
    /// What the cells say of the heads.
    pub score: Metric,
    /// The step of the training that is looked at; the last by default.
    pub step: Option<u32>,
}

impl Default for Lab {
    fn default() -> Self {
        Self {
            length: None,
            batch: 4,
            seed: 0,
            out: vec![],
            is_mean: false,
            others: 0,
            score: Metric::Induction,
            step: None,
        }
    }
}

/// What the lab measures of heads, and the word for it.
pub(in super::super) const SCORES: [(Metric, &str); 4] = [
    (Metric::Induction, "induction"),
    (Metric::InductionStripe, "induction_stripe"),
    (Metric::PreviousToken, "previous_token"),
    (Metric::DuplicateToken, "duplicate_token"),
];

/// The word for a score of the lab.
pub(in super::super) fn score_key(score: Metric) -> &'static str {
    SCORES.iter().find(|(one, _)| *one == score).map_or("", |(_, key)| key)
}

/// The score of the lab that a word is for.
pub(in super::super) fn score_of(key: &str) -> Option<Metric> {
    SCORES.iter().find(|(_, word)| *word == key).map(|(score, _)| *score)
}

impl Lab {
    /// Makes a choice; what is not understood becomes the default. Whether there is such a choice at all.
    pub(super) fn set(&mut self, key: &str, value: &str) -> bool {
        match key {
            "copy" => self.length = value.parse().ok().map(|length: usize| length.max(2)),
            "batch" => {
                self.batch = value.parse().map_or(Self::default().batch, |n: usize| n.clamp(1, MAX_BATCH));
            }
            "copyseed" => self.seed = value.parse().unwrap_or(0),
            "out" => self.out = heads_of(value),
            "fill" => self.is_mean = value == "mean",
            "others" => self.others = value.parse().unwrap_or(0),
            "score" => self.score = score_of(value).unwrap_or(Metric::Induction),
            "step" => self.step = value.parse().ok(),
            _ => return false,
        }
        true
    }

    /// The choices that are not as they are at first.
    pub(super) fn fields(&self) -> [(&'static str, Option<String>); 8] {
        let plain = Self::default();
        let other = |is_other: bool, value: u32| is_other.then(|| value.to_string());
        [
            ("copy", self.length.map(|length| length.to_string())),
            ("batch", other(self.batch != plain.batch, self.batch as u32)),
            ("copyseed", other(self.seed != 0, self.seed)),
            ("out", Some(heads_key(&self.out))),
            ("fill", self.is_mean.then(|| "mean".to_owned())),
            ("others", other(self.others != 0, self.others)),
            ("score", (self.score != plain.score).then(|| score_key(self.score).to_owned())),
            ("step", self.step.map(|step| step.to_string())),
        ]
    }
}

/// `1.2_0.6`
pub(in super::super) fn heads_key(heads: &[[usize; 2]]) -> String {
    let heads: Vec<String> =
        heads.iter().map(|[layer, head]| [&layer.to_string(), ".", &head.to_string()].concat()).collect();
    heads.join("_")
}

fn heads_of(text: &str) -> Vec<[usize; 2]> {
    let mut heads = vec![];
    for head in text.split('_').filter_map(cell_of) {
        if !heads.contains(&head) && heads.len() < MAX_OUT {
            heads.push(head);
        }
    }
    heads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_of_the_lab_are_written_and_read_back() {
        let lab = Lab {
            length: Some(25),
            batch: 8,
            seed: 3,
            out: vec![[1, 2], [0, 6]],
            is_mean: true,
            others: 2,
            score: Metric::DuplicateToken,
            step: Some(1050),
        };
        let mut read = Lab::default();
        for (key, value) in lab.fields() {
            assert!(read.set(key, &value.expect("each is another than at first")), "{key}");
        }
        assert_eq!(read, lab);
        let plain = Lab::default();
        assert!(plain.fields().iter().all(|(_, value)| value.as_ref().is_none_or(String::is_empty)));
    }

    #[test]
    fn nonsense_is_the_default_and_too_much_is_cut() {
        let mut lab = Lab::default();
        for (key, value) in [
            ("copy", "x"),
            ("batch", ""),
            ("copyseed", "-1"),
            ("out", "1_a.2"),
            ("score", "copying"),
            ("step", ""),
        ] {
            assert!(lab.set(key, value), "{key}");
            assert_eq!(lab, Lab::default(), "{key}={value}");
        }
        lab.set("batch", "1000");
        lab.set("copy", "0");
        lab.set("out", "0.0_0.1_0.0_0.2_0.3_0.4_0.5_0.6_0.7_0.8");
        assert_eq!((lab.batch, lab.length, lab.out.len()), (64, Some(2), 8));
    }
}
