//! The page stays responsive while the engine computes.

use anyhow::{Result, ensure};
use serde_json::Value;

use xtask::webdriver::Session;

use crate::page::{Page, question};
use crate::world::World;

/// The length from which a browser reports a task, and from which a person feels it.
const LONG_TASK_MILLIS: f64 = 50.0;

/// Asks a question about a long prompt and notes every long task of the page meanwhile.
const RUN: &str = "
    const tasks = [];
    const observer = new PerformanceObserver(list => tasks.push(...list.getEntries().map(entry => entry.duration)));
    observer.observe({ type: 'longtask' });
    const started_at = performance.now();
    for (let i = 0; i < 3; i++) await window.vitrine.ask(args[0]);
    const elapsed_millis = performance.now() - started_at;
    await new Promise(done => setTimeout(done, 200));
    return { tasks, elapsed_millis };";

pub(crate) fn no_long_task_while_the_engine_runs(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, world.url())?;
    // The first picture may still be drawn when the model is ready; it is not what this test is about.
    page.ask(&question("The king"))?;
    let text = "The king rode out and the queen rode out and the fox ran after them. ".repeat(10);
    let report = session.script_async(RUN, &[question(text.trim_end())])?;
    let tasks: Vec<f64> =
        report["tasks"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    let longest = tasks.iter().copied().fold(0.0, f64::max);
    ensure!(
        longest <= LONG_TASK_MILLIS,
        "the page was blocked for {longest:.0} ms while the engine ran for {} ms (all long tasks: {tasks:?})",
        report["elapsed_millis"]
    );
    Ok(())
}
