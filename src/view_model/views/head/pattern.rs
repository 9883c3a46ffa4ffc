//! A head's pattern as cells, a row a query; a long prompt's in blocks, of which each shows its largest value.

use std::ops::Range;

use super::super::{Choices, Scene, Weigh, cell_of, parts, place};
use crate::{
    analysis::head::Answer,
    tensor::HostTensor,
    view_model::{
        color::Domain,
        markup::Markup,
        number,
        token_strip::{shortened, token_text},
    },
};

/// Rows and columns that are drawn at most.
const N_MOST: usize = 64;
/// Characters of a token above a column.
const N_CHARS: usize = 8;
/// Below this a cell cannot be told from paper.
const FAINTEST: f32 = 0.005;

/// Positions side by side that are drawn as one.
pub(super) struct Blocks {
    n_pos: usize,
    size: usize,
}

impl Blocks {
    pub(super) fn of(answer: &Answer) -> Self {
        let n_pos = answer.tokens.len();
        Self { n_pos, size: n_pos.div_ceil(N_MOST).max(1) }
    }

    fn n(&self) -> usize {
        self.n_pos.div_ceil(self.size)
    }

    fn span(&self, nth: usize) -> Range<usize> {
        nth * self.size..((nth + 1) * self.size).min(self.n_pos)
    }

    /// The mark of a query and a key.
    pub(super) fn mark(&self, query: usize, key: usize) -> String {
        [(query / self.size).to_string(), (key / self.size).to_string()].join(".")
    }

    /// The largest value in a block, and of which query and key; of equals the first.
    fn largest(&self, values: &HostTensor, [row, column]: [usize; 2]) -> Option<([usize; 2], f32)> {
        let mut largest: Option<([usize; 2], f32)> = None;
        for query in self.span(row) {
            for key in self.span(column).take_while(|key| *key <= query) {
                let value = *values.data().get(query * self.n_pos + key)?;
                if largest.is_none_or(|(_, before)| before < value) {
                    largest = Some(([query, key], value));
                }
            }
        }
        largest
    }
}

pub(super) fn words(weigh: Weigh) -> &'static str {
    match weigh {
        Weigh::Pattern => "attention probability",
        Weigh::Value => "attention × |v|",
        Weigh::Output => "attention × |v W_O|",
    }
}

pub(super) fn values(answer: &Answer, weigh: Weigh) -> &HostTensor {
    match weigh {
        Weigh::Pattern => &answer.pattern,
        Weigh::Value => &answer.value_weighted,
        Weigh::Output => &answer.output_weighted,
    }
}

pub(super) fn draw(out: &mut Markup, choices: &Choices, answer: &Answer) {
    let (values, blocks) = (values(answer, choices.weigh), Blocks::of(answer));
    let domain = match choices.weigh {
        Weigh::Pattern => Domain::Sequential { max: 1.0 },
        Weigh::Value | Weigh::Output => {
            Domain::Sequential { max: values.data().iter().copied().fold(0.0, f32::max) }
        }
    };
    out.raw("<section class=\"view-section\" data-testid=\"pattern\"><h3>Where does it look?</h3><div class=\"view-bar\">");
    let options = Weigh::ALL.map(|weigh| (weigh.key(), words(weigh)));
    parts::select(out, "Cells", "weigh", &options, choices.weigh.key());
    out.raw("</div>");
    if 1 < blocks.size {
        let size = blocks.size.to_string();
        let text = [
            "Each cell stands for ",
            &size,
            " by ",
            &size,
            " positions and shows the largest value among them.",
        ];
        out.element("p", &[("class", "note")], &text.concat());
    }
    cells(out, answer, values, &blocks, domain);
    let high = if domain.max() == 1.0 { "1".to_owned() } else { number::nats(domain.max()) };
    parts::scale(out, "0", &high, words(choices.weigh), parts::Ramp::Heat);
    out.raw("</section>");
}

