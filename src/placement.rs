//! Where a model is computed, and why: data for page and worker, and the choice between two measured times.
//!
//! Nothing here measures: a probe times one pass on each backend and [`choose`] decides.

use serde::{Deserialize, Serialize};

mod report;
pub mod room;
pub mod speed;

pub use report::{Clock, MemoryUse, OpTime, Report};

/// Tokens of the pass that a probe times, or as many as the model reads.
pub const PROBE_TOKENS: usize = 16;
/// A CPU that needs no more for that pass is not worth a probe: a GPU's own start and its read back take as long.
pub const QUICK_MILLIS: f64 = 16.0;
/// How long WebGPU has for its warm-up and its passes together.
pub const PROBE_LIMIT_MILLIS: f64 = 10_000.0;
/// WebGPU must take less than this part of the CPU's time: two times that are nearly equal are noise.
const ADVANTAGE: f64 = 0.8;

/// Where the user wants models to be computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Wherever a probe on the loaded model is quicker.
    #[default]
    Auto,
    /// On the CPU.
    Cpu,
    /// On the GPU, by WebGPU.
    Webgpu,
}

/// Where a model is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// On the CPU.
    Cpu,
    /// On the GPU, by WebGPU.
    Webgpu,
}

/// Why it is computed there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum Reason {
    /// The user chose it.
    Wished,
    /// A model begins on the CPU; WebGPU is tried when nothing else is under way.
    NotProbed,
    /// The CPU is too quick for a probe to be worth it.
    Quick {
        /// One pass on the CPU, milliseconds.
        cpu_millis: f64,
    },
    /// Both were timed.
    Timed {
        /// One pass on the CPU, milliseconds.
        cpu_millis: f64,
        /// One pass on WebGPU, milliseconds.
        webgpu_millis: f64,
    },
    /// WebGPU was still at it when its time was over.
    Unfinished {
        /// One pass on the CPU, milliseconds.
        cpu_millis: f64,
    },
    /// The adapter computes on the CPU as well.
    Software {
        /// Its name.
        adapter: String,
    },
    /// WebGPU cannot be used here, or not any more.
    Fault {
        /// What it said.
        message: String,
    },
}

/// What trying WebGPU came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// One pass took so long, milliseconds; the best of several.
    Took(f64),
    /// It was not done within [`PROBE_LIMIT_MILLIS`].
    Unfinished,
    /// The adapter is software; it was not timed.
    Software(String),
    /// It did not work.
    Fault(String),
}

/// Whether a pass of `cpu_millis` is worth a probe of WebGPU.
pub fn is_worth_a_probe(cpu_millis: f64) -> bool {
    !(cpu_millis <= QUICK_MILLIS)
}

/// The quicker place, and why. What is not clearly quicker is not worth the move.
pub fn choose(cpu_millis: f64, webgpu: Probe) -> (Place, Reason) {
    match webgpu {
        Probe::Took(webgpu_millis) => {
            let is_quicker = webgpu_millis < ADVANTAGE * cpu_millis;
            let place = if is_quicker { Place::Webgpu } else { Place::Cpu };
            (place, Reason::Timed { cpu_millis, webgpu_millis })
        }
        Probe::Unfinished => (Place::Cpu, Reason::Unfinished { cpu_millis }),
        Probe::Software(adapter) => (Place::Cpu, Reason::Software { adapter }),
        Probe::Fault(message) => (Place::Cpu, Reason::Fault { message }),
    }
}

impl Wish {
    /// All, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Cpu, Self::Webgpu];

    /// Its word in addresses and preferences.
    pub fn key(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Webgpu => "webgpu",
        }
    }

    /// The wish with this word.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wish| wish.key() == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_advantage_moves_a_model() {
        for (cpu, webgpu, want) in [
            (100.0, 20.0, Place::Webgpu),
            (100.0, 79.0, Place::Webgpu),
            (100.0, 81.0, Place::Cpu),
            (100.0, 300.0, Place::Cpu),
            (100.0, f64::NAN, Place::Cpu),
        ] {
            let (place, reason) = choose(cpu, Probe::Took(webgpu));
            assert_eq!(place, want, "{cpu} ms and {webgpu} ms");
            assert!(matches!(reason, Reason::Timed { .. }), "{reason:?}");
        }
    }

    #[test]
    fn what_was_not_timed_stays_on_the_cpu_and_says_why() {
        let fault = choose(50.0, Probe::Fault("no adapter".into()));
        assert_eq!(fault, (Place::Cpu, Reason::Fault { message: "no adapter".into() }));
        assert_eq!(choose(50.0, Probe::Unfinished), (Place::Cpu, Reason::Unfinished { cpu_millis: 50.0 }));
        let software = choose(50.0, Probe::Software("SwiftShader".into()));
        assert_eq!(software, (Place::Cpu, Reason::Software { adapter: "SwiftShader".into() }));
    }

    #[test]
    fn a_quick_cpu_is_left_alone() {
        assert!(!is_worth_a_probe(3.0));
        assert!(is_worth_a_probe(40.0));
    }

    #[test]
    fn words_come_back() {
        for wish in Wish::ALL {
            assert_eq!(Wish::from_key(wish.key()), Some(wish));
            assert_eq!(serde_json::to_value(wish).expect("a word"), wish.key());
        }
        assert_eq!(Wish::from_key("npu"), None);
    }
}
