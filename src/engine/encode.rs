//! Sparse autoencoders beside a model, and the features of what it computes.

use std::rc::Rc;

use super::{Engine, Pace, RunError};
use crate::{
    backend::Backend,
    hook::HookSet,
    model::sae::SaeOn,
    run::{Activations, EncodeSpec, Features, Readout, RunSpec},
    tensor::HostTensor,
};

impl<B: Backend> Engine<B> {
    /// Puts an autoencoder, whose weights are on this model's backend, beside it; what had its name goes.
    pub fn put_sae(&self, name: &str, sae: SaeOn<B>) {
        self.saes.borrow_mut().insert(name.to_owned(), Rc::new(sae));
    }

    /// Forgets an autoencoder.
    pub fn drop_sae(&self, name: &str) {
        self.saes.borrow_mut().remove(name);
    }

    /// The autoencoder of this name.
    ///
    /// Errors: there is none.
    pub fn sae(&self, name: &str) -> Result<Rc<SaeOn<B>>, RunError> {
        let sae = self.saes.borrow().get(name).map(Rc::clone);
        sae.ok_or_else(|| RunError::NoSuchSae { name: name.to_owned() })
    }

    /// The features of what an autoencoder reads, a row for each token or each given row.
    ///
    /// Errors: there is no such autoencoder, or it does not fit the model or the rows; those of a run.
    pub async fn encode(&self, spec: &EncodeSpec, pace: &mut impl Pace) -> Result<Features, RunError> {
        let sae = self.sae(&spec.sae)?;
        let encode = async |x: &HostTensor| Ok(sae.encode(&self.backend, x, spec.top_k).await?);
        let (prompt, weights, interventions) = match &spec.of {
            Activations::Rows(rows) => return encode(rows).await,
            Activations::Run { prompt, weights, interventions } => (prompt, *weights, interventions),
        };
        let name = &sae.config().hook_name;
        let hook = sae.config().hook_of(&self.config);
        let hook = hook.ok_or_else(|| RunError::NoSuchSaeHook { hook: name.clone() })?;
        let run = RunSpec {
            tokens: self.tokens_of(prompt)?,
            weights,
            interventions: interventions.clone(),
            capture: HookSet::of([hook]),
            readout: Readout::Nothing,
        };
        encode(&self.run(&run, pace).await?.captures[&hook]).await
    }
}
