//! The site in a real Chromium, as a visitor meets it. README.md beside this file is the contract with the page.
//!
//! `cargo xtask e2e [WORD..]` runs them; each test has a fresh browser profile. The site lies under a sub-path.

use anyhow::{Context as _, Result};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use xtask::webdriver::Session;
use xtask::webdriver::chrome::Window;

mod embedding;
mod engine;
mod files;
mod generation;
mod hub;
mod kernels;
mod keyboard;
mod looks;
mod page;
mod picker;
mod reopen;
mod self_check;
mod shards;
mod smoothness;
mod speed;
mod story;
mod threads;
mod views;
mod world;

use world::World;

/// A test: its name says what must hold.
type Test = (&'static str, fn(&World, &Session) -> Result<()>);

/// All of them, the most telling first.
const TESTS: &[Test] = &[
    ("opens_without_errors_and_becomes_ready", story::opens_without_errors_and_becomes_ready),
    ("finds_the_induction_head_that_the_command_line_finds", story::the_small_model_finds_the_induction_head),
    ("the_default_model_finds_it_too", story::the_default_model_finds_the_induction_head),
    ("the_client_answers_as_the_command_line_does", story::the_client_answers_as_the_command_line),
    ("stored_results_are_what_the_live_model_says", story::stored_results_are_live_results),
    ("a_question_that_is_none_is_refused_in_words", story::a_wrong_question_is_refused),
    ("a_prompt_of_256_tokens_is_shown", story::a_long_prompt_is_shown),
    ("an_over_long_prompt_is_explained", story::an_over_long_prompt_is_explained),
    ("generation_streams", generation::generation_streams),
    ("generation_stops_when_told", generation::generation_stops),
    ("the_head_grid_works_by_keyboard", keyboard::the_head_grid_works_by_keyboard),
    ("tabs_work_by_keyboard", views::tabs_work_by_keyboard),
    ("only_the_open_view_asks", views::only_the_open_view_asks),
    ("a_link_restores_a_view", views::a_link_restores_a_view),
    ("cells_work_by_keyboard", views::cells_work_by_keyboard),
    ("the_lens_shows_what_the_model_would_say", views::the_lens_shows_what_the_model_would_say),
    ("the_parts_of_a_logit_sum", views::the_parts_sum),
    ("a_component_is_tested", views::a_component_is_tested),
    ("the_stream_has_writers", views::the_stream_has_writers),
    ("a_loss_is_compared", views::a_loss_is_compared),
    ("a_view_stands_beside_another", views::a_view_stands_beside_another),
    ("findings_lead_to_their_views", views::findings_lead_to_their_views),
    ("the_finder_shows_every_head", views::the_finder_shows_every_head),
    ("a_head_is_taken_apart", views::a_head_is_taken_apart),
    ("a_head_is_offered", views::a_head_is_offered),
    ("the_induction_lab_shows_what_the_second_copy_costs", views::the_lab_shows_what_the_second_copy_costs),
    ("the_induction_lab_works_by_keyboard_and_from_a_link", views::the_lab_works_by_keyboard_and_from_a_link),
    ("the_training_of_induction_is_scrubbed", views::the_training_is_scrubbed),
    ("views_fit_a_phone", views::views_fit_a_phone),
    ("cells_are_legible", views::cells_are_legible),
    ("every_control_has_a_name", looks::every_control_has_a_name),
    ("a_phone_does_not_scroll_sideways", looks::a_phone_does_not_scroll_sideways),
    ("dark_mode_is_dark_and_legible", looks::dark_mode_is_dark_and_legible),
    ("a_truncated_file_is_explained_and_the_model_stays", files::a_truncated_file_is_explained),
    ("dropped_files_are_opened", files::dropped_files_are_opened),
    ("files_are_opened_without_a_network", files::files_are_opened_without_a_network),
    ("other_formats_get_a_sentence", files::other_formats_get_a_sentence),
    ("a_missing_config_is_guessed_and_corrected", files::a_missing_config_is_guessed_and_corrected),
    ("files_from_disk_are_opened_again", reopen::files_are_opened_again),
    ("what_cannot_be_opened_again_is_said", reopen::what_cannot_be_opened_again_is_said),
    ("without_handles_files_are_chosen", reopen::without_handles_files_are_chosen),
    ("shards_are_read_from_a_folder_and_dropped", shards::shards_are_read_from_a_folder_and_dropped),
    ("bad_shards_are_named", shards::bad_shards_are_named),
    ("a_model_from_a_hub_is_loaded_and_kept", hub::a_model_is_loaded_and_kept),
    (
        "a_commit_from_a_hub_is_asked_for_once",
        hub::a_commit_needs_no_question_and_another_one_fetches_what_is_new,
    ),
    ("a_token_goes_to_the_hub_only", hub::a_token_goes_to_the_hub_only),
    ("what_a_hub_refuses_is_explained", hub::what_a_hub_refuses_is_explained),
    ("a_bad_connection_to_a_hub_only_takes_longer", hub::a_bad_connection_only_takes_longer),
    ("a_download_from_a_hub_waits_and_goes_on", hub::a_download_waits_and_goes_on_in_another_tab),
    ("a_damaged_file_of_a_hub_is_fetched_anew", hub::a_damaged_file_on_disk_is_fetched_anew),
    ("a_hub_without_room_goes_on", hub::without_room_it_goes_on_and_says_so),
    ("a_hub_in_another_tab_goes_on", hub::without_a_place_it_goes_on_and_says_so),
    ("a_hub_without_a_file_system_goes_on", hub::room::without_a_file_system_it_goes_on_and_says_so),
    (
        "what_cannot_fit_is_refused_before_it_is_fetched",
        hub::room::what_cannot_fit_is_refused_before_it_is_fetched,
    ),
    ("weights_of_16_bits_stay_so_on_a_gpu", hub::room::weights_of_16_bits_stay_so_on_a_gpu),
    ("shards_come_from_a_hub", hub::shards_come_from_a_hub),
    ("a_model_of_500_mb_is_loaded", hub::large::a_model_of_500_mb_is_loaded),
    ("models_that_are_replaced_are_freed", hub::large::models_that_are_replaced_are_freed),
    ("replaced_models_of_threads_are_freed", hub::large::so_are_those_that_threads_compute),
    ("a_model_is_chosen_and_kept", picker::a_model_is_chosen_and_kept),
    ("a_download_is_paused_and_cancelled", picker::a_download_is_paused_and_cancelled),
    ("a_link_fetches_nothing_unasked", picker::a_link_fetches_nothing_unasked),
    ("a_gated_model_is_explained", picker::a_gated_model_is_explained),
    ("a_planted_number_shows_red", self_check::a_planted_number_shows_red),
    ("numbers_of_another_model_are_refused", self_check::numbers_of_another_model_are_refused),
    ("the_engine_panel_says_where_the_time_went", engine::the_panel_says_where_the_time_went),
    ("the_gpu_answers_as_the_cpu_and_its_loss_is_survived", engine::a_lost_gpu_is_survived),
    ("a_model_from_disk_survives_the_loss_of_the_gpu", engine::a_model_from_disk_survives_too),
    ("what_was_measured_of_a_gpu_is_remembered", engine::measurements_are_remembered),
    ("a_slow_cpu_is_said", speed::a_slow_cpu_is_said),
    ("a_quick_cpu_is_not_called_slow", speed::a_quick_cpu_is_not),
    ("a_missing_adapter_is_said", engine::a_missing_adapter_is_said),
    ("a_button_brings_threads_and_keeps_the_prompt", threads::a_button_isolates_the_page),
    ("the_next_visit_is_isolated_by_itself", threads::the_next_visit_is_isolated),
    ("a_host_that_isolates_is_left_alone", threads::a_host_that_isolates_is_left_alone),
    ("an_embed_is_left_alone", threads::an_embed_is_left_alone),
    ("no_long_task_while_the_engine_runs", smoothness::no_long_task_while_the_engine_runs),
    ("the_policy_holds", embedding::the_policy_holds),
    ("works_in_an_iframe_of_another_origin", embedding::works_in_an_iframe),
    ("every_build_of_the_kernels_multiplies_alike", kernels::every_build_multiplies_alike),
    ("threads_change_no_answer", kernels::threads_change_no_answer),
    ("helpers_that_do_not_start_are_done_without", kernels::helpers_that_do_not_start_are_done_without),
    ("a_helper_that_dies_at_work_costs_no_answer", kernels::a_helper_that_dies_at_work_costs_no_answer),
];

fn main() -> ExitCode {
    let (flags, words): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let window = if flags.iter().any(|flag| flag == "--show") { Window::Shown } else { Window::Headless };
    match run(&words, window) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what was chosen and returns how many failed.
fn run(words: &[String], window: Window) -> Result<usize> {
    let chosen: Vec<&Test> = TESTS
        .iter()
        .filter(|(name, _)| words.is_empty() || words.iter().any(|word| name.contains(word)))
        .collect();
    anyhow::ensure!(!chosen.is_empty(), "no test has a name with one of {words:?}");
    let world = World::start(window)?;
    println!("  {} tests at {}", chosen.len(), world.url());
    let mut failed = Vec::new();
    for (name, test) in &chosen {
        let started_at = Instant::now();
        let session = world.open().with_context(|| format!("no browser window for {name}"))?;
        match test(&world, &session) {
            Ok(()) => println!("  ok      {name} ({:.1} s)", started_at.elapsed().as_secs_f32()),
            Err(error) => {
                println!("  FAILED  {name} ({:.1} s): {error:#}", started_at.elapsed().as_secs_f32());
                match evidence(name, &session) {
                    Ok(path) => println!("          see {}", path.display()),
                    Err(error) => println!("          no picture: {error:#}"),
                }
                failed.push(*name);
            }
        }
    }
    println!("  {} of {} end-to-end tests passed", chosen.len() - failed.len(), chosen.len());
    if !failed.is_empty() {
        println!("  failed: {}", failed.join(", "));
    }
    Ok(failed.len())
}

/// Leaves a picture of the page and its console beside it.
fn evidence(name: &str, session: &Session) -> Result<PathBuf> {
    let dir = xtask::paths::target().join("e2e");
    fs::create_dir_all(&dir)?;
    let console: Vec<String> =
        session.console()?.into_iter().map(|line| format!("{} {}\n", line.level, line.message)).collect();
    fs::write(dir.join(format!("{name}.console.txt")), console.concat())?;
    let path = dir.join(format!("{name}.png"));
    fs::write(&path, world::from_base64(&session.screenshot_base64()?))?;
    Ok(path)
}
