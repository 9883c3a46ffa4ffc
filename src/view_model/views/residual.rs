//! The residual stream: its norm and direction at every position and stream, and who wrote it at one place.

use super::{
    Answered, Scene, Stream,
    attribution::writer,
    bars::{self, Row},
    cell_of, effects,
    grid::{self, Cell, Grid},
    lens::{columns, stream_name},
    parts::{self, Kind},
    place,
    sides::{self, Other},
};
use crate::{
    analysis::residual::{Answer, Push, Written},
    tensor::HostTensor,
    view_model::{color::Domain, finding::readings, markup::Markup, number, token_strip::token_text},
};

/// Writers that are listed; the others are added up.
const N_WRITERS: usize = 24;

pub(super) fn draw(out: &mut Vec<Markup>, scene: &Scene<'_>) {
    let Some(Answered::Residual(answer)) = scene.first.answer else {
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
    parts::finding(&mut top, readings::residual(answer));
    let mut cells = Markup::new();
    match &other {
        None => draw_grid(&mut cells, answer, scene.choices.stream),
        Some(other) => draw_sides(&mut cells, answer, other, scene.choices.stream),
    }
    let mut written = Markup::new();
    writers(&mut written, answer);
    if let Some(other) = &other {
        compare_writers(&mut written, scene, answer, other.answer);
    }
    let mut test = Markup::new();
    effects::draw(&mut test, scene, "logit difference");
    let mut foot = Markup::new();
    parts::made(
        &mut foot,
        &[
            "norm: Euclidean length of the stream. cosine: with the stream before, with the last stream, or with a token’s \
             column of W_U as the final norm lets it be read.",
            "A writer’s part is its length along the stream, c · x / |x|; all parts sum to the stream’s norm. What it \
             promotes is ((c − mean(c)) / s · w) W_U, with the final norm’s scale s taken as given.",
            "Cosines are of the raw stream: a mean over d_model that every norm takes off again may dominate them. Position \
             0 is often an outlier; it does not set the colour scale.",
        ],
    );
    out.extend([top, cells, parts::slot(), written, test, foot]);
}

fn other_of<'a>(scene: &Scene<'a>) -> Option<Other<'a, Answer>> {
    sides::other(
        scene,
        |answered| if let Answered::Residual(answer) = answered { Some(answer) } else { None },
    )
}

fn head(out: &mut Markup, kind: Kind) {
    parts::head(
        out,
        kind,
        "What is in the stream, and who wrote it?",
        "Each row is a position, each column the residual stream on its way up. Press on a cell to list who wrote what is \
         there.",
    );
}

fn controls(out: &mut Markup, scene: &Scene<'_>, answer: Option<&Answer>) {
    let choices = scene.choices;
    out.raw("<div class=\"view-bar\">");
    let names = Stream::ALL.map(|stream| (stream.key(), stream_words(stream)));
    parts::select(out, "Cells", "stream", &names, choices.stream.key());
    sides::choice(out, scene, scene.models);
    parts::copy(out);
    out.raw("</div>");
    if choices.stream == Stream::Token {
        let shown = answer.and_then(|answer| answer.token.clone());
        let chosen: Vec<u32> = choices.direction.into_iter().collect();
        parts::chips(out, "Direction of", "direction", shown.as_slice(), &chosen);
    }
}

fn stream_words(stream: Stream) -> &'static str {
    match stream {
        Stream::Norm => "norm",
        Stream::Previous => "cosine with the stream before",
        Stream::Final => "cosine with the last stream",
        Stream::Token => "cosine with a token’s direction",
    }
}

fn values(answer: &Answer, stream: Stream) -> Option<&HostTensor> {
    match stream {
        Stream::Norm => Some(&answer.norms),
        Stream::Previous => Some(&answer.cos_previous),
        Stream::Final => Some(&answer.cos_final),
        Stream::Token => answer.cos_token.as_ref(),
    }
}

fn value(answer: &Answer, stream: Stream, row: usize, column: usize) -> Option<f32> {
    let at = column * answer.tokens.len() + row;
    values(answer, stream)?.data().get(at).copied().filter(|value| value.is_finite())
}

fn domain(answer: &Answer, stream: Stream) -> Domain {
    if stream != Stream::Norm {
        return Domain::Diverging { max: 1.0 };
    }
    let n = answer.tokens.len();
    let is_counted = |(at, value): (usize, &f32)| (n < 2 || 0 < at % n).then_some(*value);
    let counted = answer.norms.data().iter().enumerate().filter_map(is_counted);
    Domain::Sequential { max: counted.filter(|norm| norm.is_finite()).fold(0.0, f32::max) }
}

