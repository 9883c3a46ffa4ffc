//! The state of the page: what is wanted, what is shown, what is under way.
//!
//! Signals hold state; everything that can be computed from it is a memo. What changes state because of the
//! outside world is in [`super::actions`].

use std::{collections::BTreeMap, sync::Arc};

use leptos::prelude::*;

use super::focus::Focus;
use crate::{
    analysis::attention,
    client::Client,
    failure::Failure,
    placement::Wish,
    prompt::Bos,
    protocol::{ConfigGuess, ModelCard, RunId},
    view_model::{
        address::Address,
        download::Download,
        elevation::Building,
        head_score::HeadScore,
        sampling::Sampling,
        views::{Choices, View},
    },
};

mod kinds;

pub use kinds::{Asking, Engine, Entry, Generation, Loading, Made, NewToken, Phase, Reading, Shown, Wanted};

/// The whole of it; copies share it. Provided through context.
#[derive(Clone, Copy)]
pub struct State {
    /// The text in the prompt box.
    pub prompt: RwSignal<String>,
    /// Whether a BOS goes in front of it.
    pub bos: RwSignal<Bos>,
    /// The chosen model.
    pub model: RwSignal<String>,
    /// All models that the page knows.
    pub models: RwSignal<Vec<Entry>>,
    /// The last answer.
    pub shown: RwSignal<Option<Arc<Shown>>>,
    /// The answer that the large pictures draw: the one on the page, a task later.
    pub drawn: RwSignal<Option<Arc<attention::Answer>>>,
    /// How the question about the present prompt stands.
    pub asking: RwSignal<Asking>,
    /// The head whose scores before the softmax are wanted as well.
    pub wants_scores: RwSignal<Option<[usize; 2]>>,
    /// The continuation.
    pub generation: RwSignal<Generation>,
    /// How it is sampled.
    pub sampling: RwSignal<Sampling>,
    /// Which view is open.
    pub view: RwSignal<View>,
    /// What was chosen in the views.
    pub choices: RwSignal<Choices>,
    /// The mark that is locked in the view.
    pub mark: RwSignal<String>,
    /// What the views found out about the prompt on the page, and where.
    pub readings: RwSignal<Vec<Reading>>,
    /// Which score lights the windows of the elevation.
    pub lit_by: RwSignal<HeadScore>,
    /// The engine itself.
    pub engine: RwSignal<Engine>,
    /// Why the last model that the user opened did not open.
    pub open_failure: RwSignal<Option<Failure>>,
    /// What config.json would say for files that came without it, by the id under which the page keeps the files.
    pub guessed: RwSignal<Option<(String, ConfigGuess)>>,
    /// What made a model move to another backend against the user's wish.
    pub notice: RwSignal<Option<Failure>>,
    /// Where the user wants models to be computed.
    pub wish: RwSignal<Wish>,
    /// Whether the model is about to move there.
    pub is_moving: RwSignal<bool>,
    /// Whether the engine's panel is open.
    pub shows_engine: RwSignal<bool>,
    /// Whether the choice of models is open.
    pub shows_models: RwSignal<bool>,
    /// A model of a hub that a link speaks of, until the user has it loaded or not.
    pub offered: RwSignal<Option<String>>,
    /// Whether the user has done anything: from then on the page makes no choice of its own.
    pub is_touched: RwSignal<bool>,
    /// Whether the page is a view inside another page.
    pub is_embed: RwSignal<bool>,
    /// What is looked at.
    pub focus: Focus,
    /// The engine's door.
    pub client: StoredValue<Client, LocalStorage>,
    /// The question under way.
    pub ask_run: StoredValue<Option<RunId>>,
    /// The requests that load models, by the models' ids.
    pub load_runs: StoredValue<BTreeMap<String, RunId>>,
}

/// The engine's door, and what the engine changes by itself.
#[derive(Clone)]
pub struct Door {
    /// The door.
    pub client: Client,
    /// Whether the engine is up.
    pub engine: RwSignal<Engine>,
    /// The models that the page knows; one that moves gets another card.
    pub models: RwSignal<Vec<Entry>>,
    /// What made one move against the user's wish.
    pub notice: RwSignal<Option<Failure>>,
    /// Whether one is about to move.
    pub is_moving: RwSignal<bool>,
}

