//! What the page can ask for, one function a request.

use std::{cell::Cell, rc::Rc};

use web_sys::File;

use super::{
    State,
    any_engine::SaeFacts,
    hub,
    loaded::Loaded,
    pace::{Turns, now_millis},
    placing, post, probe,
    reading::Reader,
    source::{Found, Source},
};
use crate::{
    analysis::Question,
    backend::Backend as _,
    failure::{Failure, FailureKind},
    model::checkpoint::Guess,
    placement::{Reason, Wish},
    prompt::{Bos, Prompt},
    protocol::{
        AnswerText, CachedName, ConfigGuess, EncodeSpec, FromEngine, GenerateSpec, ModelCard, ModelSource,
        RunId, SaeCard,
    },
    verify::{self, Reference},
};

type Reply = Result<FromEngine, Failure>;

/// Loads a model; what had its name stays until the new one is whole. Unless the user wants the GPU it begins on the CPU,
/// which is there at once.
pub(super) async fn load(
    state: &Rc<State>,
    run: RunId,
    model: String,
    source: ModelSource,
    files: Vec<File>,
) -> Reply {
    let source = Source::new(source, files)?;
    if let Some(Guess { config, read_off, assumed }) = source.guess(state, Reader::Request(run)).await? {
        let assumed = assumed.iter().map(ToString::to_string).collect();
        return Ok(FromEngine::Guessed { run, guess: ConfigGuess { config, read_off, assumed } });
    }
    let (engine, found, failure) = placing::read(state, &model, &source, Reader::Request(run)).await?;
    let Found { model_type, dtype, notes, size_bytes } = found;
    let facts = ModelCard {
        model: model.clone(),
        model_type,
        config: engine.config().clone(),
        n_params: engine.n_params(),
        size_bytes,
        memory_bytes: engine.memory_bytes(),
        dtype,
        origin: source.origin(),
        has_tokenizer: engine.tokenizer().is_some(),
        default_bos: engine.default_bos(),
        backend: engine.backend().name().to_owned(),
        adapter: engine.backend().adapter(),
        cpu_pass: None,
        notes,
    };
    let reason = match (state.wish.get(), &failure) {
        (_, Some((reason, _))) => reason.clone(),
        (Wish::Auto, None) => Reason::NotProbed,
        (Wish::Cpu | Wish::Webgpu, None) => Reason::Wished,
    };
    let loaded = Rc::new(Loaded::new(facts, source, engine, reason));
    state.models.borrow_mut().insert(model, Rc::clone(&loaded));
    probe::later(state, &loaded);
    if let Some((_, failure)) = failure {
        placing::say(&loaded, Some(failure));
    }
    Ok(FromEngine::Loaded { run, card: Box::new(loaded.card()) })
}

/// Loads a sparse autoencoder to where its model is, which does not move meanwhile.
pub(super) async fn load_sae(
    state: &Rc<State>,
    run: RunId,
    model: &str,
    sae: String,
    source: ModelSource,
    files: Vec<File>,
) -> Reply {
    let model = state.model(model)?;
    let source = Rc::new(Source::new(source, files)?);
    let _moving = model.begin_move().await;
    let facts = model.engine().read_sae(state, &sae, &source, Reader::Request(run)).await?;
    model.keep_sae_source(&sae, Rc::clone(&source));
    let SaeFacts { config, size_bytes, dtype, notes } = facts;
    let card = SaeCard { sae, config, size_bytes, dtype, origin: source.origin(), notes };
    Ok(FromEngine::SaeLoaded { run, card: Box::new(card) })
}

/// What is kept of models from hubs, once one of them is deleted.
pub(super) async fn cached(run: RunId, delete: Option<CachedName>) -> Reply {
    if let Some(name) = delete {
        hub::delete(&name).await?;
    }
    Ok(FromEngine::Cached { run, models: hub::list().await })
}

/// The features of what a sparse autoencoder reads.
pub(super) async fn encode(state: &Rc<State>, run: RunId, model: &str, spec: &EncodeSpec) -> Reply {
    let model = state.model(model)?;
    let start_millis = now_millis();
    let features = placing::with_fallback(state, &model, async |engine| {
        engine.features(spec, &mut Turns::new(state, run)).await
    });
    let features = features.await?;
    Ok(FromEngine::Encoded { run, features, elapsed_millis: now_millis() - start_millis })
}

/// How a model is computed.
pub(super) fn inspect(state: &State, run: RunId, model: &str) -> Reply {
    let report = state.model(model)?.report(state.wish.get());
    Ok(FromEngine::Inspected { run, report: Box::new(report) })
}

/// Answers a question, given as JSON.
pub(super) async fn ask(state: &Rc<State>, run: RunId, model: &str, question: &str) -> Reply {
    let question: Question = serde_json::from_str(question).map_err(|error| {
        Failure::new(
            FailureKind::Question,
            format!("This is not a question: {error}."),
            r#"For example {"kind": "attention", "prompt": {"text": "The cat sat on the cat"}}; assets/schema/question.json has the whole form."#,
        )
    })?;
    let model = state.model(model)?;
    let start_millis = now_millis();
    let on_partial = |answer| post::send(FromEngine::Partial { run, answer: AnswerText::new(answer) });
    if model.wants_times() {
        model.engine().time_next();
    }
    let answer = placing::with_fallback(state, &model, async |engine| {
        engine.answer(&question, &mut Turns::new(state, run), &on_partial).await
    });
    let answer = answer.await?;
    let answer = AnswerText::new(answer);
    Ok(FromEngine::Answered { run, answer, elapsed_millis: now_millis() - start_millis })
}

/// Compares a model with what was published of it, sending each entry as it is done.
pub(super) async fn verify(state: &Rc<State>, run: RunId, model: &str, reference: &str) -> Reply {
    let model = state.model(model)?;
    let reference = Reference::read(reference.as_bytes())?;
    reference.fits(model.engine().config())?;
    let n_entries = reference.entries.len();
    for entry in &reference.entries {
        let outcome = placing::with_fallback(state, &model, async |engine| {
            verify::check(&engine, &reference, entry, &mut Turns::new(state, run)).await
        });
        let outcome = Box::new(outcome.await?);
        post::send(FromEngine::Checked { run, outcome, n_entries });
    }
    Ok(FromEngine::Verified { run })
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
        let generated = engine.go_on(spec, &mut turns, |steps| {
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
