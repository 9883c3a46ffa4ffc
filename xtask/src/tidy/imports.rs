//! Holds `use crate::..` in `src/` to the import table.

use super::source::{blanked, paths_from, without_tests};
use super::table::{Row, is_below, row_of};
use super::{Finding, Tree};

/// Imports that the table does not allow, and modules that it does not know.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        let Some(module) = module_of(&file.path) else { continue };
        let Some(row) = row_of(&module) else {
            let message = format!(
                "no row of the import table speaks for `{module}`: add one to ARCHITECTURE.md and xtask/src/tidy/table.rs"
            );
            findings.push(Finding { path: file.path.clone(), line: 0, message });
            continue;
        };
        let code = blanked(without_tests(&file.text));
        // Binaries name the library by the package's name.
        let root = if module.starts_with("bin::") { "vitrine" } else { "crate" };
        for (line, path) in paths_from(&code, root) {
            if !is_allowed(row, &module, &path) {
                let message = format!("`{module}` may not use `{root}::{path}`: {}", row.reason);
                findings.push(Finding { path: file.path.clone(), line, message });
            }
        }
        for package in row.never_packages {
            for (line, path) in paths_from(&code, package) {
                let message = format!("`{module}` never names `{package}::{path}`: {}", row.reason);
                findings.push(Finding { path: file.path.clone(), line, message });
            }
        }
    }
    findings
}

/// `src/backend/cpu/gemm.rs` is `backend::cpu::gemm`; `src/lib.rs` may name everything.
fn module_of(path: &str) -> Option<String> {
    let inner = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let inner = inner.strip_suffix("/mod").unwrap_or(inner);
    (inner != "lib").then(|| inner.replace('/', "::"))
}

fn is_allowed(row: &Row, module: &str, path: &str) -> bool {
    // A use of a child of a listed module counts for the row that speaks for the child.
    let own = |of: &&str| is_below(path, of) && row_of(path).is_some_and(|of_path| of_path == row);
    let listed = |of: &&str| is_below(path, of) && (row_of(path) == row_of(of));
    row.modules.iter().any(|of| is_below(module, of) && own(of)) || row.may_use.iter().any(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<String> {
        check(&Tree::of(&[(path, text)])).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn planted_violations_are_found() {
        for (path, text) in [
            ("src/view_model/heatmap.rs", "use leptos::prelude::*;"),
            ("src/view_model.rs", "use crate::protocol::RunId;"),
            ("src/ui/panel.rs", "use crate::{view_model::Heatmap, engine::Engine};"),
            ("src/ui/panel.rs", "fn f() { wgpu::x() }"),
            ("src/analysis/attention.rs", "use crate::backend::Backend;"),
            ("src/analysis/attention.rs", "use crate::model::transformer::forward;"),
            ("src/backend/cpu/gemm.rs", "use crate::hook::HookPoint;"),
            ("src/backend.rs", "use crate::backend::webgpu::Device;"),
            ("src/tensor.rs", "use crate::hook::Site;"),
            ("src/bin/app.rs", "fn main() { vitrine::engine::run() }"),
        ] {
            assert_eq!(messages(path, text).len(), 1, "{path}: {text}");
        }
    }

    #[test]
    fn what_the_table_allows_passes() {
        for (path, text) in [
            (
                "src/view_model/heatmap.rs",
                "use crate::analysis::attention::Answer;\nuse crate::view_model::color;",
            ),
            ("src/analysis/attention.rs", "use crate::{model::ModelConfig, run::{RunSpec, RunResult}};"),
            ("src/backend/webgpu/ops.rs", "use crate::backend::Backend; use wgpu::Device;"),
            ("src/tensor/shape.rs", "use crate::tensor::HostTensor; // never crate::hook"),
            ("src/analysis/a.rs", "#[cfg(test)]\nmod tests { use crate::engine::Engine; }"),
            ("src/bin/app.rs", "fn main() { vitrine::ui::mount() }"),
            ("src/lib.rs", "pub use crate::engine::Engine;"),
        ] {
            assert_eq!(messages(path, text), Vec::<String>::new(), "{path}: {text}");
        }
    }

    #[test]
    fn a_module_without_a_row_is_found() {
        let found = messages("src/telepathy.rs", "");
        assert!(found.len() == 1 && found[0].contains("no row"), "{found:?}");
    }
}
