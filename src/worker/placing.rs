//! Moving models between the backends: because the user wishes it, because a probe was quicker, or because a device
//! failed. A request never hears of it: it goes on with the engine that it has, or is repeated once on the CPU.

use std::rc::Rc;

use super::{
    State,
    any_engine::{AnyEngine, cpu},
    loaded::Loaded,
    pace::{Turns, now_millis},
    post, probe,
    reading::Reader,
    source::{Found, Source},
    tuning,
};
use crate::{
    backend::{
        BackendError,
        either::Either,
        webgpu::{Options, WebGpu},
    },
    engine::RunError,
    failure::{Failure, FailureKind},
    placement::{Place, Reason, Wish},
    protocol::FromEngine,
};

/// Puts every model where the user wants it.
pub(super) async fn prefer(state: Rc<State>, wish: Wish) {
    state.wish.set(wish);
    let models: Vec<Rc<Loaded>> = state.models.borrow().values().map(Rc::clone).collect();
    for model in models {
        settle(&state, &model).await;
    }
}

/// Puts one model where the user wants it, and says where it is. What fails leaves it on the CPU.
async fn settle(state: &Rc<State>, model: &Rc<Loaded>) {
    let place = match state.wish.get() {
        Wish::Webgpu => Place::Webgpu,
        Wish::Auto | Wish::Cpu => Place::Cpu,
    };
    let failure = to(state, model, place).await.err();
    say(model, failure);
    probe::later(state, model);
}

/// Moves one model as the user wishes.
///
/// Errors: the move did not work; the model is on the CPU, and its reason says why.
pub(super) async fn to(state: &Rc<State>, model: &Loaded, place: Place) -> Result<(), Failure> {
    let _moving = model.begin_move().await;
    let engine = model.engine();
    let wished = match state.wish.get() {
        Wish::Auto => Reason::NotProbed,
        Wish::Cpu | Wish::Webgpu => Reason::Wished,
    };
    let moved = match (engine.place(), place) {
        (Place::Cpu, Place::Cpu) | (Place::Webgpu, Place::Webgpu) => Ok(None),
        (Place::Cpu, Place::Webgpu) => on_webgpu(state, &engine).await.map(Some),
        (Place::Webgpu, Place::Cpu) => match engine.on(cpu().await, &mut Turns::of_worker(state)).await {
            Ok(on_cpu) => Ok(Some(on_cpu)),
            Err(_) => read_again(state, model).await.map(Some),
        },
    };
    match moved {
        Ok(engine) => {
            model.put(engine, wished);
            Ok(())
        }
        Err(failure) => {
            model.put(None, Reason::Fault { message: failure.message.clone() });
            Err(stays(model.name(), failure))
        }
    }
}

/// A copy of a model on the GPU, which has answered once there.
///
/// Errors: there is no device, or it cannot hold or compute the model.
pub(super) async fn on_webgpu(state: &Rc<State>, on_cpu: &AnyEngine) -> Result<AnyEngine, Failure> {
    let moved = async {
        let mut turns = Turns::of_worker(state);
        let device = device(state).await?;
        let moved = on_cpu.on(Either::Right(device.clone()), &mut turns).await?;
        tuning::tune(state, &device, moved.config()).await?;
        // What a device says of memory and of kernels, it says when it computes.
        moved.pass(&mut turns).await?;
        Ok::<_, RunError>(moved)
    };
    moved.await.map_err(|error| {
        // It may be the device that failed: the next who wants one gets another.
        state.gpu.take();
        error.into()
    })
}

/// The GPU, opened when somebody first wants it; all models share it.
///
/// Errors: there is none.
pub(super) async fn device(state: &State) -> Result<WebGpu, BackendError> {
    if let Some(gpu) = state.gpu.borrow().as_ref() {
        return Ok(gpu.clone());
    }
    // What submissions take corrects what the next are estimated at.
    let clock = || now_millis() / 1e3;
    let gpu = WebGpu::open_with(Options { clock: Some(clock), ..Options::default() }).await?;
    *state.gpu.borrow_mut() = Some(gpu.clone());
    Ok(gpu)
}

