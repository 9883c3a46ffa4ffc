//! The head grid without a pointer.

use anyhow::{Context as _, Result, ensure};

use xtask::webdriver::element::key;
use xtask::webdriver::{Session, wait_for};

use crate::page::{PATIENCE, Page, REPETITION, ids_of, question};
use crate::world::World;

pub(crate) fn the_head_grid_works_by_keyboard(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, world.url())?;
    page.type_prompt(REPETITION)?;
    page.wait_for_tokens(&ids_of(&world.ask(&page.model()?, &question(REPETITION))?)?)?;
    let in_order =
        "return document.querySelectorAll('[data-testid=head-grid] [data-head][tabindex=\"0\"]').length";
    let n_in_order = session.script(in_order, &[])?;
    ensure!(n_in_order == 1, "{n_in_order} heads are in the tab order; one should be");

    session.script(
        "document.querySelector('[data-testid=head-grid] [data-head][tabindex=\"0\"]').focus()",
        &[],
    )?;
    let start = focused(session)?;
    let moves = [(key::RIGHT, 0, 1), (key::LEFT, 0, 0), (key::DOWN, 1, 0), (key::UP, 0, 0)];
    for (pressed, layers, heads) in moves {
        session.press(pressed)?;
        let now = focused(session)?;
        // A layer may be drawn above or below the one before; a head always stands beside the one before.
        let moved = ((now.0 - start.0).abs(), (now.1 - start.1).abs());
        let expected = (f64::from(layers), f64::from(heads));
        ensure!(moved == expected || at_the_edge(moved, expected), "from {start:?} a key led to {now:?}");
    }
    let label = session.focused()?.accessible_name()?;
    ensure!(label.contains("Layer") && label.contains("head"), "the focused head is called {label:?}");

    session.press(key::ENTER)?;
    wait_for("Enter to lock the head", PATIENCE, || Ok(is_locked(session)?.then_some(())))?;
    session.press(key::ESCAPE)?;
    wait_for("Escape to release it", PATIENCE, || Ok((!is_locked(session)?).then_some(())))?;
    page.expect_no_console_error()
}

/// A key at the border of the grid may do nothing.
fn at_the_edge(moved: (f64, f64), expected: (f64, f64)) -> bool {
    moved == (0.0, 0.0) && expected.0 > 0.0
}

/// Layer and head of what has the focus.
fn focused(session: &Session) -> Result<(f64, f64)> {
    let element = session.focused()?;
    let layer = element.number("data-layer").context("the focus left the grid")?;
    Ok((layer, element.number("data-head").context("the focus left the grid")?))
}

fn is_locked(session: &Session) -> Result<bool> {
    let locked = session.script(
        "return !!document.querySelector('[data-testid=head-grid] [data-head]:is([aria-pressed=true], [aria-selected=true])')",
        &[],
    )?;
    Ok(locked == true)
}
