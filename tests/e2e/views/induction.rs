//! The induction lab: its numbers beside the command line's, heads taken out, and the training under a slider.

use std::fs;

use super::*;

/// Long enough for a clear score, short enough for many runs.
const LAB: &str = "view=induction&copy=25&batch=2";
const REPEATED: &str = r#"{"length":25,"batch":2,"seed":0}"#;

/// The text of an element; empty if it is not there.
fn said(session: &Session, selector: &str) -> Result<String> {
    let text =
        session.script("return document.querySelector(arguments[0])?.innerText ?? ''", &[json!(selector)])?;
    Ok(text.as_str().unwrap_or_default().to_owned())
}

/// The numbers of a row of a table, by the words it begins with.
fn row(session: &Session, table: &str, begins: &str) -> Result<Vec<f64>> {
    let cells = session.script(
        "const row = [...document.querySelectorAll(`[data-testid=${arguments[0]}] tbody tr`)]\
         .find(row => row.children[0].textContent.startsWith(arguments[1])); \
         return row ? [...row.querySelectorAll('td')].map(cell => cell.textContent.split(' ')[0]) : []",
        &[json!(table), json!(begins)],
    )?;
    let cells = cells.as_array().context("no list")?.iter();
    cells.map(|cell| numbers::number(cell.as_str().unwrap_or_default())).collect()
}

fn lab_question(fields: Value) -> Result<Value> {
    let mut question = json!({ "kind": "induction", "repeated": serde_json::from_str::<Value>(REPEATED)? });
    for (key, value) in fields.as_object().into_iter().flatten() {
        question[key] = value.clone();
    }
    Ok(question)
}

fn losses(of: &Value) -> Result<Vec<f64>> {
    let keys = ["first_copy_nats", "second_copy_nats", "in_context_nats"];
    keys.iter().map(|key| of[*key].as_f64().with_context(|| format!("no {key} in {of}"))).collect()
}

/// The largest induction score of an answer.
fn induction_score(answer: &Value) -> Result<f64> {
    let values = answer["scores"][0]["values"]["data"].as_array().context("no scores")?;
    ensure!(answer["scores"][0]["metric"] == "induction", "the first score is another one");
    Ok(values.iter().filter_map(Value::as_f64).fold(0.0, f64::max))
}

fn expect_near(shown: &[f64], want: &[f64], what: &str) -> Result<()> {
    let is_near = shown.len() == want.len() && shown.iter().zip(want).all(|(a, b)| (a - b).abs() <= 0.006);
    ensure!(is_near, "{what}: {shown:?} on the page, {want:?} on the command line");
    Ok(())
}

