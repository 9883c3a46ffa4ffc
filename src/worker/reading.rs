//! Files on their way in for somebody, who hears of progress and may give them up.

use std::rc::Rc;

use super::{
    State,
    body::{Body, Chunk},
    hub::Slot,
    pace::Turns,
    post,
};
use crate::{
    backend::MAX_PART_BYTES,
    engine::Pace as _,
    failure::{Failure, FailureKind},
    protocol::{FromEngine, RunId},
};

/// Who waits for a model to be read.
#[derive(Clone, Copy)]
pub(super) enum Reader {
    /// A request: it hears of progress and may be cancelled.
    Request(RunId),
    /// The worker itself.
    Worker,
}

/// Files that are being read for somebody.
pub(super) struct Reading {
    pub(super) state: Rc<State>,
    reader: Reader,
    turns: Turns,
    /// Where a hub's files come from.
    pub(super) slot: Slot,
}

/// A file on its way from chunks, which come as they come, to parts.
pub(super) struct Parts {
    chunk: Chunk,
    at: usize,
    part: Vec<u8>,
}

impl Default for Parts {
    fn default() -> Self {
        Self { chunk: Chunk::Here(vec![]), at: 0, part: vec![] }
    }
}

impl Reading {
    pub(super) fn new(state: &Rc<State>, reader: Reader) -> Self {
        let turns = match reader {
            Reader::Request(run) => Turns::new(state, run),
            Reader::Worker => Turns::of_worker(state),
        };
        Self { state: Rc::clone(state), reader, turns, slot: Slot::default() }
    }

    /// A small file.
    pub(super) async fn whole(&mut self, name: &str, body: &mut Body) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await? {
            append(&mut bytes, &chunk, name)?;
            self.turn().await?;
            self.report(name, body);
        }
        Ok(bytes)
    }

    /// The next part of a large file; empty at its end.
    pub(super) async fn part<'a>(
        &mut self,
        name: &str,
        body: &mut Body,
        parts: &'a mut Parts,
    ) -> Result<&'a [u8], Failure> {
        self.turn().await?;
        while parts.at == parts.chunk.len() {
            let Some(chunk) = body.next().await? else { return Ok(&[]) };
            (parts.chunk, parts.at) = (chunk, 0);
            self.report(name, body);
        }
        let n = MAX_PART_BYTES.min(parts.chunk.len() - parts.at);
        parts.part.resize(n, 0);
        parts.chunk.read(parts.at, &mut parts.part);
        parts.at += n;
        Ok(&parts.part)
    }

    /// Lets others have a turn.
    pub(super) async fn turn(&mut self) -> Result<(), Failure> {
        self.turns
            .breathe()
            .await
            .map_err(|_| Failure::new(FailureKind::Cancelled, "the download was cancelled", "Load it again."))
    }

    fn report(&self, name: &str, body: &Body) {
        let Reader::Request(run) = self.reader else { return };
        if body.is_reported() {
            return;
        }
        let (file, done_bytes, total_bytes) = (name.to_owned(), body.done_bytes, body.total_bytes);
        let (bytes_per_sec, left_secs) = (None, None);
        post::send(FromEngine::Progress { run, file, done_bytes, total_bytes, bytes_per_sec, left_secs });
    }
}

fn append(bytes: &mut Vec<u8>, chunk: &Chunk, name: &str) -> Result<(), Failure> {
    let start = bytes.len();
    let n_more = chunk.len();
    bytes.try_reserve(n_more).map_err(|_| {
        Failure::new(
            FailureKind::Model,
            format!("the file does not fit into memory after {start} bytes, {name}"),
            "Close other tabs, or take a smaller model.",
        )
    })?;
    bytes.resize(start + n_more, 0);
    chunk.read(0, &mut bytes[start..]);
    Ok(())
}
