//! Dependencies point one way. The edges allowed are those of docs/ARCHITECTURE.md; any other fails here.
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use wardline_tests::workspace;

/// What each crate of the product may use, test code aside. Crates of `tests/` may use anything and are used by nothing.
const ALLOWED: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("directory", &["protocol"]),
    ("e2ee", &["protocol", "directory"]),
    ("signaling", &["protocol", "directory", "e2ee"]),
    ("sfu", &["protocol"]),
    ("relay", &["protocol", "directory", "e2ee", "signaling", "sfu"]),
    ("client", &["protocol", "directory", "e2ee"]),
    ("web", &["protocol", "directory", "e2ee", "client"]),
    ("loadtest", &["protocol", "directory", "e2ee", "client", "sfu"]),
    ("versus", &["loadtest"]),
];

/// Crates of `tests/`, which nothing of the product may use.
const TESTS: &[&str] = &["tests", "unsynced", "fuzzing", "speech", "schedules", "hostile"];

/// Third-party crates that do I/O, keep time or run tasks. The pure crates must not come to depend on them.
const IMPURE: &[&str] = &["tokio", "quinn", "sqlx", "axum", "mio", "reqwest", "hyper", "webrtc", "rustls"];

/// Crates that hold no I/O at all.
const PURE: &[&str] = &["protocol", "directory", "e2ee", "signaling"];

type Edges = BTreeMap<String, BTreeSet<String>>;

/// Normal and build dependencies of each workspace member outside `tests/`, by name without the `wardline-` prefix.
fn edges() -> Result<Edges> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = std::process::Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(workspace::root())
        .output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("packages")?;
    let in_tests = workspace::root().join("tests");
    packages
        .iter()
        .filter(|package| !package["manifest_path"].as_str().is_some_and(|path| Path::new(path).starts_with(&in_tests)))
        .map(|package| {
            let dependencies = package["dependencies"].as_array().context("dependencies")?;
            // A dependency by path is one of ours, in the product or in tests.
            let used = dependencies.iter().filter(|dependency| dependency["kind"] != "dev");
            Ok((short(&package["name"]), used.map(|dependency| short(&dependency["name"])).collect()))
        })
        .collect()
}

fn short(name: &Value) -> String {
    let name = name.as_str().unwrap_or_default();
    name.strip_prefix("wardline-").unwrap_or(name).to_owned()
}

fn violations(edges: &Edges) -> Vec<String> {
    let ours: BTreeSet<&str> = edges.keys().map(String::as_str).chain(TESTS.iter().copied()).collect();
    let mut found = Vec::new();
    for (name, allowed) in ALLOWED {
        let Some(used) = edges.get(*name) else {
            found.push(format!("{name} is not in the workspace"));
            continue;
        };
        for other in used.iter().map(String::as_str).filter(|other| ours.contains(other) && !allowed.contains(other)) {
            found.push(format!("{name} must not depend on {other}"));
        }
        for impure in IMPURE.iter().filter(|impure| PURE.contains(name) && used.contains(**impure)) {
            found.push(format!("{name} does no I/O and must not depend on {impure}"));
        }
    }
    found
}

#[test]
fn dependencies_point_one_way() -> Result<()> {
    let edges = edges()?;
    assert_eq!(violations(&edges), Vec::<String>::new());
    // The next folder of the product gets its row in the table when it comes, not later.
    let members = edges.keys().map(String::as_str);
    let unknown: Vec<_> = members.filter(|name| ALLOWED.iter().all(|(known, _)| known != name)).collect();
    assert_eq!(unknown, Vec::<&str>::new(), "say in ALLOWED and in docs/ARCHITECTURE.md what these may use");
    Ok(())
}

#[test]
fn a_wrong_edge_is_seen() -> Result<()> {
    let mut edges = edges()?;
    edges.entry("sfu".into()).or_default().insert("e2ee".into());
    edges.entry("relay".into()).or_default().insert("client".into());
    edges.entry("client".into()).or_default().insert("speech".into());
    edges.entry("signaling".into()).or_default().insert("tokio".into());
    let found = violations(&edges);
    assert_eq!(found.len(), 4, "{found:?}");
    Ok(())
}
