//! How cost grows with tokens, layers and variants, beside what the arithmetic says.

use anyhow::{Context as _, Result};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

use super::build::{self, Program as Built};
use super::cases::{CASES, Case, N_LAYERS, N_SWEEP, Provider, tokens};
use super::chart::{self, Panel, Scale};
use super::native::{self, Choice};
use super::program::Program;
use super::reference::{Half, PATCHES, Reference};
use super::runner::Subject as _;
use super::table::{Measured, median};
use super::{flops, machine};
use crate::paths;

/// Tokens of a prompt.
const N_TOKENS: [usize; 7] = [16, 32, 64, 128, 256, 512, 1024];
/// Tokens of the prompt that goes through fewer layers.
const N_LAYERS_TOKENS: usize = 64;
/// Variants of a sweep.
const N_VARIANTS: [usize; 6] = [15, 30, 60, 90, 135, 180];
/// How often each is timed.
const N_SAMPLES: usize = 5;

/// What grows, and what it costs.
struct Series {
    name: &'static str,
    x_label: &'static str,
    scale: Scale,
    points: Vec<Point>,
}

struct Point {
    x: usize,
    flops: f64,
    measured: Measured,
}

/// Measures, prints, and writes benches/results/scaling.json and scaling.svg (`scaling-gpu` on a GPU).
///
/// Errors: a result is wrong or could not be had.
pub fn run(choice: &Choice) -> Result<()> {
    let Some(weights) = native::weights(choice) else { return Ok(()) };
    let programs = choice.programs.as_deref();
    let provider = choice.provider.unwrap_or(Provider::Cpu);
    let bench = Bench {
        vitrine: build::program(Built::Vitrine, programs)?,
        ours: build::program(Built::Native, programs)?,
        provider,
        weights,
    };
    let adapter = bench.start(&bench.weights)?.ask(&json!("adapter"))?;
    let adapter = adapter.as_str().unwrap_or("unknown");
    println!("  {adapter}, one thread of the engine");
    let all = [bench.tokens()?, bench.layers()?, bench.variants()?];
    if provider == Provider::Gpu && machine::is_software(adapter) {
        println!("  A GPU that is computed on the processor: printed, not written.");
        return Ok(());
    }
    let name = if provider == Provider::Gpu { "scaling-gpu" } else { "scaling" };
    let machine = machine::describe();
    let note = format!("{adapter}; {}; commit {}", machine["cpu"].as_str().unwrap_or(""), machine::commit());
    let panels: Vec<Panel> = all.iter().map(Series::panel).collect();
    let path = paths::root().join(format!("benches/results/{name}.svg"));
    super::write(
        name,
        &json!({
            "what": "milliseconds, f32, random weights in the shape of GPT-2 small; FLOPs of the matrix products",
            "machine": machine,
            "adapter": adapter,
            "commit": machine::commit(),
            "date": machine::date(),
            "series": all.iter().map(Series::json).collect::<Vec<_>>(),
        }),
    )?;
    fs::write(&path, chart::svg("Cost grows as the arithmetic says", &note, &panels))
        .with_context(|| format!("cannot write {}", path.display()))
}

struct Bench {
    vitrine: PathBuf,
    ours: PathBuf,
    provider: Provider,
    weights: PathBuf,
}

impl Bench {
    /// A forward pass of longer and longer prompts.
    fn tokens(&self) -> Result<Series> {
        let reference = Reference::new(self.vitrine.clone(), &self.weights);
        let mut program = self.start(&self.weights)?;
        let points = N_TOKENS.iter().map(|&n| {
            let measured = forward(&mut program, &reference, n)?;
            Ok(Point { x: n, flops: flops::forward(N_LAYERS, n), measured }.printed("tokens"))
        });
        let points = points.collect::<Result<_>>()?;
        Ok(Series { name: "tokens", x_label: "tokens of the prompt", scale: Scale::Log, points })
    }

    /// A forward pass through the first layers alone.
    fn layers(&self) -> Result<Series> {
        let points = (1..=N_LAYERS).map(|n| {
            let folder = shallow(&self.weights, n)?;
            let reference = Reference::new(self.vitrine.clone(), &folder);
            let measured = forward(&mut self.start(&folder)?, &reference, N_LAYERS_TOKENS);
            // Half a gigabyte.
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
            let measured = measured?;
            Ok(Point { x: n, flops: flops::forward(n, N_LAYERS_TOKENS), measured }.printed("layers"))
        });
        let points = points.collect::<Result<_>>()?;
        Ok(Series { name: "layers", x_label: "layers, 64 tokens", scale: Scale::Linear, points })
    }

    /// A sweep of more and more variants.
    fn variants(&self) -> Result<Series> {
        let reference = Reference::new(self.vitrine.clone(), &self.weights);
        let case = Case::named(CASES, "sweep-12x15").context("the sweep is in the table")?;
        let (mut program, all) = (self.start(&self.weights)?, variants());
        let points = N_VARIANTS.iter().map(|&n| {
            let mut job = case.job();
            job["variants"] = json!(all[..n]);
            let prepared = program.prepare(&job)?;
            let agreement = reference.verify(case, &prepared, Half::Ours)?;
            let timed = program.measure()?;
            let measured = Measured::of(&prepared, &timed, agreement).context("nothing was timed")?;
            Ok(Point { x: n, flops: flops::sweep(&all[..n], N_SWEEP), measured }.printed("variants"))
        });
        let points = points.collect::<Result<_>>()?;
        Ok(Series {
            name: "variants",
            x_label: "variants of a sweep, 15 tokens",
            scale: Scale::Linear,
            points,
        })
    }

