//! Models coming and going: from the site, from a hub, from disk.

use std::sync::Arc;

use js_sys::Array;
use leptos::{prelude::*, task::spawn_local};
use web_sys::File;

use super::{Sources, client};
use crate::{
    client::{HubModel, Opened, Progress, Source},
    failure::{Failure, FailureKind},
    protocol::ModelCard,
    ui::{
        handles, models,
        state::{Entry, Loading, State},
    },
    view_model::download::Download,
};

/// What a model is described by.
const CONFIG: &str = "config.json";

/// Loads a model; what was loaded under its name before stays until the new one is whole.
pub fn load(state: State, sources: Sources, id: &str) {
    load_then(state, sources, id, || ());
}

fn load_then(state: State, sources: Sources, id: &str, then: impl FnOnce() + 'static) {
    let Some(source) = sources.with_value(|sources| sources.get(id).cloned()) else { return };
    let id = id.to_owned();
    begin(state, &id.clone(), source, move |loaded| match loaded {
        Ok(Opened::There(card)) => {
            arrived(state, &id, *card);
            then();
        }
        // What was opened before has its config.json, and a repository without one is refused.
        Ok(Opened::Guessed(_)) => forget(state, &id),
        Err(failure) if failure.kind == FailureKind::Cancelled => forget(state, &id),
        Err(failure) => {
            state.set_loading(&id, Loading::Failed(failure));
            state.shows_models.set(false); // It would lie over what is said of it.
        }
    });
}

/// Loads a model of a hub, and shows it once it is there.
pub fn load_hub(state: State, sources: Sources, hub: HubModel) {
    state.touch();
    let id = hub.id();
    if matches!(untrack(|| state.loading_of(&id)), Loading::Running(_)) {
        return; // It comes already.
    }
    if state.offered.with_untracked(|offered| *offered == Some(id.clone())) {
        state.offered.set(None);
    }
    let entry = Entry { id: id.clone(), words: format!("from {}", hub.host()), loading: Loading::Idle };
    add(state, entry);
    sources.update_value(|sources| {
        sources.insert(id.clone(), Source::Hub(hub));
    });
    load_then(state, sources, &id.clone(), move || show_model(state, &id));
}

/// Opens files of the user's as a model, and has the browser remember it by its handles, if it gave any. A bad file leaves
/// everything as it was, with a message.
pub fn open_files(state: State, sources: Sources, files: Vec<File>, handles: Array) {
    if files.is_empty() {
        return;
    }
    state.touch();
    state.open_failure.set(None);
    state.guessed.set(None);
    let n_own = state.models.with_untracked(|models| models.iter().filter(|entry| entry.is_own()).count());
    let id = format!("{}{}", Entry::OWN, n_own + 1);
    let words = files.iter().map(File::name).collect::<Vec<_>>().join(", ");
    add(state, Entry { id: id.clone(), words, loading: Loading::Idle });
    let source = Source::Files { files: files.clone(), handles: handles.clone() };
    sources.update_value(|sources| {
        sources.insert(id.clone(), source.clone());
    });
    begin(state, &id.clone(), source, move |loaded| match loaded {
        Ok(Opened::There(card)) => {
            handles::keep(&card, &handles, &files);
            arrived(state, &id, *card);
            show_model(state, &id);
        }
        Ok(Opened::Guessed(guess)) => {
            forget(state, &id);
            state.guessed.set(Some((id, guess)));
        }
        Err(failure) => {
            forget(state, &id);
            if failure.kind != FailureKind::Cancelled {
                state.open_failure.set(Some(failure));
            }
        }
    });
}

