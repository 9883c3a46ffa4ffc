//! The numbers of the head page, for a spreadsheet.

use super::{
    super::{Scene, parts, place},
    pattern,
    spread::words,
};
use crate::{analysis::head::Answer, view_model::token_strip::token_text};

/// The cells on screen; the norms; the pair and its products; what is written; the spread; the detectors.
pub(in super::super) fn table(scene: &Scene<'_>, answer: &Answer) -> String {
    let mut out = String::new();
    let mut line = |fields: &[&str]| parts::line(&mut out, fields);
    let exact = parts::exact;
    let (n, weigh) = (answer.tokens.len(), scene.choices.weigh);
    let names: Vec<String> = (0..n).map(|pos| place(pos, &answer.tokens)).collect();
    let title = [super::name([answer.layer, answer.head]).as_str(), " ", pattern::words(weigh)].concat();
    line(&[title.as_str()].into_iter().chain(names.iter().map(String::as_str)).collect::<Vec<_>>());
    for (name, row) in names.iter().zip(pattern::values(answer, weigh).data().chunks_exact(n.max(1))) {
        let values: Vec<String> = row.iter().map(|value| exact(*value)).collect();
        line(&[name.as_str()].into_iter().chain(values.iter().map(String::as_str)).collect::<Vec<_>>());
    }
    line(&["key", "|v|", "|v W_O|"]);
    for (key, name) in names.iter().enumerate() {
        let norm = |at: usize| answer.norms.data().get(at).map_or_else(String::new, |norm| exact(*norm));
        line(&[name, &norm(key), &norm(n + key)]);
    }
    let pair = &answer.pair;
    line(&["query", &pair.query.to_string(), "key", &pair.key.to_string()]);
    let score = pair.score.map_or_else(String::new, exact);
    for (name, value) in [
        ("q·k", exact(pair.dot)),
        ("scale", exact(pair.scale)),
        ("soft cap", pair.soft_cap.map_or_else(String::new, exact)),
        ("score", score),
        ("log sum exp", exact(pair.log_sum_exp)),
        ("probability", exact(pair.probability)),
        ("share", answer.share.map_or_else(String::new, exact)),
    ] {
        line(&[name, &value]);
    }
    for (dimension, product) in pair.products.iter().enumerate() {
        line(&["dimension", &dimension.to_string(), &exact(*product)]);
    }
    for (what, pushes) in [("promotes", &answer.promoted), ("suppresses", &answer.suppressed)] {
        pushes.iter().for_each(|push| line(&[what, &token_text(&push.token).glyphs(), &exact(push.logit)]));
    }
    for (bin, n) in answer.spread.max_attention.iter().enumerate() {
        line(&["queries in bin of largest attention", &bin.to_string(), &n.to_string()]);
    }
    for (distance, share) in answer.spread.by_distance.iter().enumerate() {
        line(&["distance", &distance.to_string(), &exact(*share)]);
    }
    for one in &answer.detectors {
        line(&[words(one.detector)[0], &one.mul.map_or_else(String::new, exact), &exact(one.abs)]);
    }
    out
}
