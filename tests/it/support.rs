//! What several suites need: models, runs, folders that go away again, and the command line.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use safetensors::{Dtype, SafeTensors};
use vitrine::{
    backend::{
        Backend,
        cpu::{Cpu, Real},
    },
    engine::{Engine, NoPace, RunError},
    hook::{HookPoint, HookSet, Presence},
    intervention::Intervention,
    model::{
        checkpoint::{Checkpoint, LoadError},
        folder::{CONFIG, Folder, INDEX, MERGES, TOKENIZER, VOCAB, WEIGHTS},
        tokenizer::Tokenizer,
    },
    run::{Readout, RunResult, RunSpec, WeightForm},
    tensor::HostTensor,
};

/// The golden model with MLPs; its vocabulary is 97 ids, its context 41 positions.
pub(crate) const GPT2: &str = "tests/golden/gpt2-tiny";
/// The golden model without.
pub(crate) const ATTN_ONLY: &str = "tests/golden/attn-only";
/// Both, and one of each other family. The smallest vocabulary has 31 ids.
pub(crate) const FAMILIES: [&str; 12] = [
    GPT2,
    ATTN_ONLY,
    "tests/golden/neox",
    "tests/golden/neo",
    "tests/golden/llama",
    "tests/golden/mistral",
    "tests/golden/qwen2",
    "tests/golden/qwen3",
    "tests/golden/gemma2",
    "tests/golden/gemma3",
    "tests/golden/opt",
    "tests/golden/phi",
];
/// The embedded model that has a tokenizer and an induction head.
pub(crate) const TALES: &str = "assets/models/tales-attn-2l";

