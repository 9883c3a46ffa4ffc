//! Dialogs over the page.

use leptos::{html::Dialog, prelude::*};

/// Opens and closes a dialog as a signal says.
pub fn follow(dialog: NodeRef<Dialog>, is_open: RwSignal<bool>) {
    Effect::new(move || {
        let Some(dialog) = dialog.get() else { return };
        if is_open.get() && !dialog.open() {
            let _ = dialog.show_modal(); // A dialog that is in the page and closed can be opened.
        } else if !is_open.get() && dialog.open() {
            dialog.close();
        }
    });
}
