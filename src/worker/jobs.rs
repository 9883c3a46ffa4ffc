//! What the page can ask for, one function a request.

use std::rc::Rc;

use web_sys::File;

use super::{
    State,
    files::{Files, Loaded},
    pace::{Turns, now_millis},
    post,
};
use crate::{
    analysis::Question,
    backend::{Backend as _, cpu::Cpu},
    engine::Engine,
    failure::Failure,
    prompt::{Bos, Prompt},
    protocol::{FromEngine, GenerateSpec, ModelCard, ModelSource, RunId},
};

type Reply = Result<FromEngine, Failure>;

/// Loads a model; what had its name stays until the new one is whole.
pub(super) async fn load(
    state: &Rc<State>,
    run: RunId,
    model: String,
    source: ModelSource,
    files: Vec<File>,
) -> Reply {
    let files = Files::new(state, run, source, files);
    let origin = files.origin();
    let backend = Cpu::<f32>::default();
    let Loaded { checkpoint, tokenizer, size_bytes } = files.load(&backend).await?;
    let (model_type, dtype, notes) =
        (checkpoint.model_type.clone(), checkpoint.dtype.clone(), checkpoint.notes.clone());
    let has_tokenizer = tokenizer.is_some();
    let engine = Engine::new(backend, checkpoint, tokenizer);
    let card = ModelCard {
        model: model.clone(),
        model_type,
        config: engine.config().clone(),
        n_params: engine.n_params(),
        size_bytes,
        memory_bytes: engine.memory_bytes(),
        dtype,
        origin,
        has_tokenizer,
        default_bos: engine.default_bos(),
        backend: engine.backend().name().to_owned(),
        adapter: engine.backend().adapter(),
        notes,
    };
    state.models.borrow_mut().insert(model, Rc::new(engine));
    Ok(FromEngine::Loaded { run, card: Box::new(card) })
}

/// Answers a question.
pub(super) async fn ask(state: &Rc<State>, run: RunId, model: &str, question: &Question) -> Reply {
    let engine = state.model(model)?;
    let start_millis = now_millis();
    let answer = engine.ask(question, &mut Turns::new(state, run)).await?;
    Ok(FromEngine::Answered { run, answer: Box::new(answer), elapsed_millis: now_millis() - start_millis })
}

/// Tokenizes a text, however long.
pub(super) fn tokenize(state: &Rc<State>, run: RunId, model: &str, text: String, bos: Bos) -> Reply {
    let engine = state.model(model)?;
    let tokens = engine.tokens_of(&Prompt::Text { text, bos })?;
    let vocabulary = engine.vocabulary();
    Ok(FromEngine::Tokenized { run, tokens: tokens.into_iter().map(|id| vocabulary.token(id)).collect() })
}

/// Continues a prompt, sending each token as it is made.
pub(super) async fn generate(state: &Rc<State>, run: RunId, model: &str, spec: &GenerateSpec) -> Reply {
    let engine = state.model(model)?;
    let start_millis = now_millis();
    let mut n_tokens = 0_usize;
    let generated = engine
        .generate(spec, &mut Turns::new(state, run), |steps| {
            let Some(newest) = steps.last() else { return };
            n_tokens = steps.len();
            let ids: Vec<u32> = steps.iter().map(|step| step.id).collect();
            post::send(FromEngine::Generated {
                run,
                token: engine.vocabulary().token(newest.id),
                logprob: newest.logprob,
                text: engine.tokenizer().map_or_else(String::new, |tokenizer| tokenizer.decode(&ids)),
            });
        })
        .await?;
    let millis_per_token = (now_millis() - start_millis) / n_tokens.max(1) as f64;
    Ok(FromEngine::Finished { run, reason: generated.reason, millis_per_token })
}
