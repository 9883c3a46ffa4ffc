//! All heads at once: names, scores, ranks and hues of a layer by head grid, and walking over it.

use super::{color::head_hue, head_score::HeadScore};
use crate::analysis::attention::HeadScores;

/// One head in the grid.
#[derive(Clone, Debug, PartialEq)]
pub struct GridCell {
    /// `[layer, head]`
    pub head: [usize; 2],
    /// Its hue in degrees.
    pub hue: f32,
    /// Its score on this prompt.
    pub score: Option<f32>,
    /// The score with two decimals, or a dash.
    pub score_text: String,
    /// Length of its strip, 0 to 1.
    pub share: f32,
    /// 1 for the highest score, counted only as far as asked.
    pub rank: Option<usize>,
    /// Its accessible name.
    pub label: String,
}

/// A step over the grid. Layers go upwards, as in a building.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// To the layer above.
    Up,
    /// To the layer below.
    Down,
    /// To the head before.
    Left,
    /// To the next head.
    Right,
    /// To the first head of the layer.
    First,
    /// To the last head of the layer.
    Last,
}

/// `[n_layers, n_heads]` of the model that `heads` belong to.
pub fn dims(heads: &[HeadScores]) -> [usize; 2] {
    let n = |of: fn(&HeadScores) -> usize| heads.iter().map(|head| of(head) + 1).max().unwrap_or(0);
    [n(|head| head.layer), n(|head| head.head)]
}

/// Every head, layer by layer, scored by `metric`; the `n_ranked` best carry their rank.
pub fn cells(heads: &[HeadScores], n_tokens: usize, metric: HeadScore, n_ranked: usize) -> Vec<GridCell> {
    let dims = dims(heads);
    let ranked = ranked(heads, metric);
    heads
        .iter()
        .map(|scores| {
            let head = [scores.layer, scores.head];
            let score = metric.of(scores);
            GridCell {
                head,
                hue: head_hue(head, dims),
                score,
                score_text: score.map_or("–".to_owned(), |score| format!("{score:.2}")),
                share: score.map_or(0.0, |score| (score / metric.max(n_tokens)).clamp(0.0, 1.0)),
                rank: ranked.iter().take(n_ranked).position(|best| *best == head).map(|idx| idx + 1),
                label: label(head, metric, score),
            }
        })
        .collect()
}

/// The heads that have a score, highest first; of equals, the first of the model.
pub fn ranked(heads: &[HeadScores], metric: HeadScore) -> Vec<[usize; 2]> {
    by_score(heads.iter().filter_map(|head| Some(([head.layer, head.head], metric.of(head)?))).collect())
}

/// Heads by their scores, highest first; of equals, the first of the model.
pub fn by_score(mut scored: Vec<([usize; 2], f32)>) -> Vec<[usize; 2]> {
    scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    scored.into_iter().map(|(head, _)| head).collect()
}

/// What the score is averaged over: "over 9 query positions (of 24)".
pub fn averaged_over(metric: HeadScore, n_tokens: usize, n_repeated: usize) -> String {
    let n = match metric {
        HeadScore::Induction | HeadScore::DuplicateToken => n_repeated,
        HeadScore::PreviousToken | HeadScore::FirstToken => n_tokens.saturating_sub(1),
        HeadScore::Entropy => n_tokens,
    };
    match n {
        0 => "This prompt has no query position to average over: no token in it is repeated.".to_owned(),
        1 => format!("Here: 1 query position of {n_tokens}."),
        _ => format!("Here: a mean over {n} query positions of {n_tokens}."),
    }
}

/// The head one step away; itself at the edge.
pub fn step([layer, head]: [usize; 2], by: Move, [n_layers, n_heads]: [usize; 2]) -> [usize; 2] {
    match by {
        Move::Up => [(layer + 1).min(n_layers.saturating_sub(1)), head],
        Move::Down => [layer.saturating_sub(1), head],
        Move::Left => [layer, head.saturating_sub(1)],
        Move::Right => [layer, (head + 1).min(n_heads.saturating_sub(1))],
        Move::First => [layer, 0],
        Move::Last => [layer, n_heads.saturating_sub(1)],
    }
}

/// "Layer 1 head 3"
pub fn name([layer, head]: [usize; 2]) -> String {
    format!("Layer {layer} head {head}")
}

/// "induction score 0.86"
pub fn score_phrase(metric: HeadScore, score: Option<f32>) -> String {
    match (metric, score) {
        (_, None) => format!("no {} score on this prompt", metric.name()),
        (HeadScore::Entropy, Some(score)) => format!("entropy {score:.2} nats"),
        (_, Some(score)) => format!("{} score {score:.2}", metric.name()),
    }
}

fn label(head: [usize; 2], metric: HeadScore, score: Option<f32>) -> String {
    format!("{}, {}", name(head), score_phrase(metric, score))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(layer: usize, head: usize, induction: Option<f32>) -> HeadScores {
        HeadScores {
            layer,
            head,
            induction,
            previous_token: Some(0.5),
            duplicate_token: None,
            first_token: Some(0.1),
            entropy_nats: 1.2,
        }
    }

    #[test]
    fn heads_are_named_with_their_score() {
        let heads = [head(0, 0, Some(0.1)), head(1, 3, Some(0.861))];
        let labels =
            |metric| cells(&heads, 9, metric, 3).into_iter().map(|cell| cell.label).collect::<Vec<_>>();
        assert_eq!(labels(HeadScore::Induction)[1], "Layer 1 head 3, induction score 0.86");
        assert_eq!(labels(HeadScore::Entropy)[1], "Layer 1 head 3, entropy 1.20 nats");
        assert_eq!(
            labels(HeadScore::DuplicateToken)[0],
            "Layer 0 head 0, no duplicate token score on this prompt"
        );
        assert_eq!(dims(&heads), [2, 4]);
    }

    #[test]
    fn ranks_go_to_the_best_and_ties_to_the_first() {
        let heads = [head(0, 0, Some(0.2)), head(0, 1, Some(0.9)), head(1, 0, Some(0.9)), head(1, 1, None)];
        let ranks: Vec<_> =
            cells(&heads, 9, HeadScore::Induction, 2).into_iter().map(|cell| cell.rank).collect();
        assert_eq!(ranks, [None, Some(1), Some(2), None]);
        assert_eq!(ranked(&heads, HeadScore::Induction), [[0, 1], [1, 0], [0, 0]]);
    }

    #[test]
    fn steps_stop_at_the_edges() {
        let dims = [2, 3];
        assert_eq!(step([0, 0], Move::Down, dims), [0, 0]);
        assert_eq!(step([0, 2], Move::Up, dims), [1, 2]);
        assert_eq!(step([1, 2], Move::Up, dims), [1, 2]);
        assert_eq!(step([1, 2], Move::Right, dims), [1, 2]);
        assert_eq!(step([1, 1], Move::First, dims), [1, 0]);
        assert_eq!(step([1, 1], Move::Last, dims), [1, 2]);
    }

    #[test]
    fn the_size_of_the_sample_is_told() {
        assert_eq!(
            averaged_over(HeadScore::PreviousToken, 24, 9),
            "Here: a mean over 23 query positions of 24."
        );
        assert!(averaged_over(HeadScore::Induction, 24, 0).contains("no token in it is repeated"));
    }
}
