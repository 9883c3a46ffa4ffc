//! Direct logit attribution: a waterfall from writer to writer, the heads as a grid, the largest neurons, and a test.

use std::cmp::Ordering;

use super::{
    Against, Answered, Choices, Scene,
    bars::{self, Row},
    cell_of, effects,
    grid::{self, Cell, Column, Grid},
    parts::{self, Kind},
    place,
    sides::{self, Other},
};
use crate::{
    analysis::{attribution::Answer, effects::Component},
    prompt::Token,
    run::Writer,
    view_model::{finding::readings, markup::Markup, number, token_strip::token_text},
};

pub(super) fn draw(out: &mut Vec<Markup>, scene: &Scene<'_>) {
    let Some(Answered::Attribution(answer)) = scene.first.answer else {
        let mut page = Markup::new();
        head(&mut page, Kind::Observed);
        direction(&mut page, scene.choices, &[], &[]);
        parts::waiting(&mut page, scene);
        out.push(page);
        return;
    };
    let mut top = Markup::new();
    let other = other_of(scene);
    head(&mut top, sides::kind(scene, other.is_some()));
    direction(&mut top, scene.choices, &answer.targets, &answer.distractors);
    parts::note(&mut top, scene);
    parts::finding(&mut top, readings::attribution(answer));
    top.raw("<div class=\"view-bar\">");
    let chosen = if scene.choices.by_component { "component" } else { "layer" };
    parts::select(
        &mut top,
        "Waterfall",
        "by",
        &[("layer", "by layer"), ("component", "by head and MLP")],
        chosen,
    );
    sides::choice(&mut top, scene, &[]);
    parts::copy(&mut top);
    top.raw("</div>");
    sides::standing(&mut top, scene, other.is_some());
    if matches!(scene.choices.against, Against::Model(_)) {
        top.raw("<p class=\"note\">Targets are tokens of this model; compare prompts or changes here.</p>");
    }
    top.element("p", &[("data-testid", "logit-diff")], &total(answer));

    let mut falls = Markup::new();
    if let Some(other) = &other {
        compare(&mut falls, scene, answer, other);
    }
    waterfall(&mut falls, answer, scene.choices.by_component);
    let mut heads = Markup::new();
    draw_grid(&mut heads, answer);
    let mut rest = Markup::new();
    neurons(&mut rest, answer);
    let mut test = Markup::new();
    effects::draw(
        &mut test,
        scene,
        if answer.distractors.is_empty() { "log-probability" } else { "logit difference" },
    );
    let mut foot = Markup::new();
    parts::made(
        &mut foot,
        &[
            "The last stream is the sum of what was written to it, and the final norm is linear once its scale s is taken \
             as given: a writer c contributes ((c − mean(c)) / s · w) · (W_U[:, target] − W_U[:, distractor]), without the \
             mean where the norm does not centre. All parts, b_U included, sum to the difference (Elhage et al. 2021).",
            "Direct paths only: what a head does through later heads and MLPs counts as theirs. A large part is no proof \
             that the model needs it; take it out to see.",
        ],
    );
    out.extend([top, falls, heads, parts::slot(), rest, test, foot]);
}

fn other_of<'a>(scene: &Scene<'a>) -> Option<Other<'a, Answer>> {
    sides::other(
        scene,
        |answered| if let Answered::Attribution(answer) = answered { Some(answer) } else { None },
    )
}

/// Who adds more, and who less, on the right; with the total of each side.
fn compare(out: &mut Markup, scene: &Scene<'_>, left: &Answer, other: &Other<'_, Answer>) {
    let right = other.answer;
    let of = |answer: &Answer, which| {
        answer.parts.iter().find(|part| part.writer == which).map_or(0.0, |part| part.value)
    };
    let mut all: Vec<sides::Part> = vec![];
    for part in left.parts.iter().chain(&right.parts) {
        let name = writer(part.writer).0;
        if !all.iter().any(|one| one.name == name) {
            all.push(sides::Part { name, values: [left, right].map(|answer| of(answer, part.writer)) });
        }
    }
    let text = format!(
        "Right, {}: after {} the logit difference is {}, {} from the left’s.",
        other.name,
        place(right.pos, &right.tokens),
        number::signed(right.logit_diff),
        number::signed(right.logit_diff - left.logit_diff),
    );
    out.element("p", &[], &text);
    sides::table(out, scene, "Contributions", "logits", &all);
}

fn head(out: &mut Markup, kind: Kind) {
    parts::head(
        out,
        kind,
        "Who writes what it says?",
        "What each head, MLP and bias adds to the logit of the target over that of the distractor, directly.",
    );
}

fn direction(out: &mut Markup, choices: &Choices, targets: &[Token], distractors: &[Token]) {
    parts::chips(out, "Target", "target", targets, &choices.targets);
    parts::chips(out, "Distractor", "distractor", distractors, &choices.distractors);
    if choices.targets.is_empty() {
        out.raw("<p class=\"note\">Until you choose, the target is the model’s first guess and the distractor its second.</p>");
    }
}

