//! What the open view asks: its own question, and what it asks beside that. A view that is not open asks nothing.

use std::sync::Arc;

use leptos::{prelude::*, task::spawn_local};

use super::lab::Stages;
use crate::{
    analysis::{attention, head, heads, induction, logit_lens, loss, residual},
    client::Answered as Reply,
    failure::{Failure, FailureKind},
    protocol::{AnswerError, AnswerText, RunId},
    ui::{
        actions::unreadable,
        state::{Loading, State},
    },
    view_model::views::{
        Answered, View,
        question::{self, About, Extra},
        read,
    },
};

/// Answers that are kept for a way back.
const N_KEPT: usize = 6;
/// Of checkpoints: all that a slider passes.
const N_KEPT_STAGES: usize = 24;

/// A question to a model, as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) view: View,
    pub(super) model: String,
    pub(super) question: String,
}

/// Which of a view's questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Its own.
    First,
    /// The other side of a comparison.
    Other,
    /// What taking something out does.
    Test,
    /// What the induction lab asks beside.
    Beside(Extra),
}

/// How a question stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Phase {
    Idle,
    Running,
    Failed(Failure),
}

/// What is asked in one place, and what came of it; copies share it.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    place: Place,
    /// What should be answered; none while something that it needs is not known.
    pub(super) wanted: Memo<Option<Asked>>,
    /// The last answer, and to what.
    pub(super) shown: RwSignal<Option<(Asked, Arc<Answered>)>>,
    pub(super) phase: RwSignal<Phase>,
    run: StoredValue<Option<RunId>>,
    kept: StoredValue<Vec<(Asked, Arc<Answered>)>>,
    stages: Option<Stages>,
}

impl Slot {
    /// `from`: the lab's first question, whose answer the others are about, and its checkpoints.
    pub(super) fn new(state: State, place: Place, from: Option<(Self, Stages)>) -> Self {
        let wanted = Memo::new(move |_| wanted(state, place, from));
        let slot = Self {
            place,
            wanted,
            shown: RwSignal::new(None),
            phase: RwSignal::new(Phase::Idle),
            run: StoredValue::new(None),
            kept: StoredValue::default(),
            stages: from.map(|(_, stages)| stages),
        };
        Effect::new(move |before: Option<(Option<Asked>, bool)>| {
            let now = (wanted.get(), slot.is_askable());
            if before.as_ref() != Some(&now) {
                slot.cancel(state);
                let (wanted, is_askable) = &now;
                if let Some(asked) = wanted.as_ref().filter(|asked| !slot.show_kept(asked) && *is_askable) {
                    slot.ask(state, asked.clone());
                }
            }
            now
        });
        slot
    }

    /// The answer, if it belongs to this view.
    pub(super) fn answer(self, view: View) -> Option<Arc<Answered>> {
        self.shown.with(|shown| {
            shown.as_ref().filter(|(asked, _)| asked.view == view).map(|(_, answer)| Arc::clone(answer))
        })
    }

    /// Whether what is shown answers something else than what is wanted.
    pub(super) fn is_stale(self) -> bool {
        self.wanted
            .with(|wanted| self.shown.with(|shown| shown.as_ref().map(|(asked, _)| asked) != wanted.as_ref()))
    }

    /// Whether something is wanted of a model that is there.
    pub(super) fn is_askable(self) -> bool {
        let is_there = |asked: &Asked| self.stages.is_none_or(|stages| stages.has(&asked.model));
        self.wanted.with(|wanted| wanted.as_ref().is_some_and(is_there))
    }

    /// The checkpoint that has to be loaded first.
    pub(super) fn missing(self, stages: Stages) -> Option<String> {
        let wanted = self.wanted.get().filter(|asked| self.is_stale() && !stages.has(&asked.model));
        wanted.map(|asked| asked.model)
    }

    /// Asks again what is wanted.
    pub(super) fn again(self, state: State) {
        if let Some(asked) = self.wanted.get_untracked() {
            self.ask(state, asked);
        }
    }

    /// Stops what is under way.
    pub(super) fn cancel(self, state: State) {
        if let Some(run) = self.run.get_value() {
            state.client.get_value().cancel(run);
        }
        self.run.set_value(None);
        if self.phase.with_untracked(|phase| *phase != Phase::Idle) {
            self.phase.set(Phase::Idle);
        }
    }

    fn show_kept(self, asked: &Asked) -> bool {
        let kept = self.kept.with_value(|kept| kept.iter().find(|(kept, _)| kept == asked).cloned());
        let is_kept = kept.is_some();
        if is_kept {
            self.shown.set(kept);
        }
        is_kept
    }

