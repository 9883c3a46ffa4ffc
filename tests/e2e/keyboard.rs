//! The head grid without a pointer.

use anyhow::{Context as _, Result, ensure};

use xtask::webdriver::element::key;
use xtask::webdriver::{Session, wait_for};

use crate::page::{PATIENCE, Page, REPETITION, SMALL, ids_of, question};
use crate::world::World;

pub(crate) fn the_head_grid_works_by_keyboard(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    page.type_prompt(REPETITION)?;
    page.wait_for_tokens(&ids_of(&world.ask(SMALL, &question(REPETITION))?)?)?;
    let in_order =
        "return document.querySelectorAll('[data-testid=head-grid] [data-head][tabindex=\"0\"]').length";
    let n_in_order = session.script(in_order, &[])?;
    ensure!(n_in_order == 1, "{n_in_order} heads are in the tab order; one should be");

    session.script(
        "document.querySelector('[data-testid=head-grid] [data-head][tabindex=\"0\"]').focus()",
        &[],
    )?;
    // To a corner first, so that no key meets an edge.
    for pressed in [key::LEFT, key::DOWN] {
        while press(session, pressed)? != [0.0, 0.0] {}
    }
    for (pressed, [layers, heads]) in
        [(key::RIGHT, [0.0, 1.0]), (key::LEFT, [0.0, -1.0]), (key::UP, [1.0, 0.0]), (key::DOWN, [-1.0, 0.0])]
    {
        // Whether the first layer is drawn at the top or at the bottom is the page's choice.
        let [moved_layers, moved_heads] = press(session, pressed)?;
        ensure!(
            moved_layers.abs() == f64::abs(layers) && moved_heads == heads,
            "a key moved by {moved_layers} layers and {moved_heads} heads, not by {layers} and {heads}"
        );
    }
    let label = session.focused()?.accessible_name()?;
    ensure!(label.contains("Layer") && label.contains("head"), "the focused head is called {label:?}");

    session.press(key::ENTER)?;
    wait_for("Enter to lock the head", PATIENCE, || Ok(is_locked(session)?.then_some(())))?;
    session.press(key::ESCAPE)?;
    wait_for("Escape to release it", PATIENCE, || Ok((!is_locked(session)?).then_some(())))?;
    page.expect_no_console_error()
}

/// Presses a key and says by how many layers and heads the focus moved.
fn press(session: &Session, pressed: &str) -> Result<[f64; 2]> {
    let before = focused(session)?;
    session.press(pressed)?;
    let after = focused(session)?;
    Ok([after[0] - before[0], after[1] - before[1]])
}

/// Layer and head of what has the focus.
fn focused(session: &Session) -> Result<[f64; 2]> {
    let element = session.focused()?;
    let layer = element.number("data-layer").context("the focus left the grid")?;
    Ok([layer, element.number("data-head").context("the focus left the grid")?])
}

fn is_locked(session: &Session) -> Result<bool> {
    let locked = session.script(
        "return !!document.querySelector('[data-testid=head-grid] [data-head]:is([aria-pressed=true], [aria-selected=true])')",
        &[],
    )?;
    Ok(locked == true)
}