fn names(tokens: &[Token]) -> String {
    let names: Vec<String> = tokens.iter().map(|token| token_text(token).quoted()).collect();
    names.join(", ")
}

/// The difference, that the parts make it, and how far off they are.
fn total(answer: &Answer) -> String {
    let sum: f64 = answer.parts.iter().map(|part| part.value).sum();
    let less = if answer.distractors.is_empty() {
        String::new()
    } else {
        [" less that of ", &names(&answer.distractors)].concat()
    };
    let mut text = format!(
        "After {}: the logit of {}{less} is {}; the {} parts sum to {} (off by {:.0e}).",
        place(answer.pos, &answer.tokens),
        names(&answer.targets),
        number::signed(answer.logit_diff),
        answer.parts.len(),
        number::signed(sum),
        (sum - answer.logit_diff).abs(),
    );
    if let Some(capped) = answer.capped_logit_diff {
        text += &format!(
            " The model’s soft cap makes {} of it; the sum is that before the cap.",
            number::signed(capped)
        );
    }
    text
}

/// A writer's name, and what can be taken out of the model to test it.
pub(super) fn writer(writer: Writer) -> (String, Option<Component>) {
    match writer {
        Writer::Embed => ("embed".to_owned(), None),
        Writer::PosEmbed => ("pos_embed".to_owned(), None),
        Writer::Head(head) => (effects::name(Component::Head(head)), Some(Component::Head(head))),
        Writer::AttnBias(layer) => (format!("b_O {layer}"), None),
        Writer::Mlp(layer) => (effects::name(Component::Mlp(layer)), Some(Component::Mlp(layer))),
        Writer::MlpBias(layer) => (format!("b_out {layer}"), None),
        Writer::Interventions => ("interventions".to_owned(), None),
        Writer::FinalBias => ("ln_final bias".to_owned(), None),
        Writer::UnembedBias => ("b_U".to_owned(), None),
    }
}

/// The parts, with those of a layer's attention and of its MLP together unless they are wanted apart.
fn steps(answer: &Answer, by_component: bool) -> Vec<(String, f64, Option<Component>)> {
    let mut steps: Vec<(String, f64, Option<Component>)> = vec![];
    for part in &answer.parts {
        let (name, component) = writer(part.writer);
        let name = match part.writer {
            Writer::Head([layer, _]) | Writer::AttnBias(layer) if !by_component => {
                format!("attention {layer}")
            }
            Writer::MlpBias(layer) if !by_component => effects::name(Component::Mlp(layer)),
            _ => name,
        };
        let component = component.filter(|component| by_component || matches!(component, Component::Mlp(_)));
        match steps.iter_mut().find(|step| step.0 == name) {
            Some(step) => {
                step.1 += part.value;
                step.2 = step.2.or(component);
            }
            None => steps.push((name, part.value, component)),
        }
    }
    steps
}

fn waterfall(out: &mut Markup, answer: &Answer, by_component: bool) {
    let text = |text: &str| {
        let mut name = Markup::new();
        name.text(text);
        name
    };
    let mut sum = 0.0;
    let mut rows = vec![];
    for (name, value, component) in steps(answer, by_component) {
        let mut row = Row::new(text(&name), sum + value, number::signed(value));
        (row.from, row.spoken) = (sum, name);
        row.button = component.map(parts::test);
        sum += value;
        rows.push(row);
    }
    let mut row = Row::new(text("logit difference"), sum, number::signed(sum));
    row.is_sum = true;
    rows.push(row);
    out.raw(
        "<section class=\"view-section\" data-testid=\"waterfall\"><h3>From the embedding to the logits</h3>",
    );
    bars::draw(
        out,
        "Contributions in order of execution; each bar begins where the one before ended",
        "logits",
        &rows,
    );
    out.raw("<p class=\"legend\"><span class=\"bar-key\" aria-hidden=\"true\"></span><span>towards the target</span>");
    out.raw("<span class=\"bar-key neg\" aria-hidden=\"true\"></span><span>towards the distractor</span></p></section>");
}

/// The layers, the last one first, and how many heads each has.
fn dims(answer: &Answer) -> [usize; 2] {
    let of = |part: &crate::analysis::attribution::Part| match part.writer {
        Writer::Head([layer, head]) => [layer + 1, head + 1],
        _ => [0, 0],
    };
    answer.parts.iter().map(of).fold([0, 0], |a, b| [a[0].max(b[0]), a[1].max(b[1])])
}

/// What a cell of the grid stands for: the last column are the MLPs.
fn component_at(answer: &Answer, at: &str) -> Option<Component> {
    let ([row, column], [n_layers, n_heads]) = (cell_of(at)?, dims(answer));
    let layer = n_layers.checked_sub(row + 1)?;
    let is_there = |component: &Component| value_of(answer, *component).is_some();
    let component = match column.cmp(&n_heads) {
        Ordering::Less => Component::Head([layer, column]),
        Ordering::Equal => Component::Mlp(layer),
        Ordering::Greater => return None,
    };
    Some(component).filter(is_there)
}

fn value_of(answer: &Answer, component: Component) -> Option<f64> {
    answer.parts.iter().find(|part| writer(part.writer).1 == Some(component)).map(|part| part.value)
}

