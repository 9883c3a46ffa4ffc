//! Loss: the text inked by how much each token surprised the model, by position, and beside another run.

use super::{Against, Answered, Scene, bars, cell_of, chart, parts, place, sides};
use crate::{
    analysis::loss::{Answer, Side},
    prompt::Token,
    view_model::{
        chips::{self, MAX_SURPRISE_NATS, rank_text},
        color::Domain,
        finding::readings,
        markup::Markup,
        number,
        token_strip::token_text,
    },
};

/// Tokens listed as the most surprising, or as those that differ most.
const N_LISTED: usize = 12;

/// The other side of a comparison.
struct Other<'a> {
    name: String,
    tokens: &'a [Token],
    side: &'a Side,
}

pub(super) fn draw(out: &mut Vec<Markup>, scene: &Scene<'_>) {
    let Some((answer, left)) = first_of(scene) else {
        let mut page = Markup::new();
        head(&mut page, scene, false);
        controls(&mut page, scene);
        sides::standing(&mut page, scene, false);
        parts::waiting(&mut page, scene);
        out.push(page);
        return;
    };
    let other = other_of(scene, answer);
    let mut top = Markup::new();
    head(&mut top, scene, other.is_some());
    controls(&mut top, scene);
    sides::standing(&mut top, scene, other.is_some());
    parts::finding(&mut top, readings::loss(answer));
    let mut text = Markup::new();
    let name = if other.is_some() { "Left: this prompt" } else { "The text" };
    strip(&mut text, name, &answer.tokens, left, "");
    if let Some(other) = &other {
        if let Some(differences) = differences(answer, left, other) {
            difference_strip(&mut text, &answer.tokens, &differences);
        }
        strip(&mut text, &["Right: ", &other.name].concat(), other.tokens, other.side, "r");
    }
    let surprise =
        ["−log p of each token, ", &number::nats(MAX_SURPRISE_NATS), " nats and more at the end"].concat();
    parts::scale(&mut text, "0", &number::nats(MAX_SURPRISE_NATS), &surprise, parts::Ramp::Surprise);
    let mut lines = Markup::new();
    by_position(&mut lines, scene, answer, left, other.as_ref());
    let mut listed = Markup::new();
    list(&mut listed, answer, left, other.as_ref());
    let mut foot = Markup::new();
    parts::made(
        &mut foot,
        &[
            "loss = −log p(token | tokens before it), in nats; a bit is ln 2 nats (Shannon 1948). The first token has none.",
            "That later tokens are easier is partly the text’s own doing; only a comparison on the same text says what a \
             component does.",
        ],
    );
    out.extend([top, text, parts::slot(), lines, listed, foot]);
}

fn first_of<'a>(scene: &Scene<'a>) -> Option<(&'a Answer, &'a Side)> {
    match scene.first.answer {
        Some(Answered::Loss(answer)) => Some((answer, answer.sides.first()?)),
        _ => None,
    }
}

fn other_of<'a>(scene: &Scene<'a>, answer: &'a Answer) -> Option<Other<'a>> {
    let beside = || match scene.other.answer {
        Some(Answered::Loss(answer)) => Some((answer.tokens.as_slice(), answer.sides.first()?)),
        _ => None,
    };
    let (tokens, side) = match scene.choices.against {
        Against::Without(_) => (answer.tokens.as_slice(), answer.sides.get(1)?),
        Against::Nothing | Against::Other | Against::Model(_) => beside()?,
    };
    let name = sides::name(&scene.choices.against)?;
    Some(Other { name, tokens, side })
}

fn head(out: &mut Markup, scene: &Scene<'_>, is_compared: bool) {
    parts::head(
        out,
        sides::kind(scene, is_compared),
        "Which tokens surprise it?",
        "The prompt as the model reads it: the more ink, the less it expected the token that came.",
    );
}

fn controls(out: &mut Markup, scene: &Scene<'_>) {
    out.raw("<div class=\"view-bar\">");
    sides::choice(out, scene, scene.models);
    parts::copy(out);
    out.raw("</div>");
}

fn loss(side: &Side, pos: usize) -> Option<f32> {
    let entry = pos.checked_sub(1)?;
    side.logprobs.data().get(entry).copied().filter(|logprob| logprob.is_finite()).map(|logprob| -logprob)
}

/// The text, each token inked. Only the left side's tokens are marks.
fn strip(out: &mut Markup, name: &str, tokens: &[Token], side: &Side, side_key: &str) {
    out.element("h3", &[], name).element("p", &[("class", "note num")], &summary(side));
    let is_mark = side_key.is_empty();
    out.open(
        "p",
        &[
            ("class", "view-text"),
            ("data-grid", ""),
            ("data-line", ""),
            ("data-testid", if is_mark { "loss-text" } else { "loss-other" }),
        ],
    );
    for (pos, token) in tokens.iter().enumerate() {
        let place = loss(side, pos).map_or(0.0, |loss| chips::surprise(-loss));
        one(out, pos, token, place, is_mark);
    }
    out.raw("</p>");
}

