//! Head finder: every head by what it does, on this text or on repeated random tokens.

use super::{
    Answered, Choices, Scene, Top,
    bars::{self, Row},
    cell_of, effects,
    grid::{self, Cell, Column, Grid},
    parts::{self, Kind},
};
use crate::{
    analysis::{
        effects::Component,
        heads::{Answer, Metric, Scores},
    },
    view_model::{color::Domain, finding, head_grid::by_score, markup::Markup, number},
};

pub(super) mod words;

pub(super) fn draw(out: &mut Vec<Markup>, scene: &Scene<'_>) {
    let mut top = Markup::new();
    parts::head(
        &mut top,
        Kind::Observed,
        "Which head does what?",
        "Every head of the model by one number at a time: layers down, the last one first, heads across. Press on a head \
         to open its page.",
    );
    controls(&mut top, scene.choices);
    let Some(Answered::Heads(answer)) = scene.first.answer else {
        parts::waiting(&mut top, scene);
        out.push(top);
        return;
    };
    parts::finding(&mut top, finding::heads::kinds(answer));
    top.element("p", &[("class", "note num"), ("data-testid", "heads-read")], &read(answer));
    let (mut cells, mut listed, mut test) = (Markup::new(), Markup::new(), Markup::new());
    match shown(scene.choices, answer) {
        Ok(scores) => {
            defined(&mut cells, scores);
            draw_grid(&mut cells, scores);
            list(&mut listed, scene.choices, scores);
        }
        Err(why) => {
            cells.element("p", &[("class", "note")], why);
            if !scene.choices.is_random {
                parts::button(
                    &mut cells,
                    "Read random tokens, twice",
                    "on=random",
                    "Every one of them is repeated",
                );
            }
        }
    }
    effects::draw(&mut test, scene, effects::metric_name(scene.choices));
    let mut foot = Markup::new();
    parts::made(
        &mut foot,
        &[
            "Scores are means over query positions of blocks.*.attn.hook_pattern (Olsson et al. 2022, and \
             TransformerLens’ head detectors); the norm of what a head writes is |z W_O|; copying is the sum of the \
             eigenvalues of W_V W_O over the sum of their sizes (Elhage et al. 2021), and needs no text.",
            "Random tokens are drawn as torch.randint draws them after manual_seed, and read twice: there nothing helps \
             but looking at what followed before. On a text a score is about that text.",
            "A score says where a head looks, not that it matters, and a head may do something else elsewhere. “Test it” \
             takes it out of the model on your prompt.",
        ],
    );
    out.extend([top, cells, parts::slot(), listed, test, foot]);
}

fn controls(out: &mut Markup, choices: &Choices) {
    out.raw("<div class=\"view-bar\">");
    let names = Metric::ALL.map(|metric| (words::key(metric), words::name(metric)));
    parts::select(out, "Metric", "metric", &names, words::key(choices.metric));
    let on = if choices.is_random { "random" } else { "text" };
    parts::select(out, "On", "on", &[("text", "this prompt"), ("random", "random tokens, twice")], on);
    if choices.is_random {
        let length = choices.length.map_or_else(String::new, |length| length.to_string());
        parts::number(out, "Length", "length", &length, "50");
        parts::number(out, "Seed", "draw", &choices.draw.to_string(), "0");
    }
    let tops = Top::ALL.map(|top| (top.key(), top.key()));
    parts::select(out, "List", "top", &tops, choices.top.key());
    let order = if choices.is_smallest { "smallest" } else { "largest" };
    let orders = [("largest", "largest first"), ("smallest", "smallest first")];
    parts::select(out, "Order", "order", &orders, order);
    parts::copy(out);
    out.raw("</div>");
}

/// What the heads were measured on.
fn read(answer: &Answer) -> String {
    let n = answer.tokens.len();
    if of(answer, Metric::InductionStripe).is_none() {
        return ["Read: this prompt, ", &n.to_string(), " tokens."].concat();
    }
    let bos = if n % 2 == 1 { ", after a BOS" } else { "" };
    let (n_sequences, length) = (answer.n_sequences.to_string(), (n / 2).to_string());
    ["Read: ", &n_sequences, " sequences of ", &length, " random tokens, each twice", bos, "."].concat()
}

