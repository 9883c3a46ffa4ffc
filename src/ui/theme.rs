//! Light, dark, or as the system has it.

use leptos::prelude::*;

use super::dom;

const KEY: &str = "vitrine-theme";

/// What the user chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theme {
    System,
    Light,
    Dark,
}

impl Theme {
    fn key(self) -> Option<&'static str> {
        match self {
            Self::System => None,
            Self::Light => Some("light"),
            Self::Dark => Some("dark"),
        }
    }

    fn stored() -> Self {
        let stored = dom::stored(KEY);
        [Self::Light, Self::Dark]
            .into_iter()
            .find(|theme| theme.key() == stored.as_deref())
            .unwrap_or(Self::System)
    }

    fn next(self) -> Self {
        match self {
            Self::System => Self::Light,
            Self::Light => Self::Dark,
            Self::Dark => Self::System,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::System => "as the system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// A button that walks through the themes.
#[component]
pub fn ThemeButton() -> impl IntoView {
    let theme = RwSignal::new(Theme::stored());
    Effect::new(move |before: Option<Theme>| {
        let theme = theme.get();
        // Setting an attribute with a constant name does not fail.
        let _ = match theme.key() {
            Some(key) => dom::root().set_attribute("data-theme", key),
            None => dom::root().remove_attribute("data-theme"),
        };
        if before.is_some() {
            dom::store(KEY, theme.key());
        }
        theme
    });
    let label = move || format!("Theme: {}", theme.get().name());
    view! {
        <button type="button" class="icon" aria-label=label title=label on:click=move |_| theme.update(|theme| *theme = theme.next())>
            <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
                <circle cx="10" cy="10" r="6.5" class="line"/>
                {move || match theme.get() {
                    Theme::System => view! { <path d="M10 3.5a6.5 6.5 0 0 1 0 13z" class="solid"/> }.into_any(),
                    Theme::Dark => view! { <circle cx="10" cy="10" r="6.5" class="solid"/> }.into_any(),
                    Theme::Light => ().into_any(),
                }}
            </svg>
        </button>
    }
}
