//! Reading the files of a sparse autoencoder as their bytes come.

use super::{Sae, SaeArchitecture, SaeConfig, SaeError, SaeOn, cfg_json};
use crate::{
    backend::Backend,
    model::checkpoint::{LoadError, Stream, Target, TensorFile},
    op::MatrixAxes,
};

/// The configuration.
pub const CFG: &str = "cfg.json";
/// The weights.
pub const SAE_WEIGHTS: &str = "sae_weights.safetensors";

/// A sparse autoencoder on its way to the backend `b`. Dropping it gives up what was loaded.
pub struct SaeReader<'b, B: Backend> {
    b: &'b B,
    config: SaeConfig,
    stream: Stream<B, Plan>,
}

/// A sparse autoencoder as it was found in its files.
pub struct SaeFound<B: Backend> {
    /// The autoencoder.
    pub sae: SaeOn<B>,
    /// How most weights are stored, e.g. `F32`.
    pub dtype: String,
    /// What in the files was not used, and why.
    pub notes: Vec<String>,
}

/// What the header said.
struct Plan {
    dtype: String,
    notes: Vec<String>,
}

impl<'b, B: Backend> SaeReader<'b, B> {
    /// Begins with cfg.json; `total_bytes` is the length of the weights file, if that is known.
    ///
    /// Errors: cfg.json is not what it should be.
    pub fn new(b: &'b B, cfg: &[u8], total_bytes: Option<u64>) -> Result<Self, SaeError> {
        Ok(Self { b, config: cfg_json::parse(cfg)?, stream: Stream::new(total_bytes) })
    }

    /// Takes the next bytes of the weights file.
    ///
    /// Errors: the file is not what it should be, or does not fit cfg.json or the backend.
    pub async fn feed(&mut self, bytes: &[u8]) -> Result<(), SaeError> {
        let config = &self.config;
        Ok(self.stream.feed(self.b, bytes, |file| plan(config, file)).await?)
    }

    /// The autoencoder, once all bytes were fed.
    ///
    /// Errors: the file ended early.
    pub async fn finish(self) -> Result<SaeFound<B>, SaeError> {
        let (Plan { dtype, notes }, done) = self.stream.finish()?;
        Ok(SaeFound { sae: Sae::new(self.b, self.config, done).await?, dtype, notes })
    }
}

/// Where the weights are.
///
/// Errors: cfg.json and header do not describe one autoencoder.
fn plan(config: &SaeConfig, mut file: TensorFile) -> Result<(Plan, Vec<Target>), LoadError> {
    let SaeConfig { d_in, d_sae, .. } = *config;
    let d_out = config.d_out();
    let dtype = file.main_dtype();
    let mut targets = vec![];
    let mut take = |name: &str, shape: &[usize], axes| {
        let source = file.take(name, shape)?;
        targets.push(Target { name: name.to_owned(), source, axes });
        Ok::<(), LoadError>(())
    };
    take("W_enc", &[d_in, d_sae], Some(MatrixAxes::InOut))?;
    // The direction of a feature is a column of the weight: decoding gathers those of the active ones.
    take("W_dec", &[d_sae, d_out], Some(MatrixAxes::OutIn))?;
    take("b_dec", &[d_out], None)?;
    let vectors: &[&str] = match config.architecture {
        SaeArchitecture::Standard | SaeArchitecture::Topk { .. } => &["b_enc"],
        SaeArchitecture::Jumprelu => &["b_enc", "threshold"],
        SaeArchitecture::Gated => &["b_gate", "b_mag", "r_mag"],
    };
    vectors.iter().try_for_each(|name| take(name, &[d_sae], None))?;
    if config.output.as_ref().is_some_and(|output| output.has_skip) {
        take("W_skip", &[d_out, d_in], Some(MatrixAxes::OutIn))?;
    }
    // What old versions trained in the end; it is made sure later that it does nothing.
    if let Some(source) = file.take_if_there("scaling_factor", &[d_sae])? {
        targets.push(Target { name: "scaling_factor".to_owned(), source, axes: None });
    }
    Ok((Plan { dtype, notes: file.unused_notes() }, targets))
}
