//! Models that were opened from disk on earlier visits, where the browser keeps handles on files.

use leptos::{prelude::*, task::spawn_local};
use wasm_bindgen::JsCast as _;
use web_sys::{Element, MouseEvent};

use crate::{
    failure::{Failure, FailureKind},
    ui::{
        actions::{self, Sources},
        alert::Alert,
        handles::{self, FromDisk},
        state::State,
    },
    view_model::opened,
};

/// The list, as far as it was looked at, and why the last one did not open.
#[derive(Clone, Copy, Default)]
pub struct Known {
    rows: RwSignal<String>,
    failure: RwSignal<Option<Failure>>,
}

impl Known {
    /// Looks again.
    pub fn look(self) {
        spawn_local(async move {
            self.rows.set(opened::rows(&handles::list().await, handles::now_millis()));
        });
    }

    fn forget(self, id: f64) {
        self.failure.set(None);
        spawn_local(async move {
            handles::forget(id).await;
            self.look();
        });
    }
}

/// The list, with what can be done about each.
#[component]
pub fn OpenedModels(
    /// Where models come from.
    sources: Sources,
) -> impl IntoView {
    let state = State::from_page();
    let known: Known = expect_context();
    let again = move |id| {
        known.failure.set(None);
        spawn_local(async move {
            match handles::again(id).await {
                Ok(found) => found.into_iter().for_each(|found| open(state, sources, found)),
                Err(failure) => known.failure.set(Some(failure)),
            }
        });
    };
    // One listener for all rows, whose buttons say what they are about.
    let act = move |event: MouseEvent| {
        let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        let id = |name| target.as_ref()?.get_attribute(name)?.parse::<f64>().ok();
        if let Some(id) = id("data-again") {
            again(id);
        } else if let Some(id) = id("data-forget") {
            known.forget(id);
        }
    };
    let failure = move || known.failure.get().map(|failure| view! { <Alert failure/> });
    view! {
        <div data-testid="opened" hidden=move || known.rows.with(String::is_empty)>
            <h4 class="opened-title" id="picker-opened">"Opened before"</h4>
            <p class="note">"Their files stay where they are; this browser remembers where that is, and asks before it reads them."</p>
            {failure}
            <ul class="kept" aria-labelledby="picker-opened" on:click=act inner_html=known.rows></ul>
        </div>
    }
}

fn open(state: State, sources: Sources, found: FromDisk) {
    let FromDisk { files, handles, changed } = found;
    state.shows_models.set(false);
    actions::open_files(state, sources, files, handles);
    if let Some((what, hint)) = opened::changed(&changed) {
        state.open_failure.set(Some(Failure::new(FailureKind::Model, what, hint)));
    }
}
