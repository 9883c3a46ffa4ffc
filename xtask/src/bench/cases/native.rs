//! What is measured natively beside PyTorch, with the figures for a GPU.
//!
//! The cases of the browser under the same names, on the processor; then those that show a GPU.
//! On the processor nothing is aimed at: PyTorch has wider vectors there than a browser gives anybody.

use super::{BASE, Case, Figure, Provider, Rival, Work, figure};

const CPU: Case = Case { provider: Provider::Cpu, figure: None, ..BASE };
const GPU: Case = Case { provider: Provider::Gpu, figure: None, n_samples: 21, ..BASE };
const TWO_THREADS: Case = Case { n_threads: 2, figure: figure(1.7, 1.9), ..CPU };
const AT_LEAST_1_2: Option<Figure> = Some(Figure { at_least: 1.2, stretch: None });

/// The table. A figure is changed here and nowhere else.
pub const CASES: &[Case] = &[
    Case { name: "forward-16", work: Work::Forward { n_tokens: 16 }, ..CPU },
    Case { name: "forward-64", work: Work::Forward { n_tokens: 64 }, ..CPU },
    Case { name: "forward-256", work: Work::Forward { n_tokens: 256 }, n_samples: 5, ..CPU },
    Case { name: "prefill-256", work: Work::Prefill { n_tokens: 256 }, n_samples: 5, ..CPU },
    Case { name: "decode-64", work: Work::Decode { n_context: 64 }, ..CPU },
    Case { name: "decode-1000", work: Work::Decode { n_context: 1000 }, ..CPU },
    Case { name: "sae-64", work: Work::Sae, ..CPU },
    Case { name: "sweep-12x15", work: Work::Sweep, n_samples: 3, ..CPU },
    Case {
        name: "attribution-15",
        work: Work::Attribution,
        rival: Rival::OwnForward,
        figure: figure(3.5, 3.0),
        ..CPU
    },
    Case {
        name: "forward-64-threads-2",
        work: Work::Forward { n_tokens: 64 },
        rival: Rival::Own("forward-64"),
        ..TWO_THREADS
    },
    Case { name: "sae-64-threads-2", work: Work::Sae, rival: Rival::Own("sae-64"), ..TWO_THREADS },
    Case {
        name: "sweep-12x15-threads-2",
        work: Work::Sweep,
        n_samples: 3,
        rival: Rival::Own("sweep-12x15"),
        ..TWO_THREADS
    },
    Case { name: "prefill-16-gpu", work: Work::Prefill { n_tokens: 16 }, ..GPU },
    Case { name: "prefill-64-gpu", work: Work::Prefill { n_tokens: 64 }, ..GPU },
    Case {
        name: "prefill-256-gpu",
        work: Work::Prefill { n_tokens: 256 },
        figure: Some(Figure { at_least: 0.4, stretch: None }),
        ..GPU
    },
    Case { name: "decode-64-gpu", work: Work::Decode { n_context: 64 }, figure: AT_LEAST_1_2, ..GPU },
    Case { name: "decode-1000-gpu", work: Work::Decode { n_context: 1000 }, figure: AT_LEAST_1_2, ..GPU },
    Case { name: "forward-64-gpu", work: Work::Forward { n_tokens: 64 }, ..GPU },
    Case { name: "forward-256-gpu", work: Work::Forward { n_tokens: 256 }, ..GPU },
    Case { name: "sae-64-gpu", work: Work::Sae, ..GPU },
    Case { name: "sweep-12x15-gpu", work: Work::Sweep, n_samples: 5, ..GPU },
    Case {
        name: "attribution-15-gpu",
        work: Work::Attribution,
        rival: Rival::OwnForward,
        figure: figure(3.5, 3.0),
        ..GPU
    },
];
