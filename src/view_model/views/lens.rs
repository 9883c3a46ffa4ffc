//! The logit lens: rows are positions, columns streams; below, the followed tokens as lines.

use super::{
    Answered, Choices, Scene, Shade, bars, cell_of, chart,
    grid::{self, Cell, Column, Grid},
    parts::{self, Kind},
    place,
    sides::{self, Other},
};
use crate::{
    analysis::logit_lens::{Answer, LensScale},
    hook::{HookPoint, Site},
    view_model::{
        color::Domain,
        finding::readings,
        markup::Markup,
        number,
        token_strip::{shortened, token_text},
    },
};

/// Characters in a cell.
const N_CHARS: usize = 9;

pub(super) fn draw(out: &mut Vec<Markup>, scene: &Scene<'_>) {
    let Some(Answered::Lens(answer)) = scene.first.answer else {
        let mut page = Markup::new();
        head(&mut page, Kind::Observed);
        controls(&mut page, scene, None);
        parts::waiting(&mut page, scene);
        out.push(page);
        return;
    };
    let mut top = Markup::new();
    let other = other_of(scene);
    head(&mut top, sides::kind(scene, other.is_some()));
    controls(&mut top, scene, Some(answer));
    sides::standing(&mut top, scene, other.is_some());
    parts::note(&mut top, scene);
    parts::finding(&mut top, readings::lens(answer));
    let mut cells = Markup::new();
    match &other {
        None => draw_grid(&mut cells, scene.choices, answer),
        Some(other) => draw_sides(&mut cells, scene.choices, answer, other),
    }
    let mut lines = Markup::new();
    trajectories(&mut lines, scene, answer);
    let mut foot = Markup::new();
    parts::made(
        &mut foot,
        &[
            "logits = LN_final(x) W_U + b_U for each stream x, as if it were the last one (nostalgebraist 2020).",
            "recomputed: the final norm divides by that stream’s own scale; frozen: by the scale of the last stream at \
             that position, so that what a block adds is linear. The two agree in the last column.",
            "KL is KL(model || lens) in nats. This is the raw lens, which was not trained: that it is far from the end \
             does not show that the model does not know yet. Hatched columns, the first third of the depth, are the \
             least reliable: a stream there need not be written in the unembedding’s basis.",
        ],
    );
    out.extend([top, cells, parts::slot(), lines, foot]);
}

fn other_of<'a>(scene: &Scene<'a>) -> Option<Other<'a, Answer>> {
    sides::other(scene, |answered| if let Answered::Lens(answer) = answered { Some(answer) } else { None })
}

fn head(out: &mut Markup, kind: Kind) {
    parts::head(
        out,
        kind,
        "What would it say if it stopped here?",
        "Each row is a position, each column a stream on the way up, read by the final norm and the unembedding as if it \
         were the last. The token is the likeliest one there; more colour is more of what the scale says.",
    );
}

fn controls(out: &mut Markup, scene: &Scene<'_>, answer: Option<&Answer>) {
    let choices = scene.choices;
    out.raw("<div class=\"view-bar\">");
    let halves = [("no", "after each block"), ("yes", "attention and MLP apart")];
    parts::select(out, "Streams", "halves", &halves, if choices.halves { "yes" } else { "no" });
    let scales = [("recomputed", "recomputed for each stream"), ("frozen", "frozen at the last stream’s")];
    parts::select(
        out,
        "Final norm",
        "scale",
        &scales,
        if choices.is_frozen { "frozen" } else { "recomputed" },
    );
    let names = Shade::ALL.map(|shade| (shade.key(), shade_name(shade)));
    parts::select(out, "Cells", "shade", &names, choices.shade.key());
    sides::choice(out, scene, scene.models);
    parts::copy(out);
    out.raw("</div>");
    parts::chips(out, "Followed tokens", "pin", answer.map_or(&[], |answer| &answer.pinned), &choices.pins);
}

fn shade_name(shade: Shade) -> &'static str {
    match shade {
        Shade::Top => "likeliest token, p",
        Shade::Pinned => "rank of the first followed token",
        Shade::Kl => "KL to the model’s own, nats",
        Shade::Entropy => "entropy, nats",
    }
}

