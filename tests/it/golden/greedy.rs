//! Greedy text with cached keys and values, against transformers' generate.

use vitrine::{
    backend::Backend,
    engine::{Engine, NoPace},
    prompt::Prompt,
    protocol::{FinishReason, GenerateSpec},
    run::WeightForm,
};

use super::{files::MODELS, hooks::cases};

#[test]
fn greedy_text_is_transformers() {
    check_all(super::engine);
}

/// The continuations of every golden model, on a backend.
pub(crate) fn check_all<B: Backend>(on: impl Fn(&str) -> Engine<B>) {
    for model in MODELS {
        let engine = on(model);
        for case in cases(model, WeightForm::Raw) {
            let spec =
                GenerateSpec::greedy(Prompt::Tokens { tokens: case.tokens.clone() }, case.greedy.len());
            let generated = pollster::block_on(engine.generate(&spec, &mut NoPace, |_| {}))
                .unwrap_or_else(|error| panic!("{model}: {error}"));
            let ids: Vec<u32> = generated.steps.iter().map(|step| step.id).collect();
            assert_eq!(ids, case.greedy, "{model} after {:?}", case.tokens);
            assert_eq!(generated.reason, FinishReason::MaxNewTokens, "{model}");
        }
    }
}