pub(crate) fn the_lab_shows_what_the_second_copy_costs(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &url(world, SMALL, LAB))?;
    wait_for_view(&page, session, "induction")?;
    let answer = world.ask(SMALL, &lab_question(json!({ "compositions": [[0, 1]] }))?)?;
    expect_near(&row(session, "copy-means", "as it is")?, &losses(&answer["losses"])?, "losses")?;
    let [best, previous] = [0, 2].map(|nth| &answer["scores"][nth]["top"][0]);
    let at = |head: &Value| format!("{}.{}", head[0], head[1]);
    let n_heads = answer["scores"][0]["values"]["shape"][1].as_u64().context("no shape")? as usize;
    let data = |head: &Value| Some((head[0].as_u64()? as usize, head[1].as_u64()? as usize));
    let (layer, head) = data(best).context("no best head")?;
    let want = numbers::at(&answer["scores"][0]["values"], layer * n_heads + head)?;
    expect_near(&[numbers::number(&cell(session, &at(best))?)?], &[want], "score")?;

    // The circuit's number and its rank are those of the weights.
    let sentence = changed_text(session, "[data-testid=composition]", "")?;
    let k =
        answer["compositions"].as_array().context("no compositions")?.iter().find(|of| of["input"] == "k");
    let k = &k.context("no K-composition")?["values"];
    let (_, from) = data(previous).context("no previous-token head")?;
    let want = numbers::at(k, from * n_heads + head)?;
    let all: Vec<f64> = k["data"].as_array().context("no data")?.iter().filter_map(Value::as_f64).collect();
    let rank = all.iter().filter(|other| want < **other).count() + 1;
    let want = format!("with {want:.4}: rank {rank} of {} pairs", all.len());
    ensure!(sentence.contains(&want), "{sentence} does not say {want:?}");

    // Without the induction head; what it was stays for comparison.
    session
        .find("[data-testid=induction-losses] button[data-key^=toggle-L1]")?
        .context("no button")?
        .click()?;
    changed_text(session, "[data-testid=induction-effect]", "")?;
    wait_for_field(session, &format!("out={}", at(best)))?;
    let without = world.ask(SMALL, &lab_question(json!({ "ablate": [best], "compositions": [] }))?)?;
    expect_near(&row(session, "copy-means", "as it is")?, &losses(&without["losses"])?, "losses as it is")?;
    let name = format!("without L{}H{}", best[0], best[1]);
    expect_near(&row(session, "copy-means", &name)?, &losses(&without["ablated"])?, &name)?;
    wait_for("other heads beside it", PATIENCE, || {
        Ok(said(session, "[data-testid=induction-effect]")?.contains("drawn at random").then_some(()))
    })?;
    let n_lines = session
        .script("return document.querySelectorAll('[data-testid=induction-losses] path.line').length", &[])?;
    ensure!(n_lines == 5, "{n_lines} lines");
    page.expect_no_console_error()
}

pub(crate) fn the_lab_works_by_keyboard_and_from_a_link(world: &World, session: &Session) -> Result<()> {
    let fields = format!("{LAB}&copyseed=3&out=0.6&fill=mean&score=previous_token&head=0.6&step=1025");
    let page = Page::open_ready(session, &url(world, SMALL, &fields))?;
    wait_for_view(&page, session, "induction")?;
    let value = |selector: &str| {
        session.script("return document.querySelector(arguments[0])?.value", &[json!(selector)])
    };
    for (key, want) in
        [("copy", "25"), ("batch", "2"), ("copyseed", "3"), ("fill", "mean"), ("score", "previous_token")]
    {
        let found = value(&format!("[data-set={key}]"))?;
        ensure!(found == want, "{key} is {found}, not {want}");
    }
    changed_text(session, "[data-testid=stage-log]", "")?;
    wait_for("the slider at its step", PATIENCE, || Ok((value("[data-range]")? == "6").then_some(())))?;
    session
        .script("document.querySelector('[data-testid=induction-heads] b[tabindex=\"0\"]').focus()", &[])?;
    for (pressed, at) in [(key::RIGHT, "0.1"), (key::DOWN, "1.1"), (key::LEFT, "1.0")] {
        session.press(pressed)?;
        ensure!(session.focused()?.attribute("data-at")?.as_deref() == Some(at), "the cursor is not at {at}");
        let text = said(session, "[data-slot]")?;
        let want = format!("L{}H{}: ", &at[..1], &at[2..]);
        ensure!(text.starts_with(&want), "at {at} it says {text}");
    }
    session.press(key::ENTER)?;
    wait_for_field(session, "head=1.0")?;
    session.script("document.querySelector('[data-range]').focus()", &[])?;
    session.press(key::RIGHT)?;
    wait_for_field(session, "step=1050")?;
    session.press(key::LEFT)?;
    session.press(key::LEFT)?;
    wait_for_field(session, "step=975")?;
    ensure!(session.focused()?.attribute("data-range")?.is_some(), "the slider lost the focus");
    let spoken = session.focused()?.attribute("aria-valuetext")?;
    ensure!(spoken.as_deref() == Some("step 975"), "the slider says {spoken:?}");
    page.expect_no_console_error()
}

