//! Models from a hub: its addresses, its answers, and which files a model needs of a repository.
//!
//! Pure: nothing here asks a server for anything, and everything that a server says is checked before it is used.
//! What is loaded belongs to one commit, so that a repository may change while its files come.

mod cache;
mod choice;
pub mod download;
mod error;
mod listing;
mod parse;
mod repo;

pub use cache::{Cache, Kept};
pub use choice::{Choice, Weights};
pub use error::HubError;
pub use listing::{Hash, Listing, RepoFile, next_page};
pub use repo::{Commit, HUB, Repo};
