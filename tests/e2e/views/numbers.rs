//! What the views show is what the command line answers.

use super::*;

/// A number as the page writes it: with a true minus.
pub(super) fn number(text: &str) -> Result<f64> {
    text.trim().replace('−', "-").replace('+', "").parse().with_context(|| format!("{text:?} is no number"))
}

/// The last number of a tensor in an answer, and its shape.
pub(super) fn at(tensor: &Value, index: usize) -> Result<f64> {
    tensor["data"][index].as_f64().with_context(|| format!("no number at {index} of {}", tensor["shape"]))
}

pub(crate) fn the_lens_shows_what_the_model_would_say(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &url(world, SMALL, "view=lens&shade=kl&halves=yes"))?;
    wait_for_view(&page, session, "lens")?;
    let answer = native(world, SMALL, "logit_lens", json!({ "halves": true }))?;
    let (n_rows, n_pos) =
        (answer["rows"].as_array().map_or(0, Vec::len), answer["positions"].as_array().map_or(0, Vec::len));
    ensure!(n_rows > 2 && n_pos > 3, "{n_rows} streams and {n_pos} positions");
    let n_cells = session.script("return document.querySelectorAll('.view-host b[data-at]').length", &[])?;
    ensure!(n_cells == n_rows * n_pos, "{n_cells} cells for {n_rows} streams and {n_pos} positions");
    for (pos, row) in [(0, 0), (n_pos - 1, 1), (2, n_rows - 1)] {
        let shown = number(&cell(session, &format!("{pos}.{row}"))?)?;
        let want = at(&answer["kl_nats"], row * n_pos + pos)?;
        ensure!(
            (shown - want).abs() <= 0.006,
            "KL at {pos}.{row}: {shown} on the page, {want} on the command line"
        );
    }
    // The last column is the model itself.
    choose(session, "shade", "top")?;
    let last = format!("{}.{}", n_pos - 1, n_rows - 1);
    let top = &answer["top"];
    let index = at(&top["indices"], (n_rows * n_pos - 1) * 5)? as usize;
    let want = top["tokens"][index]["text"].as_str().context("a token without text")?.replace(' ', "·");
    wait_for("the likeliest token in the cell", PATIENCE, || {
        Ok((cell(session, &last)? == want).then_some(()))
    })?;

    // Following another token asks again and draws one more line.
    let input = session.find("[data-token=pin]")?.context("no box for tokens")?;
    input.keys(&format!(" king{}", key::ENTER))?;
    wait_for("a line for it", PATIENCE, || {
        let names = session.script(
            "return [...document.querySelectorAll('.view-list .token')].map(e => e.textContent)",
            &[],
        )?;
        Ok((names == json!(["·king"])).then_some(()))
    })?;
    // Frozen and recomputed agree at the end and differ before it.
    choose(session, "shade", "kl")?;
    let [first, end] = ["0.0".to_owned(), last];
    let before = cell(session, &first)?;
    choose(session, "scale", "frozen")?;
    wait_for("another KL with the frozen scale", PATIENCE, || {
        Ok((cell(session, &first)? != before).then_some(()))
    })?;
    ensure!(number(&cell(session, &end)?)? == 0.0, "the last stream is the model");
    page.expect_no_console_error()
}

pub(crate) fn the_parts_sum(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &url(world, DEFAULT, "view=attribution&by=component"))?;
    wait_for_view(&page, session, "attribution")?;
    let attention = native(world, DEFAULT, "attention", json!({ "patterns": "none" }))?;
    let top = &attention["positions"].as_array().and_then(|all| all.last()).context("no predictions")?["top"];
    let (target, distractor) = (&top[0]["token"]["id"], &top[1]["token"]["id"]);
    let answer =
        native(world, DEFAULT, "attribution", json!({ "targets": [target], "distractors": [distractor] }))?;
    let rows = session.script(
        "return [...document.querySelectorAll('[data-testid=waterfall] li')].map(row => [row.children[0].textContent, row.children[2].textContent])",
        &[],
    )?;
    let rows = rows.as_array().context("no waterfall")?;
    let parts = answer["parts"].as_array().context("no parts")?;
    ensure!(rows.len() == parts.len() + 1, "{} bars for {} parts", rows.len(), parts.len());
    for (row, part) in rows.iter().zip(parts) {
        let shown = number(row[1].as_str().unwrap_or_default())?;
        let want = part["value"].as_f64().context("a part without a value")?;
        ensure!((shown - want).abs() <= 0.006, "{} is {shown}, {part} on the command line", row[0]);
    }
    let total = number(rows[rows.len() - 1][1].as_str().unwrap_or_default())?;
    let want = answer["logit_diff"].as_f64().context("no logit difference")?;
    ensure!((total - want).abs() <= 0.006, "the sum is {total}, the difference {want}");
    ensure!(rows.iter().any(|row| row[0] == "b_U"), "b_U has no bar of its own");
    let neurons =
        session.script("return document.querySelectorAll('[data-testid=neurons] li').length", &[])?;
    ensure!(neurons == 16, "{neurons} neurons are listed");

    // Another target: the default distractor goes with the default target.
    let input = session.find("[data-token=target]")?.context("no box for tokens")?;
    let before = page.test_id("logit-diff")?.text()?;
    input.keys(&format!(" king{}", key::ENTER))?;
    let said = changed_text(session, "[data-testid=logit-diff]", &before)?;
    ensure!(said.contains("the logit of ‘·king’ is"), "{said}");
    page.expect_no_console_error()
}