fn one(out: &mut Markup, pos: usize, token: &Token, place: f32, is_mark: bool) {
    let (text, at) = (token_text(token), [pos.to_string().as_str(), ".0"].concat());
    let style = format!("--v:{:.2}", place.abs());
    let class = if place < 0.0 { "loss-token neg" } else { "loss-token" };
    let tabindex = if pos == 0 { "0" } else { "-1" };
    let attributes = [
        ("class", class),
        ("style", style.as_str()),
        ("data-at", &at),
        ("role", "button"),
        ("tabindex", tabindex),
    ];
    out.open("span", if is_mark { &attributes } else { &attributes[..2] });
    parts::token_parts(out, &text);
    out.raw("</span>");
    if text.ends_line {
        out.raw("<br>");
    }
}

fn summary(side: &Side) -> String {
    let n = side.logprobs.data().len();
    let mut text = format!(
        "mean {} nats ({} bits) a token over {n}",
        number::nats(side.mean_nats as f32),
        number::nats(side.mean_bits as f32)
    );
    if let (Some(first), Some(second)) = (side.first_half_nats, side.second_half_nats) {
        text += &format!(
            "; first half {}, second half {}",
            number::nats(first as f32),
            number::nats(second as f32)
        );
    }
    text
}

/// Loss on the left less that on the right, where both read the same tokens.
fn differences(answer: &Answer, left: &Side, other: &Other<'_>) -> Option<Vec<f32>> {
    let ids = |tokens: &[Token]| tokens.iter().map(|token| token.id).collect::<Vec<_>>();
    let difference = |pos| Some(loss(other.side, pos)? - loss(left, pos)?);
    (ids(&answer.tokens) == ids(other.tokens))
        .then(|| (0..answer.tokens.len()).map(|pos| difference(pos).unwrap_or(f32::NAN)).collect())
}

fn difference_strip(out: &mut Markup, tokens: &[Token], differences: &[f32]) {
    let domain = bars::diverging(differences.iter().map(|value| f64::from(*value)));
    let known: Vec<f64> =
        differences.iter().filter(|value| value.is_finite()).map(|value| f64::from(*value)).collect();
    let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
    out.raw("<h3>Diff: right less left</h3>");
    out.element("p", &[("class", "note num")], &format!("{} nats a token on average", number::signed(mean)));
    out.raw("<p class=\"view-text diff\" data-testid=\"loss-diff\">");
    for (pos, token) in tokens.iter().enumerate() {
        one(out, pos, token, Domain::place(domain, differences[pos]), false);
    }
    out.raw("</p>");
    let end = f64::from(domain.max());
    parts::scale(
        out,
        &number::signed(-end),
        &number::signed(end),
        "nats: easier on the right, harder on the right",
        parts::Ramp::Diverging,
    );
}

fn by_position(out: &mut Markup, scene: &Scene<'_>, answer: &Answer, left: &Side, other: Option<&Other<'_>>) {
    let n = answer.tokens.len().max(other.map_or(0, |other| other.tokens.len()));
    let names: Vec<String> = (0..n).map(|pos| pos.to_string()).collect();
    let line = |name: &str, side: &Side| chart::Line {
        name: name.to_owned(),
        values: (0..n).map(|pos| loss(side, pos).unwrap_or(f32::NAN)).collect(),
    };
    let mut lines = vec![line("this prompt", left)];
    lines.extend(other.map(|other| line(&other.name, other.side)));
    let largest = lines
        .iter()
        .flat_map(|line| &line.values)
        .copied()
        .filter(|value| value.is_finite())
        .fold(0.0, f32::max);
    out.raw("<section class=\"view-section\"><h3>By position</h3>");
    let chart = chart::Chart {
        label: "Loss by position; the numbers are in the text above and in Copy numbers.",
        x_label: "position",
        y_label: "loss, nats",
        names: &names,
        lines: &lines,
        range: [0.0, chart::round_end(largest)],
        number: number::nats,
        mark: &|pos| [pos.to_string().as_str(), ".0"].concat(),
        width_px: scene.width_px,
    };
    chart::draw(out, &chart);
    out.raw("</section>");
}

