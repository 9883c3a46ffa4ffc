//! The induction lab: what it asks once its first answer is there, and the checkpoints that it loads beside the model.
//!
//! A checkpoint is a model under a name of its own, `step-001050`; one is kept at a time, and only what was asked for.

use std::{sync::Arc, time::Duration};

use leptos::{prelude::*, task::spawn_local};

use super::{
    Standing,
    ask::{Phase, Place, Slot},
    standing,
};
use crate::{
    client::{Opened, Source},
    failure::{Failure, FailureKind},
    protocol::RunId,
    ui::{
        dom, models,
        state::{Engine, State},
    },
    view_model::views::{Answered, Bench, Training, View, question::Extra, read},
};

/// The model whose training can be looked at.
const TRAINED: &str = models::FIRST;
const LOG: &str = "checkpoints/metrics.json";
/// How long the slider rests before a checkpoint is loaded.
const PAUSE: Duration = Duration::from_millis(250);

/// The checkpoints of a training; copies share them.
#[derive(Clone, Copy)]
pub(super) struct Stages {
    log: RwSignal<Option<Arc<Training>>>,
    /// Whether the user wants them loaded.
    is_wanted: RwSignal<bool>,
    /// The name of the one that is loaded.
    there: RwSignal<String>,
    failure: RwSignal<Option<Failure>>,
    run: StoredValue<Option<RunId>>,
}

/// Everything that only the induction lab has; copies share it.
#[derive(Clone, Copy)]
pub(super) struct Lab {
    state: State,
    first: Slot,
    stages: Stages,
    /// For the circuit, other heads, the checkpoint, a pattern.
    pub(super) slots: [Slot; 4],
}

/// What [`Bench`] borrows.
pub(super) struct Held {
    answers: [Option<Arc<Answered>>; 4],
    phases: [Phase; 4],
    are_stale: [bool; 5],
    of: [String; 2],
    log: Option<Arc<Training>>,
    failure: Option<Failure>,
    is_wanted: bool,
    has_stages: bool,
    n_ctx: Option<usize>,
}

impl Stages {
    fn new() -> Self {
        Self {
            log: RwSignal::new(None),
            is_wanted: RwSignal::new(false),
            there: RwSignal::new(String::new()),
            failure: RwSignal::new(None),
            run: StoredValue::new(None),
        }
    }

    /// The name of the checkpoint that is looked at, once the user wants one.
    pub(super) fn wanted(self, state: State) -> Option<String> {
        if !self.is_wanted.get() || state.model.get() != TRAINED {
            return None;
        }
        let step = state.choices.with(|choices| choices.lab.step);
        self.log.with(|log| log.as_ref().map(|log| log.stages[log.nth(step)].name.clone()))
    }

    /// Whether a model is not a checkpoint, or the one that is loaded.
    pub(super) fn has(self, model: &str) -> bool {
        !is_stage(model) || self.there.with(|there| there == model)
    }

    fn load(self, state: State, name: String) {
        let client = state.client.get_value();
        if let Some(run) = self.run.get_value() {
            client.cancel(run);
        }
        self.failure.set(None);
        let weights = Some(["checkpoints/", &name, ".safetensors"].concat());
        let source = Source::Url { base: dom::absolute(&models::folder(TRAINED)), weights };
        let (run, loaded) = client.load(&name, source, |_| ());
        self.run.set_value(Some(run));
        spawn_local(async move {
            let loaded = loaded.await;
            if self.run.get_value() != Some(run) {
                if loaded.is_ok() {
                    client.unload(&name); // It came although nobody waits for it any more.
                }
                return;
            }
            self.run.set_value(None);
            match loaded {
                Ok(Opened::There(_)) => {
                    let before = self.there.get_untracked();
                    if !before.is_empty() && before != name {
                        client.unload(&before);
                    }
                    self.there.set(name);
                }
                Ok(Opened::Guessed(_)) => (), // Only files from disk are guessed.
                Err(failure) if failure.kind == FailureKind::Cancelled => (),
                Err(failure) => self.failure.set(Some(failure)),
            }
        });
    }