fn of(answer: &Answer, metric: Metric) -> Option<&Scores> {
    answer.scores.iter().find(|scores| scores.metric == metric)
}

/// The chosen metric, or why there is nothing to see of it.
fn shown<'a>(choices: &Choices, answer: &'a Answer) -> Result<&'a Scores, &'static str> {
    let scores = of(answer, choices.metric)
        .ok_or("This stripe is that of two copies, and a prompt is not two copies of something.")?;
    if scores.n == 0 {
        return Err("There is nothing to measure here: no token of this prompt comes again.");
    }
    Ok(scores)
}

/// The metric's definition, unit and data, as the answer says them.
fn defined(out: &mut Markup, scores: &Scores) {
    out.raw("<div data-testid=\"metric\">").element("h3", &[], words::name(scores.metric));
    out.element("p", &[("class", "note")], &scores.definition);
    let n = number::count(scores.n as u64);
    let data = ["Unit: ", &scores.unit, ". Each value is made of ", &n, " ", &scores.counted, "."];
    out.element("p", &[("class", "note num")], &data.concat()).raw("</div>");
}

/// `[n_layers, n_heads]`
fn dims(scores: &Scores) -> [usize; 2] {
    match *scores.values.shape() {
        [n_layers, n_heads] => [n_layers, n_heads],
        _ => [0, 0],
    }
}

fn value(scores: &Scores, [layer, head]: [usize; 2]) -> f32 {
    let at = layer * scores.values.last_axis() + head;
    scores.values.data().get(at).copied().unwrap_or(f32::NAN)
}

/// The head of a cell; the last layer is the first row.
fn head_at(answer: &Answer, row: usize, column: usize) -> Option<[usize; 2]> {
    let [n_layers, n_heads] = dims(answer.scores.first()?);
    let layer = n_layers.checked_sub(row + 1)?;
    (column < n_heads).then_some([layer, column])
}

fn draw_grid(out: &mut Markup, scores: &Scores) {
    let [n_layers, n_heads] = dims(scores);
    let rows: Vec<String> =
        (0..n_layers).rev().map(|layer| ["layer ", &layer.to_string()].concat()).collect();
    let column = |head: usize| {
        let head = head.to_string();
        Column { name: ["H", &head].concat(), title: ["head ", &head].concat(), is_faint: false }
    };
    let columns: Vec<Column> = (0..n_heads).map(column).collect();
    let grid = Grid {
        label: "Heads: layers down, the last one first. Arrow keys move, Enter opens the head’s page.",
        corner: "",
        rows: &rows,
        columns: &columns,
    };
    let domain = words::domain(scores);
    grid::draw(out, &grid, &|row, column| {
        let value = value(scores, [n_layers - 1 - row, column]);
        Cell { text: words::short(value), place: domain.place(value) }
    });
    let (low, ramp) = match domain {
        Domain::Sequential { .. } => ("0", parts::Ramp::Lit),
        Domain::Diverging { .. } => ("−1", parts::Ramp::Diverging),
    };
    let high = if domain.max() == 1.0 { "1".to_owned() } else { words::short(domain.max()) };
    parts::scale(out, low, &high, &scores.unit, ramp);
}

/// The heads that have a value, in the order that was chosen; of equals the first.
fn ordered(choices: &Choices, scores: &Scores) -> Vec<[usize; 2]> {
    let [n_layers, n_heads] = dims(scores);
    let heads = (0..n_layers).flat_map(|layer| (0..n_heads).map(move |head| [layer, head]));
    let sign = if choices.is_smallest { -1.0 } else { 1.0 };
    let scored = heads.map(|head| (head, sign * value(scores, head)));
    by_score(scored.filter(|(_, value)| value.is_finite()).collect())
}

