//! Files from the user's disk: broken ones are explained, and nothing that worked stops working.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use std::fs;
use std::path::PathBuf;

use xtask::paths;
use xtask::server::{self, Options};
use xtask::webdriver::{Session, wait_for};

use crate::page::{PATIENCE, Page, REPETITION, SMALL, question};
use crate::story::expect_same;
use crate::world::World;

const FILES: [&str; 3] = ["config.json", "model.safetensors", "tokenizer.json"];

/// A copy of the small model's files; `model.safetensors` keeps only `keep` of its bytes.
pub(crate) fn copy_of_model(world: &World, name: &str, keep: f64) -> Result<Vec<PathBuf>> {
    let from = paths::root().join("assets/models/tales-attn-2l");
    let to = world.scratch(name)?;
    for file in FILES {
        let mut bytes =
            fs::read(from.join(file)).with_context(|| format!("the embedded model has no {file}"))?;
        if file == "model.safetensors" {
            bytes.truncate((bytes.len() as f64 * keep) as usize);
        }
        fs::write(to.join(file), bytes)?;
    }
    Ok(FILES.iter().map(|file| to.join(file)).collect())
}

pub(crate) fn a_truncated_file_is_explained(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    let model = page.model()?;
    let files = copy_of_model(world, "truncated", 0.6)?;
    let paths: Vec<String> = files.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    page.choose_files(&paths.join("\n"))?;
    let text = page.wait_for_alert()?;
    ensure!(
        text.contains("cut short") || text.contains("truncated"),
        "the message does not say what is wrong: {text}"
    );
    page.ask(&question("The king")).context("after a broken file")?;
    ensure!(page.model()? == model, "the model before is no longer the current one");
    ensure!(page.state()? == "ready", "the page is {} after a broken file", page.state()?);
    page.expect_no_console_error()
}

pub(crate) fn dropped_files_are_opened(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    let before = page.model()?;
    copy_of_model(world, "whole", 1.0)?;
    // WebDriver cannot drag files in from outside: the page fetches its own model and drops that on itself.
    session.script_async(
        "const files = new DataTransfer();
         for (const name of args[0]) {
             const reply = await fetch(`./models/tales-attn-2l/${name}`);
             files.items.add(new File([await reply.blob()], name));
         }
         const over = kind => document.body.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: files }));
         over('dragenter'); over('dragover'); over('drop');",
        &[json!(FILES)],
    )?;
    wait_for("the dropped model to be the current one", PATIENCE, || {
        let text = page.alert_text()?;
        ensure!(text.is_empty(), "a failure is shown: {text}");
        Ok((page.model()? != before && page.state()? == "ready").then_some(()))
    })?;
    page.ask(&question("The king")).context("with the dropped model")?;
    page.expect_no_console_error()
}

pub(crate) fn a_missing_config_is_guessed_and_corrected(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &format!("{}&prompt=The+king", world.url_with(SMALL)))?;
    let from = paths::root().join("tests/golden/stand-in");
    let files = ["model.safetensors", "tokenizer.json"].map(|name| from.join(name));
    let paths: Vec<String> = files.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    page.choose_files(&paths.join("\n"))?;
    let said = wait_for("the guess", PATIENCE, || {
        let guess = session.find("[data-testid=guess]")?;
        guess.map(|guess| guess.text()).transpose()
    })?;
    ensure!(said.contains("no tensor says n_head") && said.contains("is assumed"), "{said}");
    ensure!(page.model()? == SMALL, "it was used unasked");
    session.script("document.querySelectorAll('.guess details').forEach(one => one.open = true)", &[])?;
    let config = fs::read_to_string(from.join("config.json"))?;
    session.script(
        "const [text] = arguments, box = document.querySelector('.config-text');
         box.value = text; box.dispatchEvent(new Event('input', { bubbles: true }));",
        &[json!(config)],
    )?;
    page.control("Open with it")?.click()?;
    wait_for("the model with the corrected config.json", PATIENCE, || {
        let text = page.alert_text()?;
        ensure!(text.is_empty(), "a failure is shown: {text}");
        Ok((page.model()?.starts_with("own-")).then_some(()))
    })?;
    let answer =
        page.ask(&json!({ "kind": "attention", "prompt": { "tokens": [1, 2, 3] }, "patterns": "none" }))?;
    let heads = answer["heads"].as_array().context("no heads")?;
    let config: serde_json::Value = serde_json::from_str(&config)?;
    let n_heads =
        config["n_layer"].as_u64().zip(config["n_head"].as_u64()).map(|(layers, heads)| layers * heads);
    ensure!(Some(heads.len() as u64) == n_heads, "{} heads", heads.len());
    page.expect_no_console_error()
}

pub(crate) fn files_are_opened_without_a_network(world: &World, session: &Session) -> Result<()> {
    let native = world.ask(SMALL, &question(REPETITION))?;
    let files = copy_of_model(world, "offline", 1.0)?;
    let paths: Vec<String> = files.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let site = server::start(&Options::any_port(&paths::dist()))?;
    let page = Page::open_ready(session, &format!("{}#v1&model={SMALL}&backend=cpu", site.url()))?;
    let adapter = "return document.querySelector('[data-testid=model-card] dl').textContent.match(/cpu: (.*?, \\d+ threads?)/)[1]";
    let before = session.script(adapter, &[])?;
    drop(site);
    page.choose_files(&paths.join("\n"))?;
    wait_for("the opened model to be the current one", PATIENCE, || {
        Ok((page.model()?.starts_with("own-") && page.state()? == "ready").then_some(()))
    })
    .with_context(|| format!("the page says {:?}", page.alert_text().unwrap_or_default()))?;
    expect_same(&page.ask(&question(REPETITION))?, &native, "without a network")?;
    let after = session.script(adapter, &[])?;
    ensure!(after == before, "it is computed by {after} instead of {before}");
    Ok(())
}

pub(crate) fn other_formats_get_a_sentence(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    let dir = world.scratch("other-formats")?;
    for name in ["model.gguf", "pytorch_model.bin", "model.pt"] {
        let path = dir.join(name);
        fs::write(&path, b"GGUF or a pickle")?;
        page.choose_files(&path.to_string_lossy())?;
        let text = wait_for(&format!("a message about {name}"), PATIENCE, || {
            Ok(Some(page.alert_text()?).filter(|text| text.contains(name)))
        })?;
        ensure!(text.contains("is not a safetensors file"), "{text}");
        ensure!(text.contains("gguf_file=") && text.contains("save_pretrained"), "{text}");
    }
    ensure!(page.model()? == SMALL, "the model before is no longer the current one");
    page.expect_no_console_error()
}
