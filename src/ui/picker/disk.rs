//! Files of the user's own: chosen, a whole folder, or dropped anywhere on the page.

use leptos::{ev, prelude::*};
use wasm_bindgen::JsCast as _;
use web_sys::{File, HtmlInputElement};

use crate::ui::{
    actions::{self, Sources},
    dom,
    state::State,
};

/// What a model's files end in. Others in a folder are passed over; those that cannot be read get a sentence.
const ENDINGS: [&str; 7] = [".json", ".safetensors", ".txt", ".bin", ".pt", ".pth", ".gguf"];

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
        state.shows_models.set(false);
        actions::open_files(state, sources, files);
    };
    view! {
        <section aria-labelledby="picker-disk">
            <h3 id="picker-disk">"From this machine"</h3>
            <p class="note">"config.json, model.safetensors or its shards with their index, and tokenizer.json or vocab.json and merges.txt. Nothing leaves this machine. Files may also be dropped anywhere on the page."</p>
            <div class="disk">
                <label class="button open-own">
                    "Choose files…"
                    <input type="file" multiple class="visually-hidden" aria-label="Open a model from disk"
                        accept=ENDINGS.join(",") on:change=move |event| open(event, false)/>
                </label>
                <label class="button open-own">
                    "Choose a folder…"
                    <input type="file" prop:webkitdirectory=true class="visually-hidden" aria-label="Open a folder from disk"
                        on:change=move |event| open(event, true)/>
                </label>
            </div>
        </section>
    }
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
        let files = event.data_transfer().map(|data| dom::files_of(data.files())).unwrap_or_default();
        state.shows_models.set(false);
        actions::open_files(state, sources, files);
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
