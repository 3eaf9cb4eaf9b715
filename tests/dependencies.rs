//! Every third-party dependency is chosen once in the root manifest and justified once in docs/adr/0002-dependencies.md.
use std::collections::BTreeSet;
use std::path::Path;
use wardline_tests::workspace;

/// Names in `[workspace.dependencies]`, ours aside.
fn chosen(manifest: &str) -> BTreeSet<String> {
    let section = manifest.split("[workspace.dependencies]").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let names = section.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    names.map(|(name, _)| name.trim().to_owned()).filter(|name| !name.starts_with("wardline-")).collect()
}

/// Names in the table of the decision record: rows that begin with a name in backquotes, with a reason behind it.
fn justified(record: &str) -> BTreeSet<String> {
    let rows = record.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.filter(|(_, reason)| reason.trim_end_matches(['|', ' ']).len() > 10).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn each_dependency_has_its_reason() {
    let manifest = workspace::text(Path::new("Cargo.toml")).unwrap();
    let record = workspace::text(Path::new("docs/adr/0002-dependencies.md")).unwrap();
    let (chosen, justified) = (chosen(&manifest), justified(&record));
    assert!(chosen.len() > 40, "the manifest was read: {chosen:?}");
    let missing: Vec<_> = chosen.difference(&justified).collect();
    assert!(missing.is_empty(), "docs/adr/0002-dependencies.md does not say why we use {missing:?}");
    let stale: Vec<_> = justified.difference(&chosen).collect();
    assert!(stale.is_empty(), "docs/adr/0002-dependencies.md justifies what is not in Cargo.toml: {stale:?}");
}

#[test]
fn versions_are_said_in_the_root_only() {
    for file in workspace::files().unwrap() {
        // fuzz and bench are workspaces of their own.
        let outside = file == Path::new("Cargo.toml") || file.starts_with("fuzz") || file.starts_with("bench");
        if outside || file.file_name().is_none_or(|name| name != "Cargo.toml") {
            continue;
        }
        let manifest = workspace::text(&file).unwrap();
        let sections =
            manifest.split("\n[").filter(|section| section.split(']').next().unwrap_or("").ends_with("dependencies"));
        for line in sections
            .flat_map(|section| section.lines().skip(1))
            .filter(|line| line.contains('=') && !line.starts_with('#'))
        {
            let fits = line.contains("workspace = true") || line.contains("path = ");
            assert!(fits, "{}: {line}: name the version in the root manifest", file.display());
        }
    }
}
