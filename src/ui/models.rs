//! The models that come with the page, and the order in which they are loaded.

use std::collections::BTreeMap;

use leptos::prelude::*;

use super::{
    actions::{self, Sources},
    dom,
    state::{Entry, Loading, Made, State},
};
use crate::client::Source;

/// Small, and so the first to be live.
pub const FIRST: &str = "tales-attn-2l";
/// The default, once it is there.
pub const DEFAULT: &str = "tales-4l";

const EMBEDDED: [(&str, &str); 2] = [
    (FIRST, "two layers, attention only: the smallest thing in which induction forms"),
    (DEFAULT, "four layers with MLPs: writes a sentence or two of a tale"),
];

/// The embedded models, none of them loaded.
pub fn entries() -> Vec<Entry> {
    let entry = |(id, words): (&str, &str)| Entry {
        id: id.to_owned(),
        words: words.to_owned(),
        loading: Loading::Idle,
    };
    EMBEDDED.into_iter().map(entry).collect()
}

/// Where they are.
pub fn sources() -> Sources {
    let source = |(id, _): (&str, &str)| {
        (id.to_owned(), Source::Url { base: dom::absolute(&folder(id)), weights: None })
    };
    StoredValue::new_local(EMBEDDED.into_iter().map(source).collect::<BTreeMap<_, _>>())
}

/// Where the files of an embedded model are, beside the page.
pub fn folder(id: &str) -> String {
    ["models/", id, "/"].concat()
}

/// Loads the model in use; once it has answered, the default one behind it.
pub fn load_in_order(state: State, sources: Sources) {
    actions::load(state, sources, &state.model.get_untracked());
    // Choosing a model that is not there yet brings it.
    Effect::new(move || {
        let id = state.model.get();
        if untrack(|| state.loading_of(&id)) == Loading::Idle {
            actions::load(state, sources, &id);
        }
    });
    Effect::new(move || {
        let is_live = state
            .shown
            .with(|shown| shown.as_ref().is_some_and(|shown| matches!(shown.made, Made::Live { .. })));
        if is_live && untrack(|| state.loading_of(DEFAULT)) == Loading::Idle {
            actions::load(state, sources, DEFAULT);
        }
    });
    // The default takes over by itself only on a page that nobody has touched; else it is offered.
    Effect::new(move || {
        let is_there = matches!(state.loading_of(DEFAULT), Loading::Done(_));
        if is_there && !state.is_touched.get_untracked() {
            state.model.set(DEFAULT.to_owned());
        }
    });
}

/// Whether the default model is there while the page, left on the first one, may want it.
pub fn is_default_on_offer(state: State) -> bool {
    state.model.get() == FIRST && matches!(state.loading_of(DEFAULT), Loading::Done(_))
}

/// Whether a model comes with the page.
pub fn is_embedded(id: &str) -> bool {
    EMBEDDED.iter().any(|(embedded, _)| *embedded == id)
}

/// Where an embedded model's own card is.
pub fn readme(id: &str) -> Option<String> {
    is_embedded(id).then(|| folder(id) + "README.md")
}