    fn ask(self, state: State, asked: Asked) {
        let model = asked.model.clone();
        let of_partial = asked.clone();
        let on_partial = move |text: AnswerText| {
            // One that cannot be read is followed by a whole one, where that is said.
            let is_ours = self.wanted.with_untracked(|wanted| wanted.as_ref() == Some(&of_partial));
            if let Some(answer) = self.read(&of_partial, text).ok().filter(|_| is_ours) {
                self.shown.set(Some((of_partial.clone(), Arc::new(answer))));
            }
        };
        let (run, answered) = state.client.get_value().ask(&model, asked.question.clone(), on_partial);
        self.run.set_value(Some(run));
        self.phase.set(Phase::Running);
        spawn_local(async move {
            let answered = answered.await;
            if self.run.get_value() != Some(run) {
                return; // Superseded.
            }
            self.run.set_value(None);
            match answered.and_then(|Reply { answer, .. }| self.read(&asked, answer).map_err(unreadable)) {
                Ok(answer) => {
                    let shown = (asked, Arc::new(answer));
                    self.kept.update_value(|kept| {
                        kept.insert(0, shown.clone());
                        let is_of_stages = matches!(self.place, Place::Beside(_));
                        kept.truncate(if is_of_stages { N_KEPT_STAGES } else { N_KEPT });
                    });
                    self.shown.set(Some(shown));
                    self.phase.set(Phase::Idle);
                }
                Err(failure) if failure.kind == FailureKind::Cancelled => self.phase.set(Phase::Idle),
                Err(failure) => self.phase.set(Phase::Failed(failure)),
            }
        });
    }

    fn read(self, asked: &Asked, text: AnswerText) -> Result<Answered, AnswerError> {
        Ok(match (asked.view, self.place) {
            (_, Place::Test) => Answered::Effects(text.read(read::effects, |_| vec![])?),
            (View::Attribution, _) => Answered::Attribution(text.read(read::attribution, |_| vec![])?),
            (View::Residual, _) => {
                Answered::Residual(text.read(read::residual, residual::Answer::tensors_mut)?)
            }
            (View::Loss, _) => Answered::Loss(text.read(read::loss, loss::Answer::tensors_mut)?),
            (View::Heads, _) => Answered::Heads(text.read(read::heads, heads::Answer::tensors_mut)?),
            (View::Head, _) if question::is_of_heads(&asked.question) => {
                Answered::Heads(text.read(read::heads, heads::Answer::tensors_mut)?)
            }
            (View::Head, _) => Answered::Head(Box::new(text.read(read::head, head::Answer::tensors_mut)?)),
            (View::Induction, Place::Beside(Extra::Pattern)) => Answered::Pattern(
                text.read(|json| serde_json::from_str(json), attention::Answer::tensors_mut)?,
            ),
            (View::Induction, _) => {
                Answered::Induction(text.read(read::induction, induction::Answer::tensors_mut)?)
            }
            (View::Lens | View::Attention, _) => {
                Answered::Lens(text.read(read::lens, logit_lens::Answer::tensors_mut)?)
            }
        })
    }
}

/// What is to be asked now. It waits for the answer that is on the page to be about the prompt.
fn wanted(state: State, place: Place, from: Option<(Slot, Stages)>) -> Option<Asked> {
    let view = state.view.get();
    let model = state.model.get();
    let is_there = matches!(state.loading_of(&model), Loading::Done(_));
    if view == View::Attention || !is_there || state.is_stale() {
        return None;
    }
    let (text, pos, head) = (state.prompt.get(), state.focus.pos.locked(), state.focus.head.locked());
    let leading: Vec<u32> = state.shown.with(|shown| {
        let positions = shown.as_ref().map(|shown| &shown.answer.positions);
        let position = positions.and_then(|positions| match pos {
            Some(pos) => positions.get(pos),
            None => positions.last(),
        });
        position.map(|position| position.top.iter().map(|one| one.token.id).collect()).unwrap_or_default()
    });
    let about = About { text: &text, bos: state.bos.get(), pos, head, leading: &leading };
    state.choices.with(|choices| {
        let here = |question| Asked { view, model: model.clone(), question };
        match place {
            Place::First => question::first(view, &about, choices).map(here),
            Place::Test => question::test(view, &about, choices).map(here),
            Place::Other => {
                let beside = question::other(view, &about, choices)?;
                Some(Asked { model: beside.model.unwrap_or(model.clone()), ..here(beside.question) })
            }
            Place::Beside(extra) => {
                let (first, stages) = from.filter(|_| view == View::Induction)?;
                let answer = first.answer(view)?;
                let Answered::Induction(answer) = &*answer else { return None };
                let asked = here(question::extra(extra, choices, head, answer)?);
                let model = match (extra, stages.wanted(state)) {
                    (Extra::Stage, stage) => stage?,
                    (Extra::Pattern, Some(stage)) => stage,
                    (Extra::Circuit | Extra::Others | Extra::Pattern, _) => return Some(asked),
                };
                Some(Asked { model, ..asked })
            }
        }
    })
}
