//! What the head finder and the head page ask.

use super::{About, Choices, Question, prompt, quoted};
use crate::view_model::address::key_of;

/// Tokens that what a head writes promotes, and as many that it suppresses.
const TOP_K: usize = 8;
/// How a question about all heads begins.
pub(super) const OF_HEADS: &str = r#"{"kind":"heads""#;
/// What the head page asks of all heads while it has none: enough to offer some.
const KINDS: &str = r#"["induction","previous_token","duplicate_token","first_token"]"#;

/// The question of the head finder: every metric at once, so that the choice of one asks nothing.
pub(super) fn heads(about: &About<'_>, choices: &Choices) -> Option<Question> {
    let on = if choices.is_random {
        let length = choices
            .length
            .map_or_else(String::new, |length| ["\"length\":", &length.to_string(), ","].concat());
        let draw = choices.draw.to_string();
        let parts =
            [r#"{"repeated":{"#, &length, r#""seed":"#, &draw, r#","bos":""#, key_of(about.bos), "\"}}"];
        parts.concat()
    } else {
        on_prompt(about)
    };
    Some(of_heads(&on))
}

/// The question of the head page; without a head, which ones there are.
pub(super) fn head(about: &About<'_>, choices: &Choices) -> Option<Question> {
    let Some([layer, head]) = about.head else {
        return Some(of_heads(&on_prompt(about)).and("metrics", KINDS));
    };
    let query = about.pos.map_or(-1, |pos| pos as i64).to_string();
    let mut question = Question::of("head", about.text, about.bos)
        .and("layer", &layer.to_string())
        .and("head", &head.to_string())
        .and("query", &query)
        .and("top_k", &TOP_K.to_string());
    // No head looks ahead: a key that was chosen for a later query waits until there is one again.
    if let Some(key) = choices.key.filter(|key| about.pos.is_none_or(|pos| *key <= pos)) {
        question = question.and("key", &key.to_string());
    }
    if choices.is_embedding {
        question = question.and("reads", &quoted("embedding"));
    }
    Some(question)
}

fn on_prompt(about: &About<'_>) -> String {
    [r#"{"prompt":"#, &prompt(about.text, about.bos), "}"].concat()
}

fn of_heads(on: &str) -> Question {
    Question([OF_HEADS, r#","on":"#, on].concat())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            super::View,
            first,
            tests::{about, read, text},
        },
        *,
    };
    use crate::analysis::{
        head::{self, Reads},
        heads::{self, Reading},
        repeated::Repeated,
    };

    fn of(about: &About<'_>, choices: &Choices) -> head::Question {
        read("head", &first(View::Head, about, choices).expect("is asked"))
    }

    #[test]
    fn the_finder_asks_for_everything_at_once() {
        let mut choices = Choices::default();
        let asked = |choices: &Choices| first(View::Heads, &about(), choices).expect("is asked");
        let question: heads::Question = read("heads", &asked(&choices));
        assert_eq!((question.on, question.metrics), (Reading::Prompt(text()), None));
        choices.metric = heads::Metric::Copying;
        assert_eq!(asked(&choices), asked(&Choices::default()), "another metric asks nothing new");
        choices.is_random = true;
        let question: heads::Question = read("heads", &asked(&choices));
        let usual = Repeated { bos: about().bos, ..Repeated::default() };
        assert_eq!(question.on, Reading::Repeated(usual.clone()));
        (choices.length, choices.draw) = (Some(12), 7);
        let question: heads::Question = read("heads", &asked(&choices));
        assert_eq!(question.on, Reading::Repeated(Repeated { length: Some(12), seed: 7, ..usual }));
    }

    #[test]
    fn a_head_is_asked_about_where_the_user_looks() {
        let choices = Choices { key: Some(3), is_embedding: true, ..Choices::default() };
        let at = |pos| About { pos, head: Some([1, 3]), ..about() };
        let question = of(&at(Some(5)), &choices);
        assert_eq!((question.prompt, question.layer, question.head), (text(), 1, 3));
        assert_eq!((question.query, question.key, question.reads), (5, Some(3), Reads::Embedding));
        assert_eq!(of(&at(Some(2)), &choices).key, None, "no head looks ahead");
        let question = of(&at(None), &Choices::default());
        assert_eq!((question.query, question.key, question.reads), (-1, None, Reads::Stream));
    }

    #[test]
    fn without_a_head_it_asks_which_there_are() {
        let question = first(View::Head, &about(), &Choices::default()).expect("is asked");
        let question: heads::Question = read("heads", &question);
        assert_eq!(question.on, Reading::Prompt(text()));
        assert_eq!(question.metrics.map(|metrics| metrics.len()), Some(4));
    }
}
