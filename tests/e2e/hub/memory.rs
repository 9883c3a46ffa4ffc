//! What a worker takes of the machine's memory.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;

use xtask::server::{Isolation, Running};
use xtask::webdriver::Session;

use super::engine::Engine;
use crate::world::World;

const SCRIPT: &str = include_str!("memories.js");

/// The flag with which a page's own scripts can have what is unused collected.
pub(super) const COLLECTS: &str = "--js-flags=--expose-gc";

/// What there is of it, bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use {
    /// The engine's own module: it never shrinks, so this is also the most that it ever took.
    pub(super) engine: u64,
    /// All memories of kernels, which hold the weights.
    pub(super) kernels: u64,
    /// The process of the tab, and the most that it ever took; unknown where there is no `/proc`.
    pub(super) process: Option<[u64; 2]>,
}

impl Use {
    pub(super) fn of_wasm(self) -> u64 {
        self.engine + self.kernels
    }
}

/// A copy of the site whose worker says how much memory its kernels have.
pub(super) fn site(world: &World, name: &str, isolation: Isolation) -> Result<Running> {
    world.site_with(name, SCRIPT, isolation)
}

/// What the worker takes while `model` is there; `is_collected`: without what nobody uses any more.
pub(super) fn measured(
    engine: &Engine<'_>,
    session: &Session,
    model: &str,
    is_collected: bool,
) -> Result<Use> {
    let kernels = session.script_async(
        "const channel = new BroadcastChannel('memories');
         const sizes = new Promise(resolve => { channel.onmessage = ({ data }) => resolve(data); });
         channel.postMessage(args[0]);
         return await sizes",
        &[json!(if is_collected { "collect" } else { "say" })],
    )?;
    let kernels: Vec<u64> = serde_json::from_value(kernels)?;
    let reply = engine.last(engine.begin(&json!({ "type": "inspect", "model": model }))?)?;
    let memory = reply["report"]["memory"].as_array().with_context(|| format!("no report: {reply}"))?;
    let of_engine =
        |part: &&Value| part["role"].as_str().is_some_and(|role| role.contains("WebAssembly memory"));
    let engine = memory.iter().find(of_engine).and_then(|part| part["bytes"].as_u64());
    Ok(Use {
        engine: engine.with_context(|| format!("the engine's memory is not said: {reply}"))?,
        kernels: kernels.iter().sum(),
        process: process(),
    })
}

/// The largest process of a tab that these tests have started.
fn process() -> Option<[u64; 2]> {
    let mut parents = BTreeMap::new();
    let mut tabs = vec![];
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process may end while we look.
        let Ok(status) = fs::read_to_string(entry.path().join("status")) else { continue };
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        parents.insert(id, number("PPid:").unwrap_or(0) as u32);
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains("--type=renderer")
            && let (Some(now), Some(most)) = (number("VmRSS:"), number("VmHWM:"))
        {
            tabs.push((id, [now * 1024, most * 1024]));
        }
    }
    let is_ours = |id: u32| {
        let mut ancestors = std::iter::successors(Some(id), |id| parents.get(id).copied());
        ancestors.any(|id| id == std::process::id())
    };
    tabs.into_iter().filter(|(id, _)| is_ours(*id)).map(|(_, bytes)| bytes).max()
}
