//! Where a hub's model finds room: nowhere to keep it, not enough memory for it, and half of that on a GPU.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use xtask::server::Isolation;
use xtask::server::hub::Fault;
use xtask::webdriver::Session;

use super::engine::{Engine, REPO, WEIGHTS, files, sent};
use super::{hub, size_bytes};
use crate::page::{REPETITION, SMALL, question};
use crate::story::expect_same;
use crate::world::World;

pub(crate) fn without_a_file_system_it_goes_on_and_says_so(world: &World, session: &Session) -> Result<()> {
    let hub = hub()?;
    let nowhere = "delete StorageManager.prototype.getDirectory;\n";
    let site = world.site_with("no-file-system", nowhere, Isolation::Plain)?;
    let engine = Engine::start_at(site.url(), session, &hub)?;
    let notes = engine.load()?["notes"].to_string();
    ensure!(notes.contains("keeps no files for this page") && notes.contains("fetches it again"), "{notes}");
    ensure!(engine.cached()? == json!([]), "{}", engine.cached()?);
    engine.expect_answers()?;
    // It comes from the hub again, whole.
    engine.open_tab()?;
    hub.asked();
    engine.load()?;
    ensure!(sent(&hub.asked()) == size_bytes()?, "not all of it was fetched again");
    engine.expect_answers()
}

pub(crate) fn what_cannot_fit_is_refused_before_it_is_fetched(
    world: &World,
    session: &Session,
) -> Result<()> {
    let hub = hub()?;
    let engine = Engine::start(world, session, &hub)?;
    // As a model of 3.5 billion parameters in 16 bits, which its config.json says.
    ensure!(String::from_utf8_lossy(&files()?["config.json"]).contains("float16"), "it says something else");
    hub.say_size(REPO, WEIGHTS, 7_000_000_000);
    let (message, hint) = engine.fail(&json!({}))?;
    ensure!(message.starts_with(&format!("{REPO} does not fit: it would take 14.1 GB")), "{message}");
    ensure!(message.contains("there are 4.3 GB") && message.contains("What does fit here: "), "{message}");
    ensure!(hint.contains("smaller model") && hint.contains("GPU"), "{hint}");
    let asked = hub.asked();
    ensure!(asked.iter().all(|asked| !asked.is_large), "its weights were asked for: {asked:?}");
    // Another commit, just small enough to be begun.
    let mut newer = files()?;
    newer.entry("config.json".to_owned()).or_default().push(b'\n');
    hub.put(REPO, &newer);
    hub.say_size(REPO, WEIGHTS, 2_000_000_000);
    hub.fault(Some(Fault::NoFile));
    let (message, _) = engine.fail(&json!({}))?;
    ensure!(message.contains("no such file"), "{message}");
    Ok(())
}

pub(crate) fn weights_of_16_bits_stay_so_on_a_gpu(world: &World, session: &Session) -> Result<()> {
    let native = world.ask(SMALL, &question(REPETITION))?;
    let hub = hub()?;
    let engine = Engine::start(world, session, &hub)?;
    let ask = json!({ "type": "ask", "model": "m", "question": question(REPETITION) });
    let expect_narrow = |card: &Value| -> Result<()> {
        ensure!(card["backend"] == "webgpu", "it is on {}", card["backend"]);
        let [stored, taken] = ["size_bytes", "memory_bytes"].map(|key| card[key].as_f64().unwrap_or(0.0));
        // Vectors have 32 bits in any case.
        ensure!(0.9 * stored < taken && taken < 1.1 * stored, "{taken} bytes for a file of {stored}");
        let answer = engine.last(engine.begin(&ask)?)?;
        ensure!(answer["type"] == "answered", "{answer}");
        expect_same(&answer["answer"], &native, "on the GPU")
    };
    // Straight onto it, and by way of the CPU, which keeps 32 bits.
    engine.say(&json!({ "type": "prefer", "wish": "webgpu" }))?;
    expect_narrow(&engine.load()?)?;
    engine.open_tab()?;
    let card = engine.load()?;
    ensure!(card["backend"] == "cpu", "it is on {}", card["backend"]);
    engine.say(&json!({ "type": "prefer", "wish": "webgpu" }))?;
    let moved = session.script_async("return await engine.moved('webgpu')", &[])?;
    expect_narrow(&moved)
}
