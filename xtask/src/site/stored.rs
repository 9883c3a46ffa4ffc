//! Stored results: the answers that the page shows before its engine is up, made by the native command line.

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{cmd, paths};

/// The model that the stored results are about: the first to be live in the page.
pub const MODEL: &str = "assets/models/tales-attn-2l";

const QUESTION: &str = ".question.json";

/// Writes `stored/NAME.answer.json` into the site for every `assets/stored/NAME.question.json`.
///
/// Errors: there is no question or no model, or the command line fails on one.
pub fn answer_all(cli: &Path, site: &Path) -> Result<()> {
    let questions = questions()?;
    ensure!(
        !questions.is_empty(),
        "assets/stored has no NAME{QUESTION}, so the page would have no first picture"
    );
    let out = site.join("stored");
    fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
    for question in questions {
        let name = question
            .file_name()
            .expect("a file has a name")
            .to_string_lossy()
            .replace(QUESTION, ".answer.json");
        let answer = ask(cli, &question)?;
        let path = out.join(name);
        fs::write(&path, answer).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// What `vitrine ask` answers to the question in a file.
///
/// Errors: it fails, or it prints something that is not JSON.
pub fn ask(cli: &Path, question: &Path) -> Result<String> {
    let mut command = Command::new(cli);
    command.args(["ask", "--model", MODEL]).arg(question).current_dir(paths::root());
    let answer = cmd::read(&mut command)?;
    serde_json::from_str::<serde_json::Value>(&answer)
        .with_context(|| format!("the answer to {} is not JSON", paths::shown(question)))?;
    Ok(answer)
}

fn questions() -> Result<Vec<PathBuf>> {
    let dir = paths::root().join("assets/stored");
    let mut questions = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(QUESTION) {
            questions.push(path);
        }
    }
    questions.sort();
    Ok(questions)
}
