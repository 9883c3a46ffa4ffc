//! What the tests run against: the site under a sub-path, a browser, the native command line.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use xtask::server::{self, Isolation, Options, Running};
use xtask::site::bundle::copy_dir;
use xtask::webdriver::Session;
use xtask::webdriver::chrome::{self, Driver, Window};
use xtask::{cmd, paths};

/// Not the root of the host, as on most static hosts.
const SUB_PATH: &str = "/some/where/vitrine/";

/// Everything that lives as long as the tests.
pub(crate) struct World {
    driver: Driver,
    site: Running,
    cli: PathBuf,
}

impl World {
    /// Serves `dist/` and starts a browser's driver.
    pub(crate) fn start(window: Window) -> Result<Self> {
        let driver = Driver::start(&chrome::ensure()?, window)?;
        let options = Options { base: SUB_PATH.into(), ..Options::any_port(&paths::dist()) };
        let cli = paths::target().join("release").join(paths::exe("vitrine"));
        ensure!(cli.is_file(), "there is no {}; `cargo xtask build` makes it", cli.display());
        Ok(Self { driver, site: server::start(&options)?, cli })
    }

    /// Where the page is.
    pub(crate) fn url(&self) -> &str {
        self.site.url()
    }

    /// Where the page is with one embedded model, which stays the current one.
    pub(crate) fn url_with(&self, model: &str) -> String {
        format!("{}#v1&model={model}", self.site.url())
    }

    /// A window of a laptop's size with a fresh profile.
    pub(crate) fn open(&self) -> Result<Session> {
        Session::open(&self.driver, 1280, 900)
    }

    /// The same in a browser without WebGPU.
    pub(crate) fn open_without_gpu(&self) -> Result<Session> {
        Session::open_without_gpu(&self.driver, 1280, 900)
    }

    /// The same in a browser with one more flag.
    pub(crate) fn open_with(&self, flag: &str) -> Result<Session> {
        Session::open_with(&self.driver, flag, 1280, 900)
    }

    /// A folder for what a test writes, empty.
    pub(crate) fn scratch(&self, name: &str) -> Result<PathBuf> {
        let dir = paths::target().join("e2e").join(name);
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// A copy of the site with a script in front of its worker's.
    pub(crate) fn site_with(&self, name: &str, script: &str, isolation: Isolation) -> Result<Running> {
        let dist = self.scratch(name)?;
        copy_dir(&paths::dist(), &dist)?;
        let mut n_workers = 0;
        for entry in fs::read_dir(&dist)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with("worker-") && name.ends_with(".js") {
                fs::write(&path, format!("{script}{}", fs::read_to_string(&path)?))?;
                n_workers += 1;
            }
        }
        ensure!(n_workers == 1, "the site has {n_workers} workers");
        server::start(&Options { isolation, ..Options::any_port(&dist) })
    }

    /// What the native command line answers to a question about an embedded model.
    pub(crate) fn ask(&self, model: &str, question: &Value) -> Result<Value> {
        self.ask_in(&paths::root().join("assets/models").join(model), question)
    }

    /// The same about a model in a folder.
    pub(crate) fn ask_in(&self, folder: &Path, question: &Value) -> Result<Value> {
        let path = self.scratch("questions")?.join("question.json");
        fs::write(&path, question.to_string())?;
        let mut command = Command::new(&self.cli);
        command.args(["ask", "--model"]).arg(folder).arg(&path);
        let answer = cmd::read(&mut command)?;
        serde_json::from_str(&answer).context("`vitrine ask` printed something that is not JSON")
    }
}

/// Undoes base64 (the alphabet with `+` and `/`); anything else is passed over.
pub(crate) fn from_base64(text: &str) -> Vec<u8> {
    let (mut bits, mut n_bits, mut bytes) = (0_u32, 0, Vec::with_capacity(text.len() * 3 / 4));
    for byte in text.bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = (bits << 6) | u32::from(digit);
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            bytes.push((bits >> n_bits) as u8);
        }
    }
    bytes
}
