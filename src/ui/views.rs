//! The views that are texts: `view_model::views` writes them, this puts them on the page and hears what is done in them.
//!
//! `data-do`, `data-set` and `data-token` make a choice, `data-at` is a mark that can be pointed at, `data-copy` copies.
//! One listener a kind of event serves all marks. Parts of a view that stay the same are left alone.

use std::sync::Arc;

use leptos::{html::Div, prelude::*, task::spawn_local};
use wasm_bindgen::{JsCast as _, closure::Closure};
use web_sys::{Element, Event, KeyboardEvent};

use super::{
    dom,
    mark::watch,
    state::{Entry, Loading, Reading, State, Wanted},
};
use crate::{
    prompt::Bos,
    view_model::{
        sentence::sentence,
        token_strip::token_text,
        views::{self, Answered, Choices, Progress, Scene, Standing, View},
    },
};

mod ask;
mod lab;
mod marks;
mod place;

use ask::{Phase, Place, Slot};
use lab::Lab;

/// Widths are rounded to steps, so that a window that is dragged does not draw a chart for each pixel.
const WIDTH_STEP_PX: f32 = 16.0;

/// Everything that the open view is drawn from; copies share it.
#[derive(Clone, Copy)]
struct Shown {
    state: State,
    first: Slot,
    other: Slot,
    test: Slot,
    lab: Lab,
    /// What was said of the last token that the user typed.
    note: RwSignal<String>,
    /// The mark under the pointer or the keyboard's focus.
    hovered: RwSignal<Option<String>>,
    width_px: Memo<f32>,
}

