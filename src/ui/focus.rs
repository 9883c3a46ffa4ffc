//! What is looked at: hovering previews, a click locks, Escape releases.
//!
//! Hover is not selection. Every view reads `focused()`, which is what is hovered, else what is locked;
//! keyboard focus counts as hovering. One [`Focus`] for the whole page links its panels.

use leptos::prelude::*;

/// The hovered and the locked one of some kind of thing.
#[derive(Clone, Copy, Debug)]
pub struct Hover<T: Send + Sync + 'static> {
    hovered: RwSignal<Option<T>>,
    locked: RwSignal<Option<T>>,
}

/// The page's focus, provided through context.
#[derive(Clone, Copy, Debug)]
pub struct Focus {
    /// `[layer, head]`
    pub head: Hover<[usize; 2]>,
    /// Position in the prompt, BOS included.
    pub pos: Hover<usize>,
}

impl<T: Copy + PartialEq + Send + Sync + 'static> Hover<T> {
    /// Nothing hovered, nothing locked.
    pub fn new() -> Self {
        Self { hovered: RwSignal::new(None), locked: RwSignal::new(None) }
    }

    /// What views show: the hovered one, else the locked one.
    pub fn focused(self) -> Option<T> {
        self.hovered.get().or(self.locked.get())
    }

    /// As [`Hover::focused`], without following later changes.
    pub fn focused_untracked(self) -> Option<T> {
        self.hovered.get_untracked().or(self.locked.get_untracked())
    }

    /// What a click has locked.
    pub fn locked(self) -> Option<T> {
        self.locked.get()
    }

    /// Whether it is `which` that is locked.
    pub fn is_locked(self, which: T) -> bool {
        self.locked.get() == Some(which)
    }

    /// Previews `which`; `None` when the pointer or the keyboard focus leaves.
    pub fn hover(self, which: Option<T>) {
        set_if_new(self.hovered, which);
    }

    /// Locks `which`, or releases it if it is the locked one.
    pub fn toggle_lock(self, which: T) {
        self.locked.update(|locked| *locked = (*locked != Some(which)).then_some(which));
    }

    /// Locks `which`, or nothing.
    pub fn lock(self, which: Option<T>) {
        set_if_new(self.locked, which);
    }

    /// Lets go of what is hovered and of what is locked.
    pub fn release(self) {
        set_if_new(self.hovered, None);
        set_if_new(self.locked, None);
    }
}

impl<T: Copy + PartialEq + Send + Sync + 'static> Default for Hover<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl Focus {
    /// Nothing in focus. Belongs to the current owner; the page provides one through context.
    pub fn new() -> Self {
        Self { head: Hover::new(), pos: Hover::new() }
    }

    /// The page's focus; a fresh one where no page provides it, as in a panel on its own.
    pub fn from_page() -> Self {
        use_context().unwrap_or_else(|| {
            let focus = Self::new();
            provide_context(focus);
            focus
        })
    }
}

impl Default for Focus {
    fn default() -> Self {
        Self::new()
    }
}

/// Pointers report the same thing many times; views hear of it once.
fn set_if_new<T: Copy + PartialEq + Send + Sync + 'static>(signal: RwSignal<Option<T>>, value: Option<T>) {
    if signal.get_untracked() != value {
        signal.set(value);
    }
}