fn cells(out: &mut Markup, answer: &Answer, values: &HostTensor, blocks: &Blocks, domain: Domain) {
    let n = blocks.n();
    let style = ["--columns:", &n.to_string()].concat();
    let label = "The head’s pattern: queries down, keys across. Arrow keys move, Enter takes a pair apart.";
    out.raw("<div class=\"view-scroll heat-scroll\" tabindex=\"-1\">");
    let attributes = [
        ("class", "view-heat"),
        ("role", "grid"),
        ("aria-label", label),
        ("style", &style),
        ("data-grid", ""),
    ];
    out.open("div", &attributes);
    out.raw("<div role=\"row\" class=\"heat-row heat-names\"><span role=\"columnheader\" class=\"heat-name\">query ↓ key →</span>");
    for nth in 0..n {
        out.element("span", &[("role", "columnheader")], &heading(answer, blocks, nth));
    }
    out.raw("</div>");
    let kept = blocks.mark(answer.pair.query, answer.pair.key);
    for row in 0..n {
        out.raw("<div role=\"row\" class=\"heat-row\">");
        let is_here = blocks.span(row).contains(&answer.pair.query);
        let class = if is_here { "heat-name here" } else { "heat-name" };
        out.element("span", &[("role", "rowheader"), ("class", class)], &name(answer, blocks, row));
        for column in 0..=row {
            let Some((_, value)) = blocks.largest(values, [row, column]) else { continue };
            let (at, strength) = ([row.to_string(), column.to_string()].join("."), domain.place(value));
            let tabindex = if at == kept { "0" } else { "-1" };
            let (style, label) = (["--v:", &format!("{strength:.2}")].concat(), number::prob(value));
            let attributes = [
                ("role", "gridcell"),
                ("tabindex", tabindex),
                ("data-at", &at),
                ("aria-label", &label),
                ("style", &style),
            ];
            out.element("b", &attributes[..if strength < FAINTEST { 4 } else { 5 }], "");
        }
        out.raw("</div>");
    }
    out.raw("</div></div>");
}

fn name(answer: &Answer, blocks: &Blocks, nth: usize) -> String {
    let span = blocks.span(nth);
    if span.len() == 1 {
        return place(span.start, &answer.tokens);
    }
    [span.start.to_string(), (span.end - 1).to_string()].join("–")
}

fn heading(answer: &Answer, blocks: &Blocks, nth: usize) -> String {
    let start = blocks.span(nth).start;
    match answer.tokens.get(start) {
        Some(token) if blocks.size == 1 => shortened(&token_text(token).glyphs(), N_CHARS),
        _ => start.to_string(),
    }
}

/// Pressing on a cell takes its query and its key apart.
pub(in super::super) fn pick(answer: &Answer, row: usize, column: usize) -> Vec<(&'static str, String)> {
    match Blocks::of(answer).largest(&answer.pattern, [row, column]) {
        Some(([query, key], _)) => vec![("pos", query.to_string()), ("key", key.to_string())],
        None => vec![],
    }
}

pub(in super::super) fn detail(out: &mut Markup, scene: &Scene<'_>, answer: &Answer, at: &str) {
    let blocks = Blocks::of(answer);
    let pair = [answer.pair.query, answer.pair.key];
    let shown = values(answer, scene.choices.weigh);
    let [query, key] = match cell_of(at) {
        Some([row, column]) if row < blocks.n() && at != blocks.mark(pair[0], pair[1]) => {
            blocks.largest(shown, [row, column]).map_or(pair, |(at, _)| at)
        }
        _ => pair,
    };
    let n = answer.tokens.len();
    let of = |values: &HostTensor, at: usize| {
        values.data().get(at).map_or_else(|| "–".to_owned(), |value| number::nats(*value))
    };
    let probability = answer.pattern.data().get(query * n + key).copied().unwrap_or(0.0);
    out.raw("<p>From ").element("span", &[("class", "token")], &place(query, &answer.tokens));
    out.text(" to ").element("span", &[("class", "token")], &place(key, &answer.tokens));
    let [value, output] = [of(&answer.norms, key), of(&answer.norms, n + key)];
    let [by_value, by_output] =
        [&answer.value_weighted, &answer.output_weighted].map(|values| of(values, query * n + key));
    let text = [
        ": attention ",
        &number::prob(probability),
        "; |v| ",
        &value,
        ", weighted ",
        &by_value,
        "; |v W_O| ",
        &output,
        ", weighted ",
        &by_output,
        ".",
    ];
    out.text(&text.concat()).raw("</p>");
}
