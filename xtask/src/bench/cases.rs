//! What is measured beside onnxruntime-web, and the figures that are held against it.

use serde_json::{Value, json};

pub mod native;

/// One line of the table.
#[derive(Debug)]
pub struct Case {
    /// For `--case` and the results.
    pub name: &'static str,
    /// What is computed.
    pub work: Work,
    /// Where, by both.
    pub provider: Provider,
    /// On how many threads, by both.
    pub n_threads: usize,
    /// How often it is timed in a round after it was verified. The lower quartile of all rounds counts.
    pub n_samples: usize,
    /// Rounds in which both sides take turns: a machine that others use as well is not as fast a minute later.
    pub n_rounds: usize,
    /// Why Vitrine cannot do it yet; `None` where it can.
    pub missing: Option<&'static str>,
    /// Whether the peer can do it.
    pub has_peer: bool,
    /// What the figure is a ratio to.
    pub rival: Rival,
    /// What is aimed at; `None` where the times are only told.
    pub figure: Option<Figure>,
}

/// A computation on the shared weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// All logits, with the stream after each block and all attention patterns at hand.
    Forward {
        /// Tokens of the prompt.
        n_tokens: usize,
    },
    /// The whole prompt, for nothing but the token after it.
    Prefill {
        /// Tokens of the prompt.
        n_tokens: usize,
    },
    /// One more token, time and again.
    Decode {
        /// Tokens before the first.
        n_context: usize,
    },
    /// 64 positions to 24,576 sparse features, of which the 32 largest are kept.
    Sae,
    /// The stream before each block at each of 15 positions, patched from a clean run: final logit difference.
    Sweep,
    /// Attribution patching of the same.
    Attribution,
}

/// Where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// WebAssembly.
    Wasm,
    /// WebGPU, on whatever adapter the browser has.
    Webgpu,
    /// Natively on the processor.
    Cpu,
    /// Natively on a GPU: WebGPU by Vulkan, Metal or Direct3D 12; the peer by CUDA.
    Gpu,
}

impl Provider {
    /// As a job says it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Wasm => "wasm",
            Self::Webgpu => "webgpu",
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
        }
    }
}

/// What a time is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rival {
    /// The peer's time for the same: larger is better.
    Peer,
    /// Our own time for the named case: larger is better.
    Own(&'static str),
    /// Our own forward pass on the same tokens: how many of those it takes, smaller is better.
    OwnForward,
}

/// How much is aimed at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// Without it the case is short.
    pub at_least: f64,
    /// What would be very good.
    pub stretch: Option<f64>,
}

const fn figure(at_least: f64, stretch: f64) -> Option<Figure> {
    Some(Figure { at_least, stretch: Some(stretch) })
}

/// Rounds of what takes less than a few seconds.
const N_ROUNDS: usize = 5;

/// A forward pass beside the peer's, in WebAssembly, on one thread; other cases say how they differ.
const BASE: Case = Case {
    name: "",
    work: Work::Forward { n_tokens: 64 },
    provider: Provider::Wasm,
    n_threads: 1,
    n_samples: 11,
    n_rounds: 1,
    missing: None,
    has_peer: true,
    rival: Rival::Peer,
    figure: figure(1.5, 1.6),
};

/// The table. A figure is changed here and nowhere else.
pub const CASES: &[Case] = &[
    Case {
        name: "forward-16",
        work: Work::Forward { n_tokens: 16 },
        n_rounds: N_ROUNDS,
        figure: figure(1.4, 1.5),
        ..BASE
    },
    Case { name: "forward-64", n_samples: 5, n_rounds: N_ROUNDS, ..BASE },
    Case {
        name: "forward-256",
        work: Work::Forward { n_tokens: 256 },
        n_samples: 4,
        n_rounds: 2 * N_ROUNDS,
        figure: figure(1.7, 1.8),
        ..BASE
    },
    Case {
        name: "decode-64",
        work: Work::Decode { n_context: 64 },
        n_rounds: N_ROUNDS,
        figure: figure(1.1, 1.25),
        ..BASE
    },
    Case {
        name: "decode-1000",
        work: Work::Decode { n_context: 1000 },
        n_rounds: 2,
        figure: figure(2.0, 3.0),
        ..BASE
    },
    Case { name: "sae-64", work: Work::Sae, n_rounds: N_ROUNDS, figure: figure(1.6, 1.8), ..BASE },
    Case { name: "sweep-12x15", work: Work::Sweep, n_samples: 3, figure: figure(5.0, 7.0), ..BASE },
    Case {
        name: "attribution-15",
        work: Work::Attribution,
        has_peer: false,
        rival: Rival::OwnForward,
        figure: figure(3.5, 3.0),
        ..BASE
    },
    Case {
        name: "forward-64-threads-2",
        n_threads: 2,
        n_samples: 5,
        n_rounds: N_ROUNDS,
        rival: Rival::Own("forward-64"),
        figure: figure(1.7, 1.9),
        ..BASE
    },
    Case {
        name: "sae-64-threads-2",
        work: Work::Sae,
        n_rounds: N_ROUNDS,
        n_threads: 2,
        rival: Rival::Own("sae-64"),
        figure: figure(1.7, 1.9),
        ..BASE
    },
    Case {
        name: "sweep-12x15-threads-2",
        work: Work::Sweep,
        n_threads: 2,
        n_samples: 3,
        rival: Rival::Own("sweep-12x15"),
        figure: figure(1.7, 1.9),
        ..BASE
    },
    Case {
        name: "forward-16-webgpu",
        work: Work::Forward { n_tokens: 16 },
        provider: Provider::Webgpu,
        n_samples: 2,
        figure: Some(Figure { at_least: 8.0, stretch: None }),
        ..BASE
    },
];

