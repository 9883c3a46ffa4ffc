//! Tidy: rules of the house that no compiler checks, each with a reason and a test that plants a violation.

use anyhow::{Context as _, Result, bail};
use std::fmt;
use std::fs;
use std::path::Path;

use crate::paths;

pub mod docs;
pub mod imports;
pub mod size;
pub mod source;
pub mod table;
pub mod text;

/// A text file of the checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path from the root, with forward slashes.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// The files that the checks look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// Sorted by path.
    pub files: Vec<SourceFile>,
}

/// Something to put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong, and why that is a rule.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

impl Tree {
    /// The files of the checkout that are written by hand.
    ///
    /// Errors: a folder cannot be listed, a source is not UTF-8.
    pub fn of_checkout() -> Result<Self> {
        let mut tree = Self::default();
        for top in
            ["src", "kernel", "xtask", "shaders", "tests", "benches", "assets", "build.rs", "index.html"]
        {
            tree.add(&paths::root().join(top))?;
        }
        for entry in fs::read_dir(paths::root())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "md" || extension == "toml") {
                tree.add(&path)?;
            }
        }
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if ["target", "pkg", "node_modules", "models"].contains(&name.as_ref()) || name.starts_with('.') {
                return Ok(());
            }
            for entry in fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))? {
                self.add(&entry?.path())?;
            }
            return Ok(());
        }
        let is_source = ["rs", "wgsl", "md", "toml", "html", "css", "py"]
            .iter()
            .any(|e| name.ends_with(&format!(".{e}")));
        if is_source && path.is_file() {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            self.files.push(SourceFile { path: paths::shown(path), text });
        }
        Ok(())
    }

    /// The file at `path`.
    pub fn get(&self, path: &str) -> Option<&SourceFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// A tree of (path, text), for tests.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| SourceFile { path: (*path).into(), text: (*text).into() };
        Self { files: files.iter().map(file).collect() }
    }
}

/// Everything that is untidy in `tree`.
pub fn findings(tree: &Tree) -> Vec<Finding> {
    let exists = |path: &str| paths::root().join(path).exists();
    let mut findings = imports::check(tree);
    findings.extend(size::check(tree));
    findings.extend(text::check(tree));
    findings.extend(docs::check(tree, &exists));
    findings
}

/// Runs all checks on the checkout and prints what they find.
///
/// Errors: something is untidy.
pub fn run() -> Result<()> {
    let tree = Tree::of_checkout()?;
    let findings = findings(&tree);
    for finding in &findings {
        println!("  {finding}");
    }
    match findings.len() {
        0 => {
            println!("  {} files are tidy", tree.files.len());
            Ok(())
        }
        1 => bail!("1 thing is untidy"),
        n => bail!("{n} things are untidy"),
    }
}
