//! Files of the user's own: chosen, a whole folder, or dropped anywhere on the page.

use js_sys::Array;
use leptos::{ev, prelude::*, task::spawn_local};
use wasm_bindgen::JsCast as _;
use web_sys::{File, HtmlInputElement, MouseEvent};

use super::opened::OpenedModels;
use crate::{
    failure::{Failure, FailureKind},
    ui::{
        actions::{self, Sources},
        dom,
        handles::{self, ENDINGS, FromDisk},
        state::State,
    },
    view_model::opened,
};

/// Choosing files, or a folder.
#[component]
pub fn FromDisk(
    /// Where models come from.
    sources: Sources,
) -> impl IntoView {
    let state = State::from_page();
    let open = move |event: web_sys::Event, is_folder: bool| {
        let Some(input) = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok()) else {
            return;
        };
        let mut files = dom::files_of(input.files());
        if is_folder {
            files.retain(is_of_model);
        }
        input.set_value(""); // The same files may be chosen again.
        found(state, sources, Ok(Some(FromDisk { files, handles: Array::new(), changed: vec![] })));
    };
    // Where the browser has handles, it is asked for those instead: by them a later visit opens the files again.
    let pick = move |event: MouseEvent, is_folder: bool| {
        if handles::can_pick() {
            event.prevent_default();
            spawn_local(async move { found(state, sources, handles::pick(is_folder).await) });
        }
    };
    view! {
        <section aria-labelledby="picker-disk">
            <h3 id="picker-disk">"From this machine"</h3>
            <p class="note">"config.json, model.safetensors or its shards with their index, and tokenizer.json or vocab.json and merges.txt. Nothing leaves this machine. Files may also be dropped anywhere on the page."</p>
            <div class="disk">
                <label class="button open-own">
                    "Choose files…"
                    <input type="file" multiple class="visually-hidden" aria-label="Open a model from disk"
                        accept=ENDINGS.join(",") on:click=move |event| pick(event, false) on:change=move |event| open(event, false)/>
                </label>
                <label class="button open-own">
                    "Choose a folder…"
                    <input type="file" prop:webkitdirectory=true class="visually-hidden" aria-label="Open a folder from disk"
                        on:click=move |event| pick(event, true) on:change=move |event| open(event, true)/>
                </label>
            </div>
            <OpenedModels sources/>
        </section>
    }
}

/// Opens what was chosen or dropped, if it was anything.
fn found(state: State, sources: Sources, found: Result<Option<FromDisk>, Failure>) {
    let nothing = || Failure::new(FailureKind::Model, opened::NO_MODEL.0, opened::NO_MODEL.1);
    let failure = match found {
        Ok(None) => return,
        Ok(Some(FromDisk { files, handles, changed: _ })) if !files.is_empty() => {
            state.shows_models.set(false);
            return actions::open_files(state, sources, files, handles);
        }
        Ok(Some(_)) => nothing(),
        Err(failure) => failure,
    };
    state.shows_models.set(false);
    state.open_failure.set(Some(failure));
}

/// Whether a file of a folder may belong to a model: at its top, with one of the endings.
fn is_of_model(file: &File) -> bool {
    let path =
        js_sys::Reflect::get(file, &"webkitRelativePath".into()).ok().and_then(|path| path.as_string());
    let is_at_top = path.is_none_or(|path| path.matches('/').count() <= 1);
    is_at_top && ENDINGS.iter().any(|ending| file.name().ends_with(ending))
}

/// Where files are dropped: the whole page.
#[component]
pub fn DropPlace(
    /// Where models come from.
    sources: Sources,
) -> impl IntoView {
    let state = State::from_page();
    let is_dragging = RwSignal::new(false);
    let over = window_event_listener(ev::dragover, move |event| {
        event.prevent_default();
        if !is_dragging.get_untracked() {
            is_dragging.set(true);
        }
    });
    let left = window_event_listener(ev::dragleave, move |event| {
        // Leaving the window, not passing from one element to the next.
        if event.related_target().is_none() {
            is_dragging.set(false);
        }
    });
    let dropped = window_event_listener(ev::drop, move |event| {
        event.prevent_default();
        is_dragging.set(false);
        let Some(transfer) = event.data_transfer() else { return };
        // Now, because a drop is empty once its event is over.
        let dropped = handles::dropped(&transfer);
        spawn_local(async move { found(state, sources, dropped.await) });
    });
    on_cleanup(move || {
        over.remove();
        left.remove();
        dropped.remove();
    });
    view! {
        <Show when=move || is_dragging.get()>
            <div class="drop" aria-hidden="true"><p>"Let go to open these files as a model"</p></div>
        </Show>
    }
}