    fn fetch_log(self) {
        spawn_local(async move {
            let text = dom::fetch_text(&(models::folder(TRAINED) + LOG)).await;
            match text.ok().and_then(|text| read::training(&text).ok()) {
                Some(log) => self.log.set(Some(Arc::new(log))),
                None => self.failure.set(Some(Failure::new(
                    FailureKind::Network,
                    "the log of the training did not come",
                    "Check the connection and reload the page.",
                ))),
            }
        });
    }
}

fn is_stage(model: &str) -> bool {
    model.starts_with("step-")
}

impl Lab {
    pub(super) fn new(state: State, first: Slot) -> Self {
        let stages = Stages::new();
        let slots = [Extra::Circuit, Extra::Others, Extra::Stage, Extra::Pattern]
            .map(|extra| Slot::new(state, Place::Beside(extra), Some((first, stages))));
        let is_fetched = StoredValue::new(false);
        Effect::new(move || {
            let is_open = state.view.get() == View::Induction && state.model.get() == TRAINED;
            if is_open && !is_fetched.get_value() {
                is_fetched.set_value(true);
                stages.fetch_log();
            }
        });
        // A fresh engine has none of them.
        Effect::new(move || {
            if state.engine.get() != Engine::Up {
                stages.there.set(String::new());
            }
        });
        let timer = StoredValue::new(None::<TimeoutHandle>);
        Effect::new(move || {
            let missing = slots.iter().find_map(|slot| slot.missing(stages));
            if let Some(timer) = timer.get_value() {
                timer.clear();
            }
            if let Some(name) = missing {
                timer.set_value(set_timeout_with_handle(move || stages.load(state, name), PAUSE).ok());
            }
        });
        Self { state, first, stages, slots }
    }

    /// Has the checkpoint that is looked at loaded, or tries again.
    pub(super) fn load(self) {
        self.stages.is_wanted.set(true);
        let failed = self.stages.failure.with_untracked(Option::is_some);
        if let Some(name) = untrack(|| self.stages.wanted(self.state)).filter(|_| failed) {
            self.stages.load(self.state, name);
        }
        for slot in self.slots {
            if matches!(slot.phase.get_untracked(), Phase::Failed(_)) {
                slot.again(self.state);
            }
        }
    }

    /// What there is to draw; follows it while the lab is open.
    pub(super) fn hold(self) -> Option<Held> {
        let state = self.state;
        if state.view.get() != View::Induction {
            return None;
        }
        let stale = |nth: usize| self.slots.get(nth).unwrap_or(&self.first).is_stale();
        let of = |slot: Slot| {
            let model = slot.shown.with(|shown| shown.as_ref().map(|(asked, _)| asked.model.clone()));
            model.filter(|model| is_stage(model)).unwrap_or_default()
        };
        let [_, _, stage, pattern] = self.slots;
        let has_stages = state.model.get() == TRAINED;
        Some(Held {
            answers: self.slots.map(|slot| slot.answer(View::Induction)),
            phases: self.slots.map(|slot| slot.phase.get()),
            are_stale: [0, 1, 2, 3, 4].map(stale),
            of: [of(stage), of(pattern)],
            log: self.stages.log.get().filter(|_| has_stages),
            failure: self.stages.failure.get(),
            is_wanted: self.stages.is_wanted.get(),
            has_stages,
            n_ctx: state.card_of(&state.model.get()).map(|card| card.config.n_ctx),
        })
    }
}

impl Held {
    pub(super) fn bench(&self) -> Bench<'_> {
        let of = |nth: usize| Standing {
            is_stale: self.are_stale[nth],
            ..standing(&self.answers[nth], &self.phases[nth])
        };
        Bench {
            n_ctx: self.n_ctx,
            is_stale: self.are_stale[4],
            circuit: of(0),
            others: of(1),
            stage: of(2),
            pattern: of(3),
            training: self.log.as_deref(),
            has_stages: self.has_stages,
            is_wanted: self.is_wanted,
            failure: self.failure.as_ref().map(|failure| [failure.message.as_str(), failure.hint.as_str()]),
            of: [&self.of[0], &self.of[1]],
        }
    }
}
