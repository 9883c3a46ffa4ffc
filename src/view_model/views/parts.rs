//! What views have in common: heads, choices, chips, scales, sentences.

use super::{
    Choices, Scene,
    choices::{component_key, ids_key},
};
use crate::{
    analysis::effects::Component,
    prompt::Token,
    view_model::{
        markup::Markup,
        sentence::sentence,
        token_strip::{Part, TokenText, token_text},
    },
};

/// Whether a picture shows what goes along with what, or what follows from a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing was changed to see it.
    Observed,
    /// Something was changed, and this is what followed.
    Caused,
}

/// The question, what is seen, and of which kind it is.
pub(super) fn head(out: &mut Markup, kind: Kind, question: &str, caption: &str) {
    out.raw("<header class=\"panel-head\">").element("h2", &[("class", "question")], question);
    tag(out, kind);
    out.raw("</header>").element("p", &[("class", "caption")], caption);
}

pub(super) fn tag(out: &mut Markup, kind: Kind) {
    let (class, word, title) = match kind {
        Kind::Observed => (
            "tag",
            "observed: correlation, not cause",
            "Read off a run as it is; nothing was changed to see what follows from it",
        ),
        Kind::Caused => {
            ("tag caused", "caused", "Something was changed in the run, and this is what followed")
        }
    };
    out.element("span", &[("class", class), ("title", title)], word);
}

/// A drop-down whose values are those of `key`.
pub(super) fn select(out: &mut Markup, label: &str, key: &str, options: &[(&str, &str)], chosen: &str) {
    out.raw("<label class=\"view-choice\">").element("span", &[], label);
    out.open("select", &[("data-set", key), ("data-key", key), ("aria-label", label)]);
    for (value, name) in options {
        let attributes = [("value", *value), ("selected", "")];
        out.element("option", if *value == chosen { &attributes } else { &attributes[..1] }, name);
    }
    out.raw("</select></label>");
}

/// A box for a whole number; empty, it means `usual`.
pub(super) fn number(out: &mut Markup, label: &str, key: &str, value: &str, usual: &str) {
    out.raw("<label class=\"view-choice\">").element("span", &[], label);
    let attributes = [
        ("type", "number"),
        ("min", "0"),
        ("data-set", key),
        ("data-key", key),
        ("value", value),
        ("placeholder", usual),
        ("aria-label", label),
    ];
    out.open("input", &attributes).raw("</label>");
}

/// What the button does that tests a component, and what it says.
pub(super) fn test(component: Component) -> (String, &'static str) {
    (assignment("test", &component_key(component)), "Test it")
}

/// What is worth saying of the answer first.
pub(super) fn finding(out: &mut Markup, sentence: Option<String>) {
    if let Some(sentence) = sentence {
        out.element("p", &[("class", "finding"), ("data-testid", "finding")], &sentence);
    }
}

/// A button that makes a choice.
pub(super) fn button(out: &mut Markup, name: &str, action: &str, title: &str) {
    let attributes = [
        ("type", "button"),
        ("class", "button small"),
        ("data-do", action),
        ("data-key", action),
        ("title", title),
    ];
    out.element("button", &attributes, name);
}

/// The button that copies the view's numbers, and where it says so.
pub(super) fn copy(out: &mut Markup) {
    out.raw(
        "<button type=\"button\" class=\"button small\" data-copy=\"\" data-key=\"copy\" \
         title=\"The numbers of this view as lines with tabs between, for a spreadsheet\">Copy numbers</button>",
    );
}

/// Where the mark under the pointer is spoken of.
pub(super) fn slot() -> Markup {
    let mut out = Markup::new();
    out.raw("<div class=\"view-detail\" data-slot=\"detail\" aria-live=\"polite\"></div>");
    out
}

/// A token, its stand-ins for whitespace fainter than its letters.
pub(super) fn token(out: &mut Markup, token: &Token) {
    token_parts(out, &token_text(token));
}

pub(super) fn token_parts(out: &mut Markup, text: &TokenText) {
    out.raw("<span class=\"token\">");
    for part in &text.parts {
        match part {
            Part::Text(text) => out.text(text),
            Part::Mark(mark) => out.element("span", &[("class", "glyph")], mark),
        };
    }
    out.raw("</span>");
}

/// Tokens as chips that can be taken away, and a box for one more. `key` is the choice that they make together;
/// `chosen` are those that the user chose, where the others are the page's own.
pub(super) fn chips(out: &mut Markup, label: &str, key: &str, shown: &[Token], chosen: &[u32]) {
    out.open("div", &[("class", "view-chips"), ("role", "group"), ("aria-label", label)]);
    out.element("span", &[("class", "quiet")], label);
    for one in shown {
        if !chosen.contains(&one.id) {
            out.raw("<span class=\"view-chip\" title=\"The page's own choice\">");
            token(out, one);
            out.raw("</span>");
            continue;
        }
        let others: Vec<u32> = chosen.iter().copied().filter(|id| *id != one.id).collect();
        let (action, text) = (assignment(key, &ids_key(&others)), token_text(one));
        let name = format!("{label}: take {} away", text.spoken);
        out.open(
            "button",
            &[("type", "button"), ("class", "view-chip chosen"), ("data-do", &action), ("aria-label", &name)],
        );
        token_parts(out, &text);
        out.raw("<span aria-hidden=\"true\"> ×</span></button>");
    }
    let (name, list) = (format!("{label}: add a token"), ids_key(chosen));
    out.open(
        "input",
        &[
            ("type", "text"),
            ("class", "view-token"),
            ("data-token", key),
            ("data-list", &list),
            ("data-key", key),
            ("placeholder", "type a token"),
            ("title", "A space in front counts: most words of a text begin with one"),
            ("aria-label", &name),
            ("spellcheck", "false"),
            ("autocomplete", "off"),
        ],
    );
    out.raw("</div>");
}

