//! From Trunk's output to the site's files: hashed scripts and modules, everything else copied as it is.

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::Path;

use super::kernels::{self, Kernel};
use super::{hashed, names::without_names, page, wasm_opt};
use crate::paths;

/// The hashed names that the page must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The module script that starts the page.
    pub boot: String,
    /// wasm-bindgen's script of the page, imported by `boot`.
    pub app_js: String,
    /// The page's wasm module.
    pub app_wasm: String,
    /// The worker's whole script (classic).
    pub worker_js: String,
    /// The worker's wasm module.
    pub worker_wasm: String,
    /// Style sheets and scripts that index.html names: what Trunk calls each, and its name in the site.
    pub linked: Vec<(String, String)>,
}

/// What Trunk calls the files that get other names, as style sheets and other scripts do; everything else is copied.
const RENAMED: [&str; 6] =
    ["index.html", "app.js", "app_bg.wasm", "worker.js", "worker_bg.wasm", "worker_loader.js"];

/// Keeps its name: a browser finds a newer version of it by looking there again.
const SERVICE_WORKER: &str = "sw.js";

/// Writes the site into `out` (which must not exist) from Trunk's output in `raw` and the kernels.
///
/// Errors: Trunk left something else than this version of xtask knows; the page would break a promise.
pub fn bundle(raw: &Path, kernels: &[Kernel], out: &Path) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let mut linked = Vec::new();
    for entry in fs::read_dir(raw).with_context(|| format!("cannot list {}", raw.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || RENAMED.contains(&name.as_str()) {
            continue;
        }
        if let Some((stem, extension @ ("css" | "js"))) =
            name.rsplit_once('.').filter(|_| name != SERVICE_WORKER)
        {
            let text = read(&entry.path())?;
            let hashed = hashed::name(stem, extension, text.as_bytes());
            write(&out.join(&hashed), text.as_bytes())?;
            linked.push((name, hashed));
            continue;
        }
        // Wasm under a name that we do not know would go out unhashed.
        ensure!(!name.ends_with(".wasm"), "Trunk left {name}, which the site does not know how to name");
        copy_any(&entry.path(), &out.join(&name))?;
    }

    let app_wasm = without_names(&wasm_opt::optimised(&raw.join("app_bg.wasm"), wasm_opt::For::Size)?)?;
    let worker_wasm =
        without_names(&wasm_opt::optimised(&raw.join("worker_bg.wasm"), wasm_opt::For::Speed)?)?;
    let app_js = read(&raw.join("app.js"))?;
    let worker_js = read(&raw.join("worker.js"))?;

    let app_wasm_name = hashed::name("app", "wasm", &app_wasm);
    let worker_wasm_name = hashed::name("worker", "wasm", &worker_wasm);
    let app_js_name = hashed::name("app", "js", app_js.as_bytes());
    let boot = boot_script(&app_js_name, &app_wasm_name);
    let helper = read(&paths::root().join("assets/kernel/helper.js"))?;
    let helper_name = hashed::name("kernel-helper", "js", helper.as_bytes());
    let open = read(&paths::root().join("assets/kernel/open.js"))?;
    let prelude = kernels::prelude(kernels, &helper_name, &open);
    let worker = prelude + &worker_script(&worker_js, &worker_wasm_name);
    let names = Names {
        boot: hashed::name("boot", "js", boot.as_bytes()),
        app_js: app_js_name,
        app_wasm: app_wasm_name,
        worker_js: hashed::name("worker", "js", worker.as_bytes()),
        worker_wasm: worker_wasm_name,
        linked,
    };

    let html = page::finish(&read(&raw.join("index.html"))?, &names)?;
    for (name, content) in [
        (names.app_wasm.as_str(), app_wasm.as_slice()),
        (&names.worker_wasm, &worker_wasm),
        (&names.app_js, app_js.as_bytes()),
        (&names.boot, boot.as_bytes()),
        (&names.worker_js, worker.as_bytes()),
        (&helper_name, helper.as_bytes()),
        ("index.html", html.as_bytes()),
    ] {
        write(&out.join(name), content)?;
    }
    for kernel in kernels {
        write(&out.join(kernels::name(kernel)), &kernel.wasm)?;
    }
    Ok(())
}

/// The module script that was inline in Trunk's page. URLs are relative to the script, wherever the page lies.
fn boot_script(app_js: &str, app_wasm: &str) -> String {
    format!(
        "import init from './{app_js}';\n\
         await init({{ module_or_path: new URL('./{app_wasm}', import.meta.url) }});\n"
    )
}

/// One classic script: wasm-bindgen's and the line that starts it (Trunk's loader fetches the two one after the other).
fn worker_script(worker_js: &str, worker_wasm: &str) -> String {
    format!(
        "{worker_js}\nwasm_bindgen({{ module_or_path: new URL('./{worker_wasm}', self.location.href) }});\n"
    )
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("there is no readable {}", path.display()))
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

fn copy_any(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        return copy_dir(from, to);
    }
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// Copies a folder with everything in it.
///
/// Errors: reading or writing fails.
pub fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        copy_any(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
