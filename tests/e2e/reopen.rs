//! Models from disk at the next visit. Handles on the page's own files (OPFS) stand in for what a user would choose, since
//! no test can press the buttons of the browser's own dialogs.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use xtask::webdriver::{Session, wait_for};

use crate::page::{PATIENCE, Page, REPETITION, SMALL, question};
use crate::story::expect_same;
use crate::world::World;

/// The small model's files at the top of a folder, and what the browser's dialogs would give.
const DISK: &str = "
    const root = await navigator.storage.getDirectory();
    window.disk = await root.getDirectoryHandle('tales', { create: true });
    for (const name of ['config.json', 'model.safetensors', 'tokenizer.json', 'notes.md']) {
        const handle = await disk.getFileHandle(name, { create: true });
        const writable = await handle.createWritable();
        const reply = name === 'notes.md' ? new Response('nothing') : await fetch(`./models/tales-attn-2l/${name}`);
        await writable.write(await reply.blob());
        await writable.close();
    }
    window.showDirectoryPicker = async () => disk;
    window.showOpenFilePicker = async () =>
        Promise.all(['config.json', 'model.safetensors', 'tokenizer.json'].map((name) => disk.getFileHandle(name)));";

/// Chooses in the picker as a click does; WebDriver itself refuses to click on what chooses files.
fn choose(session: &Session, page: &Page<'_>, control: &str) -> Result<()> {
    page.control("Load another…")?.click()?;
    let input = page.control(control)?;
    session.script("arguments[0].click()", &[input.as_argument()]).map(drop)
}

fn wait_for_own(page: &Page<'_>) -> Result<()> {
    wait_for("the opened model to be the current one", PATIENCE, || {
        Ok((page.model()?.starts_with("own-") && page.state()? == "ready").then_some(()))
    })
    .with_context(|| format!("the page says {:?}", page.alert_text().unwrap_or_default()))
}

/// The list in the open picker, once it says these words.
fn list_says(page: &Page<'_>, words: &str) -> Result<String> {
    wait_for(
        words,
        PATIENCE,
        || Ok(Some(page.test_id("opened")?.text()?).filter(|text| text.contains(words))),
    )
    .with_context(|| format!("the list says {:?}", page.test_id("opened").and_then(|list| list.text())))
}

pub(crate) fn files_are_opened_again(world: &World, session: &Session) -> Result<()> {
    let native = world.ask(SMALL, &question(REPETITION))?;
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    session.script_async(DISK, &[])?;
    choose(session, &page, "Open a model from disk")?;
    wait_for_own(&page)?;
    choose(session, &page, "Open a folder from disk")?;
    wait_for("the folder's model", PATIENCE, || Ok((page.model()? == "own-2").then_some(())))?;

    // The next visit.
    session.goto("about:blank")?;
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    page.control("Load another…")?.click()?;
    let said = list_says(&page, "tales (a folder)")?;
    ensure!(said.contains("config.json, model.safetensors, tokenizer.json"), "{said}");
    ensure!(said.contains("2 layers") && said.contains("within the last day"), "{said}");
    page.control("Open again: config.json, model.safetensors, tokenizer.json")?.click()?;
    wait_for_own(&page)?;
    expect_same(&page.ask(&question(REPETITION))?, &native, "as opened again")?;
    ensure!(page.alert_text()?.is_empty(), "nothing has changed: {}", page.alert_text()?);
    page.control("Load another…")?.click()?;
    page.control("Open again: tales (a folder)")?.click()?;
    wait_for("the folder's model", PATIENCE, || Ok((page.model()? == "own-2").then_some(())))?;
    expect_same(&page.ask(&question(REPETITION))?, &native, "the folder as opened again")?;

    // The same files are not listed twice; what is forgotten goes.
    page.control("Load another…")?.click()?;
    list_says(&page, "tales (a folder)")?;
    let count = "return document.querySelectorAll('[data-testid=opened] li').length";
    ensure!(session.script(count, &[])? == json!(2), "{}", page.test_id("opened")?.text()?);
    page.control("Forget: tales (a folder)")?.click()?;
    wait_for("it to be forgotten", PATIENCE, || Ok((session.script(count, &[])? == json!(1)).then_some(())))?;
    page.control("Forget: config.json, model.safetensors, tokenizer.json")?.click()?;
    wait_for("the list to go", PATIENCE, || Ok((!page.test_id("opened")?.is_visible()?).then_some(())))?;
    page.expect_no_console_error()
}

