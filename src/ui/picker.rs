//! Which model to look into: the hub's, one's own, and what this browser keeps.

use leptos::{html::Dialog, prelude::*};

use super::{
    actions::Sources,
    dialog,
    state::{Entry, Loading, State},
};

pub mod coming;
pub mod curated;
pub mod disk;
pub mod hub;
pub mod kept;
pub mod opened;

pub use disk::DropPlace;
pub use hub::Hub;

use coming::Coming;
use curated::CuratedModels;
use disk::FromDisk;
use hub::AnyModel;
use kept::{Kept, KeptModels};
use opened::Known;

/// The button that opens the choice.
#[component]
pub fn PickerButton() -> impl IntoView {
    let state = State::from_page();
    view! {
        <button type="button" class="button load-another" aria-haspopup="dialog" title="From a hub, or from this machine"
            on:click=move |_| state.shows_models.set(true)>
            <span class="wide-only">"Load another…"</span>
            <span class="narrow-only">"Load…"</span>
        </button>
    }
}

/// The choice, over the page.
#[component]
pub fn Picker(
    /// Where models come from.
    sources: Sources,
) -> impl IntoView {
    let state = State::from_page();
    let dialog = NodeRef::<Dialog>::new();
    let (hub, kept, known) = (Hub::of_machine(), Kept::default(), Known::default());
    provide_context(hub);
    provide_context(kept);
    provide_context(known);
    dialog::follow(dialog, state.shows_models);
    // What is kept changes with every load that ends.
    let n_there =
        Memo::new(move |_| state.models.with(|models| models.iter().filter(|entry| is_there(entry)).count()));
    Effect::new(move || {
        n_there.track();
        if state.shows_models.get() {
            kept.look(state);
            known.look();
        }
    });
    view! {
        <dialog class="help picker" node_ref=dialog aria-labelledby="picker-title" data-testid="picker"
            on:close=move |_| state.shows_models.set(false)>
            <form method="dialog"><button class="button">"Close"</button></form>
            <h2 class="question" id="picker-title">"Which model?"</h2>
            <Coming/>
            <section aria-labelledby="picker-hub">
                <h3 id="picker-hub">"From a hub"</h3>
                <p class="note">"Nothing is fetched before you press a button. What has come is kept in this browser and loads without a network from then on."</p>
                <CuratedModels sources/>
                <AnyModel sources/>
            </section>
            <FromDisk sources/>
            <KeptModels/>
        </dialog>
    }
}

fn is_there(entry: &Entry) -> bool {
    !matches!(entry.loading, Loading::Running(_))
}
