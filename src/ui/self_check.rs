//! The self-check: numbers that others published of a model, beside what the loaded one gives.

use leptos::{html::Dialog, prelude::*, task::spawn_local};

use super::{alert::Alert, dom, state::State};
use crate::{
    failure::{Failure, FailureKind},
    protocol::{ModelCard, RunId},
    verify::{Outcome, Verdict},
    view_model::self_check::{Summary, difference},
};

/// What was published of GPT-2 small.
const REFERENCE: &str = "reference/gpt2-small.json";

/// How a check stands.
#[derive(Clone, Copy)]
struct Check {
    outcomes: RwSignal<Vec<Outcome>>,
    n_entries: RwSignal<usize>,
    running: RwSignal<Option<RunId>>,
    failure: RwSignal<Option<Failure>>,
}

/// Whether numbers of such a model are at hand. Whether they are of this very one is found out when they are compared.
pub fn is_of(card: &ModelCard) -> bool {
    card.model_type == "gpt2"
}

/// A button that opens the check of a model.
#[component]
pub fn SelfCheck(
    /// The model.
    id: String,
) -> impl IntoView {
    let state = State::from_page();
    let dialog = NodeRef::<Dialog>::new();
    let check = Check {
        outcomes: RwSignal::new(vec![]),
        n_entries: RwSignal::new(0),
        running: RwSignal::new(None),
        failure: RwSignal::new(None),
    };
    let open = move |_| {
        if let Some(dialog) = dialog.get() {
            let _ = dialog.show_modal(); // A dialog that is in the page and closed can be opened.
        }
    };
    let title = "Does this model give what was published?";
    let start = move |_| check.start(state, id.clone());
    let is_running = move || check.running.get().is_some();
    view! {
        <button type="button" class="textlink" on:click=open>"Check it against published numbers"</button>
        <dialog class="help self-check" node_ref=dialog aria-label=title data-testid="self-check"
            on:close=move |_| check.stop(state)>
            <form method="dialog"><button class="button">"Close"</button></form>
            <h2 class="question">{title}</h2>
            <p class="note">"Losses, logits, attention, patching and attribution matrices, greedy texts and token ids that others printed for GPT-2 small, each computed here by the conventions of its source. Some take a minute."</p>
            <div class="self-check-actions">
                <button type="button" class="button primary" disabled=is_running on:click=start>"Run the check"</button>
                <button type="button" class="button" disabled=move || !is_running() on:click=move |_| check.stop(state)>"Stop"</button>
                <span class="num" role="status">{move || check.summary()}</span>
            </div>
            {move || check.failure.get().map(|failure| view! { <Alert failure/> })}
            <Rows check/>
        </dialog>
    }
}

impl Check {
    fn start(self, state: State, id: String) {
        self.outcomes.set(vec![]);
        self.n_entries.set(0);
        self.failure.set(None);
        spawn_local(async move {
            let Ok(reference) = dom::fetch_text(REFERENCE).await else {
                self.failure.set(Some(Failure::new(
                    FailureKind::Network,
                    "the published numbers could not be fetched",
                    "They are a file of this site: check the connection and try again.",
                )));
                return;
            };
            let (run, verified) =
                state.client.get_value().verify(&id, reference, move |outcome, n_entries| {
                    self.n_entries.set(n_entries);
                    self.outcomes.update(|outcomes| outcomes.push(outcome));
                });
            self.running.set(Some(run));
            let verified = verified.await;
            self.running.set(None);
            self.failure.set(verified.err().filter(|failure| failure.kind != FailureKind::Cancelled));
        });
    }

    fn stop(self, state: State) {
        if let Some(run) = self.running.get_untracked() {
            state.client.get_value().cancel(run);
        }
    }

    fn summary(self) -> Option<String> {
        let n_entries = self.n_entries.get();
        self.outcomes.with(|outcomes| (0 < n_entries).then(|| Summary::of(outcomes).text(n_entries)))
    }
}

#[component]
fn Rows(check: Check) -> impl IntoView {
    let is_empty = move || check.outcomes.with(Vec::is_empty);
    view! {
        <Show when=move || !is_empty()>
            <div class="table-scroll" tabindex="0" role="group" aria-label="Published and ours">
                <table>
                    <thead>
                        <tr>
                            <th scope="col">"verdict"</th>
                            <th scope="col">"what"</th>
                            <th scope="col">"published"</th>
                            <th scope="col">"ours"</th>
                            <th scope="col">"difference, allowed"</th>
                        </tr>
                    </thead>
                    <tbody>
                        <For each=move || check.outcomes.get() key=|outcome| outcome.id.clone() children=row/>
                    </tbody>
                </table>
            </div>
        </Show>
    }
}

fn row(outcome: Outcome) -> impl IntoView {
    let (class, word, why) = match &outcome.verdict {
        Verdict::Agrees => ("agrees", "agrees", None),
        Verdict::Differs => ("differs", "differs", None),
        Verdict::NotChecked { why } => ("unknown", "not checked", Some(why.clone())),
    };
    let far = why.unwrap_or_else(|| difference(&outcome));
    let Outcome { id, what, source, published, ours, .. } = outcome;
    view! {
        <tr class=class data-id=id>
            <td><span class="verdict">{word}</span></td>
            <td><span>{what}</span><span class="source quiet">{source}</span></td>
            <td class="num">{published}</td>
            <td class="num">{ours}</td>
            <td class="num">{far}</td>
        </tr>
    }
}
