//! Why a download ended without its files.

use crate::{
    failure::{Failure, FailureKind},
    hub::{Commit, HubError, Repo},
};

/// A download that failed: each names the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum DownloadError {
    #[error("the download was cancelled")]
    Cancelled,
    #[error("the bytes that arrived are not those of the file (their hash is another one), {path}")]
    Corrupt { path: String },
    #[error("the server has {got_bytes} bytes of a file of {expected_bytes}, {path}")]
    Changed { path: String, expected_bytes: u64, got_bytes: u64 },
    #[error("the server answered {status}, {path}")]
    Refused { path: String, status: u16, code: Option<String>, retry_after: Option<String> },
    #[error("given up after {n_tries} tries, the last of which failed because {fault}, {path}")]
    GaveUp { path: String, n_tries: u32, fault: Fault },
}

/// What was wrong with one answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Fault {
    #[error("the connection broke{}", if message.is_empty() { String::new() } else { format!(" ({message})") })]
    Broken { message: String },
    #[error("the server answered {status}")]
    Status { status: u16 },
    #[error("nothing came")]
    Short,
    #[error("other bytes came than were asked for")]
    WrongRange,
}

impl DownloadError {
    /// The failure that a user is told of, for files of this repository.
    pub fn failure(&self, repo: &Repo, commit: &Commit) -> Failure {
        let hint = match self {
            Self::Refused { path, status, code, retry_after } => {
                let url = repo.file_url(commit, path);
                let error = HubError::of_status(*status, code.as_deref(), retry_after.as_deref(), repo, &url);
                return error.into();
            }
            Self::Cancelled => "Load it again: what has arrived is kept.",
            Self::Corrupt { .. } => {
                "Load it again: this file is fetched anew. If that ends alike, something between here and the server \
                 changes files: open them from disk."
            }
            Self::Changed { .. } => "Load it again; if that ends alike, open the files from disk.",
            Self::GaveUp { .. } => {
                "Check the connection and load it again: what has arrived is kept. Or open the files from disk."
            }
        };
        let kind = if *self == Self::Cancelled { FailureKind::Cancelled } else { FailureKind::Network };
        Failure::new(kind, format!("{self}, of {}", repo.id), hint)
    }
}
