//! The kernel module in all its builds: one for each set of instructions, with and without shared memory.
//!
//! A browser refuses a module with an instruction that it does not know, so there is one build for each; which one is
//! taken is decided in the page by `assets/kernel/open.js`.

use anyhow::{Context as _, Result};
use serde_json::json;
use std::fs;

use super::hashed;
use crate::{cmd, paths};

/// The most that a shared memory may grow to; it must be said at the start, and costs nothing until it is used.
const MAX_MEMORY_BYTES: u64 = 1 << 32;

/// A build of the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// For the file's name.
    pub stem: &'static str,
    /// For the model card.
    pub instructions: &'static str,
    /// Whether its memory is shared between threads.
    pub is_shared: bool,
    /// What rustc may use.
    features: &'static str,
    /// The module.
    pub wasm: Vec<u8>,
}

/// The most capable first: a page takes the first that it can.
fn kernels() -> [Kernel; 4] {
    let kernel = |stem, instructions, is_shared, features| Kernel {
        stem,
        instructions,
        is_shared,
        features,
        wasm: vec![],
    };
    [
        kernel(
            "kernel-relaxed-shared",
            "SIMD (relaxed)",
            true,
            "+simd128,+relaxed-simd,+atomics,+bulk-memory",
        ),
        kernel("kernel-simd-shared", "SIMD", true, "+simd128,+atomics,+bulk-memory"),
        kernel("kernel-relaxed", "SIMD (relaxed)", false, "+simd128,+relaxed-simd"),
        kernel("kernel-simd", "SIMD", false, "+simd128"),
    ]
}

/// Builds all of them.
///
/// Errors: one does not compile.
pub fn build() -> Result<Vec<Kernel>> {
    println!("Building the kernels");
    kernels().into_iter().map(built).collect()
}

fn built(kernel: Kernel) -> Result<Kernel> {
    // Apart, so that cargo need not build one again after another.
    let target = paths::target().join("site/kernels").join(kernel.stem);
    let mut command = cmd::cargo();
    command.args(["build", "--quiet", "--release", "--package", "vitrine-kernel-wasm"]);
    command.args(["--target", "wasm32-unknown-unknown", "--target-dir"]).arg(&target);
    // These win over .cargo/config.toml and over flags from outside, which would change what a build is.
    command.env("CARGO_ENCODED_RUSTFLAGS", rustflags(&kernel).join("\u{1f}"));
    command.env("CARGO_PROFILE_RELEASE_LTO", "fat").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1");
    cmd::run(&mut command)?;
    let path = target.join("wasm32-unknown-unknown/release/kernel.wasm");
    let wasm = fs::read(&path).with_context(|| format!("cargo left no {}", paths::shown(&path)))?;
    Ok(Kernel { wasm, ..kernel })
}

fn rustflags(kernel: &Kernel) -> Vec<String> {
    let mut flags = vec![
        format!("-Ctarget-feature={}", kernel.features),
        "-Cstrip=symbols".into(),
        "-Clink-arg=--import-memory".into(),
        // Tiles and one turned panel; a helper has as much.
        "-Clink-arg=-zstack-size=65536".into(),
        "-Clink-arg=--export=__heap_base".into(),
    ];
    if kernel.is_shared {
        flags.push("-Clink-arg=--shared-memory".into());
        flags.push(format!("-Clink-arg=--max-memory={MAX_MEMORY_BYTES}"));
        // Each thread has a stack of its own.
        flags.push("-Clink-arg=--export=__stack_pointer".into());
    }
    flags
}

/// The name of a build in the site.
pub fn name(kernel: &Kernel) -> String {
    hashed::name(kernel.stem, "wasm", &kernel.wasm)
}

/// What stands in front of the worker's script: the files' names, and the script that chooses among them.
pub fn prelude(kernels: &[Kernel], helper_js: &str, open_js: &str) -> String {
    let builds: Vec<_> = kernels
        .iter()
        .map(|kernel| {
            json!({
                "file": format!("./{}", name(kernel)),
                "instructions": kernel.instructions,
                "isShared": kernel.is_shared,
            })
        })
        .collect();
    let names = json!({ "builds": builds, "helper": format!("./{helper_js}") });
    format!("const KERNELS = {names};\n{open_js}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_shared_needs_atomics() {
        for kernel in kernels() {
            let flags = rustflags(&kernel).join(" ");
            assert_eq!(kernel.is_shared, flags.contains("+atomics"), "{flags}");
            assert_eq!(kernel.is_shared, flags.contains("--shared-memory"), "{flags}");
            assert_eq!(kernel.stem.ends_with("-shared"), kernel.is_shared, "{}", kernel.stem);
            assert_eq!(kernel.instructions.contains("relaxed"), flags.contains("relaxed"), "{flags}");
        }
    }

    #[test]
    fn the_page_is_offered_the_most_capable_first() {
        let prelude = prelude(&kernels(), "kernel-helper.js", "self.openKernel = () => KERNELS;");
        let at = |word: &str| prelude.find(word).expect("in the prelude");
        for is_shared in ["true", "false"] {
            let build =
                |instructions| format!("\"instructions\":\"{instructions}\",\"isShared\":{is_shared}");
            assert!(at(&build("SIMD (relaxed)")) < at(&build("SIMD")), "{prelude}");
        }
        assert!(
            prelude.starts_with("const KERNELS = {") && prelude.contains("\"helper\":\"./kernel-helper.js\"")
        );
    }
}
