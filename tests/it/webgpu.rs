//! The WebGPU backend: every operation against the f64 oracle, every law, every golden value.
//!
//! Without an adapter these tests fail where nobody could install one (`CI=true`), and say loudly elsewhere
//! that they were skipped.

use std::io::{self, Write as _};

use vitrine::{
    backend::webgpu::{Options, Scheme, WebGpu},
    engine::Engine,
    run::WeightForm,
};

use crate::{
    golden::{self, gradients::Ask},
    laws, readings, support, sweeps,
};

mod cut;
mod fused;
mod limits;
mod ops;
mod plans;
mod rows;
mod sequences;

/// A device, or a reason to skip.
pub(crate) fn device(options: Options) -> Option<WebGpu> {
    match pollster::block_on(WebGpu::open_with(options)) {
        Ok(device) => Some(device),
        Err(error) => {
            let hint = "install a driver, such as `apt-get install mesa-vulkan-drivers`";
            let is_ci = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
            assert!(!is_ci, "{error}: {hint}");
            // Not `eprintln!`, which a test that passes does not show.
            let said = writeln!(io::stderr(), "SKIPPED, nothing is tested: {error}: {hint}");
            said.expect("standard error is open");
            None
        }
    }
}

/// The ways to share out work.
const SCHEMES: [Scheme; 2] = [Scheme::Serial, Scheme::Parallel];

/// A check in both of them, with and without subgroups.
fn both(check: impl Fn(&WebGpu)) {
    for (scheme, without_subgroups) in
        [(Scheme::Serial, true), (Scheme::Parallel, true), (Scheme::Parallel, false)]
    {
        if let Some(device) =
            device(Options { scheme: Some(scheme), without_subgroups, ..Options::default() })
        {
            println!("{scheme:?}, {} subgroups", if without_subgroups { "without" } else { "with" });
            check(&device);
        }
    }
}

/// A check of whole models, on one device.
macro_rules! on_the_device {
    ($($name:ident: $check:expr;)*) => {
        $(
            #[test]
            fn $name() {
                if let Some(device) = device(Options::default()) {
                    $check(device);
                }
            }
        )*
    };
}

fn golden_on(device: &WebGpu) -> impl Fn(&str) -> Engine<WebGpu> {
    |model| golden::engine_on(device.clone(), model)
}

on_the_device! {
    every_hook_point_is_transformer_lens_raw:
        |device: WebGpu| golden::hooks::check_all(golden_on(&device), WeightForm::Raw);
    every_hook_point_is_transformer_lens_processed:
        |device: WebGpu| golden::hooks::check_all(golden_on(&device), WeightForm::Processed);
    every_intervention_does_what_it_does_in_transformer_lens:
        |device: WebGpu| golden::edits::check_all(golden_on(&device));
    asking_for_optional_hook_points_changes_no_intervention:
        |device: WebGpu| golden::edits::check_all_with_optional_hook_points(golden_on(&device));
    greedy_text_is_transformers:
        |device: WebGpu| golden::greedy::check_all(golden_on(&device));
    patching_is_transformer_lens:
        |device: WebGpu| golden::patching::check_all(&golden_on(&device)(golden::patching::MODEL));
    readings_are_transformer_lens:
        |device: WebGpu| golden::readings::check_all(golden_on(&device));
    heads_are_transformer_lens:
        |device: WebGpu| golden::heads::check_all(golden_on(&device));
    features_are_saelens:
        |device: WebGpu| golden::saes::check_all(golden_on(&device));
    gradients_are_autograds:
        |device: WebGpu| golden::gradients::check_all(golden_on(&device), Ask::All);
    gradients_are_autograds_one_by_one:
        |device: WebGpu| golden::gradients::check_all(golden_on(&device), Ask::OneByOne);
    a_sweep_is_the_loop_over_its_variants:
        |device: WebGpu| sweeps::a_sweep_is_the_loop_over_its_variants(
            |model: &str| support::engine_on(device.clone(), model));
}

/// What a GPU would run, wherever the tests run.
#[test]
fn whole_models_are_the_same_in_parallel() {
    let parallel = Options { scheme: Some(Scheme::Parallel), ..Options::default() };
    let Some(device) = device(parallel) else { return };
    golden::hooks::check_all(golden_on(&device), WeightForm::Raw);
    golden::hooks::check_all(golden_on(&device), WeightForm::Processed);
    golden::edits::check_all(golden_on(&device));
    golden::greedy::check_all(golden_on(&device));
    golden::gradients::check_all(golden_on(&device), Ask::All);
    golden::gradients::check_all(golden_on(&device), Ask::OneByOne);
    laws::capture_changes_nothing(|model: &str| support::engine_on(device.clone(), model));
    laws::f32_agrees_with_the_f64_oracle(|model: &str| support::engine_on(device.clone(), model));
}

/// Each law, on one device.
macro_rules! laws_on_the_device {
    ($($law:ident),* $(,)?) => {
        on_the_device! {
            $($law: |device: WebGpu| laws::$law(|model: &str| support::engine_on(device.clone(), model));)*
        }
    };
}

laws::with_all_laws!(laws_on_the_device);

/// Each law of readings, on one device.
macro_rules! readings_on_the_device {
    ($($law:ident),* $(,)?) => {
        on_the_device! {
            $($law: |device: WebGpu| readings::$law(|model: &str| support::engine_on(device.clone(), model));)*
        }
    };
}

readings::with_all_readings!(readings_on_the_device);
