//! How much a visitor loads before the first live answer, against a budget.

use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::Path;

/// The most that the wasm modules of one visit may weigh together, compressed.
pub const BUDGET_BROTLI_BYTES: usize = 1_500_000;

/// How the names of the builds of the kernels begin.
const KERNELS: &str = "kernel-";

/// One file of the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Size {
    /// Its name.
    pub name: String,
    /// As it lies on disk.
    pub raw_bytes: usize,
    /// After brotli, quality 11: what the tool does unless told otherwise, for files that are compressed once.
    pub brotli_bytes: usize,
}

/// Sizes of the site's scripts, modules and style sheet, largest first.
///
/// Errors: there is no site.
pub fn measure(dist: &Path) -> Result<Vec<Size>> {
    let mut sizes = Vec::new();
    let entries = fs::read_dir(dist)
        .with_context(|| format!("there is no site in {}; `cargo xtask build` makes one", dist.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if [".wasm", ".js", ".css"].iter().any(|ending| name.ends_with(ending)) {
            let raw = fs::read(entry.path()).with_context(|| format!("cannot read {name}"))?;
            sizes.push(Size { name, raw_bytes: raw.len(), brotli_bytes: brotli_bytes(&raw)? });
        }
    }
    sizes.sort_by(|a, b| b.brotli_bytes.cmp(&a.brotli_bytes).then_with(|| a.name.cmp(&b.name)));
    Ok(sizes)
}

fn brotli_bytes(raw: &[u8]) -> Result<usize> {
    let mut compressed = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 11, ..Default::default() };
    brotli::BrotliCompress(&mut &raw[..], &mut compressed, &params).context("brotli failed")?;
    Ok(compressed.len())
}

/// What the wasm modules of one visit weigh together, compressed: of the builds of the kernels a page loads one.
pub fn wasm_brotli_bytes(sizes: &[Size]) -> usize {
    let wasm = sizes.iter().filter(|size| size.name.ends_with(".wasm"));
    let (kernels, others): (Vec<&Size>, Vec<&Size>) = wasm.partition(|size| size.name.starts_with(KERNELS));
    let largest_kernel = kernels.iter().map(|size| size.brotli_bytes).max().unwrap_or(0);
    largest_kernel + others.iter().map(|size| size.brotli_bytes).sum::<usize>()
}

/// Prints the table.
pub fn print(sizes: &[Size]) {
    println!("  {:<34} {:>10} {:>10}", "file", "raw kB", "brotli kB");
    for Size { name, raw_bytes, brotli_bytes } in sizes {
        println!("  {name:<34} {:>10.1} {:>10.1}", kb(*raw_bytes), kb(*brotli_bytes));
    }
    let total_bytes = wasm_brotli_bytes(sizes);
    println!("  wasm of a visit: {:.1} of {:.0} kB compressed", kb(total_bytes), kb(BUDGET_BROTLI_BYTES));
}

fn kb(bytes: usize) -> f64 {
    bytes as f64 / 1000.0
}

/// Refuses a site over the budget.
///
/// Errors: over the budget, or no wasm at all.
pub fn check(sizes: &[Size]) -> Result<()> {
    match wasm_brotli_bytes(sizes) {
        0 => bail!("the site has no wasm module"),
        total_bytes if total_bytes > BUDGET_BROTLI_BYTES => bail!(
            "the wasm modules weigh {:.1} kB compressed, over the budget of {:.0} kB: \
             see what a new dependency weighs, or raise the budget with a reason in ARCHITECTURE.md",
            kb(total_bytes),
            kb(BUDGET_BROTLI_BYTES)
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(name: &str, brotli_bytes: usize) -> Size {
        Size { name: name.into(), raw_bytes: brotli_bytes * 3, brotli_bytes }
    }

    #[test]
    fn only_wasm_counts_against_the_budget() {
        assert!(check(&[size("a.wasm", BUDGET_BROTLI_BYTES), size("b.js", 9)]).is_ok());
        assert!(check(&[size("a.wasm", BUDGET_BROTLI_BYTES), size("b.wasm", 1)]).is_err());
        assert!(check(&[size("b.js", 9)]).is_err());
    }

    #[test]
    fn one_build_of_the_kernels_counts() {
        let sizes =
            [size("app-1.wasm", 100), size("kernel-simd-2.wasm", 8), size("kernel-relaxed-3.wasm", 9)];
        assert_eq!(wasm_brotli_bytes(&sizes), 109);
    }

    #[test]
    fn brotli_compresses() {
        let n_bytes = brotli_bytes(&[7; 10_000]).expect("in memory");
        assert!(n_bytes < 100, "{n_bytes}");
    }
}
