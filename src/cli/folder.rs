//! A model folder on disk.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use super::{BackendChoice, ModelArgs};
#[cfg(feature = "webgpu")]
use crate::backend::webgpu::WebGpu;
use crate::{
    backend::{Backend, MAX_PART_BYTES, backward::Backward, cpu::Cpu},
    engine::{Engine, RunError},
    failure::{Failure, FailureKind},
    model::{
        checkpoint::{Checkpoint, Guess, LoadError, Shard, ShardReader},
        folder::{CONFIG, Folder, INDEX, MERGES, TOKENIZER, VOCAB},
        sae::{CFG, SAE_WEIGHTS, SaeError, SaeFound, SaeOn, SaeReader},
    },
};

/// What is read at once of a header.
const HEADER_PART_BYTES: usize = 1 << 16;

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
        BackendChoice::Cpu => open_on(Cpu::<f32>::default(), args, work),
        #[cfg(feature = "webgpu")]
        BackendChoice::Webgpu => match pollster::block_on(WebGpu::open()) {
            Ok(backend) => open_on(backend, args, work),
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

fn open_on<B: Backward>(backend: B, args: &ModelArgs, work: impl Work) -> Result<(), Failure> {
    let folder = folder(&args.model)?;
    let tokenizer = folder.tokenizer().map_err(|error| in_folder(&args.model, error))?;
    let checkpoint = checkpoint(&backend, folder, args)?;
    say(&checkpoint.notes);
    work.on(&Engine::new(backend, checkpoint, tokenizer))
}

/// The model, from one weights file or several: all headers, then all values.
fn checkpoint<B: Backend>(b: &B, mut folder: Folder, args: &ModelArgs) -> Result<Checkpoint<B>, Failure> {
    let dir = &args.model;
    let refuse = |error| in_folder(dir, error);
    let (mut files, mut shards) = (vec![], vec![]);
    for name in folder.shards().map_err(refuse)? {
        let (file, shard) = open_shard(&dir.join(name))?;
        files.push(file);
        shards.push(shard);
    }
    if !folder.has(CONFIG) {
        let guess = Guess::of(&shards).map_err(refuse)?;
        if !args.accept_config_guess {
            return Err(not_accepted(dir, &guess));
        }
        say(&guess.assumed.iter().map(ToString::to_string).collect::<Vec<_>>());
        folder.insert(CONFIG, guess.config.into_bytes());
    }
    let mut reader = folder.reader_of_shards(b, shards).map_err(refuse)?;
    for file in files {
        in_parts(dir, file, |part| pollster::block_on(reader.feed(part)).map_err(refuse))?;
    }
    pollster::block_on(reader.finish()).map_err(refuse)
}

/// The guess, shown instead of being used.
fn not_accepted(dir: &Path, guess: &Guess) -> Failure {
    let assumed: Vec<String> = guess.assumed.iter().map(ToString::to_string).collect();
    Failure::new(
        FailureKind::Model,
        format!("the folder has no {CONFIG}, in {}", dir.display()),
        format!(
            "Its tensors suggest the one below. Write it there and change what is wrong, or go on with \
             --accept-config-guess.\n{}\n{}",
            guess.config,
            assumed.join("\n")
        ),
    )
}

/// A weights file, at its first value, and what its header says.
fn open_shard(path: &Path) -> Result<(File, Shard), Failure> {
    let (mut file, n_bytes) = open_file(path)?;
    let mut reader = ShardReader::new(Some(n_bytes));
    let mut part = vec![0; HEADER_PART_BYTES];
    loop {
        match file.read(&mut part) {
            Ok(0) => return Err(in_folder(path, reader.cut())),
            Ok(n_bytes) => {
                let Some(shard) = reader.feed(&part[..n_bytes]).map_err(|error| in_folder(path, error))?
                else {
                    continue;
                };
                let at = file.seek(SeekFrom::Start(shard.span.data_start));
                return at.map(|_| (file, shard)).map_err(|error| unreadable(path, &error));
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(path, &error)),
        }
    }
}

/// Reads a sparse autoencoder to where its model is; what its files have and the engine does not use goes to standard
/// error.
///
/// Errors: a file is missing, unreadable or not what it should be.
pub(super) fn open_sae<B: Backend>(engine: &Engine<B>, dir: &Path) -> Result<SaeOn<B>, Failure> {
    let refuse = |error: SaeError| {
        let Failure { kind, message, hint } = error.into();
        Failure::new(kind, format!("{message}, in {}", dir.display()), hint)
    };
    let cfg = read(&dir.join(CFG))?;
    let (file, n_bytes) = open_file(&dir.join(SAE_WEIGHTS))?;
    let mut reader = SaeReader::new(engine.backend(), &cfg, Some(n_bytes)).map_err(refuse)?;
    in_parts(dir, file, |part| pollster::block_on(reader.feed(part)).map_err(refuse))?;
    let SaeFound { sae, notes, .. } = pollster::block_on(reader.finish()).map_err(refuse)?;
    say(&notes);
    say(&sae.config().misfits(engine.config()));
    Ok(sae)
}

fn say(notes: &[String]) {
    notes.iter().for_each(|note| eprintln!("note: {note}"));
}

/// Passes a file on, a part at a time.
fn in_parts(
    dir: &Path,
    mut file: File,
    mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut part = vec![0; MAX_PART_BYTES];
    loop {
        match file.read(&mut part) {
            Ok(0) => return Ok(()),
            Ok(n_bytes) => take(&part[..n_bytes])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(dir, &error)),
        }
    }
}

/// The files of a folder that make a model; of the weights only the name.
fn folder(dir: &Path) -> Result<Folder, Failure> {
    let entries = fs::read_dir(dir).map_err(|error| {
        Failure::new(
            FailureKind::Model,
            format!("cannot open the model folder: {error}, {}", dir.display()),
            "Give the folder that holds config.json and model.safetensors.",
        )
    })?;
    let mut folder = Folder::default();
    for entry in entries.filter_map(Result::ok) {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if [CONFIG, INDEX, TOKENIZER, VOCAB, MERGES].contains(&name.as_str()) {
            folder.insert(name, read(&path)?);
        } else if path.is_file() {
            folder.insert(name, vec![]);
        }
    }
    Ok(folder)
}

/// Opens a file; with its length, bytes.
fn open_file(path: &Path) -> Result<(File, u64), Failure> {
    let open = || {
        let file = File::open(path)?;
        let n_bytes = file.metadata()?.len();
        Ok((file, n_bytes))
    };
    open().map_err(|error| unreadable(path, &error))
}

/// Reads a file.
///
/// Errors: in words, with the path last.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        FailureKind::Model,
        format!("cannot read the file: {error}, {}", path.display()),
        "Check the path and its permissions.",
    )
}

fn in_folder(dir: &Path, error: LoadError) -> Failure {
    let hint = error.hint();
    Failure::new(FailureKind::Model, format!("{error}, in {}", dir.display()), hint)
}

/// Waits for the engine. Nothing on the command line runs beside it.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, RunError>>) -> Result<T, Failure> {
    pollster::block_on(work).map_err(Failure::from)
}
