//! What the page can ask for, one function a request.

use std::{cell::Cell, rc::Rc};

use web_sys::File;

use super::{
    State,
    any_engine::AnyEngine,
    loaded::Loaded,
    pace::{Turns, now_millis},
    placing, post, probe,
    source::{Reader, Source},
};
use crate::{
    analysis::Question,
    failure::Failure,
    placement::{Place, Reason, Wish},
    prompt::{Bos, Prompt},
    protocol::{FromEngine, GenerateSpec, ModelCard, ModelSource, RunId},
};

type Reply = Result<FromEngine, Failure>;

/// Loads a model; what had its name stays until the new one is whole. It begins on the CPU, which is there at once.
pub(super) async fn load(
    state: &Rc<State>,
    run: RunId,
    model: String,
    source: ModelSource,
    files: Vec<File>,
) -> Reply {
    let source = Source::new(source, files);
    let folder = source.folder(state, Reader::Request(run)).await?;
    let size_bytes = folder.weights_bytes();
    let (checkpoint, tokenizer) = folder.read()?;
    drop(folder);
    let (model_type, dtype, notes) =
        (checkpoint.model_type.clone(), checkpoint.dtype.clone(), checkpoint.notes.clone());
    let has_tokenizer = tokenizer.is_some();
    let engine = AnyEngine::on_cpu(checkpoint, tokenizer).await?;
    let facts = ModelCard {
        model: model.clone(),
        model_type,
        config: engine.config().clone(),
        n_params: engine.n_params(),
        size_bytes,
        memory_bytes: engine.memory_bytes(),
        dtype,
        origin: source.origin(),
        has_tokenizer,
        default_bos: engine.default_bos(),
        backend: engine.backend().to_owned(),
        adapter: engine.adapter(),
        notes,
    };
    let reason = if state.wish.get() == Wish::Cpu { Reason::Wished } else { Reason::NotProbed };
    let loaded = Rc::new(Loaded::new(facts, source, engine, reason));
    let failure = match state.wish.get() {
        Wish::Webgpu => placing::to(state, &loaded, Place::Webgpu).await.err(),
        Wish::Auto | Wish::Cpu => None,
    };
    state.models.borrow_mut().insert(model, Rc::clone(&loaded));
    if state.wish.get() == Wish::Auto {
        probe::later(state, &loaded);
    }
    if failure.is_some() {
        placing::say(&loaded, failure);
    }
    Ok(FromEngine::Loaded { run, card: Box::new(loaded.card()) })
}

/// How a model is computed.
pub(super) fn inspect(state: &State, run: RunId, model: &str) -> Reply {
    let report = state.model(model)?.report(state.wish.get());
    Ok(FromEngine::Inspected { run, report: Box::new(report) })
}

/// Answers a question.
pub(super) async fn ask(state: &Rc<State>, run: RunId, model: &str, question: &Question) -> Reply {
    let model = state.model(model)?;
    let start_millis = now_millis();
    let on_partial = |answer| post::send(FromEngine::Partial { run, answer: Box::new(answer) });
    let answer = placing::with_fallback(state, &model, async |engine| {
        engine.ask(question, &mut Turns::new(state, run), &on_partial).await
    });
    let answer = answer.await?;
    Ok(FromEngine::Answered { run, answer: Box::new(answer), elapsed_millis: now_millis() - start_millis })
}

/// Tokenizes a text, however long.
pub(super) fn tokenize(state: &Rc<State>, run: RunId, model: &str, text: String, bos: Bos) -> Reply {
    let engine = state.model(model)?.engine();
    let tokens = engine.tokens_of(&Prompt::Text { text, bos })?;
    let vocabulary = engine.vocabulary();
    Ok(FromEngine::Tokenized { run, tokens: tokens.into_iter().map(|id| vocabulary.token(id)).collect() })
}

/// Continues a prompt, sending each token as it is made.
pub(super) async fn generate(state: &Rc<State>, run: RunId, model: &str, spec: &GenerateSpec) -> Reply {
    let model = state.model(model)?;
    let start_millis = now_millis();
    // A continuation that begins anew on the CPU makes the same tokens again: the seed is the same.
    let n_sent = Cell::new(0_usize);
    let generated = placing::with_fallback(state, &model, async |engine| {
        let mut turns = Turns::new(state, run);
        let generated = engine.generate(spec, &mut turns, |steps| {
            let Some(newest) = steps.last().filter(|_| n_sent.get() < steps.len()) else { return };
            n_sent.set(steps.len());
            let ids: Vec<u32> = steps.iter().map(|step| step.id).collect();
            post::send(FromEngine::Generated {
                run,
                token: engine.vocabulary().token(newest.id),
                logprob: newest.logprob,
                text: engine.tokenizer().map_or_else(String::new, |tokenizer| tokenizer.decode(&ids)),
            });
        });
        generated.await
    });
    let generated = generated.await?;
    let millis_per_token = (now_millis() - start_millis) / n_sent.get().max(1) as f64;
    Ok(FromEngine::Finished { run, reason: generated.reason, millis_per_token })
}
