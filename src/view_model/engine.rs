//! How a model is computed, in words and rows: where and why, threads, memory, operations.

use super::{number, sentence::sentence};
use crate::placement::{Clock, OpTime, PROBE_TOKENS, Place, Reason, Report, Wish, speed::CpuPass};

/// The engine panel.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineView {
    /// Where, in a word or two.
    pub place: &'static str,
    /// Why there, in a sentence.
    pub why: String,
    /// What it runs on.
    pub adapter: String,
    /// Who holds how much.
    pub memory: Vec<(String, String)>,
    /// Operations of the last run, longest first.
    pub ops: Vec<OpRow>,
    /// What the times are.
    pub ops_caption: String,
    /// Whether the user wants the GPU and does not have it.
    pub is_refused: bool,
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct OpRow {
    /// Its name.
    pub op: String,
    /// How often it ran.
    pub n_calls: String,
    /// All its calls, milliseconds.
    pub millis: String,
    /// Length of its bar, percent of the longest.
    pub percent: f64,
}

/// The panel for a report.
pub fn engine_view(report: &Report) -> EngineView {
    EngineView {
        place: place(report.place),
        why: why(report.place, &report.reason),
        adapter: report.adapter.clone(),
        memory: report.memory.iter().map(|part| (part.role.clone(), number::bytes(part.bytes))).collect(),
        ops: op_rows(&report.ops),
        ops_caption: ops_caption(report),
        is_refused: report.wish == Wish::Webgpu && report.place == Place::Cpu,
    }
}

/// What a reader should know beforehand of a model whose prompts take long; nothing where they do not. `backend` is where
/// it is computed, `n_ctx` its longest prompt.
pub fn slow(backend: &str, cpu_pass: Option<CpuPass>, n_ctx: usize) -> Option<String> {
    let estimate = cpu_pass.filter(|_| backend == Wish::Cpu.key())?.slow(n_ctx)?;
    Some(format!(
        "Slow here: {}. A shorter prompt, a smaller model or a GPU (Engine, WebGPU) takes less.",
        estimate.in_words()
    ))
}

/// The name of a place.
pub fn place(place: Place) -> &'static str {
    match place {
        Place::Cpu => "CPU",
        Place::Webgpu => "WebGPU",
    }
}

/// What a choice means, for the list to choose from.
pub fn wish_in_words(wish: Wish) -> &'static str {
    match wish {
        Wish::Auto => "whichever is quicker",
        Wish::Cpu => "CPU",
        Wish::Webgpu => "WebGPU",
    }
}

fn why(place: Place, reason: &Reason) -> String {
    match reason {
        Reason::Wished => "You chose it.".to_owned(),
        Reason::NotProbed => {
            "A model begins here, because it can answer at once. WebGPU is tried when nothing else is under way."
                .to_owned()
        }
        Reason::Quick { cpu_millis } => format!(
            "A pass over {PROBE_TOKENS} tokens takes {} here: too little for a GPU to be worth its start.",
            number::short_millis(*cpu_millis)
        ),
        Reason::Timed { cpu_millis, webgpu_millis } => {
            let (cpu, webgpu) = (number::short_millis(*cpu_millis), number::short_millis(*webgpu_millis));
            let end = match place {
                Place::Webgpu => "",
                Place::Cpu => " WebGPU would have to be clearly quicker.",
            };
            format!("A pass over {PROBE_TOKENS} tokens took {cpu} on the CPU and {webgpu} on WebGPU.{end}")
        }
        Reason::Unfinished { cpu_millis } => format!(
            "A pass over {PROBE_TOKENS} tokens took {} on the CPU; WebGPU was still at it after ten seconds.",
            number::short_millis(*cpu_millis)
        ),
        Reason::Software { adapter } => {
            format!("WebGPU's adapter here, {adapter}, is software: it would compute on the CPU as well.")
        }
        Reason::Fault { message } => {
            // Whose fault it is stands in front of it already.
            let message = message.strip_prefix("webgpu: ").unwrap_or(message);
            format!("WebGPU could not be used. {}", sentence(message))
        }
    }
}

