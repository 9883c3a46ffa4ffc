//! What can go wrong between a name and the bytes of its files, in words for the person who typed it.

use super::Repo;
use crate::{
    failure::{Failure, FailureKind},
    model::checkpoint::LoadError,
};

/// The hub has no such model, or does not give it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum HubError {
    #[error("`{text}` {why}")]
    NotARepo { text: String, why: String },
    #[error("its owner gives this model only to those who accepted the conditions, {page}")]
    Gated { page: String },
    #[error("there is no such model, or it is private, {page}")]
    NoModel { page: String },
    #[error("the model has no revision `{revision}`, {page}")]
    NoRevision { revision: String, page: String },
    #[error("the server refuses this file (it answered {status}), {url}")]
    Refused { status: u16, url: String },
    #[error("there is no such file, {url}")]
    NoFile { url: String },
    #[error("the server has had too many requests from here, {url}")]
    Throttled { retry_after_secs: Option<u64>, url: String },
    #[error("the server is in trouble (it answered {status}), {url}")]
    Server { status: u16, url: String },
    #[error("the server answered {status}, {url}")]
    Status { status: u16, url: String },
    #[error("what the hub answered about {of} makes no sense: {message}")]
    Answer { of: &'static str, message: String },
    #[error("the repository has only `{file}`, which Vitrine does not read, {id}")]
    OtherFormat { id: String, file: String },
    #[error("{error}, in {id}")]
    Files { id: String, error: LoadError },
}

impl HubError {
    /// What a status other than success means for a request at `url`.
    /// `code` is the header `X-Error-Code`, by which the hub tells apart what has one status.
    pub fn of_status(
        status: u16,
        code: Option<&str>,
        retry_after: Option<&str>,
        repo: &Repo,
        url: &str,
    ) -> Self {
        let (page, url) = (repo.page_url(), url.to_owned());
        match (status, code) {
            (_, Some("GatedRepo")) => Self::Gated { page },
            (_, Some("RevisionNotFound")) => Self::NoRevision { revision: repo.revision.clone(), page },
            (_, Some("EntryNotFound")) => Self::NoFile { url },
            // Without a token the hub does not say whether a private repository exists.
            (_, Some("RepoNotFound")) | (401, _) => Self::NoModel { page },
            (403, _) => Self::Refused { status, url },
            (404, _) if url == repo.revision_url() => Self::NoModel { page },
            (404, _) => Self::NoFile { url },
            (429, _) => {
                let retry_after_secs = retry_after.and_then(|secs| secs.trim().parse().ok());
                Self::Throttled { retry_after_secs, url }
            }
            (500..=599, _) => Self::Server { status, url },
            _ => Self::Status { status, url },
        }
    }

    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::NotARepo { .. } => "Type a name such as openai-community/gpt2, with @revision if it is not to be the newest.",
            Self::Gated { .. } => {
                "Accept the conditions on that page, then either enter a token of yours that may read the model, or \
                 download config.json, tokenizer.json and the .safetensors files there and open them from disk."
            }
            Self::NoModel { .. } => {
                "Check the name. A private model needs a token of yours that may read it, or its files from disk."
            }
            Self::NoRevision { .. } => "Leave the revision away for the newest, or choose one that the page lists.",
            Self::Refused { .. } => {
                "If the model is gated or private, enter a token that may read it. Otherwise download the files with \
                 the browser and open them from disk."
            }
            Self::NoFile { .. } => "The repository may have changed a moment ago: load the model again.",
            Self::Throttled { retry_after_secs: Some(secs), .. } => {
                return format!("Try again in {secs} seconds. What has arrived is kept.");
            }
            Self::Throttled { .. } => "Try again in a few minutes. What has arrived is kept.",
            Self::Server { .. } => "Try again later, or open the files from disk.",
            Self::Status { .. } => "Try again, or download the files with the browser and open them from disk.",
            Self::Answer { .. } => "Something between here and the hub may have answered instead: try again.",
            Self::OtherFormat { .. } => {
                "Load it with transformers (a .gguf with from_pretrained(.., gguf_file=..)), call \
                 save_pretrained(folder, safe_serialization=True), and open that folder from disk; or look for a copy \
                 in safetensors."
            }
            Self::Files { error, .. } => return error.hint(),
        }
        .to_owned()
    }
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        let kind = match error {
            HubError::NotARepo { .. } | HubError::OtherFormat { .. } | HubError::Files { .. } => {
                FailureKind::Model
            }
            _ => FailureKind::Network,
        };
        Self::new(kind, error.to_string(), error.hint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::HUB;

    #[test]
    fn a_status_is_explained() {
        let repo = Repo::parse("meta-llama/Llama-3.2-1B@v9", HUB).expect("a repo");
        let (asked, file) = (repo.revision_url(), format!("{HUB}/meta-llama/Llama-3.2-1B/resolve/x/y"));
        let cases = [
            (401, Some("GatedRepo"), &file, "accepted the conditions", "token"),
            (403, Some("GatedRepo"), &file, "accepted the conditions", "from disk"),
            (401, Some("RepoNotFound"), &asked, "no such model", "Check the name"),
            (401, None, &asked, "no such model", "token"),
            (403, None, &file, "answered 403", "from disk"),
            (404, Some("RepoNotFound"), &asked, "no such model", "Check the name"),
            (404, Some("RevisionNotFound"), &asked, "no revision `v9`", "newest"),
            (404, Some("EntryNotFound"), &file, "no such file", "again"),
            (404, None, &asked, "no such model", "Check the name"),
            (404, None, &file, "no such file", "again"),
            (429, None, &file, "too many requests", "in a few minutes"),
            (500, None, &file, "in trouble (it answered 500)", "later"),
            (503, None, &file, "in trouble (it answered 503)", "later"),
            (418, None, &file, "answered 418", "from disk"),
        ];
        for (status, code, url, message, hint) in cases {
            let failure: Failure = HubError::of_status(status, code, None, &repo, url).into();
            assert_eq!(failure.kind, FailureKind::Network);
            assert!(failure.message.contains(message), "{status} {code:?}: {}", failure.message);
            assert!(failure.message.contains("meta-llama/Llama-3.2-1B"), "{}", failure.message);
            assert!(failure.hint.contains(hint), "{status} {code:?}: {}", failure.hint);
        }
        let throttled = HubError::of_status(429, None, Some("42"), &repo, &file);
        assert!(throttled.hint().contains("in 42 seconds"), "{}", throttled.hint());
    }
}
