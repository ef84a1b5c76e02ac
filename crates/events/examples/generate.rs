//! Writes the files that are made from the events: `cargo run -p events --example generate`.

use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let schemas = root.join(events::generate::SCHEMAS);
    if schemas.exists() {
        // So that the schema of an event that is gone goes too.
        fs::remove_dir_all(&schemas)?;
    }
    for file in events::generate::files() {
        let path = root.join(&file.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, file.text)?;
        println!("{}", file.path);
    }
    Ok(())
}
