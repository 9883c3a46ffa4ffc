//! Whether a model finds room, told before anything is loaded.
//!
//! Bytes are counted as the backends keep things: on the CPU weights are f32, packed in panels of eight columns; on a
//! GPU a matrix keeps the 16 bits of its file. [`fits`] compares them with limits that the caller has measured, and
//! says what would fit instead.

use serde::{Deserialize, Serialize};

use super::Place;

/// Bytes that a page's WebAssembly can address.
pub const WASM_BYTES: u64 = 1 << 32;
/// What loading and all else take beside the weights, bytes.
const LOADING_BYTES: u64 = 64 << 20;
/// Columns of a panel of a packed weight.
const PANEL: u64 = 8;
const F32_BYTES: u64 = 4;

/// The sizes of a model that its memory depends on, in TransformerLens' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in the configuration")]
pub struct Sizes {
    pub n_layers: u64,
    pub d_model: u64,
    pub n_heads: u64,
    pub n_kv_heads: u64,
    pub d_head: u64,
    pub d_mlp: u64,
    pub is_gated: bool,
    pub d_vocab: u64,
    /// Learned positions; 0 where there are none.
    pub n_pos: u64,
    pub is_tied: bool,
    /// Bytes of a value in the file: 2 or 4.
    pub stored_bytes: u64,
}

/// What a model needs, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// Its weights.
    pub weights: u64,
    /// The largest matrix of a block, which a kernel on a device sees whole. An embedding is read in parts.
    pub largest: u64,
    /// All activations of a prompt.
    pub captures: u64,
    /// Keys and values of a prompt.
    pub cache: u64,
    /// The file.
    pub file: u64,
}

/// What there is, bytes; what is not known limits nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// What the program can address: [`WASM_BYTES`] in a page.
    pub memory: Option<u64>,
    /// The largest buffer of a device; without one there is no device.
    pub max_buffer: Option<u64>,
    /// The largest part of a buffer that a kernel sees.
    pub max_binding: Option<u64>,
}

/// A model finds no room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the messages say it")]
pub enum NoRoom {
    #[error("it would take {} of memory and there are {}", in_words(*needed), in_words(*there))]
    Memory { needed: u64, there: u64 },
    #[error("its largest weight takes {} and a buffer of this device holds {}", in_words(*needed), in_words(*there))]
    Buffer { needed: u64, there: u64 },
    #[error("one of its weights takes {} and a kernel on this device sees {}", in_words(*needed), in_words(*there))]
    Binding { needed: u64, there: u64 },
    #[error("there is no device for it")]
    NoDevice,
}

impl Sizes {
    /// What it needs at `place` for prompts of `n_tokens`, of which everything may be looked at.
    pub fn needs(&self, place: Place, n_tokens: u64) -> Needs {
        let Self { n_layers, d_model: d, n_heads, n_kv_heads, d_head, d_mlp, d_vocab, .. } = *self;
        let bytes = |n_in: u64, n_out: u64| match place {
            Place::Cpu => n_in * n_out.next_multiple_of(PANEL) * F32_BYTES,
            Place::Webgpu => n_in * n_out * self.stored_bytes,
        };
        let (q, kv) = (n_heads * d_head, n_kv_heads * d_head);
        let into_mlp = if self.is_gated { 2 } else { 1 };
        let block =
            bytes(d, q) + 2 * bytes(d, kv) + bytes(q, d) + into_mlp * bytes(d, d_mlp) + bytes(d_mlp, d);
        // Norms and biases.
        let vectors = (q + 2 * kv + 6 * d + into_mlp * d_mlp) * F32_BYTES;
        let embedding = bytes(d, d_vocab);
        let n_embeddings = if self.is_tied { 1 } else { 2 };
        let positions = self.n_pos * d * F32_BYTES;
        // Streams and what is read and written; queries, keys, values and their mix; the MLP; scores and patterns.
        let position = 9 * d + 2 * (q + kv) + (1 + into_mlp) * d_mlp;
        let captures =
            n_layers * n_tokens * (position + 2 * n_heads * n_tokens) + n_tokens * (3 * d + d_vocab);
        let n_block = d * (2 * q + 2 * kv) + (1 + into_mlp) * d * d_mlp;
        let n_stored = n_layers * n_block + n_embeddings * d * d_vocab + self.n_pos * d;
        Needs {
            weights: n_layers * (block + vectors) + n_embeddings * embedding + positions,
            largest: [bytes(d, q), bytes(q, d), bytes(d, d_mlp), bytes(d_mlp, d)]
                .into_iter()
                .max()
                .unwrap_or(0),
            captures: captures * F32_BYTES,
            cache: n_layers * n_tokens * 2 * kv * F32_BYTES,
            file: n_stored * self.stored_bytes,
        }
    }
}

