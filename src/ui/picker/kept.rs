//! What this browser keeps of models from hubs.

use leptos::{prelude::*, task::spawn_local};

use crate::{
    failure::Failure,
    protocol::{CachedModel, CachedName, CachedRevision},
    ui::{alert::Alert, dom, state::State},
    view_model::number,
};

/// What is kept, as far as it was looked at.
#[derive(Clone, Copy, Default)]
pub struct Kept {
    models: RwSignal<Option<Vec<CachedModel>>>,
    room: RwSignal<Option<dom::Room>>,
    failure: RwSignal<Option<Failure>>,
}

impl Kept {
    /// Looks again.
    pub fn look(self, state: State) {
        let cached = state.client.get_value().cached();
        spawn_local(async move { self.show(cached.await).await });
    }

    fn delete(self, state: State, name: CachedName) {
        let cached = state.client.get_value().delete_cached(name);
        spawn_local(async move { self.show(cached.await).await });
    }

    async fn show(self, cached: Result<Vec<CachedModel>, Failure>) {
        match cached {
            Ok(models) => {
                self.models.set(Some(models));
                self.failure.set(None);
            }
            Err(failure) => self.failure.set(Some(failure)),
        }
        self.room.set(dom::room().await);
    }

    /// What the browser may still keep, bytes; `None` where it does not say.
    pub fn left_bytes(self) -> Option<u64> {
        self.room.get().map(|room| room.quota_bytes.saturating_sub(room.used_bytes))
    }

    /// Whether all of a repository's newest files are here.
    pub fn is_whole(self, repo: &str) -> bool {
        self.models.with(|models| {
            let of_repo = models.iter().flatten().filter(|model| model.name.repo == repo);
            of_repo
                .flat_map(|model| &model.revisions)
                .any(|revision| revision.revision == "main" && is_whole(revision))
        })
    }
}

fn is_whole(revision: &CachedRevision) -> bool {
    revision.total_bytes <= revision.done_bytes
}

/// The list, with what it takes.
#[component]
pub fn KeptModels() -> impl IntoView {
    let kept: Kept = expect_context();
    let list = move || {
        match kept.models.get() {
        None => view! { <p class="note">"Looking…"</p> }.into_any(),
        Some(models) if models.is_empty() => {
            view! { <p class="note">"Nothing yet. A model from a hub stays here until you delete it, or the browser needs the room."</p> }.into_any()
        }
        Some(models) => {
            let rows = models.into_iter().map(|model| view! { <Row model/> });
            view! { <ul class="kept">{rows.collect_view()}</ul> }.into_any()
        }
    }
    };
    let room = move || {
        let room = kept.room.get()?;
        Some(format!(
            "This page uses {} of the {} that the browser gives it.",
            number::bytes(room.used_bytes),
            number::bytes(room.quota_bytes)
        ))
    };
    let failure = move || kept.failure.get().map(|failure| view! { <Alert failure/> });
    view! {
        <section aria-labelledby="picker-kept" data-testid="kept">
            <h3 id="picker-kept">"Kept in this browser"</h3>
            {failure}
            {list}
            <p class="quiet num">{room}</p>
        </section>
    }
}

#[component]
fn Row(model: CachedModel) -> impl IntoView {
    let state = State::from_page();
    let kept: Kept = expect_context();
    let revision = |revision: &CachedRevision| {
        let commit = revision.commit.get(..7).unwrap_or_default();
        let part = if is_whole(revision) {
            "whole".to_owned()
        } else {
            format!("{} of {}", number::bytes(revision.done_bytes), number::bytes(revision.total_bytes))
        };
        format!("{} ({commit}), {part}", revision.revision)
    };
    let revisions = model.revisions.iter().map(revision).collect::<Vec<_>>().join("; ");
    let name = format!("Delete {}", model.name.repo);
    let (repo, size) = (model.name.repo.clone(), number::bytes(model.size_bytes));
    view! {
        <li>
            <p class="curated-name">{repo}</p>
            <p class="quiet num">{format!("{size}: {revisions}")}</p>
            <button type="button" class="button" aria-label=name on:click=move |_| kept.delete(state, model.name.clone())>"Delete"</button>
        </li>
    }
}