impl Shown {
    /// Does something with the scene as it is; follows what it reads.
    fn with_scene<T>(self, then: impl FnOnce(&Scene<'_>) -> T) -> T {
        let state = self.state;
        let view = state.view.get();
        let [first, other, test] = [self.first, self.other, self.test].map(|slot| slot.answer(view));
        // Where there is an answer, nothing is said of its phase, so that a large picture is not made again for it.
        let of_first = if first.is_none() { self.first.phase.get() } else { Phase::Idle };
        let phases = [of_first, self.other.phase.get(), self.test.phase.get()];
        let in_use = state.model.get();
        let is_other = |entry: &&Entry| entry.id != in_use && matches!(entry.loading, Loading::Done(_));
        let models: Vec<String> = state
            .models
            .with(|models| models.iter().filter(is_other).map(|entry| entry.id.clone()).collect());
        let (choices, note) = (state.choices.get(), self.note.get());
        let lab = self.lab.hold();
        let scene = Scene {
            view,
            choices: &choices,
            pos: state.focus.pos.locked(),
            head: state.focus.head.locked(),
            first: standing(&first, &phases[0]),
            other: Standing { is_stale: self.other.is_stale(), ..standing(&other, &phases[1]) },
            test: Standing { is_stale: self.test.is_stale(), ..standing(&test, &phases[2]) },
            building: state.building(),
            models: &models,
            note: &note,
            width_px: self.width_px.get(),
            bench: lab.as_ref().map(lab::Held::bench).unwrap_or_default(),
        };
        then(&scene)
    }

    fn slots(self) -> impl Iterator<Item = Slot> {
        [self.first, self.other, self.test].into_iter().chain(self.lab.slots)
    }

    /// Adds what the view found to the page's key findings: its latest about this prompt.
    fn read_out(self) {
        let state = self.state;
        let view = state.view.get();
        let answer = self.first.answer(view).filter(|_| !self.first.is_stale());
        let Some(sentence) = answer.and_then(|answer| views::finding(&answer)) else { return };
        let about = untrack(|| Wanted { scores: None, ..state.wanted() });
        let address = untrack(|| state.whole_address());
        state.readings.update(|readings| {
            readings.retain(|one| one.about == about && one.view != view);
            readings.push(Reading { about, view, sentence, address });
        });
    }

    /// Asks again what has no answer.
    fn again(self) {
        let missing = self.slots().filter(|slot| untrack(|| slot.is_stale() && slot.is_askable()));
        missing.for_each(|slot| slot.again(self.state));
    }

    /// How the questions stand, in words.
    fn progress(self) -> String {
        let failed = self.first.phase.get();
        let is_running = self.slots().any(|slot| slot.phase.get() == Phase::Running);
        let is_stopped = |slot: Slot| slot.phase.get() == Phase::Idle && slot.is_askable() && slot.is_stale();
        views::progress(match &failed {
            Phase::Failed(failure) => Progress::Failed([&failure.message, &failure.hint]),
            Phase::Idle | Phase::Running if is_running => Progress::Running,
            Phase::Idle | Phase::Running if self.slots().any(is_stopped) => Progress::Stopped,
            Phase::Idle | Phase::Running => Progress::Quiet,
        })
    }

    /// Makes a choice, as a control or a mark says it.
    fn choose(self, key: &str, value: &str) {
        let state = self.state;
        state.touch();
        self.note.set(String::new());
        match key {
            "pos" => state.focus.pos.lock(value.parse().ok()),
            "head" => state.focus.head.lock(views::cell_of(value)),
            "view" => state.open(View::from_key(value).unwrap_or_default()),
            "stage" => self.lab.load(),
            _ => {
                let mut choices: Choices = state.choices.get_untracked();
                if choices.set(key, value) && choices != state.choices.get_untracked() {
                    state.choices.set(choices);
                }
            }
        }
    }

    /// Keeps a mark, or lets go of the one that is kept, and makes the choices that go with it.
    fn press(self, at: &str) {
        let is_kept = self.state.mark.with_untracked(|mark| mark == at);
        self.state.touch();
        self.state.mark.set(if is_kept { String::new() } else { at.to_owned() });
        if !is_kept {
            let picked = untrack(|| self.with_scene(|scene| views::pick(scene, at)));
            picked.iter().for_each(|(key, value)| self.choose(key, value));
        }
    }

    /// Adds the token that the user typed to a list of ids.
    fn add_token(self, key: String, list: String, text: String) {
        let state = self.state;
        if text.is_empty() {
            return;
        }
        let tokens = state.client.get_value().tokenize(&state.model.get_untracked(), &text, Bos::No);
        spawn_local(async move {
            match tokens.await {
                Ok(tokens) => {
                    let Some(first) = tokens.first() else { return };
                    let ids = [list.as_str(), ".", &first.id.to_string()].concat();
                    self.choose(&key, ids.trim_start_matches('.'));
                    if 1 < tokens.len() {
                        let (n, first) = (tokens.len(), token_text(first).quoted());
                        self.note.set(format!("‘{text}’ is {n} tokens here; {first}, the first, was taken."));
                    }
                }
                Err(failure) => self.note.set([&sentence(&failure.message), " ", &failure.hint].concat()),
            }
        });
    }
}

fn standing<'a>(answer: &'a Option<Arc<Answered>>, phase: &'a Phase) -> Standing<'a> {
    let failure = match phase {
        Phase::Failed(failure) => Some([failure.message.as_str(), failure.hint.as_str()]),
        Phase::Idle | Phase::Running => None,
    };
    Standing { answer: answer.as_deref(), is_stale: false, is_running: *phase == Phase::Running, failure }
}

/// The open view.
#[component]
pub fn TextView() -> impl IntoView {
    let state = State::from_page();
    let (host, status) = (NodeRef::<Div>::new(), NodeRef::<Div>::new());
    let measured = watch::width_px(host);
    let first = Slot::new(state, Place::First, None);
    let shown = Shown {
        state,
        first,
        other: Slot::new(state, Place::Other, None),
        test: Slot::new(state, Place::Test, None),
        lab: Lab::new(state, first),
        note: RwSignal::new(String::new()),
        hovered: RwSignal::new(None),
        width_px: Memo::new(move |_| (measured.get() / WIDTH_STEP_PX).floor() * WIDTH_STEP_PX),
    };
    let parts = StoredValue::new(Vec::<String>::new());
    let drawn = RwSignal::new(0_u32);
    let (is_heard, hears_status) = (StoredValue::new(false), StoredValue::new(false));
    Effect::new(move || {
        let Some(host) = host.get() else { return };
        if !is_heard.get_value() {
            is_heard.set_value(true);
            listen(shown, &host);
        }
        if state.view.get() == View::Attention || shown.width_px.get() == 0.0 {
            return; // Not to be seen.
        }
        let html = shown.with_scene(views::html);
        parts.update_value(|parts| place::put(&host, parts, html));
        place::set_range(&host);
        drawn.update(|drawn| *drawn += 1);
    });
    // Only this follows the pointer.
    Effect::new(move || {
        drawn.get();
        let Some(host) = host.get() else { return };
        let (hovered, kept) = (shown.hovered.get(), state.mark.get());
        let at = hovered.clone().unwrap_or_else(|| kept.clone());
        marks::show(&host, hovered.as_deref().unwrap_or_default(), &kept);
        place::fill(&host, &untrack(|| shown.with_scene(|scene| views::detail(scene, &at))));
    });
    Effect::new(move || shown.read_out());
    let is_stale = Memo::new(move |_| shown.first.is_stale());
    let is_empty = Memo::new(move |_| shown.first.answer(state.view.get()).is_none());
    Effect::new(move || {
        let Some(status) = status.get() else { return };
        if !hears_status.get_value() {
            hears_status.set_value(true);
            listen(shown, &status);
        }
        status.set_inner_html(&shown.progress());
    });
    let busy = move || (is_stale.get() || is_empty.get()).to_string();
    let class = move || if is_stale.get() && !is_empty.get() { "view-host stale" } else { "view-host" };
    view! {
        <section class="panel view" data-testid="view" data-view=move || state.view.get().key() aria-busy=busy>
            <div class="view-progress" node_ref=status></div>
            <div class=class node_ref=host></div>
        </section>
    }
}

/// Hears what is done in an element and whatever will be in it.
fn listen(shown: Shown, element: &Element) {
    let heard = Closure::<dyn Fn(Event)>::new(move |event: Event| match event.type_().as_str() {
        "click" => on_click(shown, &event),
        "change" => on_change(shown, &event),
        "input" => on_slide(shown, &event),
        "keydown" => on_key(shown, event.unchecked_ref()),
        "pointerover" | "focusin" => hover(shown, &event),
        _ => hover_none(shown),
    });
    for name in ["click", "change", "input", "keydown", "pointerover", "pointerleave", "focusin", "focusout"]
    {
        // An element of the page takes listeners.
        let _ = element.add_event_listener_with_callback(name, heard.as_ref().unchecked_ref());
    }
    heard.forget(); // The view lives as long as the page.
}

fn on_click(shown: Shown, event: &Event) {
    if let Some(button) = marks::closest(event, "[data-do]") {
        let action = button.get_attribute("data-do").unwrap_or_default();
        for one in action.split('&') {
            match one.split_once('=') {
                Some(("run", "cancel")) => shown.slots().for_each(|slot| slot.cancel(shown.state)),
                Some(("run", _)) => shown.again(),
                Some((key, value)) => shown.choose(key, value),
                None => (),
            }
        }
    } else if let Some(button) = marks::closest(event, "[data-copy]") {
        dom::copy(&untrack(|| shown.with_scene(views::table)));
        place::say_for_a_moment(button, "Copied");
    } else if let Some(at) = marks::mark_of(event) {
        shown.press(&at);
    }
}

fn on_change(shown: Shown, event: &Event) {
    let value = event_target_value(event);
    let attribute = |element: &Element, name: &str| element.get_attribute(name).unwrap_or_default();
    if let Some(control) = marks::closest(event, "[data-set]") {
        shown.choose(&attribute(&control, "data-set"), &value);
    } else if let Some(control) = marks::closest(event, "[data-token]") {
        shown.add_token(attribute(&control, "data-token"), attribute(&control, "data-list"), value);
    }
}

/// A slider makes its choice as it moves: its value is a place in its list.
fn on_slide(shown: Shown, event: &Event) {
    let Some(slider) = marks::closest(event, "[data-range]") else { return };
    let attribute = |name: &str| slider.get_attribute(name).unwrap_or_default();
    let (key, list) = (attribute("data-range"), attribute("data-list"));
    if let Some(value) = event_target_value(event).parse().ok().and_then(|nth| list.split(' ').nth(nth)) {
        shown.choose(&key, value);
    }
}

fn on_key(shown: Shown, event: &KeyboardEvent) {
    let Some(at) = marks::mark_of(event) else { return };
    match event.key().as_str() {
        "Enter" | " " if marks::closest(event, "button, input, select").is_none() => {
            event.prevent_default();
            shown.press(&at);
        }
        key => {
            if let Some(next) = marks::next(event, &at, key) {
                event.prevent_default();
                marks::walk_to(&next);
            }
        }
    }
}

fn hover(shown: Shown, event: &Event) {
    let at = marks::mark_of(event);
    if shown.hovered.with_untracked(|hovered| *hovered == at) {
        return;
    }
    let picked = at.as_deref().map(|at| untrack(|| shown.with_scene(|scene| views::pick(scene, at))));
    let pos = picked.iter().flatten().find(|(key, _)| *key == "pos").and_then(|(_, pos)| pos.parse().ok());
    shown.state.focus.pos.hover(pos);
    shown.hovered.set(at);
}

fn hover_none(shown: Shown) {
    shown.hovered.set(None);
    shown.state.focus.pos.hover(None);
}