/// Positions down, streams across; `cell_at` gives the cell of a place in the answer.
fn draw_cells(out: &mut Markup, answer: &Answer, label: &str, cell_at: &dyn Fn(usize) -> Cell) {
    let rows: Vec<String> = answer.positions.iter().map(|pos| place(*pos, &answer.tokens)).collect();
    let grid = Grid { label, corner: "position", rows: &rows, columns: &columns(&answer.rows) };
    grid::draw(out, &grid, &|row, column| cell_at(column * answer.positions.len() + row));
}

fn draw_grid(out: &mut Markup, choices: &Choices, answer: &Answer) {
    let domain = domain(choices.shade, answer);
    let label = "Logit lens: positions down, streams across. Arrow keys move, Enter keeps.";
    draw_cells(out, answer, label, &|at| cell(choices.shade, answer, domain, at));
    let (low, high) = ("0", number::nats(domain.max()));
    let unit = match choices.shade {
        Shade::Top => "probability of the likeliest token in each cell",
        Shade::Pinned => "probability of the token; the number is its rank, 1 the likeliest",
        Shade::Kl => "KL(model || lens), nats; 0 is what the model says in the end",
        Shade::Entropy => "entropy of the cell’s distribution, nats",
    };
    let high = if domain.max() == 1.0 { "1".to_owned() } else { high };
    parts::scale(out, low, &high, unit, parts::Ramp::Lit);
    out.raw("<p class=\"legend\"><span class=\"faint-key\" aria-hidden=\"true\"></span><span>early streams: less reliable</span></p>");
}

/// Both sides, and between them how much more there is on the right.
fn draw_sides(out: &mut Markup, choices: &Choices, left: &Answer, other: &Other<'_, Answer>) {
    let right = other.answer;
    let [mine, theirs] = [left, right].map(|answer| values(choices.shade, answer));
    let is_alike = left.positions == right.positions && left.rows == right.rows;
    let diff = is_alike.then_some(|out: &mut Markup| {
        let differences: Vec<f32> = theirs.iter().zip(&mine).map(|(right, left)| right - left).collect();
        let domain = bars::diverging(differences.iter().map(|value| f64::from(*value)));
        draw_cells(out, left, "Difference of the two sides", &|at| {
            let value = differences.get(at).copied().filter(|value| value.is_finite());
            let text = value.map_or_else(|| "…".to_owned(), |value| number::signed(f64::from(value)));
            Cell { text, place: domain.place(value.unwrap_or(0.0)) }
        });
        let end = f64::from(domain.max());
        let unit = match choices.shade {
            Shade::Top => "probability of each side’s likeliest token, right less left",
            Shade::Pinned => "probability of the first followed token, right less left",
            Shade::Kl | Shade::Entropy => "nats, right less left",
        };
        parts::scale(out, &number::signed(-end), &number::signed(end), unit, parts::Ramp::Diverging);
    });
    let of = |answer| move |out: &mut Markup| draw_grid(out, choices, answer);
    sides::draw(out, &other.name, of(left), diff, of(right));
}

/// What the cells are shaded by, in the order of the answer's cells; NaN where it is not known.
fn values(shade: Shade, answer: &Answer) -> Vec<f32> {
    let n = answer.positions.len() * answer.rows.len();
    let of = |values: &[f32], at: usize| values.get(at).copied().unwrap_or(f32::NAN);
    let value = |at| match shade {
        Shade::Top => answer.top.at(at).next().map_or(f32::NAN, |(_, logprob)| logprob.exp()),
        Shade::Pinned => of(answer.pinned_logprobs.data(), at).exp(),
        Shade::Kl => of(answer.kl_nats.data(), at),
        Shade::Entropy => of(answer.entropy_nats.data(), at),
    };
    (0..n).map(value).collect()
}

fn domain(shade: Shade, answer: &Answer) -> Domain {
    let largest =
        |values: &[f32]| values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f32::max);
    let max = match shade {
        Shade::Top | Shade::Pinned => 1.0,
        Shade::Kl => largest(answer.kl_nats.data()),
        Shade::Entropy => largest(answer.entropy_nats.data()),
    };
    Domain::Sequential { max }
}

fn cell(shade: Shade, answer: &Answer, domain: Domain, at: usize) -> Cell {
    let of = |values: &[f32]| values.get(at).copied().filter(|value| value.is_finite());
    let nats = |value: Option<f32>| value.map(|value| (number::nats(value), value));
    let shown = match shade {
        Shade::Top => answer
            .top
            .at(at)
            .next()
            .map(|(token, logprob)| (shortened(&token_text(token).glyphs(), N_CHARS), logprob.exp())),
        Shade::Pinned => of(answer.pinned_ranks.data())
            .zip(of(answer.pinned_logprobs.data()))
            .map(|(n_likelier, logprob)| (rank(n_likelier), logprob.exp())),
        Shade::Kl => nats(of(answer.kl_nats.data())),
        Shade::Entropy => nats(of(answer.entropy_nats.data())),
    };
    let (text, value) = shown.unwrap_or_else(|| ("…".to_owned(), 0.0));
    Cell { text, place: domain.place(value) }
}