    fn start(&self, weights: &Path) -> Result<Program> {
        native::ours(&self.ours, weights, self.provider, 1)
    }
}

/// A forward pass on `n` tokens, and five candidates at each: verified, then timed.
fn forward(program: &mut Program, reference: &Reference, n: usize) -> Result<Measured> {
    let mut job = Case::named(CASES, "forward-64").context("the forward pass is in the table")?.job();
    job["work"] = json!("run");
    job["tokens"] = json!(tokens(n, 0));
    job["n_samples"] = json!(N_SAMPLES);
    let prepared = program.prepare(&job)?;
    let agreement = reference.verify_predictions(&tokens(n, 0), &prepared)?;
    Measured::of(&prepared, &program.measure()?, agreement).context("nothing was timed")
}

/// All patches of the sweep, (block, position): first those that are verified, then the others, well mixed.
fn variants() -> Vec<(usize, usize)> {
    let n = N_LAYERS * N_SWEEP;
    // 77 and 180 have no common factor, so every place comes once.
    let mixed = (0..n).map(|i| i * 77 % n).map(|i| (i / N_SWEEP, i % N_SWEEP));
    PATCHES.into_iter().chain(mixed.filter(|place| !PATCHES.contains(place))).collect()
}

/// A folder with the first layers of the same model.
fn shallow(weights: &Path, n_layers: usize) -> Result<PathBuf> {
    let folder = weights.join("shallow");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let config = fs::read(weights.join("config.json")).context("the weights have a configuration")?;
    let mut config: Value = serde_json::from_slice(&config).context("the configuration is JSON")?;
    config["n_layer"] = json!(n_layers);
    fs::write(folder.join("config.json"), config.to_string())
        .with_context(|| format!("cannot write into {}", folder.display()))?;
    let file = fs::read(weights.join("model.safetensors")).context("the weights have a file")?;
    let all = SafeTensors::deserialize(&file).context("the weights are a safetensors file")?;
    let kept = all.iter().filter(|(name, _)| layer_of(name).is_none_or(|layer| layer < n_layers));
    safetensors::serialize_to_file(kept, None, &folder.join("model.safetensors"))
        .with_context(|| format!("cannot write into {}", folder.display()))?;
    Ok(folder)
}

/// Of `h.3.ln_1.weight` it is 3.
fn layer_of(name: &str) -> Option<usize> {
    name.strip_prefix("h.")?.split('.').next()?.parse().ok()
}

impl Point {
    fn gflops(&self) -> f64 {
        self.flops / self.measured.millis() / 1e6
    }

    fn printed(self, what: &str) -> Self {
        let (millis, gflops) = (self.measured.millis(), self.gflops());
        println!("  {:>5} {what:<9} {millis:>9.1} ms {gflops:>8.1} GFLOP/s", self.x);
        self
    }
}

impl Series {
    /// FLOPs a nanosecond: the median over all points.
    fn rate_gflops(&self) -> f64 {
        let rates: Vec<f64> = self.points.iter().map(Point::gflops).collect();
        median(&rates).unwrap_or(f64::NAN)
    }

    fn predicted_millis(&self, point: &Point) -> f64 {
        point.flops / self.rate_gflops() / 1e6
    }

    fn panel(&self) -> Panel {
        let place = |of: &dyn Fn(&Point) -> f64| self.points.iter().map(|p| (p.x as f64, of(p))).collect();
        Panel {
            x_label: self.x_label.to_owned(),
            y_label: "milliseconds".to_owned(),
            scale: self.scale,
            points: place(&|point| point.measured.millis()),
            line: place(&|point| self.predicted_millis(point)),
            line_label: format!("FLOPs at {:.1} GFLOP/s", self.rate_gflops()),
        }
    }

    fn json(&self) -> Value {
        let points = self.points.iter().map(|point| {
            json!({
                "x": point.x,
                "lower_quartile_millis": point.measured.millis(),
                "samples_millis": point.measured.samples,
                "gflop": point.flops / 1e9,
                "predicted_millis": self.predicted_millis(point),
            })
        });
        json!({ "of": self.name, "rate_gflops": self.rate_gflops(), "points": points.collect::<Vec<_>>() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::compare::Agreement;
    use std::collections::BTreeSet;

    #[test]
    fn every_patch_of_the_sweep_comes_once() {
        let all = variants();
        assert_eq!(all.len(), N_LAYERS * N_SWEEP);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert!(all.iter().all(|(layer, pos)| *layer < N_LAYERS && *pos < N_SWEEP));
        assert_eq!(all[..PATCHES.len()], PATCHES);
        assert_eq!(N_VARIANTS.last(), Some(&all.len()));
    }

    #[test]
    fn a_prediction_is_flops_at_the_middle_rate() {
        let point = |x, flops, millis: f64| {
            let measured = Measured::of(&json!({}), &json!([millis]), Agreement::default()).expect("timed");
            Point { x, flops, measured }
        };
        let points = vec![point(1, 1e9, 100.0), point(2, 2e9, 100.0), point(3, 3e9, 200.0)];
        let series = Series { name: "", x_label: "", scale: Scale::Linear, points };
        assert!((series.rate_gflops() - 15.0).abs() < 1e-9);
        assert!((series.predicted_millis(&series.points[2]) - 200.0).abs() < 1e-9);
        assert_eq!(series.panel().points[1], (2.0, 100.0));
    }
}
