//! Left | Diff | Right: a view beside itself on a second prompt, in another model, or with something taken out.

use super::{Against, Answered, Scene, Standing, bars, effects, parts};
use crate::{
    analysis::effects::Component,
    view_model::{markup::Markup, number},
};

/// Rows of a table of differences.
const N_ROWS: usize = 24;

/// What a view is compared with, beside the first answer.
pub(super) struct Other<'a, T> {
    /// What it is called.
    pub name: String,
    /// Its answer.
    pub answer: &'a T,
}

/// The other side, if there is one and its answer is there.
pub(super) fn other<'a, T>(
    scene: &Scene<'a>,
    of: impl Fn(&'a Answered) -> Option<&'a T>,
) -> Option<Other<'a, T>> {
    let name = name(&scene.choices.against)?;
    scene.other.answer.and_then(of).map(|answer| Other { name, answer })
}

/// What the other side is called; nothing without one.
pub(super) fn name(against: &Against) -> Option<String> {
    match against {
        Against::Nothing => None,
        Against::Without(component) => Some(["without ", &effects::name(*component)].concat()),
        Against::Other => Some("the second prompt".to_owned()),
        Against::Model(id) => Some(id.clone()),
    }
}

/// What follows from a change is caused, anything else observed.
pub(super) fn kind(scene: &Scene<'_>, is_compared: bool) -> parts::Kind {
    match scene.choices.against {
        Against::Without(_) if is_compared => parts::Kind::Caused,
        _ => parts::Kind::Observed,
    }
}

/// The choice of the other side, and the box for a second prompt.
pub(super) fn choice(out: &mut Markup, scene: &Scene<'_>, models: &[String]) {
    let chosen = scene.choices.against.key();
    let mut options =
        vec![(String::new(), "nothing".to_owned()), ("other".to_owned(), "a second prompt".to_owned())];
    options.extend(models.iter().map(|id| (Against::Model(id.clone()).key(), ["in ", id].concat())));
    let mut without = |component| {
        let against = Against::Without(component);
        options.push((against.key(), name(&against).unwrap_or_default()));
    };
    if let Some(building) = scene.building {
        for layer in 0..building.n_layers {
            (0..building.n_heads).for_each(|head| without(Component::Head([layer, head])));
            if building.has_mlp {
                without(Component::Mlp(layer));
            }
        }
    }
    if !options.iter().any(|(key, _)| *key == chosen) {
        options.push((chosen.clone(), chosen.clone())); // Of an address: the engine says if it does not fit.
    }
    let options: Vec<(&str, &str)> =
        options.iter().map(|(key, name)| (key.as_str(), name.as_str())).collect();
    parts::select(out, "Compare with", "against", &options, &chosen);
}

/// How the other side stands where it is not there, below the choice.
pub(super) fn standing(out: &mut Markup, scene: &Scene<'_>, is_there: bool) {
    if scene.choices.against == Against::Other {
        parts::other(out, scene.choices);
    }
    let Standing { failure, is_running, .. } = scene.other;
    if let Some(failure) = failure {
        parts::failure(out, failure);
    } else if is_running && !is_there {
        out.raw("<p class=\"note\" role=\"status\">Asking about the other side…</p>");
    }
}

/// Three pictures beside each other where there is room. No difference is drawn where the sides have other places.
pub(super) fn draw(
    out: &mut Markup,
    name: &str,
    left: impl FnOnce(&mut Markup),
    diff: Option<impl FnOnce(&mut Markup)>,
    right: impl FnOnce(&mut Markup),
) {
    out.raw("<div class=\"view-sides\"><section data-testid=\"left\"><h3>Left: this prompt</h3>");
    left(out);
    out.raw("</section>");
    match diff {
        Some(diff) => {
            out.raw("<section data-testid=\"diff\"><h3>Diff: right less left</h3>");
            diff(out);
            out.raw("</section>");
        }
        None => _ = out.raw(
            "<p class=\"note\">The two do not have the same tokens, so there is no difference to show.</p>",
        ),
    }
    out.raw("<section data-testid=\"right\">").element("h3", &[], &["Right: ", name].concat());
    right(out);
    out.raw("</section></div>");
}

