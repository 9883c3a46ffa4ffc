//! What the page says beforehand of a model that is slow on the CPU.

use anyhow::{Context as _, Result, ensure};

use xtask::server::Isolation;
use xtask::webdriver::element::key;
use xtask::webdriver::{Session, wait_for};

use crate::page::{PATIENCE, Page, SMALL, question};
use crate::world::World;

/// In this worker everything seems to take five thousand times as long.
const SLOW: &str =
    "{ const now = performance.now.bind(performance); performance.now = () => 5000 * now(); }\n";

pub(crate) fn a_slow_cpu_is_said(world: &World, session: &Session) -> Result<()> {
    let site = world.site_with("slow-site", SLOW, Isolation::Plain)?;
    for wish in ["cpu", "auto"] {
        session.goto("about:blank")?;
        let page = Page::open_ready(session, &format!("{}#v1&model={SMALL}&backend={wish}", site.url()))?;
        let said = wait_for("the card to say it", PATIENCE, || {
            let slow = page.test_id("slow")?;
            Ok(if slow.is_visible()? { Some(slow.text()?) } else { None })
        })
        .with_context(|| wish.to_owned())?;
        ensure!(
            said.starts_with("Slow here: about ") && said.contains(" s for 100 tokens on this CPU"),
            "{said}"
        );
        page.open_engine()?;
        let panel = page.test_id("engine")?.text()?;
        ensure!(panel.contains(&said), "{panel}");
        session.press(key::ESCAPE)?;
        page.ask(&question("The king"))?;
    }
    Ok(())
}

pub(crate) fn a_quick_cpu_is_not(world: &World, session: &Session) -> Result<()> {
    let page = Page::open_ready(session, &format!("{}&backend=cpu", world.url_with(SMALL)))?;
    // Long enough for the pass that would tell.
    std::thread::sleep(std::time::Duration::from_secs(3));
    ensure!(!page.test_id("slow")?.is_visible()?, "{}", page.test_id("slow")?.text()?);
    page.expect_no_console_error()
}
