//! What changes the state because of the outside world: the engine's replies, files, the user's requests.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use leptos::{prelude::*, task::spawn_local};

use super::{
    dom,
    state::{Asking, Engine, Generation, Loading, Made, NewToken, Phase, Shown, State, Wanted},
};
use crate::{
    analysis::attention,
    client::{Answered, Client, Source},
    failure::{Failure, FailureKind},
    prompt::Prompt,
    protocol::{AnswerError, GenerateSpec},
    view_model::{
        sampling::Sampling,
        views::{Choices, View, question},
    },
};

mod loading;

pub use loading::{cancel, forget, load, load_hub, open_files, open_guessed, pause, show_model};

/// How long after the last keystroke the question is asked.
const TYPING_PAUSE: Duration = Duration::from_millis(250);

/// Where each model comes from. Files are JavaScript's, so this stays on the page's thread.
pub type Sources = StoredValue<BTreeMap<String, Source>, LocalStorage>;

/// Asks whenever something else is wanted, and when the model that it is wanted of is there.
pub fn ask_whenever_wanted(state: State) {
    let timer = StoredValue::new(None::<TimeoutHandle>);
    let is_there = Memo::new(move |_| matches!(state.loading_of(&state.model.get()), Loading::Done(_)));
    Effect::new(move |before: Option<String>| {
        let wanted = state.wanted();
        if let Some(timer) = timer.get_value() {
            timer.clear();
        }
        if is_there.get() {
            let is_typing = before.is_some_and(|before| before != wanted.prompt);
            let pause = if is_typing { TYPING_PAUSE } else { Duration::ZERO };
            timer.set_value(set_timeout_with_handle(move || ask(state), pause).ok());
        }
        wanted.prompt
    });
}

/// Asks about what is in the box, now. A question under way is superseded.
pub fn ask(state: State) {
    let wanted = untrack(|| state.wanted());
    if !matches!(untrack(|| state.loading_of(&wanted.model)), Loading::Done(_)) {
        return; // It is asked as soon as the model is there.
    }
    let client = client(state);
    if let Some(run) = state.ask_run.get_value() {
        client.cancel(run);
    }
    let (run, answered) =
        client.ask(&wanted.model, question::attention(&wanted.prompt, wanted.bos, wanted.scores), |_| {});
    state.ask_run.set_value(Some(run));
    state.asking.set(Asking::Running);
    spawn_local(async move {
        let answered = answered.await;
        if state.ask_run.get_value() != Some(run) {
            return; // Superseded: a later question's answer is on its way.
        }
        state.ask_run.set_value(None);
        let read = answered.and_then(|Answered { answer, elapsed_millis }| {
            let read = answer.read(|json| serde_json::from_str(json), attention::Answer::tensors_mut);
            Ok((read.map_err(unreadable)?, elapsed_millis))
        });
        match read {
            Ok((answer, elapsed_millis)) => {
                show(state, Shown { wanted, answer: Arc::new(answer), made: Made::Live { elapsed_millis } });
                state.asking.set(Asking::Idle);
            }
            Err(failure) if is_said(state, &failure) => state.asking.set(Asking::Idle),
            Err(failure) => state.asking.set(Asking::Failed(failure)),
        }
    });
}

/// An answer that is not what was asked for.
pub fn unreadable(error: AnswerError) -> Failure {
    Failure::new(
        FailureKind::Internal,
        format!("The engine's answer cannot be read: {error}."),
        "Reload the page; if it happens again, please report it.",
    )
}

/// Puts an answer on the page, and lets go of what it does not have.
pub fn show(state: State, shown: Shown) {
    let n_tokens = shown.answer.tokens.len();
    let has_head = |[layer, head]: [usize; 2]| {
        shown.answer.heads.iter().any(|scores| (scores.layer, scores.head) == (layer, head))
    };
    let (head, pos) = untrack(|| (state.focus.head.locked(), state.focus.pos.locked()));
    if head.is_some_and(|head| !has_head(head)) {
        state.focus.head.release();
        state.wants_scores.set(None);
    }
    if pos.is_some_and(|pos| n_tokens <= pos) {
        state.focus.pos.release();
    }
    let has_key = |choices: &Choices| choices.key.is_none_or(|key| key < n_tokens);
    if !state.choices.with_untracked(has_key) {
        state.choices.update(|choices| choices.key = None);
    }
    state.shown.set(Some(Arc::new(shown)));
}

