//! Where the app's files come from: out of the binary in a release build, out of the directory in a debug build.

use actix_web::web::Bytes;

/// The files of the app with their paths, such as `app/index-BTk3fQ_x.js`; none where it was not built.
#[cfg(not(debug_assertions))]
pub(super) fn built() -> impl Iterator<Item = (String, Bytes)> {
    /// All that the app's build made. `build.rs` sees to it that a new one is taken.
    #[derive(rust_embed::Embed)]
    #[folder = "../../web/apps/paychain/dist/"]
    #[allow_missing = true]
    struct Embedded;

    websocket_server::files::embedded::<Embedded>()
}

/// The files of the app with their paths, such as `app/index-BTk3fQ_x.js`; none where it was not built.
#[cfg(debug_assertions)]
pub(super) fn built() -> impl Iterator<Item = (String, Bytes)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/apps/paychain/dist");
    websocket_server::files::read(std::path::Path::new(directory)).into_iter()
}