/// The sizes of the shared model, as benches/peer/weights.py has them.
pub const N_LAYERS: usize = 12;
/// Attention heads.
pub const N_HEADS: usize = 12;
/// Width of the stream.
pub const D_MODEL: usize = 768;
/// Width of a head.
pub const D_HEAD: usize = 64;
/// Tokens of the vocabulary.
pub const D_VOCAB: usize = 50_257;

/// Positions of the sweep.
pub const N_SWEEP: usize = 15;
/// The tokens whose logits are compared at the end of a sweep.
pub const COLUMNS: [u32; 2] = [1234, 40_321];
/// Steps of a continuation that are verified but not timed.
const N_WARM_UP: usize = 2;

/// The `n` tokens of a prompt, scattered over the vocabulary; `salt` gives another prompt.
pub fn tokens(n: usize, salt: u32) -> Vec<u32> {
    (0..n as u32).map(|i| (i * 7919 + 13 + salt * 104_729) % D_VOCAB as u32).collect()
}

impl Case {
    /// What a page is told.
    pub fn job(&self) -> Value {
        let (work, n_context, tokens) = match self.work {
            Work::Forward { n_tokens } => ("forward", 0, tokens(n_tokens, 0)),
            Work::Prefill { n_tokens } => ("prefill", 0, tokens(n_tokens, 0)),
            Work::Decode { n_context } => {
                ("decode", n_context, tokens(n_context + N_WARM_UP + self.n_samples, 0))
            }
            Work::Sae => ("sae", 0, vec![]),
            Work::Sweep => ("sweep", 0, vec![]),
            Work::Attribution => ("attribution", 0, vec![]),
        };
        json!({
            "work": work, "provider": self.provider.word(), "threads": self.n_threads, "n_samples": self.n_samples,
            "tokens": tokens, "n_context": n_context,
            "corrupted": self::tokens(N_SWEEP, 1), "clean": self::tokens(N_SWEEP, 2), "columns": COLUMNS,
            "n_layers": N_LAYERS, "n_heads": N_HEADS, "d_model": D_MODEL, "d_head": D_HEAD, "d_vocab": D_VOCAB,
        })
    }

    /// The case of a table with this name.
    pub fn named(table: &'static [Self], name: &str) -> Option<&'static Self> {
        table.iter().find(|case| case.name == name)
    }

    /// The cases to measure, in the order of the table: all, or the one called `only` and what it is compared with.
    pub fn chosen(table: &'static [Self], only: Option<&str>) -> Option<Vec<&'static Self>> {
        let Some(only) = only else { return Some(table.iter().collect()) };
        let rival = match Self::named(table, only)?.rival {
            Rival::Own(other) => Some(other),
            Rival::Peer | Rival::OwnForward => None,
        };
        Some(table.iter().filter(|of| of.name == only || Some(of.name) == rival).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_rivals_exist() {
        for table in [CASES, native::CASES] {
            let names: BTreeSet<&str> = table.iter().map(|case| case.name).collect();
            assert_eq!(names.len(), table.len());
            for case in table {
                if let Rival::Own(other) = case.rival {
                    let other = Case::named(table, other);
                    assert!(other.is_some_and(|other| other.n_threads == 1), "{}", case.name);
                }
            }
        }
    }

    #[test]
    fn a_case_comes_with_its_rival() {
        let names = |only| -> Vec<&str> {
            Case::chosen(CASES, Some(only)).expect("in the table").iter().map(|case| case.name).collect()
        };
        assert_eq!(names("forward-64"), ["forward-64"]);
        assert_eq!(names("forward-64-threads-2"), ["forward-64", "forward-64-threads-2"]);
        assert!(Case::chosen(CASES, Some("forward-63")).is_none());
    }

    #[test]
    fn the_sizes_are_those_of_the_weights() {
        let weights = include_str!("../../../benches/peer/weights.py");
        for (name, size) in
            [("n_layers", N_LAYERS), ("n_heads", N_HEADS), ("d_model", D_MODEL), ("d_vocab", D_VOCAB)]
        {
            assert!(weights.contains(&format!("    {name}: int = {size}\n")), "{name}");
        }
        assert_eq!(D_HEAD * N_HEADS, D_MODEL);
    }

    #[test]
    fn stretch_is_further_than_the_figure() {
        for case in CASES.iter().chain(native::CASES) {
            let Some(Figure { at_least, stretch: Some(stretch) }) = case.figure else { continue };
            let is_further = match case.rival {
                Rival::OwnForward => stretch < at_least,
                Rival::Peer | Rival::Own(_) => stretch > at_least,
            };
            assert!(is_further, "{}", case.name);
        }
    }

    #[test]
    fn prompts_fit_the_vocabulary_and_differ() {
        assert!(tokens(1024, 2).iter().all(|token| (*token as usize) < D_VOCAB));
        assert_ne!(tokens(15, 1), tokens(15, 2));
    }
}
