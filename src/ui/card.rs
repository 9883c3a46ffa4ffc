//! The object's label: which model this is, what it is made of, and what it is not.

use std::sync::Arc;

use leptos::prelude::*;

use super::{
    card_text::CardText,
    models,
    self_check::{self, SelfCheck},
    state::{Entry, State},
};
use crate::{
    protocol::ModelCard,
    view_model::{engine, number},
};

/// The label under the elevation.
#[component]
pub fn Label() -> impl IntoView {
    let state = State::from_page();
    let id = Memo::new(move |_| state.present_model());
    // A memo, because a download changes the models many times a second.
    let card = Memo::new(move |_| state.card_of(&id.get()));
    // Its own memo, so that a check goes on while the model moves to another backend.
    let checkable = Memo::new(move |_| {
        let is_checkable =
            |card: &Arc<ModelCard>| !models::is_embedded(&card.model) && self_check::is_of(card);
        card.get().filter(is_checkable).map(|card| card.model.clone())
    });
    let slow = move || {
        let card = card.get()?;
        engine::slow(&card.backend, card.cpu_pass, card.config.n_ctx)
    };
    let words = move || {
        let id = id.get();
        state
            .models
            .with(|models| models.iter().find(|entry| entry.id == id).map(|entry| entry.words.clone()))
    };
    let title = move || {
        let id = id.get();
        state.models.with(|models| models.iter().find(|entry| entry.id == id).map(Entry::title))
    };
    view! {
        <section class="label" data-testid="model-card" data-model=id aria-label="Model card">
            <h2 class="label-name">{title}</h2>
            <p class="note">{words}</p>
            <p class="note slow" data-testid="slow" hidden=move || slow().is_none()>{slow}</p>
            {move || card.get().map(|card| view! { <Facts card/> })}
            {move || checkable.get().map(|id| view! { <SelfCheck id/> })}
        </section>
    }
}

#[component]
fn Facts(card: Arc<ModelCard>) -> impl IntoView {
    let config = card.config.clone();
    let mut rows = vec![
        ("parameters", number::count(card.n_params)),
        ("n_layers", config.n_layers.to_string()),
        ("n_heads", config.n_heads.to_string()),
        ("d_model", config.d_model.to_string()),
        ("d_head", config.d_head.to_string()),
        (
            "d_mlp",
            if config.is_attn_only() { "none: attention only".to_owned() } else { config.d_mlp.to_string() },
        ),
        ("d_vocab", config.d_vocab.to_string()),
        ("n_ctx", config.n_ctx.to_string()),
        ("unembedding", if config.is_tied { "W_E transposed" } else { "its own" }.to_owned()),
        ("BOS by default", if card.default_bos { "yes" } else { "no" }.to_owned()),
        ("model_type", card.model_type.clone()),
        ("stored as", format!("{}, {}", card.dtype, number::bytes(card.size_bytes))),
        ("in memory", number::bytes(card.memory_bytes)),
        ("backend", format!("{}: {}", card.backend, card.adapter)),
    ];
    if !card.has_tokenizer {
        rows.push(("tokenizer", "none: tokens are ids".to_owned()));
    }
    let notes = card.notes.clone();
    let link = if card.origin.starts_with("from ") { "" } else { "from " };
    let origin = format!("Loaded {link}{}", card.origin);
    let has_card = models::readme(&card.model).is_some();
    let id = card.model.clone();
    view! {
        <details class="facts">
            <summary><span class="num">{number::count(card.n_params)}</span> " parameters, " {card.backend.clone()}</summary>
            <dl>{rows.into_iter().map(|(name, value)| view! { <div><dt>{name}</dt><dd class="num">{value}</dd></div> }).collect_view()}</dl>
            <p class="note from">{origin}</p>
            {(!notes.is_empty()).then(|| view! {
                <p class="quiet">"In its files but not used:"</p>
                <ul class="notes">{notes.into_iter().map(|note| view! { <li>{note}</li> }).collect_view()}</ul>
            })}
        </details>
        {has_card.then(|| view! { <CardText id/> })}

    }
}