/// `pin=12.55`
pub(super) fn assignment(key: &str, value: &str) -> String {
    [key, "=", value].concat()
}

/// A list of ids with one more.
pub(super) fn with(ids: &[u32], id: u32) -> String {
    let mut ids = ids.to_vec();
    ids.push(id);
    ids_key(&ids)
}

/// What was said of the last typed token.
pub(super) fn note(out: &mut Markup, scene: &Scene<'_>) {
    if !scene.note.is_empty() {
        out.element("p", &[("class", "note"), ("role", "status")], scene.note);
    }
}

/// The colours of a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ramp {
    /// From nothing to much.
    Lit,
    /// The same where cells hold no text, and may be as dark as it gets.
    Heat,
    /// Zero in the middle.
    Diverging,
    /// From expected to surprising.
    Surprise,
}

/// A colour scale: from `low` to `high`.
pub(super) fn scale(out: &mut Markup, low: &str, high: &str, unit: &str, ramp: Ramp) {
    let ramp = match ramp {
        Ramp::Lit => "ramp lit-ramp",
        Ramp::Heat => "ramp heat-ramp",
        Ramp::Diverging => "ramp div-ramp",
        Ramp::Surprise => "ramp loss-ramp",
    };
    out.raw("<p class=\"legend\">").element("span", &[("class", "num")], low);
    out.element("span", &[("class", ramp), ("aria-hidden", "true")], "");
    out.element("span", &[("class", "num")], high).element("span", &[], unit).raw("</p>");
}

/// How something is made and what it does not show, on demand.
pub(super) fn made(out: &mut Markup, lines: &[&str]) {
    out.raw("<details class=\"view-made\" data-key=\"made\"><summary data-key=\"made-summary\">How this is computed, and what it does not show</summary>");
    for line in lines {
        out.element("p", &[], line);
    }
    out.raw("</details>");
}

/// Lines of a table with tabs between: what is in a field never ends it.
pub(super) fn line(out: &mut String, fields: &[&str]) {
    for (nth, field) in fields.iter().enumerate() {
        if 0 < nth {
            out.push('\t');
        }
        out.extend(field.chars().map(|c| if c < ' ' { ' ' } else { c }));
    }
    out.push('\n');
}

/// A number of a table, with all its digits; nothing where there is none.
pub(super) fn exact(value: f32) -> String {
    if value.is_finite() { value.to_string() } else { String::new() }
}

/// The picture's place before there is an answer: a skeleton, or nothing after a failure.
pub(super) fn waiting(out: &mut Markup, scene: &Scene<'_>) {
    if scene.first.failure.is_none() {
        out.raw("<div class=\"view-ghost\" aria-hidden=\"true\"></div>");
        out.raw("<p class=\"visually-hidden\" role=\"status\">Waiting for the model</p>");
    }
}

/// The ends of an axis of bars, and what it counts.
pub(super) fn axis(out: &mut Markup, low: &str, high: &str, unit: &str) {
    out.raw("<p class=\"view-axis num\" aria-hidden=\"true\">");
    out.element("span", &[], low).element("span", &[], unit).element("span", &[], high).raw("</p>");
}

/// The box for a second prompt.
pub(super) fn other(out: &mut Markup, choices: &Choices) {
    out.raw("<label class=\"view-other\"><span>Second prompt</span>");
    let attributes = [
        ("type", "text"),
        ("data-set", "other"),
        ("data-key", "other"),
        ("value", choices.other.as_str()),
        ("aria-label", "Second prompt"),
        ("placeholder", "another text; Enter asks"),
        ("spellcheck", "false"),
        ("autocomplete", "off"),
    ];
    out.open("input", &attributes).raw("</label>");
}

/// Why something is not there: what happened, and what to try.
pub(super) fn failure(out: &mut Markup, [what, hint]: [&str; 2]) {
    out.raw("<div class=\"alert\" role=\"alert\">").element("p", &[("class", "alert-what")], &sentence(what));
    out.element("p", &[("class", "alert-hint")], hint).raw("</div>");
}

/// Indices of the `n` largest sizes, the largest first; ties go to the lower index. What is no number is left out.
pub(super) fn largest(sizes: &[f64], n: usize) -> Vec<usize> {
    let mut chosen: Vec<usize> = vec![];
    while chosen.len() < n {
        let mut best: Option<usize> = None;
        for (at, size) in sizes.iter().enumerate() {
            let is_better = best.is_none_or(|best| sizes[best] < *size);
            if !size.is_nan() && is_better && !chosen.contains(&at) {
                best = Some(at);
            }
        }
        match best {
            Some(best) => chosen.push(best),
            None => break,
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::largest;

    #[test]
    fn the_largest_come_first_and_ties_in_their_order() {
        assert_eq!(largest(&[1.0, f64::NAN, 3.0, 1.0, 2.0], 4), [2, 4, 0, 3]);
        assert_eq!(largest(&[1.0], 3), [0]);
        assert!(largest(&[], 3).is_empty());
    }
}