/// What a model needs at `place`, if there is room for it.
///
/// Errors: [`NoRoom`], the first reason.
pub fn fits(sizes: &Sizes, place: Place, n_tokens: u64, limits: &Limits) -> Result<Needs, NoRoom> {
    let needs = sizes.needs(place, n_tokens);
    let enough = |needed: u64, there: Option<u64>, refusal: fn(u64, u64) -> NoRoom| match there {
        Some(there) if there < needed => Err(refusal(needed, there)),
        Some(_) | None => Ok(()),
    };
    // What is looked at comes to the program, wherever it was computed.
    let here = needs.captures + LOADING_BYTES;
    let memory = |needed, there| NoRoom::Memory { needed, there };
    match place {
        Place::Cpu => enough(needs.weights + needs.cache + here, limits.memory, memory)?,
        Place::Webgpu => {
            let buffer = limits.max_buffer.ok_or(NoRoom::NoDevice)?;
            enough(needs.largest, Some(buffer), |needed, there| NoRoom::Buffer { needed, there })?;
            enough(needs.largest, limits.max_binding, |needed, there| NoRoom::Binding { needed, there })?;
            enough(here, limits.memory, memory)?;
        }
    }
    Ok(needs)
}

/// A sentence for somebody whose model finds no room: why, and what would.
pub fn advice(name: &str, sizes: &Sizes, n_tokens: u64, limits: &Limits, why: &NoRoom, at: Place) -> String {
    let (elsewhere, where_to) = match at {
        Place::Cpu => (Place::Webgpu, "on the GPU"),
        Place::Webgpu => (Place::Cpu, "on the CPU"),
    };
    let mut sentence = format!("{name} does not fit: {why}.");
    if fits(sizes, elsewhere, n_tokens, limits).is_ok() {
        sentence.push_str(&format!(" It would fit {where_to}."));
    }
    sentence + &others(name, n_tokens, limits, at)
}

/// What else would fit at `at`.
fn others(name: &str, n_tokens: u64, limits: &Limits, at: Place) -> String {
    let smaller: Vec<&str> = KNOWN
        .iter()
        .filter(|(known, sizes)| *known != name && fits(sizes, at, n_tokens, limits).is_ok())
        .map(|(known, _)| *known)
        .take(MOST_NAMED)
        .collect();
    if smaller.is_empty() { String::new() } else { format!(" What does fit here: {}.", smaller.join(", ")) }
}

/// Whether a weights file may find room on the CPU, told by its length alone: before any of it was fetched. Of a value it
/// has `stored_bytes`, 2 or 4. What passes here may still turn out too large.
///
/// Errors: [`NoRoom::Memory`].
pub fn file_fits(file_bytes: u64, stored_bytes: u64, limits: &Limits) -> Result<(), NoRoom> {
    let needed = (file_bytes / stored_bytes.max(1)).saturating_mul(F32_BYTES).saturating_add(LOADING_BYTES);
    match limits.memory {
        Some(there) if there < needed => Err(NoRoom::Memory { needed, there }),
        Some(_) | None => Ok(()),
    }
}

/// A sentence for somebody whose file finds no room on the CPU: why, and what would.
pub fn advice_of_file(name: &str, n_tokens: u64, limits: &Limits, why: &NoRoom) -> String {
    format!("{name} does not fit: {why}.") + &others(name, n_tokens, limits, Place::Cpu)
}

/// What is said where a file is larger than what this browser can still keep; the model is loaded all the same.
pub fn not_kept(file_bytes: u64, left_bytes: Option<u64>) -> Option<String> {
    let left = in_words(left_bytes.filter(|left| *left < file_bytes)?);
    Some(format!("This browser keeps {left} more: it will be fetched again the next time."))
}

/// How many models are named to somebody whose own finds no room.
const MOST_NAMED: usize = 3;

