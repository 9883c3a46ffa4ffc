//! Trying WebGPU on a model that is on the CPU, when nothing else is under way.

use std::rc::Rc;

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

/// Probes once the worker is idle, and moves the model if WebGPU is clearly quicker.
pub(super) fn later(state: &Rc<State>, model: &Rc<Loaded>) {
    let (state, model) = (Rc::clone(state), Rc::clone(model));
    spawn_local(async move {
        loop {
            while now_millis() - state.last_end_millis.get() < IDLE_MILLIS || 0 < state.n_busy.get() {
                sleep(LOOK_AGAIN_MILLIS).await;
            }
            if !is_wanted(&state, &model) {
                return;
            }
            let n_begun = state.n_begun.get();
            let (engine, place, reason) = probe(&state, &model).await;
            // Times that a request had a part in say nothing.
            if state.n_begun.get() == n_begun {
                let _moving = model.begin_move().await;
                if is_wanted(&state, &model) {
                    model.put(engine.filter(|_| place == Place::Webgpu), reason);
                    placing::say(&model, None);
                }
                return;
            }
        }
    });
}

fn is_wanted(state: &State, model: &Rc<Loaded>) -> bool {
    let is_loaded = state.models.borrow().get(model.name()).is_some_and(|there| Rc::ptr_eq(there, model));
    is_loaded && state.wish.get() == Wish::Auto && model.place() == Place::Cpu
}

/// The quicker place and why; with the model on WebGPU, if it was timed there.
async fn probe(state: &Rc<State>, model: &Loaded) -> (Option<AnyEngine>, Place, Reason) {
    let present = model.engine();
    let cpu_millis = match best(state, &present).await {
        Ok(millis) => millis,
        Err(failure) => return (None, Place::Cpu, Reason::Fault { message: failure.message }),
    };
    if present.place() == Place::Webgpu {
        return (None, Place::Webgpu, Reason::NotProbed);
    }
    if !placement::is_worth_a_probe(cpu_millis) {
        return (None, Place::Cpu, Reason::Quick { cpu_millis });
    }
    let (found, engine) = match within(PROBE_LIMIT_MILLIS, on_webgpu(state, &present)).await {
        None => (Probe::Unfinished, None),
        Some(Err(failure)) => (Probe::Fault(failure.message), None),
        Some(Ok(found)) => found,
    };
    let (place, reason) = placement::choose(cpu_millis, found);
    (engine, place, reason)
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

/// The quickest of some passes after a first, milliseconds.
async fn best(state: &Rc<State>, engine: &AnyEngine) -> Result<f64, Failure> {
    let mut turns = Turns::of_worker(state);
    engine.pass(&mut turns).await?;
    let mut best_millis = f64::INFINITY;
    for _ in 0..N_PASSES {
        let start_millis = now_millis();
        engine.pass(&mut turns).await?;
        best_millis = best_millis.min(now_millis() - start_millis);
    }
    Ok(best_millis)
}