/// A path inside the repository.
pub(crate) fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// A file of the repository.
pub(crate) fn bytes(relative: &str) -> Vec<u8> {
    fs::read(path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// The files of a model folder that Vitrine reads, by name.
pub(crate) fn files(model: &str) -> BTreeMap<String, Vec<u8>> {
    let names = [WEIGHTS, CONFIG, TOKENIZER, VOCAB, MERGES];
    let there = names.into_iter().filter(|name| path(model).join(name).is_file());
    there.map(|name| (name.to_owned(), bytes(&format!("{model}/{name}")))).collect()
}

/// The same, as the loader takes them.
pub(crate) fn folder(files: &BTreeMap<String, Vec<u8>>) -> Folder {
    let mut folder = Folder::default();
    files.iter().for_each(|(name, bytes)| folder.insert(name.clone(), bytes.clone()));
    folder
}

/// What comes of a model's files.
pub(crate) fn read<B: Backend>(
    b: &B,
    files: &BTreeMap<String, Vec<u8>>,
) -> Result<(Checkpoint<B>, Option<Tokenizer>), LoadError> {
    pollster::block_on(folder(files).read(b))
}

/// A model of the repository, on the CPU.
pub(crate) fn engine<R: Real + Default>(model: &str) -> Engine<Cpu<R>> {
    engine_on(Cpu::default(), model)
}

/// A model of the repository, on any backend.
pub(crate) fn engine_on<B: Backend>(backend: B, model: &str) -> Engine<B> {
    let (checkpoint, tokenizer) =
        read(&backend, &files(model)).unwrap_or_else(|error| panic!("{model}: {error}"));
    Engine::new(backend, checkpoint, tokenizer)
}

/// A run on raw weights that changes and keeps nothing, and reads every prediction.
pub(crate) fn spec(tokens: &[u32]) -> RunSpec {
    RunSpec {
        tokens: tokens.to_vec(),
        weights: WeightForm::Raw,
        interventions: vec![],
        capture: HookSet::default(),
        readout: Readout::Predictions { top_k: 1 },
    }
}

/// One forward pass.
pub(crate) fn try_run<B: Backend>(engine: &Engine<B>, spec: &RunSpec) -> Result<RunResult, RunError> {
    pollster::block_on(engine.run(spec, &mut NoPace))
}

/// One forward pass that works.
pub(crate) fn run<B: Backend>(engine: &Engine<B>, spec: &RunSpec) -> RunResult {
    try_run(engine, spec).unwrap_or_else(|error| panic!("{spec:?}: {error}"))
}

/// The logits of a run with these interventions. [pos d_vocab]
pub(crate) fn logits<B: Backend>(
    engine: &Engine<B>,
    tokens: &[u32],
    interventions: &[Intervention],
) -> HostTensor {
    let capture = HookSet::of([HookPoint::Logits]);
    let spec = RunSpec { interventions: interventions.to_vec(), capture, ..spec(tokens) };
    run(engine, &spec).captures.remove(&HookPoint::Logits).expect("was captured")
}

/// The hook points that any run makes, in order of execution.
pub(crate) fn always<B: Backend>(engine: &Engine<B>) -> Vec<HookPoint> {
    let points = engine.config().hook_points();
    points.into_iter().filter(|point| point.presence() == Presence::Always).collect()
}

/// An intervention, or several, as a user writes them.
pub(crate) fn edits(json: &str) -> Vec<Intervention> {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// The tensors of an f32 safetensors file, by name.
pub(crate) fn tensors(bytes: &[u8]) -> BTreeMap<String, HostTensor> {
    let file = SafeTensors::deserialize(bytes).expect("a safetensors file");
    let read = |(name, view): (&str, safetensors::tensor::TensorView<'_>)| {
        assert_eq!(view.dtype(), Dtype::F32, "{name}");
        let data = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        (name.to_owned(), HostTensor::new(view.shape().to_vec(), data).expect("safetensors checks it"))
    };
    file.iter().map(read).collect()
}

/// The same files, with every third tensor in each of three weights files, as save_pretrained names them.
#[cfg(feature = "cli")]
pub(crate) fn in_shards(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let mut files = files.clone();
    let whole = files.remove(WEIGHTS).expect("a weights file");
    let whole = SafeTensors::deserialize(&whole).expect("a safetensors file");
    let mut weight_map = BTreeMap::new();
    for nth in 0..3 {
        let file = format!("model-0000{}-of-00003.safetensors", nth + 1);
        let tensors: Vec<_> = whole.iter().skip(nth).step_by(3).collect();
        weight_map.extend(tensors.iter().map(|(name, _)| ((*name).to_owned(), file.clone())));
        files.insert(file, safetensors::serialize(tensors, None).expect("they were in a file"));
    }
    let index = serde_json::json!({"metadata": {}, "weight_map": weight_map});
    files.insert(INDEX.to_owned(), index.to_string().into_bytes());
    files
}

/// A folder for one test, removed at its end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// An empty one.
    pub(crate) fn new() -> Self {
        static N_MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("it-{}-{}", std::process::id(), N_MADE.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("the target folder can be written");
        Self(path)
    }

    /// One with these files.
    pub(crate) fn with(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let scratch = Self::new();
        files.iter().for_each(|(name, bytes)| drop(scratch.write(name, bytes)));
        scratch
    }

    /// The folder, or a file in it.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a readable path").to_owned()
    }

    /// Writes a file, and says where.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        fs::write(self.0.join(name), bytes).expect("the target folder can be written");
        self.path(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is in target/ and goes with it.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// What a call of the command line left behind.
#[cfg(feature = "cli")]
pub(crate) struct Called {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Calls `vitrine` in the repository's root.
#[cfg(feature = "cli")]
pub(crate) fn call(args: &[&str]) -> Called {
    call_with_input(args, "")
}

/// Calls `vitrine` with something on standard input.
#[cfg(feature = "cli")]
pub(crate) fn call_with_input(args: &[&str], input: &str) -> Called {
    use std::{
        io::Write as _,
        process::{Command, Stdio},
    };
    let mut child = Command::new(env!("CARGO_BIN_EXE_vitrine"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command line was built");
    // A verb that does not read its input closes it: no failure.
    drop(child.stdin.take().expect("is piped").write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("the command line ends");
    Called {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

#[cfg(feature = "cli")]
impl Called {
    /// Standard output, of a call that worked.
    pub(crate) fn works(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// Standard output as JSON, of a call that worked.
    pub(crate) fn json(self) -> serde_json::Value {
        let text = self.works();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// The call was refused with these words and a hint, and printed no half result.
    pub(crate) fn refuses(&self, case: &str, words: &str) {
        let Self { code, stdout, stderr } = self;
        assert_eq!(*code, Some(1), "{case}: {stderr}");
        assert_eq!(stdout, "", "{case}");
        let (first, rest) = stderr.split_once("error: ").unwrap_or_else(|| panic!("{case}: {stderr}"));
        assert!(!first.contains("panicked") && !rest.contains("panicked"), "{case}: {stderr}");
        let (message, hint) = rest.split_once("\nhint: ").unwrap_or_else(|| panic!("{case}: {stderr}"));
        assert!(message.contains(words), "{case}: wanted `{words}`, got `{message}`");
        assert!(hint.trim().len() > 10, "{case}: `{hint}` helps nobody");
    }
}
