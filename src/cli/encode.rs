//! `vitrine encode`: the features that a sparse autoencoder finds at each token.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{InputArgs, WeightsChoice, folder, print_json, print_line};
use crate::{
    backend::backward::Backward,
    engine::{Engine, NoPace},
    failure::Failure,
    intervention::Intervention,
    prompt::Prompt,
    run::{Activations, EncodeSpec},
};

/// Print the features that a sparse autoencoder finds at each token.
#[derive(Debug, Args)]
pub(super) struct Command {
    #[command(flatten)]
    input: InputArgs,
    /// Folder with cfg.json and sae_weights.safetensors, as SAELens saves them.
    #[arg(long, value_name = "DIR")]
    sae: PathBuf,
    /// Weights as in the file, or processed, whose stream is centred, as TransformerLens' from_pretrained does.
    #[arg(long, value_enum, default_value_t = WeightsChoice::Raw)]
    weights: WeightsChoice,
    /// So many features a token, the largest.
    #[arg(long, value_name = "N", default_value_t = 32)]
    top_k: usize,
    /// Print tokens and features as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    tokens: Vec<u32>,
    /// What the autoencoder reads.
    hook: String,
    /// Index and value, largest first, for each token.
    features: Vec<Vec<(u32, f32)>>,
}

impl Command {
    pub(super) fn run(self) -> Result<(), Failure> {
        let interventions = self.input.interventions()?;
        folder::open(&self.input.model, Work { command: &self, interventions })
    }
}

struct Work<'a> {
    command: &'a Command,
    interventions: Vec<Intervention>,
}

impl folder::Work for Work<'_> {
    fn on<B: Backward>(self, engine: &Engine<B>) -> Result<(), Failure> {
        let Self { command, interventions } = self;
        let sae = folder::open_sae(engine, &command.sae)?;
        let hook = sae.config().hook_name.clone();
        let tokens = engine.tokens_of(&command.input.prompt())?;
        engine.put_sae(&hook, sae);
        let prompt = Prompt::Tokens { tokens: tokens.clone() };
        let of = Activations::Run { prompt, weights: command.weights.into(), interventions };
        let spec = EncodeSpec { sae: hook.clone(), of, top_k: Some(command.top_k) };
        let features = folder::block_on(engine.encode(&spec, &mut NoPace))?;
        let features: Vec<Vec<(u32, f32)>> =
            (0..features.n_rows()).map(|row| features.row(row).collect()).collect();
        if command.json {
            return print_json(&Report { tokens, hook, features });
        }
        print_line(&format!("{} tokens at {hook}", tokens.len()))?;
        for (token, features) in tokens.iter().zip(&features) {
            let text = engine
                .tokenizer()
                .map_or_else(|| token.to_string(), |of| format!("{:?}", of.decode(&[*token])));
            let features: Vec<String> =
                features.iter().map(|(index, value)| format!("{index} {value:.4}")).collect();
            print_line(&format!("{text}: {}", features.join(", ")))?;
        }
        Ok(())
    }
}
