//! Has the node built again when the web client was: its files are embedded, and the compiler only follows those that it knows already.
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // A path that does not exist would have the node built again every time, so the nearest folder that does is watched.
    let folders = ["../web/app/dist", "../web/app", "../web"];
    if let Some(folder) = folders.into_iter().find(|folder| Path::new(folder).is_dir()) {
        println!("cargo:rerun-if-changed={folder}");
    }
}
