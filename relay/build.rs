//! Has the node built again when the web client was: its files are embedded, and the compiler only follows those that it knows already.
use std::path::Path;
use std::time::Duration;

/// While the client is built beside the node (scripts/build), the number of the process that does it.
const UNDER_WAY: &str = "../web/.under-way";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    await_client();
    // A path that does not exist would have the node built again every time, so the nearest folder that does is watched.
    let folders = ["../web/app/dist", "../web/app", "../web"];
    if let Some(folder) = folders.into_iter().find(|folder| Path::new(folder).is_dir()) {
        println!("cargo:rerun-if-changed={folder}");
    }
}

/// A file that was left behind names a process that is gone, and is not waited for.
fn await_client() {
    while let Ok(process) = std::fs::read_to_string(UNDER_WAY)
        && Path::new("/proc").join(process.trim()).exists()
    {
        std::thread::sleep(Duration::from_millis(200));
    }
}
