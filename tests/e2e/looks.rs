//! Names for those who do not see the page; room on a phone; dark at night.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use xtask::webdriver::Session;

use crate::page::{Page, SMALL};
use crate::world::World;

pub(crate) fn every_control_has_a_name(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    let prompt = page.control("Prompt")?;
    let tag = session.script("return arguments[0].tagName", &[prompt.as_argument()])?;
    ensure!(tag == "TEXTAREA", "the control named Prompt is a {tag}");
    let controls = session.find_all(
        "button, a[href], input, select, textarea, summary, [role=button], [role=link], [role=switch], [role=slider], [role=grid], [role=tab], [role=option], [tabindex='0']",
    )?;
    ensure!(controls.len() > 5, "the page has only {} controls", controls.len());
    let mut nameless = Vec::new();
    for control in controls {
        // What the page has redrawn meanwhile is found again in the next run.
        if control.is_visible().unwrap_or(false) && control.accessible_name()?.trim().is_empty() {
            let html =
                session.script("return arguments[0].outerHTML.slice(0, 120)", &[control.as_argument()])?;
            nameless.push(html.to_string());
        }
    }
    ensure!(nameless.is_empty(), "{} controls have no name: {}", nameless.len(), nameless.join(" | "));
    Ok(())
}

pub(crate) fn a_phone_does_not_scroll_sideways(world: &World, session: &Session) -> Result<()> {
    session.resize(390, 844)?;
    let page = Page::open_ready(session, &world.url_with(SMALL))?;
    page.type_prompt("A sentence that is long enough to need several lines on a phone, if anything does.")?;
    let widths = session.script("return [document.documentElement.scrollWidth, innerWidth]", &[])?;
    if widths[0].as_u64() > widths[1].as_u64() {
        let culprits = session.script(
            "return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 5).map(e => e.tagName + '.' + e.className)",
            &[],
        )?;
        anyhow::bail!("the page is {} px wide in a window of {}: {culprits}", widths[0], widths[1]);
    }
    Ok(())
}

/// Background and text of the page as [red, green, blue] from 0 to 255, painted to be sure of the colour space.
const COLOURS: &str = "
    const paint = colour => {
        const context = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d');
        context.fillStyle = colour; context.fillRect(0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data];
    };
    const solid = [document.body, document.documentElement].map(e => getComputedStyle(e).backgroundColor)
        .map(paint).find(rgba => rgba[3] === 255) || [255, 255, 255, 255];
    return [solid, paint(getComputedStyle(document.body).color)];";

pub(crate) fn dark_mode_is_dark_and_legible(world: &World, session: &Session) -> Result<()> {
    let mut lightness = Vec::new();
    for scheme in ["light", "dark"] {
        session.prefer_color_scheme(scheme)?;
        Page::open_ready(session, &world.url_with(SMALL))?;
        let colours = session.script(COLOURS, &[])?;
        let luminance = |idx: usize| -> Result<f64> {
            let rgb: Vec<f64> = serde_json::from_value(json!(colours[idx])).context("not a colour")?;
            let linear = |value: f64| {
                let value = value / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            Ok(0.2126 * linear(rgb[0]) + 0.7152 * linear(rgb[1]) + 0.0722 * linear(rgb[2]))
        };
        let (paper, ink) = (luminance(0)?, luminance(1)?);
        // WCAG 2.2, 1.4.3: 4.5 to 1 for body text.
        let contrast = (paper.max(ink) + 0.05) / (paper.min(ink) + 0.05);
        ensure!(contrast >= 4.5, "text has a contrast of {contrast:.1} in {scheme} mode");
        lightness.push(paper);
    }
    ensure!(lightness[1] < 0.1 && lightness[0] > 0.5, "paper is {lightness:?} in light and dark mode");
    Ok(())
}
