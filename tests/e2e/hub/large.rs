//! Models of real sizes: what they take of memory while they are loaded, and that they give it back.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use xtask::server::Isolation;
use xtask::server::hub::Hub;
use xtask::webdriver::Session;

use super::engine::{Engine, REPO, WEIGHTS, sent};
use super::memory::{self, COLLECTS, Use};
use super::random::Shape;
use crate::page::SMALL;
use crate::story::expect_same;
use crate::world::World;

/// As `openai-community/gpt2`: 498 MB.
const GPT2_SMALL: Shape = Shape { n_layers: 12, d_model: 768, n_heads: 12, d_vocab: 50257 };
/// 25 MB.
const MIDDLING: Shape = Shape { n_layers: 5, d_model: 256, n_heads: 4, d_vocab: 8192 };
/// What loading may take beside the weights.
const EXTRA_BYTES: u64 = 64 << 20;
const N_RELOADS: usize = 20;
/// By then every buffer has the size that it needs.
const N_FIRST: usize = 3;
/// Chromium ends a thread that sleeps only after two seconds, and its memory with it.
const LINGER: Duration = Duration::from_secs(3);

pub(crate) fn a_model_of_500_mb_is_loaded(world: &World, session: &Session) -> Result<()> {
    let (folder, files) = (world.scratch("gpt2-small")?, GPT2_SMALL.files());
    for (name, bytes) in &files {
        let path = folder.join(name);
        fs::write(&path, bytes).with_context(|| format!("no room for {}", path.display()))?;
    }
    let weights_bytes = files[WEIGHTS].len() as u64;
    let question = json!({
        "kind": "attention", "prompt": { "tokens": [464, 3290, 318, 257, 3290, 318, 257, 50256] },
        "patterns": "none",
    });
    let native = world.ask_in(&folder, &question);
    fs::remove_dir_all(&folder)?;
    let native = native?;
    let hub = Hub::start()?;
    hub.put(REPO, &files);
    drop(files);

    let site = memory::site(world, "large-site", Isolation::Plain)?;
    let engine = Engine::start_at(site.url(), session, &hub)?;
    let source = json!({ "from": "url", "base": format!("{}models/{SMALL}/", site.url()) });
    let small = engine.begin(&json!({ "type": "load", "model": "site", "source": source }))?;
    ensure!(engine.last(small)?["type"] == "loaded", "the site's model does not load");
    let before = memory::measured(&engine, session, "site", false)?;
    let started_at = Instant::now();
    let card = engine.load()?;
    let load_secs = started_at.elapsed().as_secs_f32();
    let after = memory::measured(&engine, session, "m", false)?;
    ensure!(card["notes"] == json!([]), "{}", card["notes"]);
    ensure!(card["size_bytes"] == json!(weights_bytes), "{}", card["size_bytes"]);
    let asked = hub.asked();
    let n_requests = asked.iter().filter(|asked| asked.is_large && asked.range.is_some()).count();
    ensure!(10 < n_requests, "{n_requests} requests for ranges: {asked:?}");
    let large_bytes = asked.iter().filter(|asked| asked.is_large).map(|asked| asked.n_bytes).sum::<u64>();
    ensure!(large_bytes == weights_bytes, "{large_bytes} bytes of {weights_bytes} came");

    // Neither memory ever shrinks: what they have afterwards is the most that they had.
    let engine_bytes = after.engine - before.engine;
    let extra_bytes = (after.of_wasm() - before.of_wasm()).saturating_sub(weights_bytes);
    println!("          loaded in {load_secs:.1} s, {n_requests} ranges");
    println!("          before: {}; after: {}", words(before), words(after));
    println!(
        "          extra: {} MB in the engine, {} MB with the kernels",
        mb(engine_bytes),
        mb(extra_bytes)
    );
    ensure!(engine_bytes <= EXTRA_BYTES, "the engine's memory grew by {} MB", mb(engine_bytes));
    ensure!(extra_bytes <= EXTRA_BYTES, "loading took {} MB above the weights", mb(extra_bytes));

    expect_answer(&engine, &question, &native)?;
    engine.open_tab()?;
    hub.asked();
    let started_at = Instant::now();
    let card = engine.load()?;
    println!("          loaded again in {:.1} s, from what is kept", started_at.elapsed().as_secs_f32());
    ensure!(card["notes"] == json!([]), "{}", card["notes"]);
    let asked = hub.asked();
    ensure!(sent(&asked) == 0, "asked for again: {asked:?}");
    expect_answer(&engine, &question, &native)
}