pub(crate) fn a_component_is_tested(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &url(world, DEFAULT, "view=attribution"))?;
    wait_for_view(&page, session, "attribution")?;
    let button =
        session.find("[data-testid=waterfall] [data-do='test=m1']")?.context("MLP 1 has no button")?;
    ensure!(button.accessible_name()? == "Test it MLP 1", "it is called {:?}", button.accessible_name()?);
    button.click()?;
    wait_for_field(session, "test=m1")?;
    let attention = native(world, DEFAULT, "attention", json!({ "patterns": "none" }))?;
    let top = &attention["positions"].as_array().and_then(|all| all.last()).context("no predictions")?["top"];
    let metric = json!({ "kind": "logit_diff", "pos": -1, "correct": top[0]["token"]["id"], "wrong": top[1]["token"]["id"] });
    let effect = |ablation: Value| -> Result<f64> {
        let fields =
            json!({ "metric": metric, "components": [{ "mlp": 1 }], "ablation": ablation, "n_random": 24 });
        let answer = native(world, DEFAULT, "effects", fields)?;
        answer["effects"][0]["change"].as_f64().context("no effect")
    };
    let said = |before: &str| -> Result<String> {
        wait_for("the effect", PATIENCE, || {
            let text = page.test_id("effect")?.text()?;
            Ok((text.contains("Without MLP 1")
                && text.contains("median")
                && !text.contains("done")
                && text != before
                && session.find("[data-testid=effect] .stale")?.is_none())
            .then_some(text))
        })
    };
    let shown = |text: &str| {
        number(text.split(": ").nth(1).and_then(|rest| rest.split(". ").next()).unwrap_or_default())
    };
    let zero = said("")?;
    ensure!(zero.contains("caused"), "a test is causal: {zero}");
    expect_near("zero", shown(&zero)?, effect(json!("zero"))?)?;
    choose(session, "ablation", "resample")?;
    wait_for("the box for a second prompt", PATIENCE, || session.find("[data-set=other]"))?;
    let other = "Once upon a time there was a king";
    session.find("[data-set=other]")?.context("no box")?.keys(&format!("{other}{}", key::ENTER))?;
    let resampled = said(&zero)?;
    expect_near("resample", shown(&resampled)?, effect(json!({ "resample": { "text": other } }))?)?;
    // A second prompt of another length is explained, and the picture stays.
    session.find("[data-set=other]")?.context("no box")?.keys(&format!(" and a queen{}", key::ENTER))?;
    let alert = page.wait_for_alert()?;
    ensure!(alert.contains("tokens"), "{alert}");
    ensure!(session.find("[data-testid=waterfall]")?.is_some(), "the waterfall went with it");
    page.expect_no_console_error()
}

fn expect_near(what: &str, shown: f64, want: f64) -> Result<()> {
    ensure!((shown - want).abs() <= 0.006, "{what}: {shown} on the page, {want} on the command line");
    Ok(())
}

