//! Has the crate built again when there is a new build of the browser files, which a release build embeds (`src/scripts.rs`).

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("PROFILE").is_some_and(|profile| profile == "debug") {
        // Reads them from their directory at run time.
        return;
    }
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/packages/compat");
    let built = package.join("dist");
    // A path that is not there counts as changed at every build, so until it is built its parent is watched.
    let watched = if built.exists() { built } else { package };
    println!("cargo::rerun-if-changed={}", watched.display());
}
