//! Models from a hub: loading one, having it wait, and what is kept of them on this machine.
//!
//! A model that is loaded again comes from this machine; only what its revision is now is asked for, and without a
//! network not even that. A load that was cancelled, that failed or whose tab was closed goes on where it was.

use std::future::Future;

use super::{Client, failure_of, mailbox::Mailbox};
use crate::{
    failure::Failure,
    protocol::{CachedModel, CachedName, FromEngine, RunId, ToEngine},
};

impl Client {
    /// Has a download wait. What has come stays.
    pub fn pause(&self, run: RunId) {
        self.0.post(ToEngine::Pause { run, is_paused: true }, js_sys::Array::new());
    }

    /// Goes on with a download that waits.
    pub fn resume(&self, run: RunId) {
        self.0.post(ToEngine::Pause { run, is_paused: false }, js_sys::Array::new());
    }

    /// What is kept on this machine of models from hubs, with sizes; also what was not loaded to its end.
    ///
    /// Errors: the engine is gone.
    pub fn cached(&self) -> impl Future<Output = Result<Vec<CachedModel>, Failure>> + use<> {
        listed(self.request(|run| ToEngine::Cached { run, delete: None }, js_sys::Array::new()).1)
    }

    /// Deletes what is kept of a model, and says what is still there. If it is loaded, it stays so.
    ///
    /// Errors: it is just being loaded.
    pub fn delete_cached(
        &self,
        name: CachedName,
    ) -> impl Future<Output = Result<Vec<CachedModel>, Failure>> + use<> {
        let make = |run| ToEngine::Cached { run, delete: Some(name) };
        listed(self.request(make, js_sys::Array::new()).1)
    }
}

async fn listed(mailbox: Mailbox) -> Result<Vec<CachedModel>, Failure> {
    match mailbox.next().await {
        FromEngine::Cached { models, .. } => Ok(models),
        other => Err(failure_of(other)),
    }
}