/// Opens files that came without config.json once more, with one that somebody has confirmed.
pub fn open_guessed(state: State, sources: Sources, id: &str, config: &str) {
    let (files, handles) = sources.with_value(|sources| match sources.get(id) {
        Some(Source::Files { files, handles }) => (files.clone(), handles.clone()),
        Some(_) | None => (vec![], Array::new()),
    });
    // Both are strings, so the browser takes them.
    let Ok(config) = File::new_with_str_sequence(&Array::of1(&config.into()), CONFIG) else { return };
    if 0 < handles.length() {
        handles.push(&config); // So that it need not be confirmed again.
    }
    open_files(state, sources, files.into_iter().chain([config]).collect(), handles);
}

/// Makes a loaded model the one in use.
pub fn show_model(state: State, id: &str) {
    state.shows_models.set(false);
    state.model.set(id.to_owned());
}

/// Has a download wait, or go on.
pub fn pause(state: State, id: &str, is_paused: bool) {
    let Some(run) = state.load_runs.with_value(|runs| runs.get(id).copied()) else { return };
    if is_paused {
        client(state).pause(run);
    } else {
        client(state).resume(run);
    }
    update(state, id, |download| download.is_paused = is_paused);
}

/// Gives a load up. What has come from a hub is kept.
pub fn cancel(state: State, id: &str) {
    if let Some(run) = state.load_runs.with_value(|runs| runs.get(id).copied()) {
        client(state).cancel(run);
    }
}

/// Takes a model that is not there from the list, unless it belongs to the page.
pub fn forget(state: State, id: &str) {
    state.models.update(|models| match models.iter_mut().find(|entry| entry.id == id) {
        Some(entry) if models::is_embedded(id) => entry.loading = Loading::Idle,
        Some(_) | None => models.retain(|entry| entry.id != id),
    });
    // One that was in use goes only after its engine did.
    if state.model.with_untracked(|model| model == id && !models::is_embedded(id)) {
        state.model.set(models::FIRST.to_owned());
    }
}

/// Notes that a model is there. One that the user brought takes the place of the one before it: two would seldom fit.
/// Chosen again, that one comes again, from this machine.
fn arrived(state: State, id: &str, card: ModelCard) {
    state.set_loading(id, Loading::Done(Arc::new(card)));
    if models::is_embedded(id) {
        return;
    }
    let is_other = |entry: &Entry| {
        matches!(entry.loading, Loading::Done(_)) && entry.id != id && !models::is_embedded(&entry.id)
    };
    let others = state.models.with_untracked(|models| {
        models.iter().filter(|entry| is_other(entry)).map(|entry| entry.id.clone()).collect::<Vec<_>>()
    });
    for other in others {
        // The one in use gives way first, or it would be asked for again at once.
        if state.model.with_untracked(|model| *model == other) {
            state.model.set(id.to_owned());
        }
        client(state).unload(&other);
        state.set_loading(&other, Loading::Idle);
    }
}

/// Asks for a model, and notes how it comes.
fn begin(state: State, id: &str, source: Source, then: impl FnOnce(Result<Opened, Failure>) + 'static) {
    state.set_loading(id, Loading::Running(Download::default()));
    let progress_id = id.to_owned();
    let (run, loaded) = client(state).load(id, source, move |progress| {
        let Progress { file, done_bytes, total_bytes, bytes_per_sec, left_secs } = progress;
        update(state, &progress_id, |download| {
            download.update(file, done_bytes, total_bytes);
            download.pace(bytes_per_sec, left_secs);
        });
    });
    state.load_runs.update_value(|runs| {
        runs.insert(id.to_owned(), run);
    });
    spawn_local(async move { then(loaded.await) });
}

fn update(state: State, id: &str, change: impl FnOnce(&mut Download)) {
    state.models.update(|models| {
        let entry = models.iter_mut().find(|entry| entry.id == id);
        if let Some(Entry { loading: Loading::Running(download), .. }) = entry {
            change(download);
        }
    });
}

fn add(state: State, entry: Entry) {
    state.models.update(|models| {
        if models.iter().all(|known| known.id != entry.id) {
            models.push(entry);
        }
    });
}
