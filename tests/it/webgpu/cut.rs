//! Long work in short submissions: the same bits, and it can be given up on the way.

use vitrine::{
    backend::webgpu::{Options, Rates, Scheme, WebGpu},
    engine::{Cancelled, Pace, RunError},
    hook::HookSet,
    run::{RunResult, RunSpec},
};

use super::{SCHEMES, device};
use crate::support::{ATTN_ONLY, GPT2, always, engine_on, run, spec};

const TOKENS: [u32; 11] = [11, 4, 60, 23, 4, 57, 0, 68, 31, 62, 5];
/// So slow that everything is cut to single workgroups.
const SLOW: Rates = Rates { flops_per_second: 1e3, bytes_per_second: 1e3, seconds_per_dispatch: 1e-3 };

fn slow(scheme: Scheme) -> Option<WebGpu> {
    device(Options { scheme: Some(scheme), rates: Some(SLOW), ..Options::default() })
}

fn all(device: &WebGpu, model: &str) -> RunResult {
    let engine = engine_on(device.clone(), model);
    run(&engine, &RunSpec { capture: HookSet::of(always(&engine)), ..spec(&TOKENS) })
}

#[test]
fn a_run_in_many_submissions_is_the_same_bit_by_bit() {
    for scheme in SCHEMES {
        let Some(cut) = slow(scheme) else { return };
        let whole = device(Options { scheme: Some(scheme), ..Options::default() }).expect("the same adapter");
        for model in [GPT2, ATTN_ONLY] {
            let (got, want) = (all(&cut, model), all(&whole, model));
            let (many, one) = (cut.last_submission(), whole.last_submission());
            assert_eq!(one.n_submissions, 1);
            assert!(10 < many.n_submissions && one.n_dispatches < many.n_dispatches, "{many:?}");
            assert!(got == want, "{scheme:?} {model}");
        }
    }
}

/// Cancels after so many breaths.
struct Patience(usize);

impl Pace for Patience {
    async fn breathe(&mut self) -> Result<(), Cancelled> {
        self.0 = self.0.checked_sub(1).ok_or(Cancelled)?;
        Ok(())
    }
}

#[test]
fn long_work_is_given_up_between_submissions() {
    let Some(device) = slow(Scheme::Serial) else { return };
    let engine = engine_on(device.clone(), GPT2);
    let want = run(&engine, &spec(&TOKENS));
    // Breaths between blocks come first; the others are between submissions.
    let n_layers = engine.config().n_layers;
    for n_more in [1, 5] {
        let mut patience = Patience(n_layers + n_more);
        let given_up = pollster::block_on(engine.run(&spec(&TOKENS), &mut patience));
        assert_eq!(given_up.err(), Some(RunError::Cancelled));
        assert_eq!(run(&engine, &spec(&TOKENS)), want, "after {n_more} submissions");
        assert!(device.last_submission().is_replay, "its plan came back");
    }
}