fn op_rows(ops: &[OpTime]) -> Vec<OpRow> {
    let longest = ops.iter().map(|time| time.micros).fold(0.0, f64::max);
    let mut ops: Vec<&OpTime> = ops.iter().collect();
    ops.sort_by(|a, b| b.micros.total_cmp(&a.micros).then_with(|| a.op.cmp(&b.op)));
    let row = |time: &OpTime| OpRow {
        op: time.op.clone(),
        n_calls: time.n_calls.to_string(),
        millis: millis(time.micros / 1000.0),
        percent: if 0.0 < longest { time.micros / longest * 100.0 } else { 0.0 },
    };
    ops.into_iter().map(row).collect()
}

/// Less than the clock shows is not nothing.
fn millis(value: f64) -> String {
    if value < 0.005 { "<0.01".to_owned() } else { format!("{value:.2}") }
}

fn ops_caption(report: &Report) -> String {
    let total_millis = report.ops.iter().map(|time| time.micros).sum::<f64>() / 1000.0;
    match (report.ops.is_empty(), report.clock) {
        (true, Clock::Wall) => "No run yet.".to_owned(),
        (true, Clock::Device) => "A GPU is not timed all the time: ask something, and look again.".to_owned(),
        (false, Clock::Wall) => {
            format!(
                "Together {total_millis:.1} ms, by the clock on the wall around each call; on a page that is not isolated it goes in steps of 0.1 ms."
            )
        }
        (false, Clock::Device) => format!("Together {total_millis:.1} ms, measured on the device."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::MemoryUse;

    fn report(place: Place, reason: Reason, ops: Vec<OpTime>) -> Report {
        let memory = vec![MemoryUse { role: "weights".into(), bytes: 17_000_000 }];
        Report {
            wish: Wish::Webgpu,
            place,
            reason,
            adapter: "WebAssembly SIMD".into(),
            n_threads: 1,
            memory,
            clock: Clock::Wall,
            ops,
        }
    }

    fn time(op: &str, n_calls: u32, micros: f64) -> OpTime {
        OpTime { op: op.into(), n_calls, micros }
    }

    #[test]
    fn operations_come_longest_first_with_bars_from_zero() {
        let ops = vec![time("add", 8, 500.0), time("linear", 17, 2000.0), time("edit", 1, 0.0)];
        let view = engine_view(&report(Place::Cpu, Reason::Wished, ops));
        let rows: Vec<_> =
            view.ops.iter().map(|row| (row.op.as_str(), row.millis.as_str(), row.percent)).collect();
        assert_eq!(rows, [("linear", "2.00", 100.0), ("add", "0.50", 25.0), ("edit", "<0.01", 0.0)]);
        assert!(
            view.ops_caption.starts_with("Together 2.5 ms, by the clock on the wall"),
            "{}",
            view.ops_caption
        );
        assert_eq!(view.memory, [("weights".to_owned(), "17.0 MB".to_owned())]);
    }

    #[test]
    fn a_wish_that_could_not_be_met_says_why() {
        let fault = Reason::Fault { message: "webgpu: there is no adapter for WebGPU here".into() };
        let view = engine_view(&report(Place::Cpu, fault, vec![]));
        assert!(view.is_refused);
        assert_eq!(view.why, "WebGPU could not be used. There is no adapter for WebGPU here.");
        assert_eq!(view.ops_caption, "No run yet.");
        let view = engine_view(&report(Place::Webgpu, Reason::Wished, vec![]));
        assert!(!view.is_refused);
    }

    #[test]
    fn a_slow_model_is_said_where_it_is_slow() {
        let pass = |millis| Some(CpuPass { n_tokens: 16, millis });
        let said = slow("cpu", pass(1_440.0), 1_024).expect("nine seconds");
        assert!(said.starts_with("Slow here: about 9 s for 100 tokens on this CPU."), "{said}");
        assert_eq!(slow("webgpu", pass(1_440.0), 1_024), None);
        assert_eq!(slow("cpu", pass(14.0), 1_024), None);
        assert_eq!(slow("cpu", None, 1_024), None);
    }

    #[test]
    fn times_that_decided_are_shown() {
        let timed = Reason::Timed { cpu_millis: 412.4, webgpu_millis: 9.26 };
        let why = why(Place::Webgpu, &timed);
        assert_eq!(why, "A pass over 16 tokens took 412 ms on the CPU and 9.3 ms on WebGPU.");
    }
}
