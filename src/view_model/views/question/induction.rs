//! What the induction lab asks: its question, and what follows from the answer to it.

use super::{Choices, Question, list};
use crate::{
    analysis::induction::Answer,
    view_model::views::{
        choices::lab::Lab,
        induction::{chosen, others, pair},
    },
};

/// What the lab asks once its first answer is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// What the later head of the circuit reads of the earlier one.
    Circuit,
    /// What taking out other heads does.
    Others,
    /// The same of a checkpoint.
    Stage,
    /// Where a head looks.
    Pattern,
}

/// The question of the induction lab.
pub(super) fn induction(choices: &Choices) -> Question {
    of(&choices.lab, &choices.lab.out)
}

/// A further question; none where the answer leaves nothing to ask. `head` is the one that is locked.
pub fn extra(extra: Extra, choices: &Choices, head: Option<[usize; 2]>, answer: &Answer) -> Option<String> {
    let lab = &choices.lab;
    Some(match extra {
        Extra::Circuit => {
            let pair = pair(answer)?;
            let layers = [[pair.earlier[0], pair.later[0]]];
            // Weights alone: as little as possible is read beside.
            begin(r#"{"length":2,"batch":1}"#).and("compositions", &pairs(&layers)).done()
        }
        Extra::Others => {
            let others = others(answer, lab);
            if others.is_empty() {
                return None;
            }
            of(lab, &others).done()
        }
        Extra::Stage => of(lab, &[]).done(),
        Extra::Pattern => {
            let ids: Vec<u32> = answer.tokens.iter().map(|token| token.id).collect();
            Question([r#"{"kind":"attention","prompt":{"tokens":"#, &list(&ids), "}"].concat())
                .and("patterns", &pairs(&[chosen(answer, head)?]))
                .and("top_k", "1")
                .done()
        }
    })
}

fn begin(repeated: &str) -> Question {
    Question([r#"{"kind":"induction","repeated":"#, repeated].concat())
}

fn of(lab: &Lab, out: &[[usize; 2]]) -> Question {
    let length = lab.length.map(|length| [",\"length\":", &length.to_string()].concat()).unwrap_or_default();
    let (batch, seed) = (lab.batch.to_string(), lab.seed.to_string());
    let question = begin(&["{\"batch\":", &batch, ",\"seed\":", &seed, &length, "}"].concat());
    let question = question.and("compositions", "[]");
    if out.is_empty() {
        return question;
    }
    let by = if lab.is_mean { "\"mean\"" } else { "\"zero\"" };
    question.and("ablate", &pairs(out)).and("by", by)
}

/// `[[1,2],[0,6]]`
fn pairs(pairs: &[[usize; 2]]) -> String {
    let pairs: Vec<String> =
        pairs.iter().map(|[a, b]| ["[", &a.to_string(), ",", &b.to_string(), "]"].concat()).collect();
    ["[", &pairs.join(","), "]"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::{attention, induction, repeated::Repeated},
        prompt::Prompt,
        view_model::views::{question::tests::read, tests},
    };

    fn lab() -> Choices {
        let lab = Lab { length: Some(25), seed: 7, out: vec![[1, 1]], is_mean: true, ..Lab::default() };
        Choices { lab, ..Choices::default() }
    }

    fn asked(question: &str) -> induction::Question {
        read("induction", question)
    }

    #[test]
    fn the_lab_asks_for_what_was_chosen() {
        let question = asked(&super::induction(&Choices::default()).done());
        assert_eq!((question.repeated, question.compositions), (Repeated::default(), Some(vec![])));
        assert!(question.ablate.is_empty());
        let question = asked(&super::induction(&lab()).done());
        assert_eq!(question.repeated, Repeated { length: Some(25), seed: 7, ..Repeated::default() });
        assert_eq!((question.ablate, question.by), (vec![[1, 1]], induction::Replacement::Mean));
    }

    #[test]
    fn what_follows_is_about_the_heads_of_the_answer() {
        let answer = tests::induction(false);
        let asked_of = |kind| extra(kind, &lab(), None, &answer).expect("there is something to ask");
        assert_eq!(asked(&asked_of(Extra::Circuit)).compositions, Some(vec![[0, 1]]));
        let others = asked(&asked_of(Extra::Others));
        assert_eq!((others.ablate, others.by), (vec![[1, 0]], induction::Replacement::Mean));
        let stage = asked(&asked_of(Extra::Stage));
        assert!(stage.ablate.is_empty() && stage.repeated.length == Some(25));
        let pattern: attention::Question = read("attention", &asked_of(Extra::Pattern));
        assert_eq!(pattern.prompt, Prompt::Tokens { tokens: vec![0, 1, 2, 1, 2] });
        assert_eq!(pattern.patterns, attention::Heads::Listed(vec![[1, 1]]));
        assert_eq!(extra(Extra::Others, &Choices::default(), None, &answer), None);
    }
}
