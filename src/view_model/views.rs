//! The views of one prompt that are texts: what each asks, draws, says of a mark and copies.
//!
//! [`html`] makes a view, [`detail`] what it says of the mark under the pointer, [`pick`] what pressing on it does,
//! [`table`] its numbers. What a user does in a view is an assignment, `data-do="key=value"`, which [`Choices::set`]
//! understands and an address holds.

use super::{
    elevation::Building,
    finding::{self, readings},
    markup::Markup,
    token_strip::token_text,
};
use crate::{analysis, prompt::Token};

mod attribution;
mod bars;
mod chart;
mod choices;
mod effects;
mod grid;
mod head;
mod heads;
mod induction;
mod lens;
mod loss;
mod parts;
pub mod question;
pub mod read;
mod residual;
mod sides;

pub use choices::{Ablation, Against, Choices, Shade, Stream, Top, Weigh, lab::Lab};
pub use induction::{Bench, Stage, Training};
pub use sides::Sorted;

/// What can be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum View {
    /// Where does each head look?
    #[default]
    Attention,
    /// Which head does what?
    Heads,
    /// Where does one head look, why, and what does it write?
    Head,
    /// How does it make use of what it has read before?
    Induction,
    /// What would it say if it stopped here?
    Lens,
    /// Who writes what it says?
    Attribution,
    /// What is in the stream, and who wrote it?
    Residual,
    /// Which tokens surprise it?
    Loss,
}

impl View {
    /// All of them, in the order of their tabs.
    pub const ALL: [Self; 8] = [
        Self::Attention,
        Self::Heads,
        Self::Head,
        Self::Induction,
        Self::Lens,
        Self::Attribution,
        Self::Residual,
        Self::Loss,
    ];

    /// The word for it in addresses.
    pub fn key(self) -> &'static str {
        match self {
            Self::Attention => "attention",
            Self::Heads => "heads",
            Self::Head => "head",
            Self::Induction => "induction",
            Self::Lens => "lens",
            Self::Attribution => "attribution",
            Self::Residual => "residual",
            Self::Loss => "loss",
        }
    }

    /// The view with this [`View::key`].
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|view| view.key() == key)
    }

    /// What its tab says.
    pub fn name(self) -> &'static str {
        match self {
            Self::Attention => "Attention",
            Self::Heads => "Heads",
            Self::Head => "One head",
            Self::Induction => "Induction",
            Self::Lens => "Logit lens",
            Self::Attribution => "Attribution",
            Self::Residual => "Residual stream",
            Self::Loss => "Loss",
        }
    }
}

/// The answer to a view's question.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "one a view, each behind an `Arc`")]
pub enum Answered {
    /// Of [`View::Heads`].
    Heads(analysis::heads::Answer),
    /// Of [`View::Head`].
    Head(Box<analysis::head::Answer>),
    /// Of [`View::Induction`].
    Induction(analysis::induction::Answer),
    /// Where heads look on what [`View::Induction`] read.
    Pattern(analysis::attention::Answer),
    /// Of [`View::Lens`].
    Lens(analysis::logit_lens::Answer),
    /// Of [`View::Attribution`].
    Attribution(analysis::attribution::Answer),
    /// What taking out a component does, beside it.
    Effects(analysis::effects::Answer),
    /// Of [`View::Residual`].
    Residual(analysis::residual::Answer),
    /// Of [`View::Loss`].
    Loss(analysis::loss::Answer),
}

/// How a question stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing<'a> {
    /// The last answer.
    pub answer: Option<&'a Answered>,
    /// Whether that answers something else than what is asked now.
    pub is_stale: bool,
    /// Whether another one is on its way.
    pub is_running: bool,
    /// Why there is none: what happened, and what to try.
    pub failure: Option<[&'a str; 2]>,
}

/// All that a view is drawn from.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene<'a> {
    /// Which view.
    pub view: View,
    /// What the user chose.
    pub choices: &'a Choices,
    /// The position that is locked.
    pub pos: Option<usize>,
    /// The head that is locked, `[layer, head]`.
    pub head: Option<[usize; 2]>,
    /// The answer to the view's question.
    pub first: Standing<'a>,
    /// The answer to the other side of a comparison.
    pub other: Standing<'a>,
    /// The answer to a test: what taking something out does.
    pub test: Standing<'a>,
    /// The shape of the model, once it is known.
    pub building: Option<Building>,
    /// Other models that are loaded.
    pub models: &'a [String],
    /// What was said of the last token that the user typed.
    pub note: &'a str,
    /// How much room there is, px.
    pub width_px: f32,
    /// What only the induction lab has.
    pub bench: Bench<'a>,
}

impl Scene<'_> {
    /// The locked position in a prompt of `n` tokens, or else its last one.
    fn pos_of(&self, n: usize) -> usize {
        let last = n.saturating_sub(1);
        self.pos.unwrap_or(last).min(last)
    }
}

/// The view as HTML, in parts: those that stay the same need not be drawn again.
pub fn html(scene: &Scene<'_>) -> Vec<String> {
    let mut parts = vec![];
    match scene.view {
        View::Attention => (),
        View::Heads => heads::draw(&mut parts, scene),
        View::Head => head::draw(&mut parts, scene),
        View::Induction => induction::draw(&mut parts, scene),
        View::Lens => lens::draw(&mut parts, scene),
        View::Attribution => attribution::draw(&mut parts, scene),
        View::Residual => residual::draw(&mut parts, scene),
        View::Loss => loss::draw(&mut parts, scene),
    }
    parts.into_iter().map(Markup::into_string).collect()
}

