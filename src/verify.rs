//! The self-check: numbers that others published for a model, beside what the loaded model gives.
//!
//! A [`Reference`] is data; [`check`] runs one of its entries on an engine, whatever computes, and says how far the
//! two are apart. Each entry is run by the conventions of its source. It never knows where a reference came from or
//! how an [`Outcome`] is shown.

mod outcome;
mod reference;

#[cfg(feature = "engine")]
mod attention;
#[cfg(feature = "engine")]
mod check;
#[cfg(feature = "engine")]
mod compare;
#[cfg(feature = "engine")]
mod copying;
#[cfg(feature = "engine")]
mod logits;
#[cfg(feature = "engine")]
mod written;

#[cfg(feature = "engine")]
pub use check::check;
pub use outcome::{Outcome, Verdict};
pub use reference::{
    Amount, Case, Check, Circuit, Continuation, Entry, Of, Pair, Passage, Reference, ReferenceError, Summary,
    Written,
};