/// Positions down, streams across.
fn draw_cells(out: &mut Markup, answer: &Answer, label: &str, cell_of: &dyn Fn(usize, usize) -> Cell) {
    let rows: Vec<String> = (0..answer.tokens.len()).map(|pos| place(pos, &answer.tokens)).collect();
    let columns = columns(&answer.rows)
        .into_iter()
        .map(|column| grid::Column { is_faint: false, ..column })
        .collect::<Vec<_>>();
    grid::draw(out, &Grid { label, corner: "position", rows: &rows, columns: &columns }, cell_of);
}

/// Both sides, and between them how much more there is on the right.
fn draw_sides(out: &mut Markup, left: &Answer, other: &Other<'_, Answer>, stream: Stream) {
    let right = other.answer;
    let is_alike = left.tokens.len() == right.tokens.len() && left.rows == right.rows;
    let diff = is_alike.then_some(|out: &mut Markup| {
        let difference = |row, column| {
            let of = |answer| value(answer, stream, row, column);
            Some(of(right)? - of(left)?)
        };
        let places =
            (0..left.tokens.len()).flat_map(|row| (0..left.rows.len()).map(move |column| (row, column)));
        let all = places.filter_map(|(row, column)| difference(row, column)).map(f64::from);
        let domain = bars::diverging(all);
        draw_cells(out, left, "Difference of the two sides", &|row, column| {
            let value = difference(row, column);
            let text = value.map_or_else(|| "–".to_owned(), |value| number::signed(f64::from(value)));
            Cell { text, place: domain.place(value.unwrap_or(0.0)) }
        });
        let end = f64::from(domain.max());
        let unit = [stream_words(stream), ", right less left"].concat();
        parts::scale(out, &number::signed(-end), &number::signed(end), &unit, parts::Ramp::Diverging);
    });
    let of = |answer| move |out: &mut Markup| draw_grid(out, answer, stream);
    sides::draw(out, &other.name, of(left), diff, of(right));
}

/// Who wrote more, and who less, on the right.
fn compare_writers(out: &mut Markup, scene: &Scene<'_>, left: &Answer, right: &Answer) {
    let of = |answer: &Answer, which| {
        let one = answer.writers.iter().find(|one| one.writer == which);
        one.map_or(0.0, |one| f64::from(one.projection))
    };
    let all: Vec<sides::Part> = left
        .writers
        .iter()
        .map(|one| sides::Part {
            name: writer(one.writer).0,
            values: [left, right].map(|answer| of(answer, one.writer)),
        })
        .collect();
    sides::table(out, scene, "Writers", "length along the stream", &all);
}

fn draw_grid(out: &mut Markup, answer: &Answer, stream: Stream) {
    if values(answer, stream).is_none() {
        out.raw("<p class=\"note\">Type a token above: the cells will say how much the stream points its way.</p>");
        return;
    }
    let domain = domain(answer, stream);
    let label = "Residual stream: positions down, streams across. Arrow keys move, Enter lists who wrote it.";
    draw_cells(out, answer, label, &|row, column| {
        let value = value(answer, stream, row, column);
        Cell {
            text: value.map_or_else(|| "–".to_owned(), number::nats),
            place: domain.place(value.unwrap_or(0.0)),
        }
    });
    match stream {
        Stream::Norm => parts::scale(
            out,
            "0",
            &number::nats(domain.max()),
            "norm; position 0 may lie beyond the scale",
            parts::Ramp::Lit,
        ),
        Stream::Previous | Stream::Final | Stream::Token => {
            parts::scale(out, "−1", "1", stream_words(stream), parts::Ramp::Diverging);
        }
    }
}

fn writers(out: &mut Markup, answer: &Answer) {
    out.raw("<section class=\"view-section\" data-testid=\"writers\">");
    out.element(
        "h3",
        &[],
        &["Who wrote ", &stream_name(answer.at), " at ", &place(answer.pos, &answer.tokens)].concat(),
    );
    out.raw("<p class=\"note\">").element("code", &[], &answer.at.to_string());
    out.text(&format!(
        ": norm {}. Each bar is a writer’s length along the stream; together they make the norm.",
        number::nats(answer.norm)
    ));
    out.raw("</p>");
    let sizes: Vec<f64> = answer.writers.iter().map(|one| f64::from(one.projection.abs())).collect();
    let listed = parts::largest(&sizes, N_WRITERS);
    let mut rows: Vec<Row> = listed.iter().map(|at| row_of(&answer.writers[*at])).collect();
    let is_other =
        |(at, one): (usize, &Written)| (!listed.contains(&at)).then_some(f64::from(one.projection));
    let others: Vec<f64> = answer.writers.iter().enumerate().filter_map(is_other).collect();
    if !others.is_empty() {
        let (mut name, sum) = (Markup::new(), others.iter().sum::<f64>());
        name.text(&format!("{} others", others.len()));
        rows.push(Row::new(name, sum, number::signed(sum)));
    }
    bars::draw(out, "Writers by their length along the stream", "length along the stream", &rows);
    out.raw("</section>");
}

