//! Where a model comes from, as the page keeps it: so a restarted engine can load it again.

use js_sys::Array;
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

use super::link::text_of;
use crate::{
    failure::{Failure, FailureKind},
    protocol::ModelSource,
};

/// A folder on a server, or files that the user gave.
#[derive(Clone, Debug)]
pub enum Source {
    /// An absolute URL with its final slash.
    Url(String),
    /// The files themselves; their bytes are read when they are sent.
    Files(Vec<File>),
}

impl Source {
    /// The source as the protocol says it, and the buffers that travel beside it.
    ///
    /// Errors: a file cannot be read any more.
    pub(super) async fn for_message(self) -> Result<(ModelSource, Array), Failure> {
        let buffers = Array::new();
        match self {
            Self::Url(base) => Ok((ModelSource::Url { base }, buffers)),
            Self::Files(files) => {
                let mut names = Vec::with_capacity(files.len());
                for file in files {
                    let name = file.name();
                    let bytes = JsFuture::from(file.array_buffer()).await.map_err(|error| {
                        Failure::new(
                            FailureKind::Model,
                            format!("{name} cannot be read: {}.", text_of(&error)),
                            "Choose the files again; they may have moved or changed on disk.",
                        )
                    })?;
                    buffers.push(&bytes);
                    names.push(name);
                }
                Ok((ModelSource::Files { names }, buffers))
            }
        }
    }
}