/// The model answers as the command line does, in numbers.
fn expect_answer(engine: &Engine<'_>, question: &Value, native: &Value) -> Result<()> {
    let run = engine.begin(&json!({ "type": "ask", "model": "m", "question": question }))?;
    let reply = engine.last(run)?;
    let answer = &reply["answer"];
    let loss = answer["loss_nats"].as_f64().with_context(|| format!("no loss: {reply}"))?;
    ensure!(loss.is_finite() && 5.0 < loss, "a random model is at a loss of {loss} nats");
    expect_same(answer, native, "answer")?;
    let mut planted = native.clone();
    planted["loss_nats"] = json!(loss + 1e-3);
    ensure!(expect_same(answer, &planted, "answer").is_err(), "a planted error is not seen");
    Ok(())
}

pub(crate) fn models_that_are_replaced_are_freed(world: &World, _session: &Session) -> Result<()> {
    reloads(world, Isolation::Plain)
}

pub(crate) fn so_are_those_that_threads_compute(world: &World, _session: &Session) -> Result<()> {
    reloads(world, Isolation::CrossOriginIsolated)
}

fn reloads(world: &World, isolation: Isolation) -> Result<()> {
    let session = &world.open_with(COLLECTS)?;
    let files = MIDDLING.files();
    let model_bytes = files[WEIGHTS].len() as u64;
    let hub = Hub::start()?;
    hub.put(REPO, &files);
    let site = memory::site(world, "reloads-site", isolation)?;
    let engine = Engine::start_at(site.url(), session, &hub)?;
    let load = |model: &str| -> Result<()> {
        let source = json!({ "from": "hub", "base": hub.base(), "repo": REPO });
        let reply =
            engine.last(engine.begin(&json!({ "type": "load", "model": model, "source": source }))?)?;
        ensure!(reply["type"] == "loaded" && reply["card"]["notes"] == json!([]), "{reply}");
        let question =
            json!({ "kind": "attention", "prompt": { "tokens": [1, 2, 3, 1, 2] }, "patterns": "none" });
        let answer =
            engine.last(engine.begin(&json!({ "type": "ask", "model": model, "question": question }))?)?;
        ensure!(answer["type"] == "answered", "{answer}");
        Ok(())
    };
    // Without what nobody uses any more.
    let settled = |model: &str| {
        if isolation == Isolation::CrossOriginIsolated {
            sleep(LINGER);
        }
        memory::measured(&engine, session, model, true)
    };
    let expect_no_growth = |how: &str, first: Option<Use>, last: Use| -> Result<()> {
        let first = first.context("it was measured")?;
        println!("          {how}: after {N_FIRST} {}; after {N_RELOADS} {}", words(first), words(last));
        ensure!(last.of_wasm() <= first.of_wasm() + model_bytes, "{how}: from {first:?} to {last:?}");
        // A browser's own buffers come and go: twenty models would be far more.
        if let (Some([first, _]), Some([last, _])) = (first.process, last.process) {
            ensure!(
                last <= first + 2 * model_bytes,
                "{how}: the tab went from {} to {} MB",
                mb(first),
                mb(last)
            );
        }
        // Whatever is kept beside them, one model alone is there.
        ensure!(last.kernels < 2 * model_bytes, "{how}: kernels keep {} MB", mb(last.kernels));
        Ok(())
    };

    let (mut first, mut most_bytes) = (None, 0);
    for nth in 1..=N_RELOADS {
        load("m")?;
        most_bytes = most_bytes.max(memory::measured(&engine, session, "m", false)?.kernels);
        if nth == N_FIRST {
            first = Some(settled("m")?);
        }
    }
    expect_no_growth("one name", first, settled("m")?)?;
    println!("          the kernels never had more than {} MB at once", mb(most_bytes));

    // As the page does it: the one before goes once the other is there.
    let (mut before, mut first) = ("m", None);
    for nth in 1..=N_RELOADS {
        let model = ["a", "b"][nth % 2];
        load(model)?;
        engine.say(&json!({ "type": "unload", "model": before }))?;
        before = model;
        if nth == N_FIRST {
            first = Some(settled(model)?);
        }
    }
    expect_no_growth("two names", first, settled(before)?)?;

    // A planted leak: two that nobody unloads.
    load("c")?;
    load("d")?;
    let leaking = settled("d")?;
    ensure!(expect_no_growth("a planted leak", first, leaking).is_err(), "a planted leak is not seen");
    Ok(())
}

fn mb(bytes: u64) -> u64 {
    bytes / 1_000_000
}

fn words(taken: Use) -> String {
    let process = taken.process.map_or_else(String::new, |[now, most]| {
        format!(", {} MB of the tab's process (at most {})", mb(now), mb(most))
    });
    format!("{} MB of the engine, {} MB of kernels{process}", mb(taken.engine), mb(taken.kernels))
}
