//! Where things are: the checkout, cargo's target directory, the per-user cache.

use std::env;
use std::path::{Path, PathBuf};

/// The root of the checkout (the directory of the workspace's Cargo.toml).
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the checkout").to_path_buf()
}

/// Cargo's target directory, as cargo itself would choose it from the environment.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir), // `join` keeps an absolute path as it is.
        None => root().join("target"),
    }
}

/// The per-user cache that every clone shares: pinned tools, Python environments.
///
/// `VITRINE_CACHE` overrides it; otherwise it is `vitrine` in the platform's cache directory.
pub fn cache() -> PathBuf {
    if let Some(dir) = env::var_os("VITRINE_CACHE").filter(|dir| !dir.is_empty()) {
        return PathBuf::from(dir);
    }
    if let Some(dir) = env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()) {
        return PathBuf::from(dir).join("vitrine");
    }
    if cfg!(windows)
        && let Some(dir) = env::var_os("LOCALAPPDATA")
    {
        return PathBuf::from(dir).join("vitrine");
    }
    let home = env::home_dir().unwrap_or_else(env::temp_dir);
    if cfg!(target_os = "macos") { home.join("Library/Caches/vitrine") } else { home.join(".cache/vitrine") }
}

/// The site that `cargo xtask build` leaves.
pub fn dist() -> PathBuf {
    root().join("dist")
}

/// `path` as seen from the root of the checkout, with forward slashes, for messages and tables.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// An executable's file name on this platform.
pub fn exe(name: &str) -> String {
    format!("{name}{}", env::consts::EXE_SUFFIX)
}

/// The first executable called `name` in `PATH`.
pub fn in_path(name: &str) -> Option<PathBuf> {
    let file = exe(name);
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(&file)).find(|path| path.is_file())
}