impl State {
    /// The state that an address describes, on a page with this prompt of its own.
    pub fn new(address: &Address, own_prompt: &str, wish: Wish, door: Door) -> Self {
        let Door { client, engine, models, notice, is_moving } = door;
        let first = models.with_untracked(|models| models[0].id.clone());
        let is_known =
            |id: &String| models.with_untracked(|models| models.iter().any(|entry| entry.id == *id));
        let model = address.model.clone().filter(is_known);
        let offered = address.model.clone().filter(|id| !is_known(id) && Entry::is_of_hub(id));
        let focus = Focus::new();
        focus.head.lock(address.head);
        focus.pos.lock(address.pos);
        Self {
            prompt: RwSignal::new(address.prompt.clone().unwrap_or_else(|| own_prompt.to_owned())),
            bos: RwSignal::new(address.bos),
            is_touched: RwSignal::new(model.is_some() || address.prompt.is_some() || address.head.is_some()),
            model: RwSignal::new(model.unwrap_or(first)),
            models,
            shown: RwSignal::new(None),
            drawn: RwSignal::new(None),
            asking: RwSignal::new(Asking::Idle),
            wants_scores: RwSignal::new(None),
            generation: RwSignal::new(Generation::none()),
            sampling: RwSignal::new(address.sampling),
            view: RwSignal::new(address.view),
            choices: RwSignal::new(address.choices.clone()),
            mark: RwSignal::new(address.mark.clone()),
            readings: RwSignal::new(vec![]),
            lit_by: RwSignal::new(address.lit_by),
            engine,
            open_failure: RwSignal::new(None),
            guessed: RwSignal::new(None),
            notice,
            wish: RwSignal::new(wish),
            is_moving,
            shows_engine: RwSignal::new(false),
            shows_models: RwSignal::new(false),
            offered: RwSignal::new(offered),
            is_embed: RwSignal::new(address.is_embed),
            focus,
            client: StoredValue::new_local(client),
            ask_run: StoredValue::new(None),
            load_runs: StoredValue::default(),
        }
    }

    /// The page's state.
    pub fn from_page() -> Self {
        use_context().expect("the page provides its state before any view is made")
    }

    /// What should be on the page.
    pub fn wanted(self) -> Wanted {
        Wanted {
            model: self.model.get(),
            prompt: self.prompt.get(),
            bos: self.bos.get(),
            scores: self.wants_scores.get(),
        }
    }

    /// The answer on the page.
    pub fn answer(self) -> Signal<Option<Arc<attention::Answer>>> {
        Signal::derive(move || self.shown.with(|shown| Some(Arc::clone(&shown.as_ref()?.answer))))
    }

    /// Whether what is shown is a stored result.
    pub fn is_stored(self) -> bool {
        self.shown.with(|shown| shown.as_ref().is_some_and(|shown| shown.made == Made::Stored))
    }

    /// Whether what is shown answers something else than what is in the box.
    pub fn is_stale(self) -> bool {
        let wanted = self.wanted();
        self.shown.with(|shown| match shown.as_deref() {
            Some(shown) => {
                (&shown.wanted.model, &shown.wanted.prompt, shown.wanted.bos)
                    != (&wanted.model, &wanted.prompt, wanted.bos)
            }
            None => true,
        })
    }

    /// Whether the picture is about to change into what is in the box.
    pub fn is_busy(self) -> bool {
        self.is_stale() && !matches!(self.asking.get(), Asking::Failed(_)) || !self.is_drawn()
    }

    /// Opens a view. A mark belongs to the view that it is in.
    pub fn open(self, view: View) {
        if self.view.get_untracked() != view {
            self.touch();
            self.mark.set(String::new());
            self.view.set(view);
        }
    }

    /// Whether the large pictures draw the answer that is on the page, where they are open.
    fn is_drawn(self) -> bool {
        self.view.get() != View::Attention
            || self.shown.with(|shown| {
                self.drawn.with(|drawn| match (shown, drawn) {
                    (Some(shown), Some(drawn)) => Arc::ptr_eq(&shown.answer, drawn),
                    (None, None) => true,
                    (Some(_), None) | (None, Some(_)) => false,
                })
            })
    }