/// The rank of a token that so many are likelier than.
fn rank(n_likelier: f32) -> String {
    (n_likelier as u64 + 1).to_string()
}

/// The streams' columns; the first third of the way is to be trusted less.
pub(super) fn columns(streams: &[HookPoint]) -> Vec<Column> {
    let n_early = streams.len().div_ceil(3);
    let column = |(nth, stream): (usize, &HookPoint)| Column {
        name: stream_name(*stream),
        title: stream.to_string(),
        is_faint: nth < n_early && nth + 1 < streams.len(),
    };
    streams.iter().enumerate().map(column).collect()
}

/// `pre 0`, `mid 3`, `post 3`
pub(super) fn stream_name(stream: HookPoint) -> String {
    match stream {
        HookPoint::Block(layer, Site::ResidPre) => format!("pre {layer}"),
        HookPoint::Block(layer, Site::ResidMid) => format!("mid {layer}"),
        HookPoint::Block(layer, Site::ResidPost) => format!("post {layer}"),
        other => other.to_string(),
    }
}

fn trajectories(out: &mut Markup, scene: &Scene<'_>, answer: &Answer) {
    let (n, pos) = (answer.positions.len(), scene.pos_of(answer.tokens.len()));
    let row = answer.positions.iter().position(|one| *one == pos).unwrap_or(0);
    let names: Vec<String> = answer.rows.iter().map(|stream| stream_name(*stream)).collect();
    let at = |pin: usize, column: usize| (pin * answer.rows.len() + column) * n + row;
    let value = |values: &[f32], at: usize| values.get(at).copied().unwrap_or(f32::NAN);
    let line = |(pin, token)| chart::Line {
        name: token_text(token).glyphs(),
        values: (0..names.len())
            .map(|column| value(answer.pinned_logprobs.data(), at(pin, column)).exp())
            .map(|prob| if prob.is_finite() { prob } else { f32::NAN })
            .collect(),
    };
    let lines: Vec<chart::Line> = answer.pinned.iter().enumerate().map(line).collect();
    let largest = lines.iter().flat_map(|line| &line.values).copied().fold(0.0, f32::max);
    out.open("section", &[("class", "view-section"), ("aria-label", "Followed tokens")]);
    out.element("h3", &[], &["The followed tokens after ", &place(pos, &answer.tokens)].concat());
    let chart = chart::Chart {
        label: "Probability of the followed tokens by stream; the numbers are in the list below.",
        x_label: "stream, from the embedding to the last block",
        y_label: "probability",
        names: &names,
        lines: &lines,
        range: [0.0, chart::round_end(largest).min(1.0)],
        number: number::prob,
        mark: &|column| format!("{row}.{column}"),
        width_px: scene.width_px,
    };
    chart::draw(out, &chart);
    out.raw("<ul class=\"view-list\">");
    for (pin, token) in answer.pinned.iter().enumerate() {
        let ranks: Vec<String> = (0..names.len())
            .map(|column| value(answer.pinned_ranks.data(), at(pin, column)))
            .map(|n_likelier| if n_likelier.is_finite() { rank(n_likelier) } else { "…".to_owned() })
            .collect();
        out.raw("<li>");
        parts::token(out, token);
        out.element("span", &[("class", "num")], &[" rank by stream: ", &ranks.join(", ")].concat())
            .raw("</li>");
    }
    out.raw("</ul></section>");
}

/// Pressing on a cell locks its position.
pub(super) fn pick(answer: &Answer, row: usize) -> Vec<(&'static str, String)> {
    answer.positions.get(row).map(|pos| ("pos", pos.to_string())).into_iter().collect()
}

