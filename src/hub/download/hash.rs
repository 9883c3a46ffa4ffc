//! What a file's bytes come to, added up as they come.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::hub::{Hash, RepoFile};

/// A sum on its way.
#[derive(Debug)]
pub(super) enum Hasher {
    Sha256(Sha256),
    GitBlob(Sha1),
}

impl Hasher {
    /// Begins with the kind of sum that the hub has of a file.
    pub(super) fn new(file: &RepoFile) -> Self {
        match file.hash {
            Hash::Sha256(_) => Self::Sha256(Sha256::new()),
            Hash::GitBlob(_) => {
                Self::GitBlob(Sha1::new().chain_update(format!("blob {}\0", file.size_bytes)))
            }
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(sum) => sum.update(bytes),
            Self::GitBlob(sum) => sum.update(bytes),
        }
    }

    /// Whether everything so far comes to `hash`.
    pub(super) fn is(&self, hash: &Hash) -> bool {
        match (self, hash) {
            (Self::Sha256(sum), Hash::Sha256(digits)) => hex(&sum.clone().finalize()) == *digits,
            (Self::GitBlob(sum), Hash::GitBlob(digits)) => hex(&sum.clone().finalize()) == *digits,
            (Self::Sha256(_), Hash::GitBlob(_)) | (Self::GitBlob(_), Hash::Sha256(_)) => false,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `git hash-object` and `sha256sum` of "hello\n".
    #[test]
    fn sums_are_those_of_git_and_of_sha256sum() {
        let file = |hash| RepoFile { path: "a".into(), size_bytes: 6, hash };
        let git = Hash::GitBlob("ce013625030ba8dba906f756967f9e9ca394464a".into());
        let sha256 = Hash::Sha256("5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03".into());
        for hash in [&git, &sha256] {
            let mut hasher = Hasher::new(&file(hash.clone()));
            hasher.update(b"hel");
            assert!(!hasher.is(hash));
            hasher.update(b"lo\n");
            assert!(hasher.is(hash));
            hasher.update(b"!");
            assert!(!hasher.is(hash));
        }
        assert!(!Hasher::new(&file(git)).is(&sha256));
    }
}
