//! Vitrine's half of `cargo xtask bench`: computes on the native engine what it is asked for.
//!
//! `native WEIGHTS cpu|gpu` reads a request a line and replies a line: `"adapter"`, `{"prepare": job}`, which computes
//! once and returns values to verify, and `"measure"`, which times what was prepared.

use serde_json::{Value, json};
use std::error::Error;
use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Instant;
use std::{env, fs, io};

use vitrine::backend::{backward::Backward, cpu::Cpu, webgpu::WebGpu};
use vitrine::engine::Engine;
use vitrine::model::folder::{CONFIG, Folder, WEIGHTS};

mod attribution;
mod job;
mod sae;
mod sweep;
mod work;

use job::{Job, Prepared};

/// Whatever goes wrong becomes a line.
type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [weights, "cpu"] => serve(Cpu::<f32>::default(), weights.as_ref()),
        [weights, "gpu"] => pollster::block_on(WebGpu::open())
            .map_err(Into::into)
            .and_then(|gpu| serve(gpu, weights.as_ref())),
        _ => Err("this is started by `cargo xtask bench`, as `native WEIGHTS cpu|gpu`".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Answers requests until there are no more.
fn serve<B: Backward + 'static>(backend: B, weights: &Path) -> Fallible<()> {
    let adapter = format!("{}: {}", backend.name(), backend.adapter());
    let mut folder = Folder::default();
    for file in [CONFIG, WEIGHTS] {
        folder.insert(file, fs::read(weights.join(file))?);
    }
    let (checkpoint, tokenizer) = pollster::block_on(folder.read(&backend))?;
    drop(folder);
    let engine = Rc::new(Engine::new(backend, checkpoint, tokenizer));
    let mut measure = None;
    for line in io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let reply = match request.get("prepare") {
            Some(job) => {
                // What an earlier case holds is not this one's burden.
                drop(measure.take());
                prepare(Rc::clone(&engine), job, weights).map(|prepared| {
                    measure = Some(prepared.measure);
                    let mut report = prepared.report;
                    report["adapter"] = json!(adapter);
                    report
                })
            }
            None if request == "adapter" => Ok(json!(adapter)),
            None => measure.as_mut().map_or(Err("nothing was prepared".into()), |measure| measure()),
        };
        let reply = match reply {
            Ok(value) => json!({ "value": value }),
            Err(error) => json!({ "failure": error.to_string() }),
        };
        writeln!(io::stdout().lock(), "{reply}")?;
    }
    Ok(())
}

fn prepare<B: Backward + 'static>(engine: Rc<Engine<B>>, job: &Value, weights: &Path) -> Fallible<Prepared> {
    let job = Job::read(job)?;
    engine.drop_sae(sae::NAME);
    let started_at = Instant::now();
    let mut prepared = match job.work.as_str() {
        "forward" => work::forward(engine, &job),
        "run" => work::run(engine, &job),
        "prefill" => work::prefill(engine, &job),
        "decode" => work::decode(engine, &job),
        "sae" => sae::prepare(engine, &job, weights),
        "sweep" => sweep::prepare(engine, &job),
        "attribution" => attribution::prepare(engine, &job),
        other => Err(format!("the engine cannot do {other}").into()),
    }?;
    prepared.report["prepare_millis"] = json!(job::millis(started_at.elapsed()));
    Ok(prepared)
}
