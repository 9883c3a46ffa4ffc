//! The head finder and the head page, against the command line.

use super::*;

/// What the command line says of all heads.
fn of_heads(world: &World, on: Value) -> Result<Value> {
    world.ask(SMALL, &json!({ "kind": "heads", "on": on }))
}

fn number(text: &str) -> Result<f64> {
    text.trim().replace('−', "-").replace('+', "").parse().with_context(|| format!("{text:?} is no number"))
}

/// One metric of an answer.
fn metric<'a>(answer: &'a Value, name: &str) -> Result<&'a Value> {
    let mut scores = answer["scores"].as_array().into_iter().flatten();
    scores.find(|scores| scores["metric"] == name).with_context(|| format!("no {name} in the answer"))
}

/// Every cell of the finder is what the command line says of its head.
fn expect_cells(session: &Session, scores: &Value) -> Result<()> {
    let side = |axis: usize| scores["values"]["shape"][axis].as_u64().unwrap_or(0) as usize;
    let (n_layers, n_heads) = (side(0), side(1));
    ensure!(4 < n_layers * n_heads, "{n_layers} layers of {n_heads} heads");
    for head in 0..n_layers * n_heads {
        let at = format!("{}.{}", n_layers - 1 - head / n_heads, head % n_heads);
        let want = scores["values"]["data"][head].as_f64().context("no value")?;
        let shown = number(&cell(session, &at)?)?;
        ensure!((shown - want).abs() <= 0.006, "{} at {at}: {shown}, not {want}", scores["metric"]);
    }
    Ok(())
}

/// The heads that are listed, in order.
fn listed(session: &Session) -> Result<Vec<String>> {
    let names = session.script(
        "return [...document.querySelectorAll('[data-testid=top-heads] .bar-name')].map(e => e.textContent)",
        &[],
    )?;
    Ok(names.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect())
}

pub(crate) fn the_finder_shows_every_head(world: &World, session: &Session) -> Result<()> {
    let fields = "view=heads&on=random&length=20&draw=3&top=5";
    let page = Page::open_ready(session, &url(world, SMALL, fields))?;
    wait_for_view(&page, session, "heads")?;
    let answer = of_heads(world, json!({ "repeated": { "length": 20, "seed": 3 } }))?;
    ensure!(answer["scores"].as_array().map(Vec::len) == Some(10), "ten metrics");
    let said = page.test_id("heads-read")?.text()?;
    ensure!(said.starts_with("Read: 4 sequences of 20 random tokens, each twice"), "{said}");
    for name in ["induction", "previous_token", "entropy", "copying", "output_norm"] {
        choose(session, "metric", name)?;
        let scores = metric(&answer, name)?;
        let definition = scores["definition"].as_str().context("no definition")?;
        wait_for(&format!("the definition of {name}"), PATIENCE, || {
            Ok(page.test_id("metric")?.text()?.contains(definition).then_some(()))
        })?;
        let data = format!("made of {} {}", scores["n"], scores["counted"].as_str().unwrap_or_default());
        let said = page.test_id("metric")?.text()?;
        ensure!(said.contains(&data), "{said} does not say {data}");
        expect_cells(session, scores)?;
        // Which come first is the engine's own order.
        let top = scores["top"].as_array().context("no order")?;
        let top: Vec<String> = top.iter().map(|head| format!("L{}H{}", head[0], head[1])).collect();
        ensure!(listed(session)? == top, "{name}: {:?}, not {top:?}", listed(session)?);
    }
    // On the prompt there is one sequence, and no second copy of it.
    choose(session, "metric", "first_token")?;
    choose(session, "on", "text")?;
    wait_for("the prompt to be read", PATIENCE, || {
        Ok(page.test_id("heads-read")?.text()?.starts_with("Read: this prompt").then_some(()))
    })?;
    let answer = of_heads(world, json!({ "prompt": { "text": PROMPT } }))?;
    expect_cells(session, metric(&answer, "first_token")?)?;
    // By keys to a head, and to its page.
    session.script("document.querySelector('[role=gridcell][tabindex=\"0\"]').focus()", &[])?;
    session.press(key::RIGHT)?;
    session.press(key::DOWN)?;
    let said = session.script("return document.querySelector('[data-slot]').innerText", &[])?;
    ensure!(said.as_str().is_some_and(|text| text.starts_with("L0H1")), "{said}");
    session.press(key::ENTER)?;
    wait_for_view(&page, session, "head")?;
    wait_for_field(session, "head=0.1")?;
    wait_for_field(session, "view=head")?;
    page.expect_no_console_error()
}

