//! A model that is there: on which backend, why there, and where it can be read from again.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use js_sys::{ArrayBuffer, WebAssembly::Memory};
use wasm_bindgen::JsCast as _;

use super::{any_engine::AnyEngine, pace, source::Source};
use crate::{
    placement::{MemoryUse, Place, Reason, Report, Wish},
    protocol::ModelCard,
};

/// How long somebody waits before looking again whether a model has stopped moving, milliseconds.
const LOOK_AGAIN_MILLIS: i32 = 5;

/// One model. A request keeps the engine that it began with, so a move never changes a run under way.
pub(super) struct Loaded {
    /// As it was loaded; what a move changes is put in by [`Loaded::card`].
    facts: ModelCard,
    source: Source,
    engine: RefCell<Rc<AnyEngine>>,
    reason: RefCell<Reason>,
    is_moving: Cell<bool>,
}

/// Keeps others from moving the same model.
pub(super) struct Moving<'a>(&'a Cell<bool>);

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Loaded {
    pub(super) fn new(facts: ModelCard, source: Source, engine: AnyEngine, reason: Reason) -> Self {
        Self {
            facts,
            source,
            engine: RefCell::new(Rc::new(engine)),
            reason: RefCell::new(reason),
            is_moving: Cell::new(false),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.facts.model
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// The engine that the next request uses.
    pub(super) fn engine(&self) -> Rc<AnyEngine> {
        Rc::clone(&self.engine.borrow())
    }

    pub(super) fn place(&self) -> Place {
        self.engine.borrow().place()
    }

    /// Puts another engine in place of the present one, or another reason.
    pub(super) fn put(&self, engine: Option<AnyEngine>, reason: Reason) {
        if let Some(engine) = engine {
            *self.engine.borrow_mut() = Rc::new(engine);
        }
        *self.reason.borrow_mut() = reason;
    }

    /// Waits until nobody else moves it.
    pub(super) async fn begin_move(&self) -> Moving<'_> {
        while self.is_moving.replace(true) {
            pace::sleep(LOOK_AGAIN_MILLIS).await;
        }
        Moving(&self.is_moving)
    }

    /// What is known of it now.
    pub(super) fn card(&self) -> ModelCard {
        let engine = self.engine.borrow();
        ModelCard {
            memory_bytes: engine.memory_bytes(),
            backend: engine.backend().to_owned(),
            adapter: engine.adapter(),
            ..self.facts.clone()
        }
    }

    /// How it is computed.
    pub(super) fn report(&self, wish: Wish) -> Report {
        let engine = self.engine.borrow();
        let (clock, ops) = engine.op_times();
        let part = |role: &str, bytes| MemoryUse { role: role.to_owned(), bytes };
        Report {
            wish,
            place: engine.place(),
            reason: self.reason.borrow().clone(),
            adapter: engine.adapter(),
            n_threads: engine.n_threads(),
            memory: vec![
                part("weights", engine.memory_bytes()),
                part("all of the worker's WebAssembly memory", wasm_bytes()),
            ],
            clock,
            ops,
        }
    }
}

/// What this module has of the machine's memory.
fn wasm_bytes() -> u64 {
    let memory: Memory = wasm_bindgen::memory().unchecked_into();
    let buffer: ArrayBuffer = memory.buffer().unchecked_into();
    u64::from(buffer.byte_length())
}
