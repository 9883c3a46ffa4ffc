//! Names that change with the content, so that a browser may keep such a file forever.

use sha2::{Digest as _, Sha256};

/// How many hex digits of the SHA-256 stand in a name.
pub const N_DIGITS: usize = 16;

/// `stem-HASH.ext` for a file with this content.
pub fn name(stem: &str, extension: &str, content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{stem}-{}.{extension}", &hex[..N_DIGITS])
}

/// Whether a file's name was made by [`name`]: what lies under it never changes.
pub fn is_hashed(file_name: &str) -> bool {
    let Some((stem, _)) = file_name.rsplit_once('.') else { return false };
    let Some((_, digits)) = stem.rsplit_once('-') else { return false };
    digits.len() == N_DIGITS
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_follows_its_content() {
        let one = name("app", "js", b"one");
        assert_ne!(one, name("app", "js", b"two"));
        assert_eq!(one, name("app", "js", b"one"));
        assert!(is_hashed(&one), "{one}");
    }

    #[test]
    fn ordinary_names_are_not_hashed() {
        for name in
            ["index.html", "model.safetensors", "tales-attn-2l.json", "a-0123456789ABCDEF.js", "LICENSE"]
        {
            assert!(!is_hashed(name), "{name}");
        }
    }
}
