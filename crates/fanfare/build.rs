//! Has the crate built again when there is a new build of the PayChain app, which a release build embeds (`src/app.rs`).

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("PROFILE").is_some_and(|profile| profile == "debug") {
        // Reads the app from its directory at run time.
        return;
    }
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/apps/paychain");
    let built = app.join("dist");
    // A path that is not there counts as changed at every build, so until the app is built its parent is watched.
    let watched = if built.exists() { built } else { app };
    println!("cargo::rerun-if-changed={}", watched.display());
}
