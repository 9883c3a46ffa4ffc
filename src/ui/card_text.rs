//! The card that a model comes with, in its maker's words, over the page.

use leptos::{html::Dialog, prelude::*, task::spawn_local};

use super::{dom, models};
use crate::view_model::markdown::{self, Block, Inline, Line};

/// The text of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Text {
    Waiting,
    Here(String),
    Missing,
}

/// A button that opens the card of an embedded model.
#[component]
pub fn CardText(
    /// The model.
    id: String,
) -> impl IntoView {
    let dialog = NodeRef::<Dialog>::new();
    let text = RwSignal::new(Text::Waiting);
    let path = models::readme(&id);
    let open = move |_| {
        if let Some(dialog) = dialog.get() {
            let _ = dialog.show_modal(); // A dialog that is in the page and closed can be opened.
        }
        let Some(path) = path.clone().filter(|_| text.get_untracked() == Text::Waiting) else { return };
        spawn_local(async move {
            text.set(dom::fetch_text(&path).await.map_or(Text::Missing, Text::Here));
        });
    };
    let body = move || match text.get() {
        Text::Waiting => view! { <p class="note">"Fetching it…"</p> }.into_any(),
        Text::Missing => view! { <p class="note">"This model came without a card."</p> }.into_any(),
        Text::Here(text) => markdown::blocks(&text).into_iter().map(block).collect_view().into_any(),
    };
    view! {
        <button type="button" class="textlink" on:click=open>"How it was trained, and its limits"</button>
        <dialog class="help card-text" node_ref=dialog aria-label=format!("Card of {id}")>
            <form method="dialog"><button class="button">"Close"</button></form>
            {body}
        </dialog>
    }
}

fn block(block: Block) -> AnyView {
    match block {
        Block::Heading(text) => view! { <h3>{line(text)}</h3> }.into_any(),
        Block::Paragraph(text) => view! { <p>{line(text)}</p> }.into_any(),
        Block::Quote(text) => view! { <blockquote>{line(text)}</blockquote> }.into_any(),
        Block::List(items) => {
            let items = items.into_iter().map(|item| view! { <li>{line(item)}</li> });
            view! { <ul>{items.collect_view()}</ul> }.into_any()
        }
        Block::Table { head, rows } => {
            let head = head.into_iter().map(|cell| view! { <th scope="col">{line(cell)}</th> });
            let row = |cells: Vec<Line>| {
                let cells = cells.into_iter().map(|cell| view! { <td class="num">{line(cell)}</td> });
                view! { <tr>{cells.collect_view()}</tr> }
            };
            view! {
                <div class="table-scroll" tabindex="0" role="group" aria-label="Table">
                    <table>
                        <thead><tr>{head.collect_view()}</tr></thead>
                        <tbody>{rows.into_iter().map(row).collect_view()}</tbody>
                    </table>
                </div>
            }
            .into_any()
        }
    }
}

fn line(line: Line) -> impl IntoView {
    let part = |part| match part {
        Inline::Text(text) => view! { <span>{text}</span> }.into_any(),
        Inline::Code(code) => view! { <code>{code}</code> }.into_any(),
    };
    line.into_iter().map(part).collect_view()
}