/// Does `work` on the model's engine; if the device fails, once more on the CPU.
///
/// Errors: those of the work.
pub(super) async fn with_fallback<T>(
    state: &Rc<State>,
    model: &Rc<Loaded>,
    work: impl AsyncFn(Rc<AnyEngine>) -> Result<T, RunError>,
) -> Result<T, Failure> {
    let engine = model.engine();
    match work(Rc::clone(&engine)).await {
        Err(error @ RunError::Backend(BackendError::Device { .. })) if engine.place() == Place::Webgpu => {
            let engine = fall_back(state, model, &engine, error).await?;
            Ok(work(engine).await?)
        }
        result => Ok(result?),
    }
}

/// Reads a model again, onto the CPU, after the device that it was on failed.
async fn fall_back(
    state: &Rc<State>,
    model: &Rc<Loaded>,
    broken: &Rc<AnyEngine>,
    error: RunError,
) -> Result<Rc<AnyEngine>, Failure> {
    let _moving = model.begin_move().await;
    if !Rc::ptr_eq(broken, &model.engine()) {
        return Ok(model.engine()); // Another request met it first.
    }
    state.gpu.take();
    let Failure { kind: _, message, hint: _ } = error.into();
    let on_cpu = read_again(state, model).await?;
    model.put(Some(on_cpu), Reason::Fault { message: message.clone() });
    probe::later(state, model);
    let mut hint =
        "Nothing is lost: the question was asked again. The engine panel can try the GPU once more."
            .to_owned();
    if let Some(slow) = model.cpu_pass().and_then(|pass| pass.slow(model.engine().config().n_ctx)) {
        hint.push_str(&format!(" It takes {}.", slow.in_words()));
    }
    let what = format!("the GPU stopped computing, so {} goes on on the CPU ({message})", model.name());
    say(model, Some(Failure::new(FailureKind::Device, what, hint)));
    Ok(model.engine())
}

async fn read_again(state: &Rc<State>, model: &Loaded) -> Result<AnyEngine, Failure> {
    let engine = read_onto_cpu(state, model.source(), Reader::Worker).await?.0;
    for (name, source) in model.sae_sources() {
        // Without an autoencoder the model still answers; who asks for its features hears that it is not there.
        let _ = engine.read_sae(state, &name, &source, Reader::Worker).await;
    }
    Ok(engine)
}

/// Reads a model to where the user wants it; if that is not where it is, with the reason and with words for it.
///
/// Errors: the files, or the memory for them.
pub(super) async fn read(
    state: &Rc<State>,
    name: &str,
    source: &Source,
    reader: Reader,
) -> Result<(AnyEngine, Found, Option<(Reason, Failure)>), Failure> {
    let mut failed = None;
    if state.wish.get() == Wish::Webgpu {
        match read_onto_webgpu(state, source, reader).await {
            Ok((engine, found)) => return Ok((engine, found, None)),
            Err(failure) if failure.kind == FailureKind::Device => {
                // The next who wants a device gets another.
                state.gpu.take();
                failed = Some((Reason::Fault { message: failure.message.clone() }, stays(name, failure)));
            }
            Err(failure) => return Err(failure),
        }
    }
    let (engine, found) = read_onto_cpu(state, source, reader).await?;
    Ok((engine, found, failed))
}

async fn read_onto_cpu(
    state: &Rc<State>,
    source: &Source,
    reader: Reader,
) -> Result<(AnyEngine, Found), Failure> {
    source.engine(state, reader, cpu().await).await
}

/// Straight onto the device: the weights are never all on the heap.
async fn read_onto_webgpu(
    state: &Rc<State>,
    source: &Source,
    reader: Reader,
) -> Result<(AnyEngine, Found), Failure> {
    let device = device(state).await.map_err(RunError::from)?;
    let (engine, found) = source.engine(state, reader, Either::Right(device.clone())).await?;
    tuning::tune(state, &device, engine.config()).await.map_err(RunError::from)?;
    // What a device says of memory and of kernels, it says when it computes.
    engine.pass(&mut Turns::of_worker(state)).await?;
    Ok((engine, found))
}

/// What a user is told of a model that the GPU does not take.
fn stays(name: &str, Failure { kind, message, hint }: Failure) -> Failure {
    let what = format!("{name} stays on the CPU, because WebGPU cannot be used ({message})");
    Failure::new(kind, what, hint)
}

/// Tells the page where a model is.
pub(super) fn say(model: &Loaded, failure: Option<Failure>) {
    post::send(FromEngine::Moved { card: Box::new(model.card()), failure });
}
