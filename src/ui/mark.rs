//! Dumb marks: each draws a view model and knows nothing else.

pub mod heat;
pub mod ink;
pub mod legend;
pub mod save;
pub mod soon;
pub mod thumbnail;
pub mod token;
pub mod watch;
