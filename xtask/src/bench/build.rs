//! The programs that a bench starts: built by cargo, or brought along to a machine that has none.

use anyhow::{Context as _, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};

use crate::{cmd, paths};

/// A program of this checkout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The command line, which says what is right.
    Vitrine,
    /// Vitrine's half of the native bench.
    Native,
}

/// Where `program` is: in the folder `brought`, or where cargo leaves it.
///
/// Errors: it does not compile.
pub fn program(program: Program, brought: Option<&Path>) -> Result<PathBuf> {
    let (kind, name) = match program {
        Program::Vitrine => ("--bin", "vitrine"),
        Program::Native => ("--bench", "native"),
    };
    if let Some(folder) = brought {
        return Ok(folder.join(paths::exe(name)));
    }
    let mut build = cmd::cargo();
    build.args(["build", "--release", "--package", "vitrine", "--message-format", "json-render-diagnostics"]);
    println!("  $ cargo build --release {kind} {name}");
    let messages = cmd::read(build.args([kind, name]))?;
    executable(&messages, name).with_context(|| format!("cargo built no {name}"))
}

/// The executable that cargo's messages name.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let artifact = |line: &str| -> Option<PathBuf> {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_it = message["target"]["name"] == name && message["reason"] == "compiler-artifact";
        Some(PathBuf::from(message["executable"].as_str().filter(|_| is_it)?))
    };
    messages.lines().find_map(artifact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executable_is_found_among_the_messages() {
        let messages = "not json\n\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"native\"},\"executable\":null}\n\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"other\"},\"executable\":\"/other\"}\n\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"native\"},\"executable\":\"/deps/native-0\"}\n\
            {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(executable(messages, "native"), Some(PathBuf::from("/deps/native-0")));
        assert_eq!(executable(messages, "absent"), None);
    }
}