/// Models of known sizes, largest first.
pub const KNOWN: [(&str, Sizes); 8] = [
    ("Qwen3-0.6B", gated([28, 1_024, 16, 8, 128, 3_072, 151_936])),
    ("Gemma-3-270m", gated([18, 640, 4, 1, 256, 2_048, 262_144])),
    ("Pythia-160m", plain([12, 768, 12, 64, 3_072, 50_304, 0], Head::Own, 2)),
    ("SmolLM2-135M", gated([30, 576, 9, 3, 64, 1_536, 49_152])),
    ("GPT-2 small", plain([12, 768, 12, 64, 3_072, 50_257, 1_024], Head::Tied, 4)),
    ("DistilGPT-2", plain([6, 768, 12, 64, 3_072, 50_257, 1_024], Head::Tied, 4)),
    ("Pythia-70m", plain([6, 512, 8, 64, 2_048, 50_304, 0], Head::Own, 2)),
    ("TinyStories-33M", plain([4, 768, 16, 48, 3_072, 50_257, 2_048], Head::Tied, 4)),
];

/// Whether the unembedding is a matrix of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Head {
    Own,
    Tied,
}

const fn gated(sizes: [u64; 7]) -> Sizes {
    Sizes { is_gated: true, ..of(sizes, 2) }
}

const fn plain(
    [n_layers, d_model, n_heads, d_head, d_mlp, d_vocab, n_pos]: [u64; 7],
    head: Head,
    stored_bytes: u64,
) -> Sizes {
    let sizes = [n_layers, d_model, n_heads, n_heads, d_head, d_mlp, d_vocab];
    Sizes { n_pos, is_tied: matches!(head, Head::Tied), ..of(sizes, stored_bytes) }
}

/// Without learned positions, and tied.
const fn of(
    [n_layers, d_model, n_heads, n_kv_heads, d_head, d_mlp, d_vocab]: [u64; 7],
    stored_bytes: u64,
) -> Sizes {
    let (is_gated, n_pos, is_tied) = (false, 0, true);
    Sizes {
        n_layers,
        d_model,
        n_heads,
        n_kv_heads,
        d_head,
        d_mlp,
        is_gated,
        d_vocab,
        n_pos,
        is_tied,
        stored_bytes,
    }
}

