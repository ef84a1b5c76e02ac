//! Where the app's files come from: out of the binary in a release build, out of the directory in a debug build.

use actix_web::web::Bytes;

/// The files of the app with their paths, such as `app/index-BTk3fQ_x.js`; none where it was not built.
#[cfg(not(debug_assertions))]
pub(super) fn built() -> impl Iterator<Item = (String, Bytes)> {
    use std::borrow::Cow;

    /// All that the app's build made. `build.rs` sees to it that a new one is taken.
    #[derive(rust_embed::Embed)]
    #[folder = "../../web/apps/paychain/dist/"]
    #[allow_missing = true]
    struct Embedded;

    Embedded::iter().filter_map(|path| {
        let body = match Embedded::get(&path)?.data {
            Cow::Borrowed(body) => Bytes::from_static(body),
            Cow::Owned(body) => Bytes::from(body),
        };
        Some((path.into_owned(), body))
    })
}

/// The files of the app with their paths, such as `app/index-BTk3fQ_x.js`; none where it was not built.
#[cfg(debug_assertions)]
pub(super) fn built() -> impl Iterator<Item = (String, Bytes)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/apps/paychain/dist");
    websocket_server::files::read(std::path::Path::new(directory)).into_iter()
}
