//! The views of a prompt beside attention: tabs, what each shows against the command line, keys, links, a phone.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use xtask::webdriver::element::key;
use xtask::webdriver::{Element, Session, wait_for};

use crate::page::{DEFAULT, PATIENCE, Page, SMALL, expect_close};
use crate::world::World;

mod heads;
mod induction;
mod looks;
mod numbers;

pub(crate) use heads::{a_head_is_offered, a_head_is_taken_apart, the_finder_shows_every_head};
pub(crate) use induction::{
    the_lab_shows_what_the_second_copy_costs, the_lab_works_by_keyboard_and_from_a_link,
    the_training_is_scrubbed,
};
pub(crate) use looks::{cells_are_legible, views_fit_a_phone};
pub(crate) use numbers::{
    a_component_is_tested, a_loss_is_compared, a_view_stands_beside_another, findings_lead_to_their_views,
    the_lens_shows_what_the_model_would_say, the_parts_sum, the_stream_has_writers,
};

/// A prompt of a few tokens.
const PROMPT: &str = "Once upon a time there was a little";

/// Where the page is with a model, that prompt and more fields.
fn url(world: &World, model: &str, fields: &str) -> String {
    format!("{}&prompt={}&{fields}", world.url_with(model), PROMPT.replace(' ', "+"))
}

/// Waits until a view has its answer.
fn wait_for_view<'a>(page: &Page<'_>, session: &'a Session, view: &str) -> Result<Element<'a>> {
    let selector = format!("[data-testid=view][data-view={view}][aria-busy=false]");
    wait_for(&format!("the view {view}"), PATIENCE, || session.find(&selector))
        .with_context(|| format!("alerts: {}", page.alert_text().unwrap_or_default()))
}

/// The text of an element, once it says something else than `before`.
fn changed_text(session: &Session, selector: &str, before: &str) -> Result<String> {
    wait_for(&format!("{selector} to change"), PATIENCE, || {
        let text = session
            .script("return document.querySelector(arguments[0])?.innerText ?? ''", &[json!(selector)])?;
        let text = text.as_str().unwrap_or_default().to_owned();
        Ok((!text.is_empty() && text != before).then_some(text))
    })
}

/// Waits until the address has a field.
fn wait_for_field(session: &Session, field: &str) -> Result<()> {
    wait_for(&format!("{field} in the address"), PATIENCE, || {
        let hash = session.script("return location.hash", &[])?;
        Ok(hash.as_str().unwrap_or_default().split('&').any(|one| one == field).then_some(()))
    })
}

/// Chooses in a drop-down of the view.
fn choose(session: &Session, key: &str, value: &str) -> Result<()> {
    let chosen = session.script(
        "const [key, value] = arguments; const select = document.querySelector(`[data-set=${key}]`); if (!select) return null; \
         select.value = value; select.dispatchEvent(new Event('change', { bubbles: true })); return select.value;",
        &[json!(key), json!(value)],
    )?;
    ensure!(chosen == json!(value), "the view has no choice {key}={value}");
    Ok(())
}

/// Text of a mark.
fn cell(session: &Session, at: &str) -> Result<String> {
    let text = session.script(
        "return document.querySelector(`.view-host [data-at='${arguments[0]}']`)?.textContent",
        &[json!(at)],
    )?;
    Ok(text.as_str().with_context(|| format!("there is no cell {at}"))?.to_owned())
}

pub(crate) fn tabs_work_by_keyboard(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &url(world, SMALL, ""))?;
    let tabs = session.find_all("[role=tab]")?;
    ensure!(tabs.len() == 8, "{} tabs", tabs.len());
    session.script("document.querySelector('[role=tab][aria-selected=true]').focus()", &[])?;
    for view in ["heads", "head", "induction", "lens", "attribution", "residual", "loss"] {
        session.press(key::RIGHT)?;
        ensure!(
            session.focused()?.attribute("id")? == Some(format!("tab-{view}")),
            "the focus is not on {view}"
        );
        wait_for_view(&page, session, view)?;
        let selected = session.script(
            "return [...document.querySelectorAll('[role=tab][aria-selected=true]')].map(tab => tab.id)",
            &[],
        )?;
        ensure!(selected == json!([format!("tab-{view}")]), "{selected} are selected, not {view}");
        let in_order =
            session.script("return document.querySelectorAll('[role=tab][tabindex=\"0\"]').length", &[])?;
        ensure!(in_order == 1, "{in_order} tabs are in the tab order");
    }
    wait_for_field(session, "view=loss")?;
    ensure!(!page.test_id("head-grid")?.is_visible()?, "attention is still there");
    session.press(key::RIGHT)?;
    wait_for("attention", PATIENCE, || Ok(page.test_id("head-grid")?.is_visible()?.then_some(())))?;
    ensure!(
        session.focused()?.attribute("id")?.as_deref() == Some("tab-attention"),
        "the tabs do not go round"
    );
    // Every view is named by its tab.
    let named = session.script(
        "return [...document.querySelectorAll('[role=tabpanel]')].every(panel => document.getElementById(panel.getAttribute('aria-labelledby')))",
        &[],
    )?;
    ensure!(named == true, "a panel has no name");
    page.expect_no_console_error()
}