pub(crate) fn what_cannot_be_opened_again_is_said(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    session.script_async(DISK, &[])?;
    choose(session, &page, "Open a folder from disk")?;
    wait_for_own(&page)?;
    choose(session, &page, "Open a model from disk")?;
    wait_for("the files' model", PATIENCE, || Ok((page.model()? == "own-2").then_some(())))?;
    let files = "Open again: config.json, model.safetensors, tokenizer.json";

    // Permission is refused, and given the next time.
    page.control("Load another…")?.click()?;
    list_says(&page, "tales (a folder)")?;
    session.script(
        "window.request = FileSystemHandle.prototype.requestPermission;
         FileSystemHandle.prototype.requestPermission = async () => 'denied';",
        &[],
    )?;
    page.control(files)?.click()?;
    let said = list_says(&page, "not allowed")?;
    ensure!(said.contains("config.json") && said.contains("allow it when the browser asks"), "{said}");
    ensure!(page.model()? == "own-2", "the model before is no longer there");
    session.script("FileSystemHandle.prototype.requestPermission = window.request;", &[])?;
    page.control(files)?.click()?;
    wait_for("the model", PATIENCE, || Ok((page.model()? == "own-3").then_some(())))?;

    // A file that changed is read as it is, and that is said.
    session.script_async(
        "const handle = await disk.getFileHandle('config.json');
         const text = await (await handle.getFile()).text();
         const writable = await handle.createWritable();
         await writable.write(text + ' ');
         await writable.close();",
        &[],
    )?;
    page.control("Load another…")?.click()?;
    list_says(&page, "tales (a folder)")?;
    page.control("Open again: tales (a folder)")?.click()?;
    wait_for("the changed model", PATIENCE, || Ok((page.model()? == "own-4").then_some(())))?;
    ensure!(page.alert_text()?.contains("config.json has changed on disk"), "{}", page.alert_text()?);
    page.control("Dismiss")?.click()?;

    // A file that is gone.
    session.script_async("await disk.removeEntry('model.safetensors')", &[])?;
    page.control("Load another…")?.click()?;
    list_says(&page, "config.json, model")?;
    page.control(files)?.click()?;
    let said = list_says(&page, "moved, renamed or deleted")?;
    ensure!(
        said.contains("model.safetensors is no longer where it was") && said.contains("Forget"),
        "{said}"
    );
    ensure!(page.model()? == "own-4", "the model before is no longer there");
    page.ask(&question("The king")).context("after a file that is gone")?;
    page.expect_no_console_error()
}

pub(crate) fn without_handles_files_are_chosen(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    session.script(
        "delete window.showOpenFilePicker; delete window.showDirectoryPicker;
         window.isPrevented = null;
         document.addEventListener('click', event => {
             if (event.target.type === 'file') { window.isPrevented = event.defaultPrevented; event.preventDefault(); }
         });",
        &[],
    )?;
    choose(session, &page, "Open a model from disk")?;
    ensure!(
        session.script("return window.isPrevented", &[])? == json!(false),
        "the plain input is kept from opening"
    );
    ensure!(!page.test_id("opened")?.is_visible()?, "a list without handles");
    page.control("Close")?.click()?;
    let files = crate::files::copy_of_model(world, "no-handles", 1.0)?;
    let paths: Vec<String> = files.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    page.choose_files(&paths.join("\n"))?;
    wait_for_own(&page)?;
    page.expect_no_console_error()
}