/// What the command line answers about a checkpoint.
fn at_step(world: &World, step: u32) -> Result<Value> {
    let model = xtask::paths::root().join("assets/models").join(SMALL);
    let folder = world.scratch(&format!("step-{step:06}"))?;
    for name in ["config.json", "tokenizer.json"] {
        fs::copy(model.join(name), folder.join(name))?;
    }
    fs::copy(
        model.join(format!("checkpoints/step-{step:06}.safetensors")),
        folder.join("model.safetensors"),
    )?;
    world.ask_in(&folder, &lab_question(json!({ "compositions": [] }))?)
}

pub(crate) fn the_training_is_scrubbed(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &url(world, SMALL, &format!("{LAB}&step=0")))?;
    wait_for_view(&page, session, "induction")?;
    changed_text(session, "[data-testid=stage-log]", "")?;
    ensure!(said(session, "[data-testid=training]")?.contains("stored result: training log"), "not labelled");
    session.script(
        "window.loads = 0; const post = Worker.prototype.postMessage; \
         Worker.prototype.postMessage = function (message, ...rest) { \
           window.loads += JSON.parse(message.json).type === 'load'; return post.call(this, message, ...rest); };",
        &[],
    )?;
    let fetched = "return window.loads";
    let live = session.script("return document.querySelector('[data-testid=stage]')", &[])?;
    ensure!(live.is_null(), "a checkpoint came unasked");
    session.find("[data-do='stage=load']")?.context("no button to load")?.click()?;
    let mut before = -1.0;
    for (nth, step) in [(0, 0_u32), (6, 1025), (11, 2857)] {
        session.script(
            "const slider = document.querySelector('[data-range]'); slider.value = arguments[0]; \
             slider.dispatchEvent(new Event('input', { bubbles: true }));",
            &[json!(nth)],
        )?;
        let selector = format!("[data-testid=stage][data-step='{step}']:not(.stale)");
        wait_for(&selector, PATIENCE, || session.find(&selector))
            .with_context(|| format!("alerts: {}", page.alert_text().unwrap_or_default()))?;
        let answer = at_step(world, step)?;
        let losses = losses(&answer["losses"])?;
        let shown = row(session, "stage-numbers", "largest induction")?;
        expect_near(&shown[..1], &[induction_score(&answer)?], &format!("score at step {step}"))?;
        for (name, want) in [("first copy", losses[0]), ("second copy", losses[1])] {
            let shown = row(session, "stage-numbers", name)?;
            expect_near(&shown[..1], &[want], &format!("{name} at step {step}"))?;
        }
        ensure!(before < shown[0], "the induction score is {} at step {step}, {before} before", shown[0]);
        before = shown[0];
        let selector = format!("[data-testid=stage-pattern][data-of='step-{step:06}']:not(.stale) path.ink");
        wait_for("the pattern of the checkpoint", PATIENCE, || session.find(&selector))?;
    }
    // What was seen is not fetched again, and the model in use is what it was.
    let n_fetched = session.script(fetched, &[])?;
    ensure!(n_fetched == 3, "{n_fetched} checkpoints were fetched");
    session.script(
        "const slider = document.querySelector('[data-range]'); slider.value = 0; \
         slider.dispatchEvent(new Event('input', { bubbles: true }));",
        &[],
    )?;
    let selector = "[data-testid=stage][data-step='0']:not(.stale)";
    wait_for(selector, PATIENCE, || session.find(selector))?;
    ensure!(session.script(fetched, &[])? == n_fetched, "it was fetched again");
    let own = session.script_async(
        "return (await vitrine.ask(JSON.parse(args[0]))).losses.second_copy_nats",
        &[json!(lab_question(json!({ "compositions": [] }))?.to_string())],
    )?;
    let want = row(session, "copy-means", "as it is")?[1];
    ensure!((own.as_f64().context("the model in use does not answer")? - want).abs() <= 0.006, "{own}");
    page.expect_no_console_error()
}