/// Bytes for a reader.
fn in_words(bytes: u64) -> String {
    let gb = bytes as f64 / 1e9;
    if gb < 1.0 { format!("{:.0} MB", gb * 1e3) } else { format!("{gb:.1} GB") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N_TOKENS: u64 = 256;

    fn known(name: &str) -> Sizes {
        KNOWN.iter().find(|(known, _)| *known == name).expect("is known").1
    }

    fn page() -> Limits {
        let (max_buffer, max_binding) = (Some(256 << 20), Some(128 << 20));
        Limits { memory: Some(WASM_BYTES), max_buffer, max_binding }
    }

    fn is_near(got: u64, want: f64) -> bool {
        (got as f64 / want - 1.0).abs() <= 0.02
    }

    #[test]
    fn files_are_as_large_as_they_are() {
        // Bytes of the published model.safetensors.
        for (name, want) in [
            ("Qwen3-0.6B", 1.192e9),
            ("Gemma-3-270m", 0.536e9),
            ("SmolLM2-135M", 0.269e9),
            ("GPT-2 small", 0.498e9),
            ("DistilGPT-2", 0.328e9),
        ] {
            let file = known(name).needs(Place::Cpu, N_TOKENS).file;
            assert!(is_near(file, want), "{name}: {file}");
            assert!(is_near(known(name).needs(Place::Webgpu, N_TOKENS).file, want), "{name}");
        }
    }

    #[test]
    fn a_gpu_keeps_16_bits_and_a_cpu_does_not() {
        let qwen = known("Qwen3-0.6B");
        let (cpu, gpu) = (qwen.needs(Place::Cpu, N_TOKENS), qwen.needs(Place::Webgpu, N_TOKENS));
        assert!(is_near(cpu.weights, 2.0 * gpu.weights as f64), "{cpu:?} {gpu:?}");
        let gpt2 = known("GPT-2 small");
        assert!(is_near(gpt2.needs(Place::Cpu, 1).weights, gpt2.needs(Place::Webgpu, 1).weights as f64));
    }

    #[test]
    fn each_limit_refuses() {
        let (qwen, gpt2) = (known("Qwen3-0.6B"), known("GPT-2 small"));
        assert!(fits(&gpt2, Place::Cpu, N_TOKENS, &page()).is_ok());
        assert!(fits(&gpt2, Place::Webgpu, N_TOKENS, &page()).is_ok());
        let small = Limits { memory: Some(2 << 30), ..page() };
        assert!(matches!(fits(&qwen, Place::Cpu, N_TOKENS, &small), Err(NoRoom::Memory { .. })));
        // An embedding larger than any buffer of a small device is in several.
        assert!(fits(&qwen, Place::Webgpu, N_TOKENS, &page()).is_ok());
        assert!(fits(&known("Gemma-3-270m"), Place::Webgpu, N_TOKENS, &page()).is_ok());
        let small = Limits { max_buffer: Some(4 << 20), ..page() };
        assert!(matches!(fits(&qwen, Place::Webgpu, N_TOKENS, &small), Err(NoRoom::Buffer { .. })));
        let narrow = Limits { max_binding: Some(4 << 20), ..page() };
        assert!(matches!(fits(&qwen, Place::Webgpu, N_TOKENS, &narrow), Err(NoRoom::Binding { .. })));
        let nothing = Limits { max_buffer: None, ..page() };
        assert_eq!(fits(&gpt2, Place::Webgpu, N_TOKENS, &nothing), Err(NoRoom::NoDevice));
        // What is not known refuses nothing.
        assert!(fits(&qwen, Place::Cpu, N_TOKENS, &Limits::default()).is_ok());
        // A longer prompt needs more.
        assert!(fits(&gpt2, Place::Cpu, 20_000, &page()).is_err());
    }

    #[test]
    fn a_limit_is_enough_when_it_is_met_exactly() {
        let gpt2 = known("GPT-2 small");
        let Err(NoRoom::Memory { needed, .. }) =
            fits(&gpt2, Place::Cpu, N_TOKENS, &Limits { memory: Some(0), ..page() })
        else {
            panic!("there is no memory at all")
        };
        let with = |memory| fits(&gpt2, Place::Cpu, N_TOKENS, &Limits { memory: Some(memory), ..page() });
        assert!(with(needed).is_ok() && with(needed - 1).is_err());
    }

    #[test]
    fn a_refusal_says_what_would_fit() {
        let said = |limits: &Limits, at| {
            let qwen = known("Qwen3-0.6B");
            let why = fits(&qwen, at, N_TOKENS, limits).expect_err("finds no room");
            advice("Qwen3-0.6B", &qwen, N_TOKENS, limits, &why, at)
        };
        let limits = Limits { memory: Some(3 << 30), max_buffer: Some(1 << 30), max_binding: Some(1 << 30) };
        let on_cpu = said(&limits, Place::Cpu);
        assert!(on_cpu.starts_with("Qwen3-0.6B does not fit: it would take 3."), "{on_cpu}");
        assert!(on_cpu.contains("It would fit on the GPU.") && on_cpu.contains("SmolLM2-135M"), "{on_cpu}");
        let on_gpu = said(&Limits { max_buffer: Some(4 << 20), ..page() }, Place::Webgpu);
        assert!(on_gpu.contains("It would fit on the CPU."), "{on_gpu}");
        let nowhere = said(&Limits { memory: Some(1 << 20), ..Limits::default() }, Place::Cpu);
        assert!(!nowhere.contains("would fit on") && !nowhere.contains("does fit here"), "{nowhere}");
    }

    #[test]
    fn a_file_is_refused_by_its_length() {
        let limits = Limits { memory: Some(WASM_BYTES), ..Limits::default() };
        // A model of 7 billion parameters in 16 bits, and in 32.
        assert!(file_fits(14 << 30, 2, &limits).is_err() && file_fits(28 << 30, 4, &limits).is_err());
        // Qwen3-0.6B fits, as it does once its sizes are known; what is larger by its width alone does not.
        let file = known("Qwen3-0.6B").needs(Place::Cpu, 1).file;
        assert!(file_fits(file, 2, &limits).is_ok());
        assert!(file_fits(3 << 30, 4, &limits).is_ok() && file_fits(3 << 30, 2, &limits).is_err());
        assert!(
            file_fits(u64::MAX, 0, &limits).is_err() && file_fits(u64::MAX, 2, &Limits::default()).is_ok()
        );
        let why = file_fits(14 << 30, 2, &limits).expect_err("finds no room");
        let said = advice_of_file("acme/seven", N_TOKENS, &limits, &why);
        assert!(said.starts_with("acme/seven does not fit: it would take 30.1 GB"), "{said}");
        assert!(said.contains("What does fit here: Qwen3-0.6B"), "{said}");
    }

    #[test]
    fn a_file_over_the_quota_is_said_and_loaded() {
        let file = known("GPT-2 small").needs(Place::Cpu, N_TOKENS).file;
        assert_eq!(not_kept(file, None), None);
        assert_eq!(not_kept(file, Some(1 << 30)), None);
        assert_eq!(not_kept(file, Some(file)), None);
        assert!(not_kept(file, Some(1 << 20)).is_some_and(|said| said.contains("keeps 1 MB more")));
    }
}
