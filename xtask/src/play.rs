//! `cargo xtask play` and `serve`: the site in a browser.

use anyhow::Result;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::server::{self, Options};

/// Whether a browser is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// In the user's browser.
    Browser,
    /// Only the URL is printed.
    Nothing,
}

/// Serves an existing site until the process is stopped.
///
/// Errors: no site, no free port.
pub fn serve(options: &Options, open: Open) -> Result<()> {
    let running = server::start(options)?;
    println!("\nVitrine is at {}", running.url());
    println!("Ctrl+C stops it.");
    if open == Open::Browser {
        open_in_browser(running.url());
    }
    running.wait();
    Ok(())
}

/// Asks the desktop for a browser; without one, says so.
fn open_in_browser(url: &str) {
    let (program, args): (&str, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(windows) {
        ("cmd", &["/C", "start", ""])
    } else {
        ("xdg-open", &[])
    };
    let started = Command::new(program)
        .args(args)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        Err(error) => println!("No browser was opened ({program}: {error}): please open the address above."),
        Ok(mut child) => {
            let (program, url) = (program.to_owned(), url.to_owned());
            // Its end says whether it worked, and some desktops keep it running as long as the browser.
            std::thread::spawn(move || match child.wait() {
                Ok(status) if status.success() => {}
                _ => println!("{program} could not open a browser: please open {url} yourself."),
            });
        }
    }
}

/// The site's folder: the one that was asked for, or `dist/`.
pub fn dist_or_default(dist: Option<&Path>) -> std::path::PathBuf {
    dist.map_or_else(crate::paths::dist, Path::to_path_buf)
}
