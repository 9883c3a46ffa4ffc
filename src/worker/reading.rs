//! Files on their way in for somebody, who hears of progress and may give them up.

use std::rc::Rc;

use js_sys::Uint8Array;

use super::{State, body::Body, pace::Turns, post};
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
    reader: Reader,
    turns: Turns,
}

impl Reading {
    pub(super) fn new(state: &Rc<State>, reader: Reader) -> Self {
        let turns = match reader {
            Reader::Request(run) => Turns::new(state, run),
            Reader::Worker => Turns::of_worker(state),
        };
        Self { reader, turns }
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

    /// Passes a large file on, a part at a time.
    pub(super) async fn feed(
        &mut self,
        name: &str,
        body: &mut Body,
        mut take: impl AsyncFnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut part = vec![0; MAX_PART_BYTES];
        while let Some(chunk) = body.next().await? {
            for start in (0..chunk.length()).step_by(part.len()) {
                let n = part.len().min((chunk.length() - start) as usize);
                chunk.subarray(start, start + n as u32).copy_to(&mut part[..n]);
                take(&part[..n]).await?;
                self.turn().await?;
            }
            self.report(name, body);
        }
        Ok(())
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
        let (file, done_bytes, total_bytes) = (name.to_owned(), body.done_bytes, body.total_bytes);
        post::send(FromEngine::Progress { run, file, done_bytes, total_bytes });
    }
}

fn append(bytes: &mut Vec<u8>, chunk: &Uint8Array, name: &str) -> Result<(), Failure> {
    let start = bytes.len();
    let n_more = chunk.length() as usize;
    bytes.try_reserve(n_more).map_err(|_| {
        Failure::new(
            FailureKind::Model,
            format!("the file does not fit into memory after {start} bytes, {name}"),
            "Close other tabs, or take a smaller model.",
        )
    })?;
    bytes.resize(start + n_more, 0);
    chunk.copy_to(&mut bytes[start..]);
    Ok(())
}
