//! The page: panels over one shared focus.

pub mod focus;
pub mod mark;
pub mod panel;
