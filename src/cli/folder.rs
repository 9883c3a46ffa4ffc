//! A model folder on disk.

use std::{fs, path::Path};

use super::{BackendChoice, ModelArgs};
#[cfg(feature = "webgpu")]
use crate::backend::webgpu::WebGpu;
use crate::{
    backend::{backward::Backward, cpu::Cpu},
    engine::{Engine, RunError},
    failure::{Failure, FailureKind},
    model::{
        checkpoint::LoadError,
        folder::{CONFIG, Folder, MERGES, TOKENIZER, VOCAB, WEIGHTS},
    },
};

/// What a verb does once the model is loaded, on any backend.
pub(super) trait Work {
    /// Errors: whatever the work comes across.
    fn on<B: Backward>(self, engine: &Engine<B>) -> Result<(), Failure>;
}

/// Loads a model folder and puts it to work; what its files have and the engine does not use goes to standard
/// error.
///
/// Errors: a file is missing, unreadable or not what it should be; the backend is not there.
pub(super) fn open(args: &ModelArgs, work: impl Work) -> Result<(), Failure> {
    match args.backend {
        BackendChoice::Cpu => open_on(Cpu::<f32>::default(), &args.model, work),
        #[cfg(feature = "webgpu")]
        BackendChoice::Webgpu => match pollster::block_on(WebGpu::open()) {
            Ok(backend) => open_on(backend, &args.model, work),
            Err(error) => Err(Failure::new(
                FailureKind::Question,
                error.to_string(),
                "Use --backend cpu, or install a driver for Vulkan, Metal or Direct3D 12.",
            )),
        },
        #[cfg(not(feature = "webgpu"))]
        BackendChoice::Webgpu => Err(Failure::new(
            FailureKind::Question,
            "this build computes on the CPU only",
            "Use --backend cpu, or build with the feature `webgpu`.",
        )),
    }
}

fn open_on<B: Backward>(backend: B, dir: &Path, work: impl Work) -> Result<(), Failure> {
    let (checkpoint, tokenizer) = folder(dir)?.read().map_err(|error| in_folder(dir, error))?;
    for note in &checkpoint.notes {
        eprintln!("note: {note}");
    }
    work.on(&Engine::new(backend, checkpoint, tokenizer)?)
}

/// The files of a folder that make a model.
fn folder(dir: &Path) -> Result<Folder, Failure> {
    let entries = fs::read_dir(dir).map_err(|error| {
        Failure::new(
            FailureKind::Model,
            format!("cannot open the model folder: {error}, {}", dir.display()),
            "Give the folder that holds config.json and model.safetensors.",
        )
    })?;
    let mut folder = Folder::default();
    let has_whole = dir.join(WEIGHTS).is_file();
    for entry in entries.filter_map(Result::ok) {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let is_small = [CONFIG, TOKENIZER, VOCAB, MERGES].contains(&name.as_str());
        let is_weights = name == WEIGHTS || (name.ends_with(".safetensors") && !has_whole);
        if is_small || is_weights {
            folder.insert(name, read(&path)?);
        } else if !has_whole && path.is_file() {
            // Only its name matters: to say what was found in place of weights.
            folder.insert(name, vec![]);
        }
    }
    Ok(folder)
}

/// Reads a file.
///
/// Errors: in words, with the path last.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| {
        Failure::new(
            FailureKind::Model,
            format!("cannot read the file: {error}, {}", path.display()),
            "Check the path and its permissions.",
        )
    })
}

fn in_folder(dir: &Path, error: LoadError) -> Failure {
    let hint = error.hint();
    Failure::new(FailureKind::Model, format!("{error}, in {}", dir.display()), hint)
}

/// Waits for the engine. Nothing on the command line runs beside it.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, RunError>>) -> Result<T, Failure> {
    pollster::block_on(work).map_err(Failure::from)
}
