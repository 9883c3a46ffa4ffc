//! Key findings of the head finder and the head page.

use super::{CLEAR, STRONG};
use crate::{
    analysis::{
        head::{self, Detector},
        heads::{Answer, Metric},
    },
    view_model::{number, sentence::sentence, token_strip::token_text},
};

/// The kinds of heads that are looked for.
const KINDS: [(Metric, &str, &str); 3] = [
    (Metric::Induction, "an", "induction head"),
    (Metric::PreviousToken, "a", "previous-token head"),
    (Metric::DuplicateToken, "a", "duplicate-token head"),
];

/// The nearest head of each kind; one that is far from it is not called one.
pub fn kinds(answer: &Answer) -> Option<String> {
    let kind = |(metric, article, kind): (Metric, &str, &str)| {
        let scores = answer.scores.iter().find(|scores| scores.metric == metric)?;
        let [layer, head] = *scores.top.first()?;
        let value = *scores.values.data().get(layer * scores.values.last_axis() + head)?;
        let over = if metric == Metric::PreviousToken {
            String::new()
        } else {
            format!(" over {} queries", scores.n)
        };
        Some(if value < CLEAR {
            format!("no clear {kind} (the nearest, L{layer}H{head}: {value:.2}{over})")
        } else {
            let article = if value < STRONG { "a faint" } else { article };
            format!("L{layer}H{head} is {article} {kind} ({value:.2}{over})")
        })
    };
    let kinds: Vec<String> = KINDS.into_iter().filter_map(kind).collect();
    (!kinds.is_empty()).then(|| sentence(&kinds.join("; ")))
}

/// Where a head looks, and which detector comes nearest.
pub fn head(answer: &head::Answer) -> Option<String> {
    let query = answer.pair.query;
    let n = answer.pattern.last_axis();
    let row = answer.pattern.data().get(query * n..query * n + query + 1)?;
    let most = (0..row.len()).reduce(|best, next| if row[best] < row[next] { next } else { best })?;
    let nearest = answer.detectors.iter().filter_map(|one| Some((one.detector, one.mul?)));
    let nearest = nearest.max_by(|a, b| a.1.total_cmp(&b.1));
    let near = match nearest {
        Some((detector, mul)) if CLEAR <= mul => {
            let faint = if mul < STRONG { "faintly " } else { "" };
            format!(
                "; over the whole prompt it is {faint}like {}, with {mul:.2} of all its attention where one looks",
                a(detector)
            )
        }
        Some((detector, mul)) => format!(
            "; over the whole prompt it is like no detector’s head (the nearest, {}: {mul:.2} of all its attention)",
            a(detector)
        ),
        None => String::new(),
    };
    let place = |pos: usize| Some(format!("{pos} {}", token_text(answer.tokens.get(pos)?).quoted()));
    Some(format!(
        "L{}H{} looks from {} most at {}, with p {}{near}.",
        answer.layer,
        answer.head,
        place(query)?,
        place(most)?,
        number::prob(row[most]),
    ))
}

fn a(detector: Detector) -> &'static str {
    match detector {
        Detector::PreviousTokenHead => "a previous-token head",
        Detector::DuplicateTokenHead => "a duplicate-token head",
        Detector::InductionHead => "an induction head",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{analysis::heads::Scores, tensor::HostTensor};

    fn scores(metric: Metric, values: [f32; 2], top: usize) -> Scores {
        Scores {
            metric,
            definition: String::new(),
            unit: String::new(),
            n: 9,
            counted: String::new(),
            values: HostTensor::new(vec![1, 2], values.into()).expect("two heads"),
            top: vec![[0, top]],
        }
    }

    #[test]
    fn a_weak_head_is_not_praised() {
        let answer = Answer {
            tokens: vec![],
            n_sequences: 1,
            scores: vec![
                scores(Metric::Induction, [0.02, 0.12], 1),
                scores(Metric::PreviousToken, [0.99, 0.1], 0),
                scores(Metric::DuplicateToken, [0.1, 0.45], 1),
            ],
        };
        assert_eq!(
            kinds(&answer).expect("has kinds"),
            "No clear induction head (the nearest, L0H1: 0.12 over 9 queries); L0H0 is a previous-token head (0.99); \
             L0H1 is a faint duplicate-token head (0.45 over 9 queries)."
        );
        assert_eq!(kinds(&Answer { scores: vec![], ..answer }), None);
    }
}
