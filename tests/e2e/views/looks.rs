//! Views on a phone, in the dark, and under a quick pointer.

use super::*;

const VIEWS: [&str; 7] = ["heads", "head", "induction", "lens", "attribution", "residual", "loss"];

pub(crate) fn views_fit_a_phone(world: &World, session: &Session) -> Result<()> {
    session.resize(390, 844)?;
    for view in VIEWS {
        // Each view with as much as it can have.
        let fields =
            format!("view={view}&halves=yes&by=component&test=m1&against=m1&head=1.3&on=random&out=0.1");
        let page = Page::open_ready(session, &url(world, DEFAULT, &fields))?;
        wait_for_view(&page, session, view)?;
        let wide = session.script(
            "return [document.documentElement.scrollWidth, innerWidth, [...document.querySelectorAll('body *')]\
             .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.view-scroll, .tabs, .table-scroll, .att-grid-scroll, .att-scroll'))\
             .slice(0, 5).map(e => e.tagName + '.' + e.className)]",
            &[],
        )?;
        ensure!(
            wide[0].as_u64() <= wide[1].as_u64(),
            "{view} is {} px wide in a window of {}: {}",
            wide[0],
            wide[1],
            wide[2]
        );
        let small = session.script(
            "return [...document.querySelectorAll('.view button, .view select, .view input, [role=tab]')]\
             .filter(e => e.offsetParent && e.getBoundingClientRect().height < 24).map(e => e.outerHTML.slice(0, 80))",
            &[],
        )?;
        ensure!(small == json!([]), "{view}: too small for a finger: {small}");
        page.expect_no_console_error()?;
    }
    Ok(())
}

/// The least contrast of the text of marks with their own background, painted to be sure of the colour space.
const CONTRAST: &str = "
    const context = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true });
    const paper = getComputedStyle(document.documentElement).backgroundColor;
    const paint = (...colours) => {
        context.clearRect(0, 0, 1, 1);
        for (const colour of colours) { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); }
        return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const luminance = rgb => rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const marks = [...document.querySelectorAll(arguments[0])];
    return [marks.length, marks.map(mark => {
        const style = getComputedStyle(mark);
        const [a, b] = [luminance(paint(paper, style.backgroundColor)), luminance(paint(paper, style.color))];
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    }).reduce((least, ratio) => Math.min(least, ratio), 99)];";

pub(crate) fn cells_are_legible(world: &World, session: &Session) -> Result<()> {
    for scheme in ["light", "dark"] {
        session.prefer_color_scheme(scheme)?;
        for (view, marks) in [
            ("heads", ".view-row > b, .view .note, .view-bars .num, .view-values dt"),
            ("head", ".view .note, .bar-name, .view-steps code, .heat-name, .view-table td"),
            ("induction", ".view-row > b, .view .note, .loss-token"),
            ("lens", ".view-row > b"),
            ("attribution", ".view-row > b, .view .note, .view-bars .num"),
            ("residual", ".view-row > b, .bar-note"),
            ("loss", ".loss-token"),
        ] {
            let page =
                Page::open_ready(session, &url(world, SMALL, &format!("view={view}&against=h1.3&head=1.3")))?;
            wait_for_view(&page, session, view)?;
            let found = session.script(CONTRAST, &[json!(marks)])?;
            ensure!(found[0].as_u64() > Some(8), "{view} has only {} marks", found[0]);
            // WCAG 2.2, 1.4.3: 4.5 to 1.
            let least = found[1].as_f64().context("no contrast")?;
            ensure!(least >= 4.5, "{view} in {scheme} mode: text has a contrast of {least:.2} only");
        }
    }
    Ok(())
}
