//! Head page: where one head looks, why, and what it writes.

use super::{
    Answered, Scene, effects,
    heads::words,
    parts::{self, Kind},
};
use crate::{
    analysis::{effects::Component, heads::Answer},
    view_model::{
        finding,
        head_grid::{Move, step},
        markup::Markup,
    },
};

mod pair;
mod pattern;
mod spread;
mod table;
mod writes;

pub(super) use pattern::{detail, pick};
pub(super) use table::table;

pub(super) fn draw(out: &mut Vec<Markup>, scene: &Scene<'_>) {
    let mut top = Markup::new();
    let question = match scene.head {
        Some([layer, head]) => {
            ["What does layer ", &layer.to_string(), " head ", &head.to_string(), " do?"].concat()
        }
        None => "What does one head do?".to_owned(),
    };
    parts::head(
        &mut top,
        Kind::Observed,
        &question,
        "Where it looks on this prompt, why it looks there, and what it would write for what it finds.",
    );
    controls(&mut top, scene);
    let answer = match scene.first.answer {
        Some(Answered::Head(answer)) if scene.head.is_some() => answer,
        Some(Answered::Heads(answer)) if scene.head.is_none() => {
            examples(&mut top, answer);
            out.push(top);
            return;
        }
        _ => {
            parts::waiting(&mut top, scene);
            out.push(top);
            return;
        }
    };
    parts::finding(&mut top, finding::heads::head(answer));
    let mut cells = Markup::new();
    pattern::draw(&mut cells, scene.choices, answer);
    let mut why = Markup::new();
    pair::looks(&mut why, answer);
    pair::draw(&mut why, answer);
    let mut written = Markup::new();
    writes::draw(&mut written, scene.choices, answer);
    let mut test = Markup::new();
    effects::draw(&mut test, scene, effects::metric_name(scene.choices));
    let mut rest = Markup::new();
    spread::draw(&mut rest, scene, answer);
    let mut foot = Markup::new();
    made(&mut foot, answer.layer);
    out.extend([top, cells, parts::slot(), why, written, test, rest, foot]);
}

fn made(out: &mut Markup, layer: usize) {
    let layer = layer.to_string();
    let hooks = ["hook_pattern", "hook_attn_scores", "hook_q", "hook_k", "hook_v"];
    let hooks = hooks.map(|hook| ["blocks.", &layer, ".attn.", hook].concat());
    let read = ["Read from ", &hooks.join(", "), ": one run of this prompt, nothing changed."].concat();
    let lines = [
        read.as_str(),
        "Weighted patterns multiply each column with how much its key has to say: |v|, or |v W_O|, the norm of what is \
         written to the stream (Kobayashi et al. 2020). A head may look hard at a key of which it copies nothing.",
        "What it writes: v W_O, or W_E W_V W_O of the token, times the final norm’s weight and W_U, both centred (Elhage \
         et al. 2021). These are direct paths: what later heads and MLPs make of it is not in it.",
        "Where a head looks is no proof that what it reads there matters; the test above is about that, on this prompt and \
         for one metric.",
    ];
    parts::made(out, &lines);
}

/// Which head, its neighbours, and where else to go.
fn controls(out: &mut Markup, scene: &Scene<'_>) {
    out.raw("<div class=\"view-bar\">");
    if let Some(building) = scene.building {
        let dims = [building.n_layers, building.n_heads];
        let heads = (0..dims[0]).flat_map(|layer| (0..dims[1]).map(move |head| [layer, head]));
        let mut options: Vec<(String, String)> = heads.map(|head| (key(head), name(head))).collect();
        let chosen = scene.head.map_or_else(String::new, key);
        if !options.iter().any(|(key, _)| *key == chosen) {
            let name = scene.head.map_or_else(|| "choose".to_owned(), name);
            options.insert(0, (chosen.clone(), name)); // Of an address: the engine says if there is none.
        }
        let options: Vec<(&str, &str)> =
            options.iter().map(|(key, name)| (key.as_str(), name.as_str())).collect();
        parts::select(out, "Head", "head", &options, &chosen);
        if let Some(here) = scene.head {
            out.raw("<span class=\"view-steps-bar\" role=\"group\" aria-label=\"Neighbouring heads\">");
            for (by, arrow) in [(Move::Left, "←"), (Move::Right, "→"), (Move::Down, "↓"), (Move::Up, "↑")]
            {
                neighbour(out, here, step(here, by, dims), arrow);
            }
            out.raw("</span>");
        }
    }
    if let Some(here) = scene.head {
        let (action, name) = parts::test(Component::Head(here));
        parts::button(out, name, &action, "Takes it out of the model, beside random others: below");
        parts::button(out, "Its attention", "view=attention", "This head over the text and as a picture");
    }
    parts::button(out, "All heads", "view=heads", "The head finder");
    if matches!(scene.first.answer, Some(Answered::Head(_))) {
        parts::copy(out);
    }
    out.raw("</div>");
}

/// A step to another head; the key of its place stays, so that the keyboard's focus does.
fn neighbour(out: &mut Markup, here: [usize; 2], to: [usize; 2], arrow: &str) {
    let (action, label) = (parts::assignment("head", &key(to)), ["Go to ", &name(to)].concat());
    let data_key = ["step ", arrow].concat();
    let attributes = [
        ("type", "button"),
        ("class", "button small"),
        ("data-do", action.as_str()),
        ("data-key", &data_key),
        ("aria-label", &label),
        ("title", &label),
        ("disabled", ""),
    ];
    let n = attributes.len() - usize::from(to != here);
    out.element("button", &attributes[..n], arrow);
}

/// Heads to begin with: the nearest of each kind, by their scores on this prompt.
fn examples(out: &mut Markup, answer: &Answer) {
    out.raw("<p class=\"note\">No head is locked. Choose one above, on the building, or one of these, each the first by its score on this prompt:</p>");
    out.raw("<div class=\"view-bar\" data-testid=\"head-examples\">");
    for scores in &answer.scores {
        let Some(head) = scores.top.first() else { continue };
        let at = head[0] * scores.values.last_axis() + head[1];
        let value = scores.values.data().get(at).copied().unwrap_or(f32::NAN);
        let score = [words::name(scores.metric), " ", &words::long(scores.metric, value)].concat();
        let action = parts::assignment("head", &key(*head));
        parts::button(out, &[name(*head).as_str(), ": ", &score].concat(), &action, &scores.definition);
    }
    out.raw("</div>");
}

/// `1.3`
fn key([layer, head]: [usize; 2]) -> String {
    [layer.to_string(), head.to_string()].join(".")
}

/// `L1H3`
fn name(head: [usize; 2]) -> String {
    effects::name(Component::Head(head))
}