/// Has the large pictures draw what is on the page, while they are to be seen.
pub fn draw_when_open(state: State) {
    Effect::new(move || {
        let shown = state.shown.get().map(|shown| Arc::clone(&shown.answer));
        let is_drawn = |answer: &Arc<attention::Answer>| {
            state.drawn.with_untracked(|drawn| drawn.as_ref().is_some_and(|drawn| Arc::ptr_eq(drawn, answer)))
        };
        let is_open = state.view.get() == View::Attention;
        if let Some(answer) = shown.filter(|answer| is_open && !is_drawn(answer)) {
            // Two tasks instead of one, so that the page stays quick under a long prompt.
            set_timeout(move || state.drawn.set(Some(answer)), Duration::ZERO);
        }
    });
}

/// Continues the prompt.
pub fn generate(state: State) {
    stop(state);
    let wanted = untrack(|| state.wanted());
    let spec = generate_spec(&wanted, state.sampling.get_untracked().clamped());
    let (run, finished) = client(state).generate(&wanted.model, spec, move |generated| {
        // What was under way when the user stopped it, or began another one, is dropped.
        if state.generation.with_untracked(|generation| generation.phase != Phase::Running(generated.run)) {
            return;
        }
        state.generation.update(|generation| {
            generation.tokens.push(NewToken { token: generated.token, logprob: generated.logprob });
            generation.text = generated.text;
        });
    });
    state.generation.set(Generation {
        serial: run.0,
        prompt: wanted.prompt,
        phase: Phase::Running(run),
        ..Generation::none()
    });
    spawn_local(async move {
        let finished = finished.await;
        state.generation.update(|generation| {
            if generation.phase != Phase::Running(run) {
                return; // Stopped, or another one was started.
            }
            generation.phase = match finished {
                Ok(finished) => {
                    Phase::Done { reason: finished.reason, millis_per_token: finished.millis_per_token }
                }
                Err(failure) if is_said(state, &failure) => Phase::Stopped,
                Err(failure) => Phase::Failed(failure),
            };
        });
    });
}

/// Whether the user knows of it: by having asked for it, or because the page says that its engine is gone.
fn is_said(state: State, failure: &Failure) -> bool {
    failure.kind == FailureKind::Cancelled || state.engine.get_untracked() != Engine::Up
}

fn generate_spec(wanted: &Wanted, sampling: Sampling) -> GenerateSpec {
    GenerateSpec {
        prompt: Prompt::Text { text: wanted.prompt.clone(), bos: wanted.bos },
        max_new_tokens: sampling.max_new_tokens,
        temperature: sampling.temperature,
        top_k: sampling.limit_k(),
        top_p: sampling.limit_p(),
        seed: sampling.seed,
        interventions: vec![],
    }
}

/// Stops the continuation; what has come stays.
pub fn stop(state: State) {
    state.generation.update(|generation| {
        if let Phase::Running(run) = generation.phase {
            client(state).cancel(run);
            generation.phase = Phase::Stopped;
        }
    });
}

/// Starts a fresh engine and gives it the models that the old one had.
pub fn restart(state: State, sources: Sources) {
    let had = state.models.with_untracked(|models| {
        let had = models.iter().filter(|entry| entry.loading != Loading::Idle);
        had.map(|entry| entry.id.clone()).collect::<Vec<_>>()
    });
    stop(state);
    state.ask_run.set_value(None);
    state.asking.set(Asking::Idle);
    state.is_moving.set(false);
    state.engine.set(Engine::Up);
    client(state).restart();
    // The one in use comes first.
    let in_use = state.model.get_untracked();
    let (first, others): (Vec<_>, Vec<_>) = had.into_iter().partition(|id| *id == in_use);
    first.iter().chain(&others).for_each(|id| load(state, sources, id));
}

/// Shows the stored result, if that is what is wanted and nothing live was faster.
pub fn show_stored(state: State, name: &'static str, wanted: Wanted) {
    spawn_local(async move {
        // Without a stored result the page is only later, so a failure here is no failure to show.
        let Ok(json) = dom::fetch_text(&format!("stored/{name}.answer.json")).await else { return };
        let Ok(answer) = serde_json::from_str::<attention::Answer>(&json) else { return };
        if state.shown.with_untracked(Option::is_none) && untrack(|| state.wanted()) == wanted {
            show(state, Shown { wanted, answer: Arc::new(answer), made: Made::Stored });
        }
    });
}

/// The model in use, once it is loaded: for calls from JavaScript.
///
/// Errors: it could not be loaded.
pub async fn loaded_model(state: State) -> Result<String, Failure> {
    loop {
        let id = state.model.get_untracked();
        match untrack(|| state.loading_of(&id)) {
            Loading::Done(_) => return Ok(id),
            Loading::Failed(failure) => return Err(failure),
            Loading::Idle | Loading::Running(_) => dom::sleep(Duration::from_millis(50)).await,
        }
    }
}

fn client(state: State) -> Client {
    state.client.get_value()
}