pub(crate) fn the_stream_has_writers(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &url(world, SMALL, "view=residual"))?;
    wait_for_view(&page, session, "residual")?;
    let answer = native(world, SMALL, "residual", json!({}))?;
    let n_pos = answer["tokens"].as_array().map_or(0, Vec::len);
    for (pos, row) in [(0, 0), (3, 1)] {
        let want = at(&answer["norms"], row * n_pos + pos)?;
        expect_near("a norm", number(&cell(session, &format!("{pos}.{row}"))?)?, want)?;
    }
    let before = page.test_id("writers")?.text()?;
    session.find(".view-host [data-at='3.1']")?.context("no cell")?.click()?;
    wait_for_field(session, "pos=3")?;
    let said = changed_text(session, "[data-testid=writers] h3", before.lines().next().unwrap_or_default())?;
    let stream = answer["rows"][1].as_str().context("no stream")?;
    wait_for_field(session, &format!("at={stream}"))?;
    ensure!(said.contains(" at 3 "), "{said}");
    let here = native(world, SMALL, "residual", json!({ "at": stream, "pos": 3 }))?;
    let writers = here["writers"].as_array().context("no writers")?;
    let sum: f64 = writers.iter().filter_map(|writer| writer["projection"].as_f64()).sum();
    expect_close("the writers' sum", sum, here["norm"].as_f64().context("no norm")?)?;
    let shown = session.script("return document.querySelectorAll('[data-testid=writers] li').length", &[])?;
    ensure!(shown == writers.len().min(25), "{shown} bars for {} writers", writers.len());
    page.expect_no_console_error()
}

pub(crate) fn a_loss_is_compared(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &url(world, SMALL, "view=loss&against=h1.3"))?;
    wait_for_view(&page, session, "loss")?;
    let zeroed =
        json!([{ "at": "blocks.1.attn.hook_z", "select": { "head": 3 }, "edit": { "kind": "zero" } }]);
    let answer = native(world, SMALL, "loss", json!({ "other": zeroed }))?;
    let mean = |side: usize| answer["sides"][side]["mean_nats"].as_f64().context("no mean loss");
    let texts = session
        .script("return [...document.querySelectorAll('.view-host .note.num')].map(e => e.innerText)", &[])?;
    for (side, nth) in [(0, 0), (1, 2)] {
        let text = texts[nth].as_str().with_context(|| format!("no summary in {texts}"))?;
        let shown = number(text.trim_start_matches("mean ").split(' ').next().unwrap_or_default())?;
        expect_near("a mean loss", shown, mean(side)?)?;
    }
    let n_tokens = answer["tokens"].as_array().map_or(0, Vec::len);
    for (id, n) in [("loss-text", n_tokens), ("loss-diff", n_tokens), ("loss-other", n_tokens)] {
        let found = session.script(
            "return document.querySelectorAll(`[data-testid=${arguments[0]}] .loss-token`).length",
            &[json!(id)],
        )?;
        ensure!(found == n, "{id} has {found} of {n} tokens");
    }
    // A second prompt instead of an ablation.
    choose(session, "against", "other")?;
    wait_for("the box for a second prompt", PATIENCE, || session.find("[data-set=other]"))?;
    session
        .find("[data-set=other]")?
        .context("no box")?
        .keys(&format!("The king and the queen{}", key::ENTER))?;
    wait_for("the other side", PATIENCE, || {
        let text = session
            .script("return document.querySelector('[data-testid=loss-other]')?.textContent ?? ''", &[])?;
        Ok(text.as_str().is_some_and(|text| text.contains("·queen")).then_some(()))
    })?;
    ensure!(
        session.find("[data-testid=loss-diff]")?.is_none(),
        "two texts have no difference token by token"
    );
    // Along the text by keys.
    session.script("document.querySelector('[data-testid=loss-text] [data-at]').focus()", &[])?;
    session.press(key::RIGHT)?;
    let said = session.script("return document.querySelector('[data-slot]').innerText", &[])?;
    ensure!(said.as_str().is_some_and(|text| text.starts_with("1 ")), "{said}");
    page.expect_no_console_error()
}

