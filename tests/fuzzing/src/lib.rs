//! What the fuzz targets do with their bytes.
//!
//! cargo-fuzz (`fuzz/`, needs a nightly compiler) and the seed test (`tests/seeds.rs`, stable, part of every test run) call the same
//! functions. Each takes anything, must not panic, and asserts what must hold of whatever it accepted.
//!
//! Absent on purpose: mocks. What is attacked is the shipped code, in a hospital with real keys.

mod codes;
mod directory;
mod frames;
mod group;
mod media;
pub mod parts;
pub mod seeds;
pub mod world;

/// One target.
pub struct Target {
    /// Its name: a file in `fuzz/fuzz_targets` and a folder in `fuzz/seeds`.
    pub name: &'static str,
    /// What it does with bytes. Panics when something does not hold.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "client_frames", run: frames::client_frames },
    Target { name: "server_frames", run: frames::server_frames },
    Target { name: "content", run: frames::content },
    Target { name: "codes", run: codes::codes },
    Target { name: "link_grant", run: codes::link_grant },
    Target { name: "statements", run: directory::statements },
    Target { name: "device_chain", run: directory::device_chain },
    Target { name: "public_view", run: group::public_view },
    Target { name: "group_message", run: group::group_message },
    Target { name: "sframe", run: media::sframe },
];

/// Runs one target by name.
///
/// # Panics
/// When there is no such target, or what it asserts does not hold.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    assert!(target.is_some(), "no fuzz target {name}");
    if let Some(target) = target {
        (target.run)(bytes);
    }
}