fn list(out: &mut Markup, choices: &Choices, scores: &Scores) {
    let heads = ordered(choices, scores);
    let n_layers = dims(scores)[0];
    let row_of = |head: &[usize; 2]| {
        let component = Component::Head(*head);
        let (mut label, name) = (Markup::new(), effects::name(component));
        open(&mut label, *head, &name, "textlink");
        let value = value(scores, *head);
        let mut row = Row::new(label, f64::from(value), words::short(value));
        row.at = Some([(n_layers - 1 - head[0]).to_string(), head[1].to_string()].join("."));
        (row.spoken, row.button) = (name, Some(parts::test(component)));
        row
    };
    let rows: Vec<Row> = heads.iter().take(choices.top.n()).map(row_of).collect();
    out.raw("<section class=\"view-section\" data-testid=\"top-heads\">");
    let (n_rows, n_heads) = (rows.len().to_string(), heads.len().to_string());
    let which = if choices.is_smallest { "least " } else { "most " };
    let title = ["The ", &n_rows, " of ", &n_heads, " heads with ", which, words::name(scores.metric)];
    out.element("h3", &[], &title.concat());
    bars::draw(out, "Heads in order", &scores.unit, &rows);
    out.raw("</section>");
}

/// A button that opens a head's page.
pub(super) fn open(out: &mut Markup, [layer, head]: [usize; 2], name: &str, class: &str) {
    let action = ["head=", &layer.to_string(), ".", &head.to_string(), "&view=head"].concat();
    let attributes = [
        ("type", "button"),
        ("class", class),
        ("data-do", action.as_str()),
        ("data-key", &action),
        ("title", "Opens this head’s page"),
    ];
    out.element("button", &attributes, name);
}

/// Pressing on a head opens its page.
pub(super) fn pick(answer: &Answer, row: usize, column: usize) -> Vec<(&'static str, String)> {
    match head_at(answer, row, column) {
        Some([layer, head]) => {
            let head = [layer.to_string(), head.to_string()].join(".");
            vec![("head", head), ("view", "head".to_owned())]
        }
        None => vec![],
    }
}

/// All that is known of the head under the pointer, or else of the locked one, or of the first in order.
pub(super) fn detail(out: &mut Markup, scene: &Scene<'_>, answer: &Answer, at: &str) {
    let pointed = cell_of(at).and_then(|[row, column]| head_at(answer, row, column));
    let scores = of(answer, scene.choices.metric).or(answer.scores.first());
    let locked = || {
        scene.head.filter(|[layer, head]| {
            scores.is_some_and(|scores| *layer < dims(scores)[0] && *head < dims(scores)[1])
        })
    };
    let first = || ordered(scene.choices, scores?).first().copied();
    let Some(head) = pointed.or_else(locked).or_else(first) else { return };
    let component = Component::Head(head);
    out.raw("<p class=\"view-bar\">").element("strong", &[], &effects::name(component));
    open(out, head, "Open its page", "button small");
    let (action, name) = parts::test(component);
    parts::button(out, name, &action, "Takes it out of the model, beside random others");
    out.raw("</p><dl class=\"view-values\">");
    for scores in &answer.scores {
        out.raw("<div>").element("dt", &[], words::name(scores.metric));
        out.element("dd", &[("class", "num")], &words::long(scores.metric, value(scores, head)))
            .raw("</div>");
    }
    out.raw("</dl>");
}

/// A line a head, a column a metric.
pub(super) fn table(answer: &Answer) -> String {
    let mut out = String::new();
    let names = answer.scores.iter().map(|scores| words::key(scores.metric));
    parts::line(&mut out, &["layer", "head"].into_iter().chain(names).collect::<Vec<_>>());
    let [n_layers, n_heads] = answer.scores.first().map_or([0, 0], dims);
    for head in (0..n_layers).flat_map(|layer| (0..n_heads).map(move |head| [layer, head])) {
        let values = answer.scores.iter().map(|scores| parts::exact(value(scores, head)));
        let fields: Vec<String> = head.map(|index| index.to_string()).into_iter().chain(values).collect();
        parts::line(&mut out, &fields.iter().map(String::as_str).collect::<Vec<_>>());
    }
    out
}
