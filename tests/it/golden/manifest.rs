//! The golden files are the ones that make.py wrote, and make.py is the one that wrote them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::files;

#[derive(Deserialize)]
struct Manifest {
    scripts: BTreeMap<String, String>,
    files: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    sha256: String,
    size_bytes: u64,
}

/// All golden values together stay small enough to live in the repository.
const MAX_TOTAL_BYTES: u64 = 5_000_000;

#[test]
fn every_file_has_its_hash() {
    let manifest: Manifest = files::json("manifest.json");
    for (file, entry) in &manifest.files {
        let bytes = files::bytes(file);
        assert_eq!(bytes.len() as u64, entry.size_bytes, "{file}");
        assert_eq!(sha256(&bytes), entry.sha256, "{file} is not what make.py wrote");
    }
    let total_bytes: u64 = manifest.files.values().map(|entry| entry.size_bytes).sum();
    assert!(total_bytes <= MAX_TOTAL_BYTES, "{total_bytes} bytes");
}

#[test]
fn every_script_has_its_hash() {
    let manifest: Manifest = files::json("manifest.json");
    for (script, hash) in &manifest.scripts {
        assert_eq!(sha256(&files::bytes(script)), *hash, "{script} changed: run `cargo xtask golden`");
    }
}

#[test]
fn no_file_is_unlisted() {
    let manifest: Manifest = files::json("manifest.json");
    let by_hand = [".gitattributes", "README.md", "manifest.json"].map(str::to_owned);
    let mut listed: BTreeSet<String> = by_hand.into();
    listed.extend(manifest.scripts.into_keys());
    listed.extend(manifest.files.into_keys());
    let mut there = BTreeSet::new();
    collect(&files::root(), "", &mut there);
    assert_eq!(there, listed);
}

/// Every file below `folder`, with `prefix` before its name.
fn collect(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder in the checkout") {
        let entry = entry.expect("a readable folder");
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            // What Python leaves behind is no golden file.
            if !name.ends_with("__pycache__") {
                collect(&entry.path(), &format!("{name}/"), found);
            }
        } else {
            found.insert(name);
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