pub(super) fn detail(out: &mut Markup, scene: &Scene<'_>, answer: &Answer, at: &str) {
    let n = answer.positions.len();
    let pos = scene.pos_of(answer.tokens.len());
    let row = answer.positions.iter().position(|one| *one == pos).unwrap_or(0);
    let is_there = |[row, column]: &[usize; 2]| *row < n && *column < answer.rows.len();
    let [row, column] = cell_of(at).filter(is_there).unwrap_or([row, answer.rows.len().saturating_sub(1)]);
    let (Some(pos), Some(stream)) = (answer.positions.get(row), answer.rows.get(column)) else { return };
    let cell = column * n + row;
    let of = |values: &[f32]| values.get(cell).copied().filter(|value| value.is_finite());
    let nats = |values: &[f32]| of(values).map_or_else(|| "…".to_owned(), number::nats);
    let scale = match answer.scale {
        LensScale::Recomputed => "recomputed",
        LensScale::Frozen => "frozen",
    };
    out.raw("<p>After ").element("span", &[("class", "token")], &place(*pos, &answer.tokens));
    out.text(" at ").element("code", &[], &stream.to_string()).text(&format!(
        ", final norm {scale}: KL to the model’s own {} nats, entropy {} nats.",
        nats(answer.kl_nats.data()),
        nats(answer.entropy_nats.data()),
    ));
    if let (Some(next), Some(n_likelier), Some(logprob)) =
        (answer.tokens.get(pos + 1), of(answer.next_ranks.data()), of(answer.next_logprobs.data()))
    {
        out.text(" The token that does follow, ").text(&token_text(next).quoted());
        out.text(&format!(", has rank {} and p {}.", rank(n_likelier), number::prob(logprob.exp())));
    }
    if let Some(other) = other_of(scene)
        && let Some((token, logprob)) = other.answer.top.at(cell).next()
        && [&answer.positions, &other.answer.positions].map(Vec::len) == [n, n]
    {
        let (token, prob) = (token_text(token).quoted(), number::prob(logprob.exp()));
        out.text(&[" On the right, ", &other.name, ": ", &token, ", p ", &prob, "."].concat());
    }
    out.raw("</p>");
    let row_of = |(token, logprob): (&crate::prompt::Token, f32)| {
        let mut name = Markup::new();
        parts::token(&mut name, token);
        let prob = logprob.exp();
        let mut row = bars::Row::new(name, f64::from(prob), number::prob(prob));
        if !scene.choices.pins.contains(&token.id) {
            row.spoken = token_text(token).spoken;
            row.button =
                Some((parts::assignment("pin", &parts::with(&scene.choices.pins, token.id)), "Follow"));
        }
        row
    };
    let rows: Vec<bars::Row> = answer.top.at(cell).map(row_of).collect();
    bars::draw(out, "Likeliest tokens there", "probability", &rows);
}

/// The likeliest token, its probability, KL, entropy and the followed tokens of each cell, a line each.
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
    let mut names: Vec<String> =
        ["pos", "token", "stream", "top", "top_prob", "kl_nats", "entropy_nats"].map(str::to_owned).into();
    for token in &answer.pinned {
        let glyphs = token_text(token).glyphs();
        names.extend(["logit", "logprob", "rank"].map(|what| format!("{what} {glyphs}")));
    }
    parts::line(&mut out, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let (n, n_cells) = (answer.positions.len(), answer.positions.len() * answer.rows.len());
    for (row, pos) in answer.positions.iter().enumerate() {
        let token = answer.tokens.get(*pos).map_or_else(String::new, |token| token_text(token).glyphs());
        for (column, stream) in answer.rows.iter().enumerate() {
            let at = column * n + row;
            let of = |values: &[f32], at: usize| {
                values.get(at).map_or_else(String::new, |value| parts::exact(*value))
            };
            let top = answer.top.at(at).next();
            let top = top.map(|(token, logprob)| (token_text(token).glyphs(), parts::exact(logprob.exp())));
            let (top, top_prob) = top.unwrap_or_default();
            let (kl, entropy) = (of(answer.kl_nats.data(), at), of(answer.entropy_nats.data(), at));
            let mut fields =
                vec![pos.to_string(), token.clone(), stream.to_string(), top, top_prob, kl, entropy];
            for pin in 0..answer.pinned.len() {
                let at = pin * n_cells + at;
                let rank = answer.pinned_ranks.data().get(at).filter(|value| value.is_finite());
                fields.push(of(answer.pinned_logits.data(), at));
                fields.push(of(answer.pinned_logprobs.data(), at));
                fields.push(rank.map_or_else(String::new, |n_likelier| self::rank(*n_likelier)));
            }
            parts::line(&mut out, &fields.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
    out
}