    /// How the model with this id stands.
    pub fn loading_of(self, id: &str) -> Loading {
        self.models.with(|models| {
            models.iter().find(|entry| entry.id == id).map_or(Loading::Idle, |entry| entry.loading.clone())
        })
    }

    /// Notes how the model with this id stands.
    pub fn set_loading(self, id: &str, loading: Loading) {
        self.models.update(|models| {
            if let Some(entry) = models.iter_mut().find(|entry| entry.id == id) {
                entry.loading = loading;
            }
        });
    }

    /// The model that is on its way, the one in use first.
    pub fn download(self) -> Option<(String, Download)> {
        let in_use = self.model.get();
        self.models.with(|models| {
            let running = |entry: &Entry| match &entry.loading {
                Loading::Running(download) => Some((entry.id.clone(), download.clone())),
                Loading::Idle | Loading::Done(_) | Loading::Failed(_) => None,
            };
            let first = models.iter().find(|entry| entry.id == in_use).and_then(running);
            first.or_else(|| models.iter().find_map(running))
        })
    }

    /// The model that the page is about: the chosen one once it is loaded, till then the one that is shown.
    pub fn present_model(self) -> String {
        let chosen = self.model.get();
        let shown = self.shown.with(|shown| shown.as_ref().map(|shown| shown.wanted.model.clone()));
        match (self.card_of(&chosen), shown) {
            (None, Some(shown)) => shown,
            (Some(_), _) | (None, None) => chosen,
        }
    }

    /// The card of a model, once it is loaded.
    pub fn card_of(self, id: &str) -> Option<Arc<ModelCard>> {
        match self.loading_of(id) {
            Loading::Done(card) => Some(card),
            Loading::Idle | Loading::Running(_) | Loading::Failed(_) => None,
        }
    }

    /// The shape of the model that is shown. The stored results are of a model without MLPs.
    pub fn building(self) -> Option<Building> {
        self.shown.with(|shown| {
            let Shown { wanted, answer, .. } = shown.as_deref()?;
            let (card, heads) = (self.card_of(&wanted.model), &answer.heads);
            let last = heads.last()?;
            let has_mlp = card.is_some_and(|card| !card.config.is_attn_only());
            Some(Building { n_layers: last.layer + 1, n_heads: last.head + 1, has_mlp })
        })
    }

    /// The word for the whole page's state, for scripts and tests.
    pub fn status(self) -> &'static str {
        let first_failed = matches!(self.loading_of(&self.model.get()), Loading::Failed(_));
        let made = self.shown.with(|shown| shown.as_ref().map(|shown| shown.made));
        match (self.engine.get(), made) {
            (Engine::Failed(_), _) => "failed",
            (Engine::Up, Some(Made::Live { .. })) => "ready",
            (Engine::Up, _) if first_failed => "failed",
            (Engine::Up, Some(Made::Stored)) => "stored",
            (Engine::Up, None) => "loading",
        }
    }

    /// The page as an address; what the page chose by itself is left out until the user touches something.
    pub fn address(self) -> Address {
        let is_touched = self.is_touched.get();
        Address {
            model: self.offered.get().or_else(|| is_touched.then(|| self.model.get())),
            prompt: is_touched.then(|| self.prompt.get()),
            bos: self.bos.get(),
            head: self.focus.head.locked(),
            pos: self.focus.pos.locked(),
            view: self.view.get(),
            choices: self.choices.get(),
            mark: self.mark.get(),
            lit_by: self.lit_by.get(),
            sampling: self.sampling.get(),
            backend: self.wish.get(),
            is_embed: self.is_embed.get(),
        }
    }

    /// The same with model and prompt, whoever chose them.
    pub fn whole_address(self) -> Address {
        Address { model: Some(self.model.get()), prompt: Some(self.prompt.get()), ..self.address() }
    }

    /// Notes that the user has taken over.
    pub fn touch(self) {
        if !self.is_touched.get_untracked() {
            self.is_touched.set(true);
        }
    }
}
