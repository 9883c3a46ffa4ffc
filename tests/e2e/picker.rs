//! Choosing a model of a hub in the page: what is fetched and when, what can be done meanwhile, and what is kept.

use anyhow::{Context as _, Result, ensure};

use xtask::server::hub::{Fault, Hub};
use xtask::webdriver::{Session, wait_for};

use crate::hub::{REPO, hub};
use crate::page::{PATIENCE, Page, REPETITION, SMALL, question};
use crate::story::expect_same;
use crate::world::World;

/// Opens the choice of models and names the hub, as a user of a mirror does.
fn open_picker(session: &Session, page: &Page<'_>, hub: &Hub) -> Result<()> {
    page.control("Load another…")?.click()?;
    session.script("document.querySelector('.hub-settings').open = true", &[])?;
    let base = page.control("Address of the hub")?;
    base.clear()?;
    base.keys(&format!("{}\t", hub.base()))
}

fn begin(page: &Page<'_>) -> Result<()> {
    page.control("Any other")?.keys(REPO)?;
    page.control("Load")?.click()
}

fn wait_for_model(page: &Page<'_>) -> Result<()> {
    wait_for("the hub's model to be the current one", PATIENCE, || {
        let text = page.alert_text()?;
        ensure!(text.is_empty(), "a failure is shown: {text}");
        Ok((page.model()? == REPO && page.state()? == "ready").then_some(()))
    })
}

fn picker_text(page: &Page<'_>) -> Result<String> {
    page.test_id("picker")?.text()
}

pub(crate) fn a_model_is_chosen_and_kept(world: &World, session: &Session) -> Result<()> {
    let (hub, native) = (hub()?, world.ask(SMALL, &question(REPETITION))?);
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    open_picker(session, &page, &hub)?;
    ensure!(hub.asked().is_empty(), "something was fetched unasked");
    begin(&page)?;
    wait_for_model(&page)?;
    expect_same(&page.ask(&question(REPETITION))?, &native, "from the hub")?;
    wait_for("the address to name the model", PATIENCE, || {
        let hash = session.script("return location.hash", &[])?;
        Ok(hash.as_str().is_some_and(|hash| hash.contains("model=acme%2Ftales")).then_some(()))
    })?;
    page.control("Load another…")?.click()?;
    wait_for("the list of what is kept", PATIENCE, || {
        Ok(picker_text(&page)?.contains("main (").then_some(()))
    })?;
    page.control(&format!("Delete {REPO}"))?.click()?;
    wait_for("it to be deleted", PATIENCE, || Ok(picker_text(&page)?.contains("Nothing yet").then_some(())))?;
    page.expect_no_console_error()
}

pub(crate) fn a_download_is_paused_and_cancelled(world: &World, session: &Session) -> Result<()> {
    let hub = hub()?;
    hub.fault(Some(Fault::Slow(200_000)));
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    open_picker(session, &page, &hub)?;
    begin(&page)?;
    let says = |words: &str| {
        wait_for(words, PATIENCE, || Ok(picker_text(&page)?.contains(words).then_some(())))
            .with_context(|| format!("the choice says {:?}", picker_text(&page).unwrap_or_default()))
    };
    says(" left")?;
    let pause = format!("Pause or go on: {REPO}");
    page.control(&pause)?.click()?;
    says("paused")?;
    page.control(&pause)?.click()?;
    says(" left")?;
    page.control(&format!("Cancel {REPO}"))?.click()?;
    wait_for("the download to go", PATIENCE, || Ok((!picker_text(&page)?.contains(" left")).then_some(())))?;
    says("kept")?;
    ensure!(page.alert_text()?.is_empty(), "a cancel is no failure: {}", page.alert_text()?);
    ensure!(page.model()? == SMALL, "the model before is no longer there");
    page.ask(&question("The king")).context("after a cancel")?;
    Ok(())
}

pub(crate) fn a_link_fetches_nothing_unasked(world: &World, session: &Session) -> Result<()> {
    let hub = hub()?;
    session.goto(world.url())?;
    session.script("localStorage.setItem('vitrine-hub', arguments[0])", &[hub.base().into()])?;
    session.goto("about:blank")?;
    let page = Page::open_ready(session, &format!("{}#v1&model=acme%2Ftales&prompt=The+king", world.url()))?;
    let offered = session.find(".offered")?.context("the link's model is not offered")?.text()?;
    ensure!(offered.contains(REPO), "{offered}");
    ensure!(hub.asked().is_empty(), "something was fetched unasked: {:?}", hub.asked());
    page.control("Load it")?.click()?;
    wait_for_model(&page)?;
    ensure!(page.prompt()? == "The king", "the prompt of the link is gone");
    page.expect_no_console_error()
}

pub(crate) fn a_gated_model_is_explained(world: &World, session: &Session) -> Result<()> {
    let hub = hub()?;
    hub.fault(Some(Fault::Gated));
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    open_picker(session, &page, &hub)?;
    begin(&page)?;
    let text = page.wait_for_alert()?;
    wait_for("the choice to make room for it", PATIENCE, || {
        Ok(session.find("[data-testid=picker][open]")?.is_none().then_some(()))
    })?;
    ensure!(text.contains("conditions") && text.contains("token"), "{text}");
    ensure!(page.model()? == SMALL, "the model before is no longer there");
    // With a token, from the message's own button.
    page.control("Models…")?.click()?;
    page.control("Token for gated models")?.keys("hf_of_the_test")?;
    page.control("Load")?.click()?;
    wait_for("the gated model", PATIENCE, || Ok((page.model()? == REPO).then_some(())))?;
    let kept = session.script("return JSON.stringify([{ ...localStorage }, location.href])", &[])?;
    ensure!(!kept.to_string().contains("hf_of_the_test"), "the token is kept: {kept}");
    Ok(())
}
