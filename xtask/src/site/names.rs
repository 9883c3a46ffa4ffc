//! A wasm module without the names of its functions: they are for a debugger, and a fifth of what a visitor would load.

use anyhow::{Context as _, Result, ensure};

const HEADER: &[u8] = b"\0asm\x01\0\0\0";
/// The id of a section that is not the machine's.
const CUSTOM: u8 = 0;
const NAMES: &[u8] = b"name";

/// The module with every section but the names.
///
/// Errors: it is not a module.
pub fn without_names(module: &[u8]) -> Result<Vec<u8>> {
    ensure!(module.starts_with(HEADER), "this is not a wasm module");
    let mut kept = HEADER.to_vec();
    let mut rest = &module[HEADER.len()..];
    while let [id, after_id @ ..] = rest {
        let (len, content) = length(after_id)?;
        let (content, after) =
            content.split_at_checked(len).context("a section of the module is cut short")?;
        if *id != CUSTOM || name(content)? != NAMES {
            kept.extend_from_slice(&rest[..rest.len() - after.len()]);
        }
        rest = after;
    }
    Ok(kept)
}

/// The name that a custom section begins with.
fn name(content: &[u8]) -> Result<&[u8]> {
    let (len, content) = length(content)?;
    content.get(..len).context("a section's name is cut short")
}

/// A length in LEB128, and what follows it.
fn length(bytes: &[u8]) -> Result<(usize, &[u8])> {
    let mut len = 0;
    for (idx, byte) in bytes.iter().enumerate().take(5) {
        len |= usize::from(byte & 0x7f) << (7 * idx);
        if byte & 0x80 == 0 {
            return Ok((len, &bytes[idx + 1..]));
        }
    }
    anyhow::bail!("a length in the module does not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty type section, a section of names, a custom section of another name.
    const MODULE: &[u8] = b"\0asm\x01\0\0\0\x01\x01\0\0\x86\0\x04name\0\0\x06\x05namer";

    #[test]
    fn only_the_names_go() {
        let kept = without_names(MODULE).expect("a module");
        assert_eq!(kept, b"\0asm\x01\0\0\0\x01\x01\0\0\x06\x05namer");
        assert_eq!(without_names(&kept).expect("a module"), kept);
    }

    #[test]
    fn what_is_no_module_is_refused() {
        assert!(without_names(b"text").is_err());
        assert!(without_names(&MODULE[..MODULE.len() - 1]).is_err());
    }
}
