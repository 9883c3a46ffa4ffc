//! Every shader in `shaders/` is valid WGSL that stays inside what WebGPU gives by default.

use std::fs;
use std::path::{Path, PathBuf};

use naga::valid::{Capabilities, ValidationFlags, Validator};

fn shaders(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(shaders(&path));
        } else if path.extension().is_some_and(|extension| extension == "wgsl") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn problem(text: &str) -> Option<String> {
    let module = match naga::front::wgsl::parse_str(text) {
        Ok(module) => module,
        Err(error) => return Some(error.emit_to_string(text)),
    };
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    validator.validate(&module).err().map(|error| error.emit_to_string(text))
}

#[test]
fn every_shader_is_valid() {
    let shaders = shaders(&xtask::paths::root().join("shaders"));
    let problems: Vec<String> = shaders
        .iter()
        .filter_map(|path| {
            let text = fs::read_to_string(path).expect("a listed file can be read");
            problem(&text).map(|problem| format!("{}: {problem}", path.display()))
        })
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    println!("{} shaders are valid", shaders.len());
}

#[test]
fn a_broken_shader_is_noticed() {
    assert!(problem("@compute @workgroup_size(1) fn main() { let x: f32 = 1u; }").is_some());
    assert_eq!(problem("@compute @workgroup_size(1) fn main() { let x = 1.0; }"), None);
}
