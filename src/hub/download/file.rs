//! One file of a download, and what is kept of one for later.

use super::{DownloadError, hash::Hasher};
use crate::hub::RepoFile;

/// A file on its way.
#[derive(Debug)]
pub(super) struct FileState {
    pub(super) wanted: RepoFile,
    hasher: Hasher,
    /// Bytes that were hashed and handed on.
    pub(super) done_bytes: u64,
    /// Bytes that an earlier download left; those behind `done_bytes` are still to be read again.
    pub(super) kept_bytes: u64,
    /// Where the next piece begins.
    pub(super) handed_bytes: u64,
    /// Whether the server sends parts of it, as far as we know.
    pub(super) has_ranges: bool,
}

/// What was handed on of each file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    files: Vec<SavedFile>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SavedFile {
    file: RepoFile,
    done_bytes: u64,
}

impl Saved {
    pub(super) fn of(files: &[FileState]) -> Self {
        let saved = |file: &FileState| SavedFile { file: file.wanted.clone(), done_bytes: file.here_bytes() };
        Self { files: files.iter().map(saved).collect() }
    }

    /// Takes over what is said there of some files.
    pub fn update(&mut self, newer: &Self) {
        newer.files.iter().for_each(|saved| self.set(&saved.file, saved.done_bytes));
    }

    /// Notes how much is kept of a file.
    pub fn set(&mut self, file: &RepoFile, done_bytes: u64) {
        self.forget(file);
        self.files.push(SavedFile { file: file.clone(), done_bytes });
    }

    /// Forgets a file.
    pub fn forget(&mut self, file: &RepoFile) {
        self.files.retain(|saved| saved.file != *file);
    }

    /// What is kept of a file: only if it is the same one.
    pub fn bytes_of(&self, wanted: &RepoFile) -> u64 {
        let same = self.files.iter().find(|saved| saved.file == *wanted);
        same.map_or(0, |saved| saved.done_bytes.min(wanted.size_bytes))
    }
}

impl FileState {
    pub(super) fn new(wanted: RepoFile, saved: &Saved) -> Self {
        let kept_bytes = saved.bytes_of(&wanted);
        let hasher = Hasher::new(&wanted);
        Self { wanted, hasher, done_bytes: 0, kept_bytes, handed_bytes: kept_bytes, has_ranges: true }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.done_bytes == self.wanted.size_bytes
    }

    /// Bytes that were handed on or kept from before.
    pub(super) fn here_bytes(&self) -> u64 {
        self.done_bytes.max(self.kept_bytes)
    }

    /// Takes the next bytes in order.
    ///
    /// Errors: they are the last, and the file is not what its hash says; then nothing of it is kept.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), DownloadError> {
        self.hasher.update(bytes);
        self.done_bytes += bytes.len() as u64;
        if self.is_whole() { self.check() } else { Ok(()) }
    }

    pub(super) fn check(&mut self) -> Result<(), DownloadError> {
        if self.hasher.is(&self.wanted.hash) {
            return Ok(());
        }
        (self.done_bytes, self.kept_bytes, self.handed_bytes) = (0, 0, 0);
        Err(DownloadError::Corrupt { path: self.wanted.path.clone() })
    }
}