fn row_of(written: &Written) -> Row {
    let (name, component) = writer(written.writer);
    let mut label = Markup::new();
    label.text(&name);
    let projection = f64::from(written.projection);
    let mut row = Row::new(label, projection, number::signed(projection));
    row.note.element("span", &[("class", "num")], &format!("norm {}", number::nats(written.norm)));
    pushes(&mut row.note, "promotes ", &written.promoted);
    pushes(&mut row.note, "suppresses ", &written.suppressed);
    row.spoken = name;
    row.button = component.map(parts::test);
    row
}

fn pushes(out: &mut Markup, word: &str, pushes: &[Push]) {
    if pushes.is_empty() {
        return;
    }
    out.raw("<span class=\"pushes\">").text(word);
    for push in pushes {
        let title = [number::signed(f64::from(push.logit)).as_str(), " logits"].concat();
        out.open("span", &[("class", "push"), ("title", &title)]);
        parts::token(out, &push.token);
        out.raw("</span> ");
    }
    out.raw("</span>");
}

/// Pressing on a cell lists who wrote it, and locks its position.
pub(super) fn pick(answer: &Answer, row: usize, column: usize) -> Vec<(&'static str, String)> {
    match answer.rows.get(column) {
        Some(stream) if row < answer.tokens.len() => {
            vec![("at", stream.to_string()), ("pos", row.to_string())]
        }
        Some(_) | None => vec![],
    }
}

pub(super) fn detail(out: &mut Markup, scene: &Scene<'_>, answer: &Answer, at: &str) {
    let here = answer.rows.iter().position(|stream| *stream == answer.at).unwrap_or(0);
    let is_there = |[row, column]: &[usize; 2]| *row < answer.tokens.len() && *column < answer.rows.len();
    let [row, column] = cell_of(at).filter(is_there).unwrap_or([answer.pos, here]);
    let Some(stream) = answer.rows.get(column) else { return };
    out.raw("<p>").element("span", &[("class", "token")], &place(row, &answer.tokens));
    out.text(" at ").element("code", &[], &stream.to_string()).text(": ");
    let said = Stream::ALL.map(|kind| {
        let value = value(answer, kind, row, column)?;
        let mut words = format!("{} {}", stream_words(kind), number::nats(value));
        if let (Stream::Token, Some(token)) = (kind, &answer.token) {
            words += &[" (", &token_text(token).glyphs(), ")"].concat();
        }
        Some(words)
    });
    let said: Vec<String> = said.into_iter().flatten().collect();
    out.text(&said.join("; ")).raw(".");
    let stream = scene.choices.stream;
    if let Some(other) = other_of(scene)
        && let Some(value) = value(other.answer, stream, row, column)
        && row < other.answer.tokens.len()
    {
        let value = number::nats(value);
        out.text(&[" On the right, ", &other.name, ": ", stream_words(stream), " ", &value, "."].concat());
    }
    out.raw("</p>");
}

/// The cells, then the writers.
pub(super) fn table(scene: &Scene<'_>, answer: &Answer) -> String {
    let stream = scene.choices.stream;
    let mut out = lines_of(answer, stream);
    if let Some(other) = other_of(scene) {
        parts::line(&mut out, &[&other.name]);
        out += &lines_of(other.answer, stream);
    }
    out
}

fn lines_of(answer: &Answer, stream: Stream) -> String {
    let rows: Vec<String> = (0..answer.tokens.len()).map(|pos| place(pos, &answer.tokens)).collect();
    let corner = stream_words(stream);
    let mut out = grid::table(corner, &rows, &columns(&answer.rows), &|row, column| {
        value(answer, stream, row, column).map_or_else(String::new, parts::exact)
    });
    let tokens = |pushes: &[Push]| {
        let tokens: Vec<String> = pushes.iter().map(|push| token_text(&push.token).glyphs()).collect();
        tokens.join(" ")
    };
    let at = [answer.at.to_string().as_str(), " at ", &place(answer.pos, &answer.tokens)].concat();
    parts::line(&mut out, &[&at, "norm", "along the stream", "promoted", "suppressed"]);
    for one in &answer.writers {
        let (norm, along) = (parts::exact(one.norm), parts::exact(one.projection));
        parts::line(
            &mut out,
            &[&writer(one.writer).0, &norm, &along, &tokens(&one.promoted), &tokens(&one.suppressed)],
        );
    }
    out
}
