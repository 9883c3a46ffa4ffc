//! Installing packages where we may: on Debian and its kin, as root.

use anyhow::Result;
use std::path::Path;
use std::process::Command;

use crate::{cmd, paths};

/// Whether packages may be installed without asking anybody.
pub fn may_install() -> bool {
    let is_root =
        Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    is_root && Path::new("/etc/debian_version").exists() && paths::in_path("apt-get").is_some()
}

/// Installs packages and nothing that they merely recommend.
///
/// Errors: apt-get fails.
pub fn install(packages: &[&str]) -> Result<()> {
    let mut update = Command::new("apt-get");
    update.args(["update", "--quiet"]);
    let mut install = Command::new("apt-get");
    install
        .args(["install", "--yes", "--quiet", "--no-install-recommends"])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive");
    cmd::run(&mut update).and_then(|()| cmd::run(&mut install))
}
