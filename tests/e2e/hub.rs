//! Models from a hub: what its server does, what is kept, and what is asked for.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::Duration;

use xtask::server::hub::{Fault, Hub};
use xtask::webdriver::Session;

use crate::page::DEFAULT;
use crate::shards;
use crate::world::World;

mod engine;
pub(crate) mod large;
mod memory;
mod random;
pub(crate) mod room;

pub(crate) use engine::REPO;

use engine::{Engine, WEIGHTS, files, files_of, sent, starts};

/// Bytes of the weights after which something happens to them.
const MIDDLE: u64 = 1_000_000;

/// A hub with one repository.
pub(crate) fn hub() -> Result<Hub> {
    let hub = Hub::start()?;
    hub.put(REPO, &files()?);
    Ok(hub)
}

/// Bytes of the files that a model needs.
fn size_bytes() -> Result<u64> {
    Ok(files()?.iter().filter(|(name, _)| *name != "README.md").map(|(_, bytes)| bytes.len() as u64).sum())
}

pub(crate) fn a_model_is_loaded_and_kept(world: &World, session: &Session) -> Result<()> {
    let (hub, total_bytes) = (hub()?, size_bytes()?);
    let engine = Engine::start(world, session, &hub)?;
    ensure!(engine.cached()? == json!([]) && hub.asked().is_empty(), "something is loaded unasked");
    let run = engine.begin_load(&json!({}))?;
    let card = engine.last(run)?["card"].clone();
    ensure!(card["notes"] == json!([]), "{}", card["notes"]);
    let origin = card["origin"].as_str().unwrap_or_default();
    ensure!(origin.starts_with(&format!("{}/{REPO}/tree/", hub.base())), "it is from {origin}");
    let progress = engine.progress(run)?;
    ensure!(progress["done_bytes"] == json!(total_bytes), "{progress}");
    ensure!(progress["total_bytes"] == json!(total_bytes), "{progress}");
    engine.expect_answers()?;
    let asked = hub.asked();
    ensure!(sent(&asked) == total_bytes, "{asked:?}");
    ensure!(asked.iter().all(|asked| asked.authorization.is_none()), "{asked:?}");
    ensure!(asked.iter().any(|asked| asked.is_large), "nothing came by way of another origin: {asked:?}");

    engine.open_tab()?;
    engine.load()?;
    let urls: Vec<String> = hub.asked().into_iter().map(|asked| asked.url).collect();
    ensure!(urls == [format!("/api/models/{REPO}/revision/main")], "asked for again: {urls:?}");
    engine.expect_answers()?;

    // The same without a network: what it was last.
    hub.fault(Some(Fault::Off));
    engine.open_tab()?;
    engine.load()?;
    engine.expect_answers()?;

    let kept = engine.cached()?;
    let of = |key: &str| kept[0]["revisions"][0][key].clone();
    ensure!(kept[0]["name"] == json!({ "base": hub.base(), "repo": REPO }), "{kept}");
    ensure!(of("revision") == "main" && of("done_bytes") == json!(total_bytes), "{kept}");
    ensure!(of("total_bytes") == json!(total_bytes), "{kept}");
    ensure!(total_bytes <= kept[0]["size_bytes"].as_u64().unwrap_or(0), "{kept}");
    let delete = json!({ "type": "cached", "delete": { "base": hub.base(), "repo": REPO } });
    let left = engine.last(engine.begin(&delete)?)?;
    ensure!(left["models"] == json!([]), "{left}");
    engine.expect_answers().context("after what was kept of it was deleted")?;
    let (message, hint) = engine.fail(&json!({}))?;
    ensure!(message.contains("did not work") && hint.contains("connection"), "{message} ({hint})");
    engine.expect_answers().context("after a load that failed")
}

pub(crate) fn a_commit_needs_no_question_and_another_one_fetches_what_is_new(
    world: &World,
    session: &Session,
) -> Result<()> {
    let hub = hub()?;
    let engine = Engine::start(world, session, &hub)?;
    let origin = engine.load()?["origin"].as_str().unwrap_or_default().to_owned();
    let commit = origin.rsplit('/').next().unwrap_or_default();
    hub.asked();
    let run = engine.begin_load(&json!({ "revision": commit }))?;
    ensure!(engine.last(run)?["type"] == "loaded", "a commit that is here does not load");
    ensure!(hub.asked().is_empty(), "a commit that is here was asked for");
    let mut newer = files()?;
    newer.get_mut("config.json").context("no config.json")?.push(b'\n');
    hub.put(REPO, &newer);
    engine.load()?;
    let asked = hub.asked();
    ensure!(sent(&asked) == newer["config.json"].len() as u64, "{asked:?}");
    engine.expect_answers()
}

