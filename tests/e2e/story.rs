//! From opening the page to an induction head, and the numbers behind it.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::fs;

use xtask::paths;
use xtask::webdriver::Session;

use crate::page::{DEFAULT, Page, REPETITION, SMALL, best_induction, expect_close, ids_of, question};
use crate::world::World;

pub(crate) fn opens_without_errors_and_becomes_ready(world: &World, session: &Session) -> Result<()> {
    // As a visitor comes: with nothing in the address.
    let page = Page::open_ready(session, world.url())?;
    page.ask(&question("The cat sat"))?;
    let foreign = session.script(
        "return performance.getEntriesByType('resource').map(entry => entry.name).filter(name => !name.startsWith(location.origin) && !name.startsWith('data:') && !name.startsWith('blob:'))",
        &[],
    )?;
    ensure!(foreign == json!([]), "the page fetched from elsewhere: {foreign}");
    page.expect_no_console_error()
}

pub(crate) fn the_small_model_finds_the_induction_head(world: &World, session: &Session) -> Result<()> {
    finds_the_induction_head(world, session, SMALL)
}

pub(crate) fn the_default_model_finds_the_induction_head(world: &World, session: &Session) -> Result<()> {
    finds_the_induction_head(world, session, DEFAULT)
}

fn finds_the_induction_head(world: &World, session: &Session, model: &str) -> Result<()> {
    let page = Page::open_ready(session, &world.url_with(model))?;
    page.type_prompt(REPETITION)?;
    let native = world.ask(model, &question(REPETITION))?;
    page.wait_for_tokens(&ids_of(&native)?)?;
    ensure!(page.model()? == model, "the model is {}, not {model}", page.model()?);

    let (layer, head, score) = best_induction(&native)?;
    let found = page.test_id("best-induction")?;
    let shown = [found.number("data-layer")?, found.number("data-head")?];
    ensure!(
        shown == [layer as f64, head as f64],
        "the page names head {shown:?}, the command line [{layer}, {head}]"
    );
    let shown_score = found.number("data-score")?;
    expect_close("the best induction score", shown_score, score)?;
    ensure!(shown_score >= 0.5, "the best induction score is only {shown_score}");
    let text = found.text()?;
    ensure!(text.contains(&format!("{shown_score:.2}")), "{text:?} does not show {shown_score:.2}");
    page.expect_no_console_error()
}

pub(crate) fn the_client_answers_as_the_command_line(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    let question =
        json!({ "kind": "attention", "prompt": { "text": REPETITION }, "patterns": [[0, 0], [1, 1]] });
    let live = page.ask(&question)?;
    let native = world.ask(SMALL, &question)?;
    expect_same(&live, &native, "answer")
}

pub(crate) fn stored_results_are_live_results(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    let mut n_compared = 0;
    for entry in fs::read_dir(paths::root().join("assets/stored"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".question.json") else { continue };
        let question: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
        let stored = fs::read_to_string(paths::dist().join(format!("stored/{stem}.answer.json")))?;
        let live = session.script_async(
            "return await window.vitrine.ask(args[0], { model: args[1] })",
            &[question, json!(SMALL)],
        )?;
        expect_same(&live, &serde_json::from_str(&stored)?, stem)?;
        n_compared += 1;
    }
    ensure!(n_compared > 0, "there is no stored result");
    page.expect_no_console_error()
}

pub(crate) fn a_wrong_question_is_refused(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    let error = page.ask(&json!({ "kind": "horoscope" })).err().context("a horoscope was answered")?;
    ensure!(error.to_string().starts_with("question:"), "the failure does not say its kind: {error}");
    page.ask(&question("Still there?")).context("after a refused question")?;
    Ok(())
}

pub(crate) fn a_long_prompt_is_shown(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    // As many words as give just under 256 tokens, found by asking.
    let sentence = "Once upon a time there was a king who had a daughter and she was fair. ";
    let n_tokens = |n: usize| -> Result<(String, Vec<u32>)> {
        let text = sentence.repeat(n).trim_end().to_owned();
        let ids = ids_of(&world.ask(SMALL, &question(&text))?)?;
        Ok((text, ids))
    };
    let per_sentence = n_tokens(2)?.1.len() - n_tokens(1)?.1.len();
    let (text, ids) = n_tokens(255 / per_sentence)?;
    ensure!(ids.len() >= 230 && ids.len() <= 256, "the prompt has {} tokens", ids.len());
    page.paste_prompt(&text)?;
    page.wait_for_tokens(&ids)?;
    ensure!(page.alert_text()?.is_empty(), "a failure is shown: {}", page.alert_text()?);
    page.expect_no_console_error()
}

pub(crate) fn an_over_long_prompt_is_explained(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    page.paste_prompt(&"king and queen and fox and bird ".repeat(200))?;
    let text = page.wait_for_alert()?;
    ensure!(text.to_lowercase().contains("token"), "the message does not speak of tokens: {text}");
    page.ask(&question("The king")).context("after an over-long prompt")?;
    Ok(())
}

/// The same JSON, but for the last digits of numbers.
pub(crate) fn expect_same(live: &Value, native: &Value, at: &str) -> Result<()> {
    match (live, native) {
        (Value::Number(live), Value::Number(native)) => {
            let of = |number: &serde_json::Number| number.as_f64().context("a number that is none");
            expect_close(at, of(live)?, of(native)?)
        }
        (Value::Array(live), Value::Array(native)) => {
            ensure!(live.len() == native.len(), "{at} has {} and {} entries", live.len(), native.len());
            live.iter()
                .zip(native)
                .enumerate()
                .try_for_each(|(idx, (a, b))| expect_same(a, b, &format!("{at}[{idx}]")))
        }
        (Value::Object(live), Value::Object(native)) => {
            let keys = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            ensure!(keys(live) == keys(native), "{at} has {:?} and {:?}", keys(live), keys(native));
            live.iter().try_for_each(|(key, value)| expect_same(value, &native[key], &format!("{at}.{key}")))
        }
        _ => {
            ensure!(live == native, "{at} is {live} in the page and {native} on the command line");
            Ok(())
        }
    }
}