pub(crate) fn only_the_open_view_asks(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &url(world, SMALL, ""))?;
    session.script(
        "window.asked = []; const post = Worker.prototype.postMessage; \
         Worker.prototype.postMessage = function (message, ...rest) { \
           const { type, question } = JSON.parse(message.json); if (type === 'ask') window.asked.push(JSON.parse(question).kind); \
           return post.call(this, message, ...rest); };",
        &[],
    )?;
    let asked = |session: &Session| {
        session.script("const kinds = window.asked; window.asked = []; return kinds", &[])
    };
    page.type_prompt("The king")?;
    page.wait_for_tokens(&crate::page::ids_of(&world.ask(SMALL, &crate::page::question("The king"))?)?)?;
    let kinds = asked(session)?;
    ensure!(
        kinds.as_array().is_some_and(|kinds| kinds.iter().all(|kind| kind == "attention")),
        "it asked {kinds}"
    );
    session.find("#tab-lens")?.context("no tab")?.click()?;
    wait_for_view(&page, session, "lens")?;
    // Attention is asked whatever view is open, and once more where the engine has moved meanwhile.
    let asked = |session: &Session| -> Result<Value> {
        let kinds = asked(session)?.as_array().cloned().unwrap_or_default();
        Ok(kinds.into_iter().filter(|kind| kind != "attention").collect())
    };
    let kinds = asked(session)?;
    ensure!(kinds == json!(["logit_lens"]), "the lens asks once, not {kinds}");
    session.find("#tab-loss")?.context("no tab")?.click()?;
    wait_for_view(&page, session, "loss")?;
    session.find("#tab-lens")?.context("no tab")?.click()?;
    wait_for_view(&page, session, "lens")?;
    let kinds = asked(session)?;
    ensure!(kinds == json!(["loss"]), "what was answered is asked again: {kinds}");
    page.expect_no_console_error()
}

pub(crate) fn a_link_restores_a_view(world: &World, session: &Session) -> Result<()> {
    let page =
        Page::open_ready(session, &url(world, SMALL, "view=lens&shade=kl&scale=frozen&pos=2&mark=2.1"))?;
    wait_for_view(&page, session, "lens")?;
    let value = |key: &str| {
        session.script("return document.querySelector(`[data-set=${arguments[0]}]`).value", &[json!(key)])
    };
    ensure!((value("shade")?, value("scale")?) == (json!("kl"), json!("frozen")), "choices are not restored");
    let kept = session.script("return document.querySelector('.view-host b.held')?.dataset.at", &[])?;
    ensure!(kept == "2.1", "the mark {kept} is kept");
    let said = session.script("return document.querySelector('[data-slot]').innerText", &[])?;
    ensure!(
        said.as_str().is_some_and(|text| text.starts_with("After 2 ") && text.contains("frozen")),
        "{said}"
    );
    session.press(key::ESCAPE)?;
    wait_for("Escape to let go of it", PATIENCE, || {
        Ok((session.script("return !document.querySelector('.view-host .held')", &[])? == true).then_some(()))
    })?;
    page.expect_no_console_error()
}

pub(crate) fn cells_work_by_keyboard(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &url(world, SMALL, "view=lens"))?;
    wait_for_view(&page, session, "lens")?;
    let in_order =
        session.script("return document.querySelectorAll('[role=gridcell][tabindex=\"0\"]').length", &[])?;
    ensure!(in_order == 1, "{in_order} cells are in the tab order");
    session.script("document.querySelector('[role=gridcell][tabindex=\"0\"]').focus()", &[])?;
    for (pressed, at) in
        [(key::DOWN, "1.0"), (key::RIGHT, "1.1"), (key::UP, "0.1"), (key::LEFT, "0.0"), (key::DOWN, "1.0")]
    {
        session.press(pressed)?;
        ensure!(session.focused()?.attribute("data-at")?.as_deref() == Some(at), "the cursor is not at {at}");
        let said = session.script("return document.querySelector('[data-slot]').innerText", &[])?;
        let want = format!("After {} ", &at[..1]);
        ensure!(said.as_str().is_some_and(|text| text.starts_with(&want)), "at {at} it says {said}");
    }
    session.press(key::ENTER)?;
    wait_for_field(session, "mark=1.0")?;
    wait_for_field(session, "pos=1")?;
    // The lines below are redrawn for that position; the cursor stays.
    ensure!(session.focused()?.attribute("data-at")?.as_deref() == Some("1.0"), "the cursor was lost");
    page.expect_no_console_error()
}

/// What the command line answers to a question about the prompt.
fn native(world: &World, model: &str, kind: &str, fields: Value) -> Result<Value> {
    let mut question = json!({ "kind": kind, "prompt": { "text": PROMPT } });
    for (key, value) in fields.as_object().into_iter().flatten() {
        question[key] = value.clone();
    }
    world.ask(model, &question)
}