fn draw_grid(out: &mut Markup, answer: &Answer) {
    let [n_layers, n_heads] = dims(answer);
    let has_mlp = value_of(answer, Component::Mlp(0)).is_some();
    let rows: Vec<String> = (0..n_layers).rev().map(|layer| format!("layer {layer}")).collect();
    let column = |name: String, title: String| Column { name, title, is_faint: false };
    let heads = (0..n_heads).map(|head| column(format!("H{head}"), format!("head {head}")));
    let mlp = has_mlp.then(|| column("MLP".to_owned(), "MLP, without b_out".to_owned()));
    let columns: Vec<Column> = heads.chain(mlp).collect();
    let grid = Grid {
        label: "Contribution of each head and MLP: layers down, the last one first. Arrow keys move.",
        corner: "",
        rows: &rows,
        columns: &columns,
    };
    let domain = bars::diverging(
        answer.parts.iter().filter(|part| writer(part.writer).1.is_some()).map(|part| part.value),
    );
    out.raw("<section class=\"view-section\" data-testid=\"head-parts\"><h3>By head and MLP</h3>");
    grid::draw(out, &grid, &|row, column| {
        let at = [row.to_string().as_str(), ".", &column.to_string()].concat();
        let value = component_at(answer, &at).and_then(|component| value_of(answer, component));
        let text = value.map_or_else(String::new, number::signed);
        Cell { text, place: domain.place(value.unwrap_or(0.0) as f32) }
    });
    let end = f64::from(domain.max());
    parts::scale(
        out,
        &number::signed(-end),
        &number::signed(end),
        "logits: towards the distractor, towards the target",
        parts::Ramp::Diverging,
    );
    out.raw("</section>");
}

fn neurons(out: &mut Markup, answer: &Answer) {
    if answer.neurons.is_empty() {
        return;
    }
    let row_of = |neuron: &crate::analysis::attribution::NeuronPart| {
        let component = Component::Neuron([neuron.layer, neuron.neuron]);
        let name = effects::name(component);
        let (mut label, mut note) = (Markup::new(), Markup::new());
        label.text(&name);
        note.element("span", &[("class", "num")], &format!("active {}", number::nats(neuron.activation)));
        let mut row = Row::new(label, neuron.value, number::signed(neuron.value));
        (row.spoken, row.note, row.button) = (name, note, Some(parts::test(component)));
        row
    };
    let rows: Vec<Row> = answer.neurons.iter().map(row_of).collect();
    out.raw("<section class=\"view-section\" data-testid=\"neurons\"><h3>Neurons that contribute most</h3>");
    out.element(
        "p",
        &[("class", "note")],
        &format!(
            "{} of {} neurons, parts of their MLPs.",
            rows.len(),
            number::count(answer.n_neurons as u64)
        ),
    );
    bars::draw(out, "Neurons that contribute most", "logits", &rows);
    out.raw("</section>");
}

pub(super) fn detail(out: &mut Markup, _: &Scene<'_>, answer: &Answer, at: &str) {
    let Some(component) = component_at(answer, at) else {
        out.raw("<p class=\"note\">Point at a cell, or focus the grid and use the arrow keys; press to keep it here.</p>");
        return;
    };
    let value = value_of(answer, component).unwrap_or_default();
    let (layer, hook) = match component {
        Component::Head([layer, _]) => (layer, "attn.hook_result"),
        Component::Mlp(layer) | Component::Neuron([layer, _]) => (layer, "hook_mlp_out"),
    };
    let all: f64 = answer.parts.iter().map(|part| part.value.abs()).sum();
    out.raw("<p>").text(&effects::name(component)).text(&format!(
        " contributes {} logits, {:.0} % of the sum of sizes of all parts, by ",
        number::signed(value),
        if 0.0 < all { value.abs() / all * 100.0 } else { 0.0 },
    ));
    out.element("code", &[], &format!("blocks.{layer}.{hook}")).raw(". ");
    let (action, name) = parts::test(component);
    parts::button(out, name, &action, "Takes it out of the model, beside random others of its kind");
    out.raw("</p>");
}

/// A line a part and a line a neuron.
pub(super) fn table(scene: &Scene<'_>, answer: &Answer) -> String {
    let mut out = lines_of(answer);
    if let Some(other) = other_of(scene) {
        parts::line(&mut out, &[&other.name]);
        out += &lines_of(other.answer);
    }
    out
}

fn lines_of(answer: &Answer) -> String {
    let mut out = String::new();
    parts::line(&mut out, &["part", "logits", "activation"]);
    for part in &answer.parts {
        parts::line(&mut out, &[&writer(part.writer).0, &part.value.to_string(), ""]);
    }
    parts::line(&mut out, &["logit difference", &answer.logit_diff.to_string(), ""]);
    for neuron in &answer.neurons {
        let name = effects::name(Component::Neuron([neuron.layer, neuron.neuron]));
        parts::line(&mut out, &[&name, &neuron.value.to_string(), &parts::exact(neuron.activation)]);
    }
    out
}