pub(crate) fn a_token_goes_to_the_hub_only(world: &World, session: &Session) -> Result<()> {
    let hub = hub()?;
    let engine = Engine::start(world, session, &hub)?;
    hub.fault(Some(Fault::Gated));
    let (message, hint) = engine.fail(&json!({}))?;
    ensure!(message.contains("accepted the conditions") && hint.contains("token"), "{message} ({hint})");
    hub.asked();
    let reply = engine.last(engine.begin_load(&json!({ "token": "hf_secret" }))?)?;
    ensure!(reply["type"] == "loaded", "{reply}");
    ensure!(!reply.to_string().contains("hf_secret"), "the card has the token");
    let asked = hub.asked();
    for asked in &asked {
        let wanted = (!asked.is_large).then(|| "Bearer hf_secret".to_owned());
        ensure!(asked.authorization == wanted, "{asked:?}");
    }
    ensure!(asked.iter().any(|asked| asked.is_large), "{asked:?}");
    let kept = session.script_async(
        "const texts = [];
         const look = async (folder) => {
             for await (const entry of folder.values()) {
                 if (entry.kind === 'directory') await look(entry);
                 else texts.push(await (await entry.getFile()).text());
             }
         };
         await look(await navigator.storage.getDirectory());
         return [texts.length, texts.some(text => text.includes('hf_secret')), JSON.stringify({ ...localStorage })]",
        &[],
    )?;
    ensure!(kept[0].as_u64().is_some_and(|n| 3 < n) && kept[1] == false, "{kept}");
    ensure!(!kept[2].to_string().contains("hf_secret"), "{kept}");
    Ok(())
}

pub(crate) fn what_a_hub_refuses_is_explained(world: &World, session: &Session) -> Result<()> {
    let hub = hub()?;
    let engine = Engine::start(world, session, &hub)?;
    let cases = [
        (Some(Fault::Forbidden), json!({}), "accepted the conditions", "from disk"),
        (Some(Fault::NoFile), json!({}), "no such file", "again"),
        (None, json!({ "repo": "acme/missing" }), "no such model", "Check the name"),
        (None, json!({ "revision": "v9" }), "no revision `v9`", "newest"),
        (None, json!({ "repo": "a/b/c" }), "more than one slash", "openai-community/gpt2"),
        (Some(Fault::Corrupt(MIDDLE)), json!({}), "their hash is another one", "fetched anew"),
        (Some(Fault::Truncated(MIDDLE)), json!({}), "given up after 6 tries", "what has arrived is kept"),
    ];
    for (fault, more, words, hint_words) in cases {
        hub.fault(fault);
        let (message, hint) = engine.fail(&more).with_context(|| format!("{fault:?}"))?;
        ensure!(message.contains(words), "{fault:?}: {message}");
        ensure!(hint.contains(hint_words), "{fault:?}: {hint}");
    }
    hub.fault(None);
    hub.asked();
    engine.load()?;
    let from = starts(&hub.asked());
    ensure!(from == [MIDDLE], "what had come was asked for again: {from:?}");
    engine.expect_answers()
}

pub(crate) fn a_bad_connection_only_takes_longer(world: &World, session: &Session) -> Result<()> {
    for fault in [Fault::Throttled(2), Fault::Drops(300_000, 3)] {
        let hub = hub()?;
        hub.fault(Some(fault));
        let engine = Engine::start(world, session, &hub)?;
        engine.load().with_context(|| format!("{fault:?}"))?;
        engine.expect_answers().with_context(|| format!("{fault:?}"))?;
    }
    // A file of more than one part, from a server that sends whole files only.
    let (hub, files) = (hub()?, files_of(DEFAULT)?);
    hub.put(REPO, &files);
    hub.fault(Some(Fault::NoRange));
    let engine = Engine::start(world, session, &hub)?;
    let size_bytes = engine.load()?["size_bytes"].clone();
    ensure!(size_bytes == json!(files[WEIGHTS].len()), "{size_bytes} bytes were read");
    hub.fault(Some(Fault::Off));
    engine.open_tab()?;
    engine.load().map(drop)
}

pub(crate) fn a_download_waits_and_goes_on_in_another_tab(world: &World, session: &Session) -> Result<()> {
    let (hub, total_bytes) = (hub()?, size_bytes()?);
    let engine = Engine::start(world, session, &hub)?;
    hub.fault(Some(Fault::Slow(400_000)));
    let run = engine.begin_load(&json!({}))?;
    engine.wait_for_bytes(run, 500_000)?;
    engine.say(&json!({ "type": "pause", "run": run, "is_paused": true }))?;
    sleep(Duration::from_millis(500));
    let before = engine.progress(run)?;
    sleep(Duration::from_millis(1_000));
    ensure!(engine.progress(run)? == before, "it goes on while it should wait");
    engine.say(&json!({ "type": "pause", "run": run, "is_paused": false }))?;
    engine.wait_for_bytes(run, MIDDLE)?;
    let progress = engine.progress(run)?;
    let number = |key: &str| progress[key].as_f64().unwrap_or(0.0);
    ensure!(0.0 < number("bytes_per_sec") && number("bytes_per_sec") < 1e6, "{progress}");
    ensure!(0.0 < number("left_secs") && number("left_secs") < 60.0, "{progress}");
    engine.say(&json!({ "type": "cancel", "run": run }))?;
    let failure = engine.last(run)?["failure"].clone();
    ensure!(failure["kind"] == "cancelled", "{failure}");

    // Another one, whose tab is closed.
    let run = engine.begin_load(&json!({}))?;
    engine.wait_for_bytes(run, 1_500_000)?;
    sleep(Duration::from_millis(700));
    engine.open_tab()?;
    let kept = engine.cached()?;
    let done_bytes = kept[0]["revisions"][0]["done_bytes"].as_u64().unwrap_or(0);
    ensure!(1_400_000 <= done_bytes && done_bytes < total_bytes, "{kept}");
    hub.fault(None);
    hub.asked();
    engine.load()?;
    let asked = hub.asked();
    ensure!(sent(&asked) == total_bytes - done_bytes, "{done_bytes} of {total_bytes} are here: {asked:?}");
    engine.expect_answers()
}

