//! A model that is there: on which backend, why there, and where it can be read from again.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use js_sys::{ArrayBuffer, WebAssembly::Memory};
use wasm_bindgen::JsCast as _;

use super::{any_engine::AnyEngine, pace, source::Source};
use crate::{
    backend::Backend as _,
    placement::{MemoryUse, Place, Reason, Report, Wish, speed::CpuPass},
    protocol::ModelCard,
};

/// How long somebody waits before looking again whether a model has stopped moving, milliseconds.
const LOOK_AGAIN_MILLIS: i32 = 5;

/// One model. A request keeps the engine that it began with, so a move never changes a run under way.
pub(super) struct Loaded {
    /// As it was loaded; what a move changes is put in by [`Loaded::card`].
    facts: ModelCard,
    source: Source,
    /// Where the sparse autoencoders beside it can be read from again, by name.
    sae_sources: RefCell<BTreeMap<String, Rc<Source>>>,
    engine: RefCell<Rc<AnyEngine>>,
    reason: RefCell<Reason>,
    is_moving: Cell<bool>,
    wants_times: Cell<bool>,
    cpu_pass: Cell<Option<CpuPass>>,
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
            sae_sources: RefCell::default(),
            engine: RefCell::new(Rc::new(engine)),
            reason: RefCell::new(reason),
            is_moving: Cell::new(false),
            wants_times: Cell::new(false),
            cpu_pass: Cell::default(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.facts.model
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// Says where an autoencoder that is now beside it came from.
    pub(super) fn keep_sae_source(&self, name: &str, source: Rc<Source>) {
        self.sae_sources.borrow_mut().insert(name.to_owned(), source);
    }

    /// Where the autoencoders beside it came from.
    pub(super) fn sae_sources(&self) -> Vec<(String, Rc<Source>)> {
        self.sae_sources.borrow().iter().map(|(name, source)| (name.clone(), Rc::clone(source))).collect()
    }

    /// Forgets an autoencoder.
    pub(super) async fn drop_sae(&self, name: &str) {
        let _moving = self.begin_move().await;
        self.sae_sources.borrow_mut().remove(name);
        self.engine().drop_sae(name);
    }

    /// The engine that the next request uses.
    pub(super) fn engine(&self) -> Rc<AnyEngine> {
        Rc::clone(&self.engine.borrow())
    }

    /// What a pass takes on the CPU, once it was timed.
    pub(super) fn cpu_pass(&self) -> Option<CpuPass> {
        self.cpu_pass.get()
    }

    /// Notes what a pass of a probe's took on the CPU.
    pub(super) fn keep_cpu_millis(&self, millis: f64) {
        self.cpu_pass.set(Some(CpuPass::of_probe(self.facts.config.n_ctx, millis)));
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

    /// Whether it is where it is because a device failed.
    pub(super) fn is_after_a_fault(&self) -> bool {
        matches!(*self.reason.borrow(), Reason::Fault { .. })
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
            backend: engine.backend().name().to_owned(),
            adapter: engine.backend().adapter(),
            cpu_pass: self.cpu_pass.get(),
            ..self.facts.clone()
        }
    }

    /// Whether somebody has looked at times since the last question.
    pub(super) fn wants_times(&self) -> bool {
        self.wants_times.take()
    }

    /// How it is computed. Whoever asks may want the times of the next run as well.
    pub(super) fn report(&self, wish: Wish) -> Report {
        let engine = self.engine.borrow();
        let (clock, ops) = engine.op_times();
        self.wants_times.set(true);
        Report {
            wish,
            place: engine.place(),
            reason: self.reason.borrow().clone(),
            adapter: engine.backend().adapter(),
            n_threads: engine.n_threads(),
            memory: engine
                .memory()
                .into_iter()
                .chain([("all of the worker's WebAssembly memory", wasm_bytes())])
                .map(|(role, bytes)| MemoryUse { role: role.to_owned(), bytes })
                .collect(),
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
