//! Who may import whom: the table of ARCHITECTURE.md as data.

/// What one part of the program may use of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The modules that the row speaks for (each with everything below it; the longest match counts).
    pub modules: &'static [&'static str],
    /// What they may use: a module with everything below it, or one item.
    pub may_use: &'static [&'static str],
    /// Packages that they never name.
    pub never_packages: &'static [&'static str],
    /// Why.
    pub reason: &'static str,
}

/// What draws or listens in a browser.
const BROWSER: &[&str] = &["leptos", "web_sys", "js_sys", "wasm_bindgen", "wgpu"];
/// What draws.
const VIEWS: &[&str] = &["leptos"];
/// What computes.
const ENGINES: &[&str] = &["wgpu", "tokenizers", "safetensors", "vitrine_kernel"];

/// The table.
pub const TABLE: &[Row] = &[
    Row {
        modules: &["tensor"],
        may_use: &[],
        never_packages: BROWSER,
        reason: "an array knows nothing of what is in it",
    },
    Row {
        modules: &["op"],
        may_use: &[],
        never_packages: BROWSER,
        reason: "choices that a config names and a backend carries out; both must be able to read it",
    },
    Row {
        modules: &["failure", "placement"],
        may_use: &[],
        never_packages: BROWSER,
        reason: "words for a user, and what a user may choose, said by any layer",
    },
    Row {
        modules: &["hook", "intervention", "metric", "prompt", "run"],
        may_use: &["tensor", "hook", "intervention", "metric", "prompt", "run"],
        never_packages: BROWSER,
        reason: "what to run is data: it must be replayable without weights, backends and pages",
    },
    Row {
        modules: &["model"],
        may_use: &[
            "tensor",
            "hook",
            "prompt",
            "op",
            "backend::Backend",
            "backend::BackendError",
            "backend::DeviceFault",
            "backend::MAX_PART_BYTES",
            "failure",
            "metric::LogitsAt",
            "run::WeightForm",
            "run::Features",
        ],
        never_packages: BROWSER,
        reason: "a forward pass reads like the paper, over any backend",
    },
    Row {
        modules: &["backend"],
        may_use: &["tensor", "op"],
        never_packages: &["leptos", "web_sys", "js_sys", "wasm_bindgen", "wgpu", "tokenizers", "safetensors"],
        reason: "a backend multiplies; hooks, models and prompts are above it",
    },
    Row {
        modules: &["backend::cpu::kernel"],
        may_use: &["tensor", "op", "backend"],
        never_packages: VIEWS,
        reason: "the one place of the CPU backend that knows a browser: it calls the kernel module there",
    },
    Row {
        modules: &["backend::webgpu"],
        may_use: &["tensor", "op", "backend"],
        never_packages: VIEWS,
        reason: "the only place that knows a GPU",
    },
    Row {
        modules: &["engine"],
        may_use: &[
            "engine::answer",
            "engine::error",
            "model",
            "backend",
            "op",
            "hook",
            "run",
            "intervention",
            "metric",
            "prompt",
            "tensor",
            "failure",
        ],
        never_packages: BROWSER,
        reason: "runs are made without knowing what question they answer",
    },
    Row {
        modules: &["engine::answer", "engine::error"],
        may_use: &[
            "engine",
            "analysis",
            "model",
            "backend",
            "hook",
            "intervention",
            "metric",
            "run",
            "prompt",
            "tensor",
            "failure",
        ],
        never_packages: BROWSER,
        reason: "the one loop that lets a question step through runs, and the error that it may end in",
    },
    Row {
        modules: &["analysis"],
        may_use: &["metric", "tensor", "hook", "run", "intervention", "prompt", "model::ModelConfig"],
        never_packages: &["leptos", "web_sys", "js_sys", "wasm_bindgen", "wgpu", "tokenizers", "safetensors"],
        reason: "an analysis is a pure function from runs to an answer",
    },
    Row {
        modules: &["hub"],
        may_use: &["failure", "model::folder", "model::checkpoint::LoadError"],
        never_packages: BROWSER,
        reason: "what to ask a hub for, and what to make of its answers, is decided without asking",
    },
    Row {
        modules: &["verify"],
        may_use: &[
            "analysis",
            "engine",
            "failure",
            "model",
            "backend",
            "op",
            "hook",
            "run",
            "intervention",
            "metric",
            "prompt",
            "tensor",
        ],
        never_packages: BROWSER,
        reason: "published numbers are run like any question, on any backend; who shows them is another matter",
    },
    Row {
        modules: &["protocol"],
        may_use: &[
            "analysis",
            "run",
            "hook",
            "intervention",
            "metric",
            "prompt",
            "tensor",
            "failure",
            "placement",
            "verify::Outcome",
            "model::ModelConfig",
            "model::SaeConfig",
        ],
        never_packages: BROWSER,
        reason: "page and worker share messages and nothing else",
    },
    Row {
        modules: &["worker", "cli", "bin::vitrine"],
        may_use: &[
            "engine",
            "analysis",
            "hub",
            "protocol",
            "model",
            "backend",
            "backend::webgpu",
            "run",
            "hook",
            "intervention",
            "metric",
            "prompt",
            "tensor",
            "failure",
            "placement",
            "verify",
            "cli",
        ],
        never_packages: VIEWS,
        reason: "these put the engine to work for somebody; they draw nothing",
    },
    Row {
        modules: &["bin::worker"],
        may_use: &["worker"],
        never_packages: VIEWS,
        reason: "it only starts the loop",
    },
    Row {
        modules: &["client"],
        may_use: &[
            "protocol",
            "analysis",
            "run",
            "hook",
            "intervention",
            "metric",
            "prompt",
            "tensor",
            "failure",
            "placement",
            "model::ModelConfig",
            "verify::Outcome",
        ],
        never_packages: ENGINES,
        reason: "the page talks to the engine in messages only",
    },
    Row {
        modules: &["view_model"],
        may_use: &[
            "analysis",
            "hook",
            "prompt",
            "tensor",
            "intervention",
            "run",
            "placement",
            "verify::Outcome",
            "verify::Verdict",
        ],
        never_packages: BROWSER,
        reason: "pictures are computed by pure functions, which tests can read",
    },
    Row {
        modules: &["ui"],
        may_use: &[
            "view_model",
            "protocol",
            "client",
            "analysis",
            "verify::Outcome",
            "verify::Verdict",
            "hook",
            "prompt",
            "run",
            "intervention",
            "failure",
            "placement",
            "tensor",
            "model::ModelConfig",
        ],
        never_packages: ENGINES,
        reason: "the page never blocks: backends and engines live in the worker",
    },
    Row {
        modules: &["bin::app"],
        may_use: &["ui"],
        never_packages: ENGINES,
        reason: "it only mounts the page",
    },
];

/// The row that speaks for a module, such as `backend::webgpu::limits`.
pub fn row_of(module: &str) -> Option<&'static Row> {
    let length = |row: &Row| row.modules.iter().filter(|of| is_below(module, of)).map(|of| of.len()).max();
    TABLE.iter().filter(|row| length(row).is_some()).max_by_key(|row| length(row))
}

/// Whether `path` is `ancestor` or lies below it.
pub fn is_below(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}
