//! Generation: tokens arrive one by one, and Stop means stop.

use anyhow::{Context as _, Result, ensure};
use std::time::Duration;

use xtask::webdriver::{Session, wait_for};

use crate::page::{PATIENCE, Page};
use crate::world::World;

pub(crate) fn generation_streams(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, world.url())?;
    page.type_prompt("Once upon a time there was a king")?;
    // Every state that the text passes through, noted in the page: a poll from here could miss them.
    session.script(
        "window.seen = []; const box = document.querySelector('[data-testid=generated]') || document.body;\
         new MutationObserver(() => { const now = document.querySelector('[data-testid=generated]');\
           if (now && now.textContent !== seen.at(-1)) seen.push(now.textContent); })\
         .observe(document.body, { subtree: true, childList: true, characterData: true });",
        &[],
    )?;
    page.control("Generate")?.click()?;
    wait_for("the end of generation", PATIENCE, || {
        let generated = page.test_id("generated")?;
        let n_tokens = generated.number("data-n-tokens").unwrap_or(0.0);
        Ok((n_tokens > 3.0 && !is_busy(&page)?).then_some(()))
    })?;
    let n_seen = session.script("return window.seen.length", &[])?.as_u64().unwrap_or(0);
    ensure!(n_seen >= 3, "the text came in {n_seen} pieces: it did not stream");
    page.expect_no_console_error()
}

pub(crate) fn generation_stops(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, world.url())?;
    page.type_prompt("Once upon a time there was a king")?;
    // Enough tokens that stopping is not a race.
    if let Some(n_new) = page.control_if_any("New tokens")? {
        session.script(
            "const [box] = arguments; box.value = box.max || '200'; for (const kind of ['input', 'change']) box.dispatchEvent(new Event(kind, { bubbles: true }));",
            &[n_new.as_argument()],
        )?;
    }
    page.control("Generate")?.click()?;
    wait_for("the Stop button", PATIENCE, || page.control_if_any("Stop"))?.click().context("Stop")?;
    wait_for("the end of generation", Duration::from_secs(5), || Ok((!is_busy(&page)?).then_some(())))?;
    let text = page.test_id("generated")?.text()?;
    std::thread::sleep(Duration::from_millis(500));
    ensure!(page.test_id("generated")?.text()? == text, "tokens came after Stop");
    ensure!(page.alert_text()?.is_empty(), "stopping is not a failure: {}", page.alert_text()?);
    page.expect_no_console_error()
}

fn is_busy(page: &Page<'_>) -> Result<bool> {
    Ok(page.test_id("generated")?.attribute("aria-busy")?.as_deref() == Some("true"))
}
