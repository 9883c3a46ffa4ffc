//! A model in several weights files: from a folder on a server and from disk, with the answers of the one file.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use xtask::paths;
use xtask::server::{self, Options};
use xtask::webdriver::{Session, wait_for};

use crate::page::{PATIENCE, Page, REPETITION, SMALL, question};
use crate::story::expect_same;
use crate::world::World;

const N_SHARDS: usize = 3;
const INDEX: &str = "model.safetensors.index.json";

pub(crate) fn shards_are_read_from_a_folder_and_dropped(world: &World, session: &Session) -> Result<()> {
    let native = world.ask(SMALL, &question(REPETITION))?;
    let dir = world.scratch("shards")?;
    let names = write(&dir, &in_shards()?)?;
    let beside = vec![(format!("/models/{SMALL}/"), dir)];
    let server = server::start(&Options { beside, ..Options::any_port(&paths::dist()) })?;
    let page = Page::open_ready(session, &format!("{}#v1&model={SMALL}", server.url()))?;
    expect_same(&page.ask(&question(REPETITION))?, &native, "from the folder")?;

    session.script_async(
        "const files = new DataTransfer();
         for (const name of args[0]) {
             const reply = await fetch(`./models/${args[1]}/${name}`);
             files.items.add(new File([await reply.blob()], name));
         }
         const drop = new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: files });
         document.body.dispatchEvent(drop);",
        &[json!(names), json!(SMALL)],
    )?;
    wait_for("the dropped shards to be the current model", PATIENCE, || {
        let text = page.alert_text()?;
        ensure!(text.is_empty(), "a failure is shown: {text}");
        Ok((page.model()? != SMALL && page.state()? == "ready").then_some(()))
    })?;
    expect_same(&page.ask(&question(REPETITION))?, &native, "as dropped")
}

pub(crate) fn bad_shards_are_named(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    let whole = in_shards()?;
    let [first, second] = [name(0), name(1)];
    let with = |name: &str, bytes: &[u8]| {
        let mut files = whole.clone();
        files.insert(name.to_owned(), bytes.to_vec());
        files
    };
    let without = |name: &str| {
        let mut files = whole.clone();
        files.remove(name);
        files
    };
    let cut = &whole[&second][..whole[&second].len() - 1];
    let cases = [
        ("missing", format!("folder has no {second}"), without(&second)),
        ("twice", "is in more than one of the weights files".to_owned(), with(&second, &whole[&first])),
        ("cut", "is cut short".to_owned(), with(&second, cut)),
        ("broken", format!("header, in {second}"), with(&second, b"not a safetensors file")),
        ("no-index", "3 safetensors files and none is model.safetensors".to_owned(), without(INDEX)),
        ("bad-index", "does not say which file has which tensor".to_owned(), with(INDEX, b"[]")),
    ];
    for (case, words, files) in &cases {
        let dir = world.scratch(&format!("shards-{case}"))?;
        let names = write(&dir, files)?;
        let paths: Vec<String> =
            names.iter().map(|name| dir.join(name).to_string_lossy().into_owned()).collect();
        page.choose_files(&paths.join("\n"))?;
        wait_for(&format!("a message with {words:?}"), PATIENCE, || {
            Ok(page.alert_text()?.contains(words.as_str()).then_some(()))
        })
        .with_context(|| format!("{case}: the page says {:?}", page.alert_text().unwrap_or_default()))?;
    }
    ensure!(page.model()? == SMALL, "the model before is no longer the current one");
    page.ask(&question("The king")).context("after broken shards")?;
    page.expect_no_console_error()
}

fn name(shard_idx: usize) -> String {
    format!("model-{:05}-of-{N_SHARDS:05}.safetensors", shard_idx + 1)
}

/// The small model's files by name, with every third tensor in each of three weights files.
pub(crate) fn in_shards() -> Result<BTreeMap<String, Vec<u8>>> {
    let from = paths::root().join("assets/models").join(SMALL);
    let read =
        |name: &str| fs::read(from.join(name)).with_context(|| format!("the small model has no {name}"));
    let whole = read("model.safetensors")?;
    let (length, rest) = whole.split_first_chunk().context("no header")?;
    let (header, values) = rest.split_at(usize::try_from(u64::from_le_bytes(*length))?);
    let header: Map<String, Value> = serde_json::from_slice(header)?;
    let (mut headers, mut data) = (vec![Map::new(); N_SHARDS], vec![vec![]; N_SHARDS]);
    let mut weight_map = Map::new();
    for (nth, (tensor, info)) in header.iter().filter(|(name, _)| *name != "__metadata__").enumerate() {
        let shard_idx = nth % N_SHARDS;
        let [start, end]: [usize; 2] = serde_json::from_value(info["data_offsets"].clone())?;
        let (mut info, data) = (info.clone(), &mut data[shard_idx]);
        let at = data.len();
        data.extend_from_slice(&values[start..end]);
        info["data_offsets"] = json!([at, data.len()]);
        headers[shard_idx].insert(tensor.clone(), info);
        weight_map.insert(tensor.clone(), json!(name(shard_idx)));
    }
    let mut files = BTreeMap::new();
    for (shard_idx, (header, data)) in headers.into_iter().zip(data).enumerate() {
        let header = Value::Object(header).to_string();
        let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat();
        files.insert(name(shard_idx), file);
    }
    files.insert(INDEX.to_owned(), json!({ "weight_map": weight_map }).to_string().into_bytes());
    for name in ["config.json", "tokenizer.json"] {
        files.insert(name.to_owned(), read(name)?);
    }
    Ok(files)
}

/// Writes the files, and says their names.
fn write(dir: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<String>> {
    for (name, bytes) in files {
        let path: PathBuf = dir.join(name);
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(files.keys().cloned().collect())
}
