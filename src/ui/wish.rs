//! Where the user wants models to be computed: chosen in the engine's panel, kept on this machine and in the address.

use leptos::prelude::*;

use super::{
    dom,
    state::{Entry, Loading, State},
};
use crate::{placement::Wish, protocol::Presets};

/// Where this machine's user last chose to compute, and by which adapter that then was.
const WISH_KEY: &str = "vitrine-backend";
const ADAPTER_KEY: &str = "vitrine-adapter";
/// What was measured of this machine's GPUs.
const PRESETS_KEY: &str = "vitrine-presets";

/// Where models are computed at first: as the address says, or else as was chosen here before.
pub fn first(from_address: Wish) -> Wish {
    let stored = || dom::stored(WISH_KEY).and_then(|key| Wish::from_key(&key)).unwrap_or_default();
    if from_address == Wish::Auto { stored() } else { from_address }
}

/// What was measured of this machine's GPUs on earlier visits.
pub fn presets() -> Presets {
    // What cannot be read is measured again.
    dom::stored(PRESETS_KEY).and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
}

/// Keeps what was measured for the next visit.
pub fn remember_presets(presets: &Presets) {
    dom::store(PRESETS_KEY, serde_json::to_string(presets).ok().as_deref());
}

/// Has models computed there from now on, and remembers it.
pub fn prefer(state: State, wish: Wish) {
    state.touch();
    remember(wish);
    follow(state, wish);
}

fn remember(wish: Wish) {
    dom::store(WISH_KEY, (wish != Wish::Auto).then_some(wish.key()));
    dom::store(ADAPTER_KEY, None);
}

/// WebGPU that was chosen on one adapter is not chosen on the next: there a probe decides again.
pub fn keep_to_adapter(state: State) {
    let adapter = Memo::new(move |_| {
        let card = state.card_of(&state.present_model())?;
        (card.backend == Wish::Webgpu.key()).then(|| card.adapter.clone())
    });
    Effect::new(move || {
        let Some(adapter) = adapter.get() else { return };
        if dom::stored(WISH_KEY).as_deref() != Some(Wish::Webgpu.key()) {
            return;
        }
        match dom::stored(ADAPTER_KEY) {
            Some(chosen) if chosen != adapter => {
                remember(Wish::Auto);
                follow(state, Wish::Auto);
            }
            Some(_) => (),
            None => dom::store(ADAPTER_KEY, Some(&adapter)),
        }
    });
}

/// Has models computed there from now on.
pub fn follow(state: State, wish: Wish) {
    state.wish.set(wish);
    state.notice.set(None);
    let is_any_there =
        |models: &Vec<Entry>| models.iter().any(|entry| matches!(entry.loading, Loading::Done(_)));
    state.is_moving.set(state.models.with_untracked(is_any_there));
    state.client.get_value().prefer(wish);
}