/// The tokens that surprise most, or whose losses differ most.
fn list(out: &mut Markup, answer: &Answer, left: &Side, other: Option<&Other<'_>>) {
    let differences = other.and_then(|other| differences(answer, left, other));
    let size = |pos: usize| match &differences {
        Some(differences) => differences[pos].abs(),
        None => loss(left, pos).unwrap_or(f32::NAN),
    };
    let sizes: Vec<f64> = (0..answer.tokens.len()).map(|pos| f64::from(size(pos))).collect();
    let order = parts::largest(&sizes, N_LISTED);
    let title =
        if differences.is_some() { "Where the two differ most" } else { "The most surprising tokens" };
    out.raw("<section class=\"view-section\">").element("h3", &[], title);
    out.raw("<div class=\"table-scroll\"><table class=\"view-table\" data-testid=\"loss-table\"><thead><tr>");
    let mut heads = vec!["position", "token", "loss, nats", "p", "rank"];
    if differences.is_some() {
        heads.extend(["right, nats", "diff, nats"]);
    }
    heads.iter().for_each(|head| _ = out.element("th", &[("scope", "col")], head));
    out.raw("</tr></thead><tbody>");
    for pos in order {
        let Some(nats) = loss(left, pos) else { continue };
        out.raw("<tr>").element("th", &[("scope", "row"), ("class", "num")], &pos.to_string()).raw("<td>");
        parts::token(out, &answer.tokens[pos]);
        out.raw("</td>");
        let mut fields = vec![number::nats(nats), number::prob((-nats).exp()), rank(left, pos)];
        if let (Some(differences), Some(right)) =
            (&differences, other.and_then(|other| loss(other.side, pos)))
        {
            fields.extend([number::nats(right), number::signed(f64::from(differences[pos]))]);
        }
        fields.iter().for_each(|field| _ = out.element("td", &[("class", "num")], field));
        out.raw("</tr>");
    }
    out.raw("</tbody></table></div></section>");
}

fn rank(side: &Side, pos: usize) -> String {
    let n_likelier =
        pos.checked_sub(1).and_then(|entry| side.ranks.data().get(entry)).filter(|value| value.is_finite());
    n_likelier.map_or_else(String::new, |n_likelier| (*n_likelier as u64 + 1).to_string())
}

/// Pressing on a token locks its position.
pub(super) fn pick(answer: &Answer, pos: usize) -> Vec<(&'static str, String)> {
    if pos < answer.tokens.len() { vec![("pos", pos.to_string())] } else { vec![] }
}

pub(super) fn detail(out: &mut Markup, scene: &Scene<'_>, answer: &Answer, at: &str) {
    let n = answer.tokens.len();
    let pos = cell_of(at).map(|[pos, _]| pos).filter(|pos| *pos < n).unwrap_or_else(|| scene.pos_of(n));
    let Some(left) = answer.sides.first() else { return };
    out.raw("<p>").element("span", &[("class", "token")], &place(pos, &answer.tokens));
    let (Some(nats), Some(entry)) = (loss(left, pos), pos.checked_sub(1)) else {
        out.raw(": nothing stands before it, so it has no loss.</p>");
        return;
    };
    let n_likelier =
        left.ranks.data().get(entry).copied().filter(|value| value.is_finite()).unwrap_or(0.0) as usize;
    let bits = nats / std::f32::consts::LN_2;
    out.text(&format!(
        ": loss {} nats ({} bits), p {}, the {} token there.",
        number::nats(nats),
        number::nats(bits),
        number::prob((-nats).exp()),
        rank_text(n_likelier),
    ));
    if let Some(other) = other_of(scene, answer).filter(|other| differences(answer, left, other).is_some())
        && let Some(right) = loss(other.side, pos)
    {
        out.text(&format!(" On the right, {}: {} nats.", other.name, number::nats(right)));
    }
    out.raw("</p>");
    let row_of = |(token, logprob): (&Token, f32)| {
        let mut name = Markup::new();
        parts::token(&mut name, token);
        bars::Row::new(name, f64::from(logprob.exp()), number::prob(logprob.exp()))
    };
    let rows: Vec<bars::Row> = left.top.at(entry).map(row_of).collect();
    bars::draw(out, "What it expected there", "probability", &rows);
}

/// A line a token.
pub(super) fn table(scene: &Scene<'_>, answer: &Answer) -> String {
    let Some(left) = answer.sides.first() else { return String::new() };
    let other = other_of(scene, answer).filter(|other| differences(answer, left, other).is_some());
    let mut out = String::new();
    let mut heads = vec!["pos", "token", "id", "loss_nats", "rank"];
    heads.extend(other.iter().map(|other| other.name.as_str()));
    parts::line(&mut out, &heads);
    let nats = |side: &Side, pos| loss(side, pos).map_or_else(String::new, parts::exact);
    for (pos, token) in answer.tokens.iter().enumerate() {
        let mut fields = vec![
            pos.to_string(),
            token_text(token).glyphs(),
            token.id.to_string(),
            nats(left, pos),
            rank(left, pos),
        ];
        fields.extend(other.iter().map(|other| nats(other.side, pos)));
        parts::line(&mut out, &fields.iter().map(String::as_str).collect::<Vec<_>>());
    }
    out
}
