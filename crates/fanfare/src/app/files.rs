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
    read(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/apps/paychain/dist")))
        .into_iter()
}

/// All files in a directory and what is in it; none where it is not there. Links are not followed.
#[cfg(any(debug_assertions, test))]
pub(super) fn read(directory: &std::path::Path) -> Vec<(String, Bytes)> {
    let mut files = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(directory.join(&folder)) else { continue };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = format!("{folder}{name}");
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(format!("{path}/")),
                Ok(kind) if kind.is_file() => {
                    if let Ok(body) = std::fs::read(entry.path()) {
                        files.push((path, Bytes::from(body)));
                    }
                }
                _ => {}
            }
        }
    }
    files
}