pub(crate) fn a_head_is_taken_apart(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &url(world, SMALL, "view=head&head=1.3&pos=5&key=2&weigh=output"))?;
    wait_for_view(&page, session, "head")?;
    let ask = |reads: &str| {
        let fields = json!({ "layer": 1, "head": 3, "query": 5, "key": 2, "reads": reads });
        native(world, SMALL, "head", fields)
    };
    let answer = ask("stream")?;
    patterns(session, &answer)?;
    expect_steps(session, &page, &answer["pair"])?;
    // What it writes, read from the stream and from the embedding.
    for reads in ["stream", "embedding"] {
        choose(session, "reads", reads)?;
        let want = ask(reads)?["promoted"][0]["logit"].as_f64().context("nothing is promoted")?;
        wait_for(&format!("what it writes from the {reads}"), PATIENCE, || {
            let shown = session.script(
                "return document.querySelector('[data-testid=writes] .view-bars .num')?.textContent ?? ''",
                &[],
            )?;
            let shown = number(shown.as_str().unwrap_or_default());
            Ok(shown.is_ok_and(|shown| (shown - want).abs() <= 0.006).then_some(()))
        })?;
    }
    // Another key by a press on its cell, and the neighbouring head by its button, which keeps the focus.
    session.find(".view-heat [data-at='4.1']")?.context("no cell")?.click()?;
    wait_for_field(session, "pos=4")?;
    wait_for_field(session, "key=1")?;
    session.script("document.querySelector(\"[data-key='step →']\").focus()", &[])?;
    session.press(key::ENTER)?;
    wait_for_field(session, "head=1.4")?;
    wait_for("the page of L1H4", PATIENCE, || {
        let title = session.script("return document.querySelector('.view h2').innerText", &[])?;
        Ok((title == "What does layer 1 head 4 do?").then_some(()))
    })?;
    ensure!(session.focused()?.attribute("data-key")?.as_deref() == Some("step →"), "the focus was lost");
    a_test_in_place(world, session, &page)?;
    page.expect_no_console_error()
}

/// The cells are those of the pattern, whatever they are weighted by.
fn patterns(session: &Session, answer: &Value) -> Result<()> {
    let n = answer["tokens"].as_array().map_or(0, Vec::len);
    let n_cells = session.script("return document.querySelectorAll('.view-heat b').length", &[])?;
    ensure!(n_cells == n * (n + 1) / 2, "{n_cells} cells for {n} tokens");
    for (weigh, name) in [("output", "output_weighted"), ("value", "value_weighted"), ("pattern", "pattern")]
    {
        choose(session, "weigh", weigh)?;
        for (query, key) in [(5, 2), (n - 1, 0), (4, 4)] {
            let want = answer[name]["data"][query * n + key].as_f64().context("no value")?;
            wait_for(&format!("{name} {query}.{key} to be {want}"), PATIENCE, || {
                let label = session.script(
                    "return document.querySelector(`b[data-at='${arguments[0]}']`)?.ariaLabel ?? ''",
                    &[json!(format!("{query}.{key}"))],
                )?;
                let shown = number(label.as_str().unwrap_or_default().trim_start_matches(['<', '>']));
                Ok(shown.is_ok_and(|shown| (shown - want).abs() <= 0.001).then_some(()))
            })?;
        }
    }
    Ok(())
}

