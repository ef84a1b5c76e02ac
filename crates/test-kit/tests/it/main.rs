//! Tests of the workspace as a whole: what its crates may depend on, how its files look, and that the documents tell the
//! truth. And of this crate's own helpers, against things simpler than the server.

mod dependencies;
mod documents;
mod files;
mod kit;
mod licence;