pub(crate) fn a_damaged_file_on_disk_is_fetched_anew(world: &World, session: &Session) -> Result<()> {
    let hub = hub()?;
    for name in [WEIGHTS, "config.json"] {
        let engine = Engine::start(world, session, &hub)?;
        engine.load()?;
        engine.open_tab()?;
        hub.asked();
        let n_bytes = files()?[name].len();
        damage(session, n_bytes)?;
        let card = engine.load()?;
        ensure!(card["notes"] == json!([]), "{}", card["notes"]);
        ensure!(sent(&hub.asked()) == n_bytes as u64, "not only {name} was fetched");
        engine.expect_answers()?;
    }
    Ok(())
}

/// Changes a byte of the kept file that has so many.
fn damage(session: &Session, n_bytes: usize) -> Result<()> {
    let n_found = session.script_async(
        "let nFound = 0;
         const look = async (folder) => {
             for await (const entry of folder.values()) {
                 if (entry.kind === 'directory') { await look(entry); continue; }
                 const file = await entry.getFile();
                 if (file.size !== args[0]) continue;
                 const bytes = new Uint8Array(await file.arrayBuffer());
                 bytes[bytes.length >> 1] ^= 1;
                 const writable = await entry.createWritable();
                 await writable.write(bytes);
                 await writable.close();
                 nFound += 1;
             }
         };
         await look(await navigator.storage.getDirectory());
         return nFound",
        &[json!(n_bytes)],
    )?;
    ensure!(n_found == 1, "{n_found} files have {n_bytes} bytes");
    Ok(())
}

pub(crate) fn without_room_it_goes_on_and_says_so(world: &World, session: &Session) -> Result<()> {
    let hub = hub()?;
    let engine = Engine::start(world, session, &hub)?;
    let origin = session.script("return location.origin", &[])?;
    let quota = json!({ "origin": origin, "quotaSize": 1_200_000 });
    session.devtools("Storage.overrideQuotaForOrigin", &quota)?;
    let notes = engine.load()?["notes"].to_string();
    ensure!(notes.contains("no room"), "{notes}");
    engine.expect_answers()
}

pub(crate) fn without_a_place_it_goes_on_and_says_so(world: &World, session: &Session) -> Result<()> {
    let hub = hub()?;
    let engine = Engine::start(world, session, &hub)?;
    // Another tab that loads the same: here, somebody who has its folder open.
    session.script_async(
        "const code = `onmessage = async ({ data }) => {
             let folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('hub', { create: true });
             folder = await folder.getDirectoryHandle(data, { create: true });
             const file = await folder.getFileHandle('index', { create: true });
             self.file = await file.createSyncAccessHandle();
             postMessage('open');
         }`;
         const holder = new Worker(URL.createObjectURL(new Blob([code])));
         window.holder = holder;
         await new Promise(resolve => { holder.onmessage = resolve; holder.postMessage(encodeURIComponent(args[0])); })",
        &[json!(format!("{}/{REPO}", hub.base()))],
    )?;
    let notes = engine.load()?["notes"].to_string();
    ensure!(notes.contains("another tab"), "{notes}");
    engine.expect_answers()?;
    let delete = json!({ "type": "cached", "delete": { "base": hub.base(), "repo": REPO } });
    let reply = engine.last(engine.begin(&delete)?)?;
    let message = reply["failure"]["message"].as_str().unwrap_or_default();
    ensure!(message.contains("is being loaded"), "{reply}");
    Ok(())
}

pub(crate) fn shards_come_from_a_hub(world: &World, session: &Session) -> Result<()> {
    let hub = Hub::start()?;
    hub.put(REPO, &shards::in_shards()?);
    let engine = Engine::start(world, session, &hub)?;
    engine.load()?;
    engine.expect_answers()?;
    hub.fault(Some(Fault::Off));
    engine.open_tab()?;
    let card: Value = engine.load()?;
    ensure!(card["notes"] == json!([]), "{}", card["notes"]);
    engine.expect_answers()
}
