//! Generation: tokens arrive one by one, and Stop means stop.

use anyhow::{Context as _, Result, ensure};
use std::time::Duration;

use xtask::webdriver::{Session, wait_for};

use crate::page::{PATIENCE, Page, SMALL};
use crate::world::World;

pub(crate) fn generation_streams(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
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
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    page.type_prompt("Once upon a time there was a king")?;
    // In the page, because a small model may be done before WebDriver has found the button.
    let n_asked = session.script_async(GENERATE_AND_STOP, &[]).context("Stop")?;
    wait_for("the end of generation", Duration::from_secs(5), || Ok((!is_busy(&page)?).then_some(())))?;
    let text = page.test_id("generated")?.text()?;
    std::thread::sleep(Duration::from_millis(500));
    let generated = page.test_id("generated")?;
    ensure!(generated.text()? == text, "tokens came after Stop");
    let n_tokens = generated.number("data-n-tokens")?;
    ensure!(Some(n_tokens) < n_asked.as_f64(), "all {n_tokens} tokens came in spite of Stop");
    ensure!(page.alert_text()?.is_empty(), "stopping is not a failure: {}", page.alert_text()?);
    page.expect_no_console_error()
}

/// Asks for as many tokens as the page allows, presses Stop as soon as it is there, and returns that number.
const GENERATE_AND_STOP: &str = "
    const button = name => [...document.querySelectorAll('button')].find(one => one.textContent.trim() === name);
    const box = document.querySelector('input[aria-label=\"max new tokens\"]');
    if (!box) throw new Error('no input named max new tokens');
    box.value = 150;
    box.dispatchEvent(new Event('change', { bubbles: true }));
    button('Generate').click();
    for (let n_frames = 0; !button('Stop'); n_frames++) {
        if (n_frames > 600) throw new Error('no Stop button appeared');
        await new Promise(requestAnimationFrame);
    }
    button('Stop').click();
    return Number(box.value);";

fn is_busy(page: &Page<'_>) -> Result<bool> {
    Ok(page.test_id("generated")?.attribute("aria-busy")?.as_deref() == Some("true"))
}
