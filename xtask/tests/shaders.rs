//! Every shader in `shaders/` is valid WGSL that stays inside what WebGPU gives by default.

use std::fs;
use std::path::{Path, PathBuf};

use naga::valid::{Capabilities, ValidationFlags, Validator};

/// Marks a line that names a file under `shaders/` to be put in front.
const IMPORT: &str = "// import: ";
/// What an import may be replaced by: the variants of the backend.
const VARIANTS: [&[(&str, &str)]; 3] = [
    &[],
    &[("one_lane", "lanes"), ("register_tile", "shared_tile")],
    &[("one_lane", "lanes"), ("register_tile", "few_rows_tile")],
];

/// The files with an entry point.
fn shaders() -> Vec<PathBuf> {
    let entries = fs::read_dir(root()).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "wgsl")).collect();
    found.sort();
    found
}

fn root() -> PathBuf {
    xtask::paths::root().join("shaders")
}

/// A shader with the window and its imports in front, in one variant.
fn whole(path: &Path, variant: &[(&str, &str)]) -> String {
    let own = fs::read_to_string(path).expect("a listed file can be read");
    let mut text = fs::read_to_string(root().join("shared/window.wgsl")).expect("every shader has a window");
    for import in own.lines().filter_map(|line| line.strip_prefix(IMPORT)) {
        let file = variant
            .iter()
            .find(|(from, _)| import == format!("shared/{from}.wgsl"))
            .map_or_else(|| import.to_owned(), |(_, to)| format!("shared/{to}.wgsl"));
        text += &fs::read_to_string(root().join(&file))
            .unwrap_or_else(|error| panic!("{} imports {file}: {error}", path.display()));
    }
    text + &own
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
    let mut problems = Vec::new();
    for path in shaders() {
        for variant in VARIANTS {
            if let Some(problem) = problem(&whole(&path, variant)) {
                problems.push(format!("{} {variant:?}: {problem}", path.display()));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    println!("{} shaders are valid", shaders().len());
}

/// What the base path stays inside of, see `backend::webgpu`: default WebGPU.
#[test]
fn no_shader_binds_more_than_eight_storage_buffers() {
    for path in shaders() {
        let text = whole(&path, VARIANTS[0]);
        let n_buffers = text.matches("var<storage").count();
        assert!(n_buffers <= 8, "{}: {n_buffers}", path.display());
        assert!(!text.contains("enable f16") && !text.contains("enable subgroups"), "{}", path.display());
    }
}

#[test]
fn every_entry_point_has_the_name_of_its_file() {
    for path in shaders() {
        let module = naga::front::wgsl::parse_str(&whole(&path, VARIANTS[0])).expect("it is valid");
        let names: Vec<&str> = module.entry_points.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, [path.file_stem().unwrap_or_default().to_string_lossy()], "{}", path.display());
    }
}

#[test]
fn a_broken_shader_is_noticed() {
    assert!(problem("@compute @workgroup_size(1) fn main() { let x: f32 = 1u; }").is_some());
    assert_eq!(problem("@compute @workgroup_size(1) fn main() { let x = 1.0; }"), None);
}