pub(crate) fn a_view_stands_beside_another(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &url(world, SMALL, "view=lens&shade=kl&against=h1.3"))?;
    wait_for_view(&page, session, "lens")?;
    let zeroed =
        json!([{ "at": "blocks.1.attn.hook_z", "select": { "head": 3 }, "edit": { "kind": "zero" } }]);
    let left = native(world, SMALL, "logit_lens", json!({}))?;
    let right = native(world, SMALL, "logit_lens", json!({ "interventions": zeroed }))?;
    let shown = |side: &str, at: &str| {
        wait_for(&format!("a number of {side} at {at}"), PATIENCE, || {
            let cell = session.script(
                "return document.querySelector(`[data-testid=${arguments[0]}] [data-at='${arguments[1]}']`)?.textContent ?? ''",
                &[json!(side), json!(at)],
            )?;
            Ok(number(cell.as_str().unwrap_or_default()).ok())
        })
    };
    wait_for("the other side", PATIENCE, || session.find("[data-testid=right] [data-at]"))?;
    let n_pos = left["positions"].as_array().map_or(0, Vec::len);
    for (pos, column) in [(0, 0), (n_pos - 1, 1), (3, 2)] {
        let [left, right] = [&left, &right].map(|answer| at(&answer["kl_nats"], column * n_pos + pos));
        let (left, right, cell) = (left?, right?, format!("{pos}.{column}"));
        for (side, want) in [("left", left), ("right", right), ("diff", right - left)] {
            let shown = shown(side, &cell)?;
            ensure!(
                (shown - want).abs() <= 0.006,
                "{side} at {cell}: {shown} on the page, {want} on the command line"
            );
        }
    }

    // The parts of a logit, and another order by a press.
    session.script("document.querySelector('#tab-attribution').click()", &[])?;
    wait_for_view(&page, session, "attribution")?;
    wait_for("the table of both sides", PATIENCE, || session.find("[data-testid=sides] tbody tr"))?;
    let columns = || {
        session.script(
            "return [...document.querySelectorAll('[data-testid=sides] tbody tr')].map(tr => [...tr.querySelectorAll('td')].map(td => td.innerText))",
            &[],
        )
    };
    let column = |rows: &Value, nth: usize| -> Result<Vec<f64>> {
        let rows = rows.as_array().context("no rows")?;
        rows.iter().map(|row| Ok(number(row[nth].as_str().unwrap_or_default())?.abs())).collect()
    };
    for (key, nth) in [("left", 0), ("diff", 1), ("right", 2)] {
        session
            .script("document.querySelector(`[data-do='sort=${arguments[0]}']`).click()", &[json!(key)])?;
        wait_for(&format!("rows sorted by {key}"), PATIENCE, || {
            Ok(column(&columns()?, nth)?.is_sorted_by(|a, b| b <= a).then_some(()))
        })?;
    }
    wait_for_field(session, "sort=right")?;
    page.expect_no_console_error()
}

pub(crate) fn findings_lead_to_their_views(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &url(world, SMALL, "pos=4"))?;
    let sentence = |view: &str| {
        let text = session.script(
            "return document.querySelector(`.findings a[data-view=${arguments[0]}]`)?.innerText ?? ''",
            &[json!(view)],
        )?;
        Ok::<_, anyhow::Error>(text.as_str().unwrap_or_default().to_owned())
    };
    // The run itself knows which token surprised most; the view then says it with more.
    let answer = native(world, SMALL, "loss", json!({}))?;
    let logprobs = answer["sides"][0]["logprobs"]["data"].as_array().context("no losses")?;
    let losses: Vec<f64> = logprobs.iter().filter_map(Value::as_f64).map(|logprob| -logprob).collect();
    let worst = losses.iter().copied().fold(0.0, f64::max);
    let said = sentence("loss")?;
    ensure!(said.contains(&format!("{worst:.2} nats")), "{said:?} does not say {worst}");
    session.find(".findings a[data-view=loss]")?.context("no link")?.click()?;
    wait_for_view(&page, session, "loss")?;
    wait_for("what the view found", PATIENCE, || {
        let said = sentence("loss")?;
        Ok((said.contains(&format!("{worst:.2} nats")) && said.contains(" bits")).then_some(()))
    })?;
    // The address of a finding is all that it takes.
    session.script("document.querySelector('#tab-lens').click()", &[])?;
    wait_for_view(&page, session, "lens")?;
    wait_for("what the lens found", PATIENCE, || {
        Ok(sentence("lens")?.contains("first choice").then_some(()))
    })?;
    let (said, href) = (
        sentence("lens")?,
        session.script("return document.querySelector('.findings a[data-view=lens]').href", &[])?,
    );
    let href = href.as_str().context("no address")?.to_owned();
    ensure!(href.contains("view=lens") && href.contains("prompt=") && href.contains("model="), "{href}");
    session.goto("about:blank")?;
    let page = Page::open_ready(session, &href)?;
    wait_for_view(&page, session, "lens")?;
    wait_for("the same sentence", PATIENCE, || Ok((sentence("lens")? == said).then_some(())))?;
    page.expect_no_console_error()
}