/// From q·k to a probability, and dimension by dimension.
fn expect_steps(session: &Session, page: &Page<'_>, pair: &Value) -> Result<()> {
    let steps = page.test_id("pair")?.text()?;
    let of = |name: &str| pair[name].as_f64().with_context(|| format!("no {name}"));
    let (dot, scale) = (of("dot")?, of("scale")?);
    for want in [
        format!("q·k = {dot:.2}"),
        format!("/ {scale:.2} = {:.2}", dot / scale),
        "key 2 ≤ query 5: it is seen".to_owned(),
    ] {
        ensure!(steps.contains(&want.replace('-', "−")), "{steps} does not say {want}");
    }
    let rows = session.script(
        "return [...document.querySelectorAll('[data-testid=pair] li > .num:not(code)')].map(e => e.textContent)",
        &[],
    )?;
    let rows = rows.as_array().into_iter().flatten().map(|row| number(row.as_str().unwrap_or_default()));
    let rows: Vec<f64> = rows.collect::<Result<_>>()?;
    let (sum, parts) = rows.split_last().context("no rows")?;
    ensure!((sum - dot).abs() <= 0.006 && parts.len() == 13, "{rows:?}");
    // Each is rounded to two decimals.
    ensure!((parts.iter().sum::<f64>() - sum).abs() <= 0.005 * 14.0, "{rows:?} do not sum");
    Ok(())
}

/// The effect of the head on the page is that of the question.
fn a_test_in_place(world: &World, session: &Session, page: &Page<'_>) -> Result<()> {
    let attention = native(world, SMALL, "attention", json!({ "patterns": "none" }))?;
    let id = |nth: usize| &attention["positions"][4]["top"][nth]["token"]["id"];
    let metric = json!({ "kind": "logit_diff", "pos": 4, "correct": id(0), "wrong": id(1) });
    let fields = json!({ "metric": metric, "components": [{ "head": [1, 4] }], "n_random": 24 });
    let answer = native(world, SMALL, "effects", fields)?;
    let want = answer["effects"][0]["change"].as_f64().context("no effect")?;
    session.find(".view [data-do='test=h1.4']")?.context("no button")?.click()?;
    wait_for_field(session, "test=h1.4")?;
    let text = wait_for("the effect", PATIENCE, || {
        let text = page.test_id("effect")?.text()?;
        Ok((text.contains("Without L1H4") && !text.contains("done")).then_some(text))
    })?;
    let change = text.split(": ").nth(1).and_then(|rest| rest.split(". ").next());
    let shown = number(change.unwrap_or_default())?;
    ensure!((shown - want).abs() <= 0.006, "{shown} on the page, {want} on the command line: {text}");
    Ok(())
}

pub(crate) fn a_head_is_offered(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &url(world, SMALL, "view=head"))?;
    wait_for_view(&page, session, "head")?;
    let answer = of_heads(world, json!({ "prompt": { "text": PROMPT } }))?;
    let best = &metric(&answer, "previous_token")?["top"][0];
    let best = format!("{}.{}", best[0], best[1]);
    let button = wait_for("an example", PATIENCE, || {
        session.find(&format!("[data-testid=head-examples] [data-do='head={best}']"))
    })?;
    button.click()?;
    wait_for_field(session, &format!("head={best}"))?;
    wait_for("its page", PATIENCE, || session.find("[data-testid=pattern]"))?;
    // The inspector leads there from other views.
    session.find("#tab-attention")?.context("no tab")?.click()?;
    session.script(
        "[...document.querySelectorAll('.inspector button')].find(e => e.textContent === 'Open the head page').click()",
        &[],
    )?;
    wait_for_view(&page, session, "head")?;
    page.expect_no_console_error()?;
    // A link to a head and a key that there are not is a page without a head.
    let page = Page::open_ready(session, &url(world, SMALL, "view=head&head=9.9&key=99"))?;
    wait_for("examples", PATIENCE, || session.find("[data-testid=head-examples] button"))?;
    session.find(".view [data-do='view=heads']")?.context("no way to the finder")?.click()?;
    wait_for_view(&page, session, "heads")?;
    page.expect_no_console_error()
}
