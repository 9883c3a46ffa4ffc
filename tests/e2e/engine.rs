//! Where the model is computed: the panel, the choice, and what happens when a GPU is lost or was never there.

use anyhow::{Context as _, Result, ensure};

use xtask::webdriver::element::key;
use xtask::webdriver::{Session, wait_for};

use crate::files::copy_of_model;
use crate::page::{PATIENCE, Page, REPETITION, SMALL, ids_of, question};
use crate::story::expect_same;
use crate::world::World;

pub(crate) fn the_panel_says_where_the_time_went(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    page.ask(&question(REPETITION))?;
    page.open_engine()?;
    page.wait_for_place("CPU")?;
    let ops = session.script(
        "return [...document.querySelectorAll('[data-testid=engine-ops] tbody tr')].map(row => [row.cells[0].textContent, Number(row.cells[1].textContent), Number(row.cells[2].textContent)])",
        &[],
    )?;
    let linear = ops
        .as_array()
        .and_then(|rows| rows.iter().find(|row| row[0] == "linear"))
        .with_context(|| format!("no row is about linear: {ops}"))?;
    ensure!(linear[1].as_f64() >= Some(8.0), "linear ran {} times", linear[1]);
    let total: f64 = ops.as_array().into_iter().flatten().filter_map(|row| row[2].as_f64()).sum();
    ensure!(total > 0.0, "all operations together took {total} ms: {ops}");
    let text = page.test_id("engine")?.text()?;
    for part in ["Where is the model computed?", "threads", "weights", "clock on the wall"] {
        ensure!(text.contains(part), "the panel does not say {part:?}: {text}");
    }
    session.press(key::ESCAPE)?;
    wait_for("Escape to close the panel", PATIENCE, || {
        Ok((!page.test_id("engine")?.is_visible()?).then_some(()))
    })?;
    let name = session.focused()?.accessible_name()?;
    ensure!(name.starts_with("Engine"), "the focus went to {name:?} instead of back to the button");
    page.expect_no_console_error()
}

pub(crate) fn a_lost_gpu_is_survived(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    page.type_prompt(REPETITION)?;
    let native = world.ask(SMALL, &question(REPETITION))?;
    let ids = ids_of(&native)?;
    page.wait_for_tokens(&ids)?;
    let shown = page.test_id("best-induction")?.text()?;
    loses_its_gpu(&page, session)?;
    page.wait_for_tokens(&ids)?;
    ensure!(page.prompt()? == REPETITION, "the prompt became {:?}", page.prompt()?);
    ensure!(page.test_id("best-induction")?.text()? == shown, "the picture changed");
    ensure!(page.model()? == SMALL, "the model became {}", page.model()?);
    Ok(())
}

pub(crate) fn a_model_from_disk_survives_too(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    let before = page.model()?;
    let files = copy_of_model(world, "on-gpu", 1.0)?;
    let paths: Vec<String> = files.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    page.choose_files(&paths.join("\n"))?;
    wait_for("the opened model to be the current one", PATIENCE, || {
        Ok((page.model()? != before && page.state()? == "ready").then_some(()))
    })?;
    loses_its_gpu(&page, session)
}

/// Moves the model to the GPU, compares, takes the GPU away, and compares again.
fn loses_its_gpu(page: &Page<'_>, session: &Session) -> Result<()> {
    let asked = question(REPETITION);
    let on_cpu = page.ask(&asked)?;
    page.open_engine()?;
    page.compute_on("webgpu")?;
    page.wait_for_place("WebGPU")?;
    expect_same(&page.ask(&asked).context("on the GPU")?, &on_cpu, "on the GPU")?;
    session.press(key::ESCAPE)?;
    wait_for("the wish in the address", PATIENCE, || {
        let fragment = session.script("return location.hash", &[])?;
        Ok(fragment.as_str().is_some_and(|text| text.contains("backend=webgpu")).then_some(()))
    })?;

    session.script("window.vitrine.loseDevice()", &[])?;
    expect_same(&page.ask(&asked).context("after the loss")?, &on_cpu, "after the loss")?;
    let text = page.wait_for_alert()?;
    ensure!(text.contains("GPU") && text.contains("CPU"), "the notice does not say what happened: {text}");
    let button = page.control("Engine: CPU").context("the button does not say where the model is now")?;
    ensure!(button.is_visible()?, "the button is hidden");
    page.control("Dismiss")?.click()?;
    wait_for("the notice to go", PATIENCE, || Ok(page.alert_text()?.is_empty().then_some(())))?;

    page.open_engine()?;
    page.control("Try WebGPU again")?.click()?;
    page.wait_for_place("WebGPU")?;
    expect_same(&page.ask(&asked).context("on another GPU")?, &on_cpu, "on another GPU")?;
    session.press(key::ESCAPE)
}

pub(crate) fn measurements_are_remembered(world: &World, session: &Session) -> Result<()> {
    const KEY: &str = "vitrine-presets";
    let moves_to_the_gpu = || {
        let page = Page::open_ready(session, &world.url_with(SMALL))?;
        page.open_engine()?;
        page.compute_on("webgpu")?;
        page.wait_for_place("WebGPU")?;
        session.press(key::ESCAPE)?;
        Ok::<_, anyhow::Error>(page)
    };
    let presets = || session.script("return localStorage.getItem(arguments[0])", &[KEY.into()]);
    session.goto(&world.url_with(SMALL))?;
    session.script("localStorage.clear()", &[])?;
    let on_gpu = moves_to_the_gpu()?.ask(&question(REPETITION))?;
    let measured = presets()?;
    let measured = measured.as_str().context("nothing was kept")?;
    ensure!(["blocks", "registers"].iter().any(|word| measured.contains(word)), "it is {measured}");

    // A word that would not be measured here: it stays if nothing is measured again, and is used.
    let planted = measured.replace("blocks", "small").replace("registers", "small");
    session.script(
        "localStorage.clear(); localStorage.setItem(...arguments)",
        &[KEY.into(), planted.clone().into()],
    )?;
    session.goto("about:blank")?;
    let page = moves_to_the_gpu()?;
    expect_same(&page.ask(&question(REPETITION))?, &on_gpu, "as was measured before")?;
    ensure!(presets()?.as_str() == Some(&planted), "it became {}", presets()?);
    // What is broken is measured anew.
    session.script("localStorage.clear(); localStorage.setItem(arguments[0], '{')", &[KEY.into()])?;
    session.goto("about:blank")?;
    moves_to_the_gpu()?;
    ensure!(presets()?.as_str().is_some_and(|kept| kept.contains(':')), "it is {}", presets()?);
    session.script("localStorage.clear()", &[])?;
    Ok(())
}

pub(crate) fn a_missing_adapter_is_said(world: &World, _session: &Session) -> Result<()> {
    let session = world.open_without_gpu()?;
    let page = Page::open_ready(&session, &world.url_with(SMALL))?;
    page.open_engine()?;
    page.compute_on("webgpu")?;
    let text = page.wait_for_alert()?;
    ensure!(text.contains("adapter"), "the notice does not say what is missing: {text}");
    page.wait_for_place("CPU")?;
    session.press(key::ESCAPE)?;
    page.ask(&question("The king")).context("without a GPU")?;
    ensure!(page.state()? == "ready", "the page is {}", page.state()?);
    Ok(())
}