/// What is worth saying of an answer.
pub fn finding(answer: &Answered) -> Option<String> {
    match answer {
        Answered::Heads(answer) => finding::heads::kinds(answer),
        Answered::Head(answer) => finding::heads::head(answer),
        Answered::Induction(answer) => finding::induction::induction(answer),
        Answered::Pattern(_) => None,
        Answered::Lens(answer) => readings::lens(answer),
        Answered::Attribution(answer) => readings::attribution(answer),
        Answered::Effects(answer) => readings::effects(answer),
        Answered::Residual(answer) => readings::residual(answer),
        Answered::Loss(answer) => readings::loss(answer),
    }
}

/// The choices that follow from pressing on the mark `at`: assignments, where `pos` is the locked position, `head` the
/// locked head and `view` the open view.
pub fn pick(scene: &Scene<'_>, at: &str) -> Vec<(&'static str, String)> {
    let Some([row, column]) = cell_of(at) else { return vec![] };
    match scene.first.answer {
        Some(Answered::Heads(answer)) => heads::pick(answer, row, column),
        Some(Answered::Head(answer)) => head::pick(answer, row, column),
        Some(Answered::Induction(answer)) => induction::pick(scene, answer, row, column),
        Some(Answered::Lens(answer)) => lens::pick(answer, row),
        Some(Answered::Residual(answer)) => residual::pick(answer, row, column),
        Some(Answered::Loss(answer)) => loss::pick(answer, row),
        Some(Answered::Attribution(_) | Answered::Effects(_) | Answered::Pattern(_)) | None => vec![],
    }
}

/// How the view's questions stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Nothing to say.
    Quiet,
    /// An answer is on its way.
    Running,
    /// The user stopped it.
    Stopped,
    /// There is none: what happened, and what to try.
    Failed([&'a str; 2]),
}

/// What is said of progress, with the way to change it: `data-do="run=cancel"` and `data-do="run=again"`.
pub fn progress(progress: Progress<'_>) -> String {
    let mut out = Markup::new();
    let note = |out: &mut Markup, text| {
        out.element("span", &[("class", "note"), ("role", "status")], text);
    };
    match progress {
        Progress::Quiet => (),
        Progress::Running => {
            note(&mut out, "Computing…");
            parts::button(&mut out, "Cancel", "run=cancel", "What is shown stays");
        }
        Progress::Stopped => {
            note(&mut out, "Stopped.");
            parts::button(&mut out, "Go on", "run=again", "Asks again");
        }
        Progress::Failed(failure) => {
            parts::failure(&mut out, failure);
            parts::button(&mut out, "Ask again", "run=again", "Asks again");
        }
    }
    out.into_string()
}

/// What a view says of the mark `at`, as HTML: what `data-at` has.
pub fn detail(scene: &Scene<'_>, at: &str) -> String {
    let mut out = Markup::new();
    match scene.first.answer {
        Some(Answered::Heads(answer)) => heads::detail(&mut out, scene, answer, at),
        Some(Answered::Head(answer)) => head::detail(&mut out, scene, answer, at),
        Some(Answered::Induction(answer)) => induction::detail(&mut out, scene, answer, at),
        Some(Answered::Lens(answer)) => lens::detail(&mut out, scene, answer, at),
        Some(Answered::Attribution(answer)) => attribution::detail(&mut out, scene, answer, at),
        Some(Answered::Residual(answer)) => residual::detail(&mut out, scene, answer, at),
        Some(Answered::Loss(answer)) => loss::detail(&mut out, scene, answer, at),
        Some(Answered::Effects(_) | Answered::Pattern(_)) | None => (),
    }
    out.into_string()
}

/// The view's numbers as lines of columns with tabs between, for spreadsheets.
pub fn table(scene: &Scene<'_>) -> String {
    match scene.first.answer {
        Some(Answered::Heads(answer)) => heads::table(answer),
        Some(Answered::Head(answer)) => head::table(scene, answer),
        Some(Answered::Induction(answer)) => induction::table(scene, answer),
        Some(Answered::Lens(answer)) => lens::table(scene, answer),
        Some(Answered::Attribution(answer)) => attribution::table(scene, answer),
        Some(Answered::Residual(answer)) => residual::table(scene, answer),
        Some(Answered::Loss(answer)) => loss::table(scene, answer),
        Some(Answered::Effects(_) | Answered::Pattern(_)) | None => String::new(),
    }
}

/// `3 ·the`: a position and its token.
fn place(pos: usize, tokens: &[Token]) -> String {
    let glyphs = tokens.get(pos).map(|token| token_text(token).glyphs());
    format!("{pos} {}", glyphs.unwrap_or_default())
}

/// A mark's name `row.column`, or a head's `layer.head`, read back.
pub fn cell_of(at: &str) -> Option<[usize; 2]> {
    let (row, column) = at.split_once('.')?;
    Some([row.parse().ok()?, column.parse().ok()?])
}

#[cfg(test)]
pub(in crate::view_model) mod tests;