/// One part of both sides.
pub(super) struct Part {
    /// What it is.
    pub name: String,
    /// Its value on the left, and on the right.
    pub values: [f64; 2],
}

/// What the rows of a table are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sorted {
    /// How much the sides differ.
    #[default]
    Diff,
    /// How large the left side is.
    Left,
    /// How large the right side is.
    Right,
}

impl Sorted {
    pub(super) const ALL: [Self; 3] = [Self::Left, Self::Diff, Self::Right];

    /// The word for it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Diff => "diff",
            Self::Left => "left",
            Self::Right => "right",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Diff => "Diff",
            Self::Left => "Left",
            Self::Right => "Right",
        }
    }

    fn of(self, [left, right]: [f64; 2]) -> f64 {
        match self {
            Self::Diff => right - left,
            Self::Left => left,
            Self::Right => right,
        }
    }
}

/// Parts as a table with a column a side, the largest first by what it is sorted by.
pub(super) fn table(out: &mut Markup, scene: &Scene<'_>, what: &str, unit: &str, all: &[Part]) {
    let sorted = scene.choices.sorted;
    out.raw("<section class=\"view-section\" data-testid=\"sides\">");
    out.element("h3", &[], &[what, ": left, difference, right"].concat());
    out.raw("<div class=\"table-scroll\"><table class=\"view-table\"><thead><tr><th scope=\"col\"></th>");
    for column in Sorted::ALL {
        let aria = if column == sorted { "descending" } else { "none" };
        out.open("th", &[("scope", "col"), ("class", "num"), ("aria-sort", aria)]);
        let action = parts::assignment("sort", column.key());
        let title = ["Largest ", column.key(), " first"].concat();
        let attributes = [
            ("type", "button"),
            ("class", "textlink"),
            ("data-do", action.as_str()),
            ("data-key", &action),
            ("title", &title),
        ];
        out.open("button", &attributes).text(column.name());
        out.raw(if column == sorted { " ↓" } else { "" }).raw("</button></th>");
    }
    out.raw("</tr></thead><tbody>");
    let sizes: Vec<f64> = all.iter().map(|part| sorted.of(part.values).abs()).collect();
    let domain = bars::diverging(all.iter().map(|part| Sorted::Diff.of(part.values)));
    let listed = parts::largest(&sizes, N_ROWS);
    for part in listed.iter().map(|at| &all[*at]) {
        out.raw("<tr>").element("th", &[("scope", "row")], &part.name);
        for column in Sorted::ALL {
            let value = column.of(part.values);
            let place = if column == Sorted::Diff { domain.place(value as f32) } else { 0.0 };
            let style = format!("--v:{:.2}", place.abs());
            let class = if place < 0.0 { "num tint neg" } else { "num tint" };
            out.element("td", &[("class", class), ("style", &style)], &number::signed(value));
        }
        out.raw("</tr>");
    }
    out.raw("</tbody></table></div>");
    let n_left_out = all.len() - listed.len();
    let rest = if n_left_out == 0 {
        String::new()
    } else {
        format!("; {n_left_out} smaller ones are in Copy numbers")
    };
    out.element("p", &[("class", "note")], &[unit, ", right less left in the middle", &rest].concat());
    out.raw("</section>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_right_less_left() {
        assert_eq!(Sorted::ALL.map(|column| column.of([1.0, 3.5])), [1.0, 2.5, 3.5]);
    }

    #[test]
    fn only_what_was_changed_is_a_cause() {
        assert_eq!(name(&Against::Nothing), None);
        assert_eq!(name(&Against::Without(Component::Mlp(2))).as_deref(), Some("without MLP 2"));
    }
}
