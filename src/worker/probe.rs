//! Trying WebGPU on a model that is on the CPU, when nothing else is under way.

use std::rc::{Rc, Weak};

use wasm_bindgen_futures::spawn_local;

use super::{
    State,
    any_engine::AnyEngine,
    loaded::Loaded,
    pace::{Turns, now_millis, sleep, within},
    placing,
};
use crate::{
    backend::Backend as _,
    engine::RunError,
    failure::Failure,
    placement::{self, PROBE_LIMIT_MILLIS, Place, Probe, Reason, Wish},
};

/// How long nobody must have asked for anything.
const IDLE_MILLIS: f64 = 1000.0;
const LOOK_AGAIN_MILLIS: i32 = 250;
/// After its warm-up each backend has so many passes, of which the best counts.
const N_PASSES: usize = 2;
/// A pass on the CPU that takes so long is not made twice.
const LONG_MILLIS: f64 = 1000.0;

/// Probes once the worker is idle, and moves the model if WebGPU is clearly quicker. Where the model stays on the CPU
/// in any case, times it there, once.
pub(super) fn later(state: &Rc<State>, model: &Rc<Loaded>) {
    // A model that goes meanwhile is not held.
    let (state, model) = (Rc::clone(state), Rc::downgrade(model));
    spawn_local(async move {
        while let Some(model) = idle(&state, &model).await {
            let n_begun = state.n_begun.get();
            let is_decided = match wanted(&state, &model) {
                Wanted::Nothing => return,
                Wanted::Time => time(&state, &model, n_begun).await,
                Wanted::Probe => decide(&state, &model, n_begun).await,
            };
            if is_decided {
                return;
            }
        }
    });
}

/// What is to be found out of a model.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Nothing,
    /// How long the CPU takes.
    Time,
    /// Where it is quicker.
    Probe,
}

/// The model, once nothing has been asked for a while; `None` if it is gone.
async fn idle(state: &State, model: &Weak<Loaded>) -> Option<Rc<Loaded>> {
    while now_millis() - state.last_end_millis.get() < IDLE_MILLIS || 0 < state.n_busy.get() {
        sleep(LOOK_AGAIN_MILLIS).await;
        if model.strong_count() == 0 {
            return None;
        }
    }
    model.upgrade()
}

fn wanted(state: &State, model: &Rc<Loaded>) -> Wanted {
    let is_loaded = state.models.borrow().get(model.name()).is_some_and(|there| Rc::ptr_eq(there, model));
    if !is_loaded || model.place() != Place::Cpu {
        return Wanted::Nothing;
    }
    match state.wish.get() {
        // A device that failed is not tried again unasked.
        Wish::Auto if !model.is_after_a_fault() => Wanted::Probe,
        Wish::Auto | Wish::Cpu | Wish::Webgpu if model.cpu_pass().is_none() => Wanted::Time,
        Wish::Auto | Wish::Cpu | Wish::Webgpu => Wanted::Nothing,
    }
}

/// Probes; whether that came to anything.
async fn decide(state: &Rc<State>, model: &Rc<Loaded>, n_begun: u32) -> bool {
    let Found { cpu_millis, engine, place, reason } = probe(state, model).await;
    // Times that a request had a part in say nothing.
    if state.n_begun.get() != n_begun {
        return false;
    }
    let _moving = model.begin_move().await;
    if wanted(state, model) == Wanted::Probe {
        cpu_millis.into_iter().for_each(|millis| model.keep_cpu_millis(millis));
        model.put(engine.filter(|_| place == Place::Webgpu), reason);
        placing::say(model, None);
    }
    true
}

/// Times the CPU; whether that came to anything.
async fn time(state: &Rc<State>, model: &Rc<Loaded>, n_begun: u32) -> bool {
    let Ok(millis) = timed_on_cpu(state, &model.engine()).await else {
        return true; // Whoever asks something hears why.
    };
    let is_alone = state.n_begun.get() == n_begun;
    if is_alone && wanted(state, model) == Wanted::Time {
        model.keep_cpu_millis(millis);
        placing::say(model, None);
    }
    is_alone
}

/// What a probe came to.
struct Found {
    cpu_millis: Option<f64>,
    /// The model on WebGPU, if it was timed there.
    engine: Option<AnyEngine>,
    /// The quicker place, and why.
    place: Place,
    reason: Reason,
}

async fn probe(state: &Rc<State>, model: &Loaded) -> Found {
    let present = model.engine();
    let cpu_millis = match timed_on_cpu(state, &present).await {
        Ok(millis) => millis,
        Err(Failure { message, .. }) => {
            let reason = Reason::Fault { message };
            return Found { cpu_millis: None, engine: None, place: Place::Cpu, reason };
        }
    };
    let stays = |place, reason| Found { cpu_millis: Some(cpu_millis), engine: None, place, reason };
    if present.place() == Place::Webgpu {
        return Found { cpu_millis: None, ..stays(Place::Webgpu, Reason::NotProbed) };
    }
    if !placement::is_worth_a_probe(cpu_millis) {
        return stays(Place::Cpu, Reason::Quick { cpu_millis });
    }
    let (found, engine) = match within(PROBE_LIMIT_MILLIS, on_webgpu(state, &present)).await {
        None => (Probe::Unfinished, None),
        Some(Err(failure)) => (Probe::Fault(failure.message), None),
        Some(Ok(found)) => found,
    };
    let (place, reason) = placement::choose(cpu_millis, found);
    Found { engine, ..stays(place, reason) }
}

async fn on_webgpu(state: &Rc<State>, on_cpu: &AnyEngine) -> Result<(Probe, Option<AnyEngine>), Failure> {
    let device = placing::device(state).await.map_err(RunError::from)?;
    if device.is_software() {
        return Ok((Probe::Software(device.adapter()), None));
    }
    let on_webgpu = placing::on_webgpu(state, on_cpu).await?;
    let millis = best(state, &on_webgpu).await?;
    Ok((Probe::Took(millis), Some(on_webgpu)))
}

/// As [`best`], but a first pass that is long says enough.
async fn timed_on_cpu(state: &Rc<State>, engine: &AnyEngine) -> Result<f64, Failure> {
    let start_millis = now_millis();
    engine.pass(&mut Turns::of_worker(state)).await?;
    let first_millis = now_millis() - start_millis;
    if LONG_MILLIS <= first_millis { Ok(first_millis) } else { best_of_more(state, engine).await }
}

/// The quickest of some passes after a first, milliseconds.
async fn best(state: &Rc<State>, engine: &AnyEngine) -> Result<f64, Failure> {
    engine.pass(&mut Turns::of_worker(state)).await?;
    best_of_more(state, engine).await
}

async fn best_of_more(state: &Rc<State>, engine: &AnyEngine) -> Result<f64, Failure> {
    let mut best_millis = f64::INFINITY;
    for _ in 0..N_PASSES {
        let start_millis = now_millis();
        engine.pass(&mut Turns::of_worker(state)).await?;
        best_millis = best_millis.min(now_millis() - start_millis);
    }
    Ok(best_millis)
}
