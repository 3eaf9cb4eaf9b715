//! The rules of the house that a compiler does not check.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use wardline_tests::workspace;

/// More lines than this hide a second subject.
const LINES_MAX: usize = 800;

/// Longer by nature: made by programs.
const GENERATED: &[&str] = &["Cargo.lock", "fuzz/Cargo.lock", "bench/Cargo.lock"];

/// What must not be left behind in code. Spelled in two parts, so that this file passes its own test.
fn leftovers() -> Vec<String> {
    let halves = [
        ("FIX", "ME"),
        ("TO", "DO"),
        ("todo", "!("),
        ("unimplemented", "!("),
        ("#[ig", "nore"),
        ("dbg", "!("),
        ("XX", "X"),
    ];
    halves.map(|(a, b)| format!("{a}{b}")).to_vec()
}

/// Paths and names of the machine somebody happened to work on.
fn places() -> Vec<String> {
    ["wo", "ro", "ho"].iter().zip(["rk/", "ot/", "me/"]).map(|(a, b)| format!("/{a}{b}")).collect()
}

fn is_code(file: &Path) -> bool {
    let script = file.starts_with("scripts") || file.starts_with(".ci") || file == Path::new("Makefile");
    script || file.extension().is_some_and(|ending| ending == "rs" || ending == "proto" || ending == "toml")
}

fn is_text(file: &Path) -> bool {
    is_code(file) || file.extension().is_some_and(|ending| ending == "md")
}

/// What is wrong with one file, as lines for a person.
fn faults(file: &Path, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let shown = file.display();
    if text.lines().count() > LINES_MAX && !GENERATED.iter().any(|generated| file == Path::new(generated)) {
        faults.push(format!("{shown}: over {LINES_MAX} lines: look for the second subject"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        let at = format!("{shown}:{number}");
        for place in places().iter().filter(|place| names_place(line, place)) {
            faults.push(format!("{at}: names a place on somebody's machine: {place}"));
        }
        if !is_code(file) {
            continue;
        }
        for leftover in leftovers().iter().filter(|leftover| line.contains(leftover.as_str())) {
            faults.push(format!("{at}: {leftover} left behind"));
        }
    }
    if file.extension().is_some_and(|ending| ending == "rs") {
        faults.append(&mut sleeps(file, text));
    }
    faults
}

/// A place counts when it begins a path, not when it is the middle of a longer one.
fn names_place(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|before| !before.is_alphanumeric() && !matches!(before, '.' | '_' | '-' | '}' | '~'))
    })
}

/// A sleep in test code hides a race, unless it is one step of a wait with a bound and says so.
fn sleeps(file: &Path, text: &str) -> Vec<String> {
    let whole_file = file.components().any(|part| part.as_os_str() == "tests");
    let first = if whole_file { 0 } else { text.lines().take_while(|line| line.trim() != "#[cfg(test)]").count() };
    let call = ["sleep", "("].concat();
    let numbered = (1..).zip(text.lines()).skip(first);
    let bad = numbered.filter(|(_, line)| line.contains(&call) && !line.contains("// bounded:"));
    bad.map(|(number, _)| format!("{}:{number}: a sleep in a test: wait for the thing, with a bound", file.display()))
        .collect()
}

#[test]
fn the_house_is_tidy() {
    let mut found = Vec::new();
    for file in workspace::files().unwrap().iter().filter(|file| is_text(file)) {
        if let Some(text) = workspace::text(file) {
            found.append(&mut faults(file, &text));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_rules_can_be_broken() {
    let broken = |file: &str, text: &str| faults(Path::new(file), text).len();
    for leftover in leftovers() {
        assert_eq!(broken("a/src/lib.rs", &format!("fn f() {{ {leftover}) }}")), 1, "{leftover}");
    }
    for place in places() {
        assert_eq!(broken("docs/a.md", &format!("see {place}x")), 1, "{place}");
        assert_eq!(broken("docs/a.md", &format!("see ..{place}x")), 0, "{place}");
    }
    assert_eq!(broken("a/src/lib.rs", &"\n".repeat(LINES_MAX + 1)), 1);
    let sleep = ["std::thread::sleep", "(x);"].concat();
    assert_eq!(broken("tests/a.rs", &sleep), 1);
    assert_eq!(broken("a/src/lib.rs", &format!("{sleep}\n#[cfg(test)]\n{sleep}")), 1);
    assert_eq!(broken("tests/a.rs", &format!("{sleep} // bounded: by the loop")), 0);
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    let manifests: Vec<PathBuf> = workspace::files()
        .unwrap()
        .into_iter()
        .filter(|file| file.file_name().is_some_and(|name| name == "Cargo.toml"))
        // fuzz and bench are workspaces of their own.
        .filter(|file| file != Path::new("Cargo.toml") && !file.starts_with("fuzz") && !file.starts_with("bench"))
        .collect();
    assert!(manifests.len() > 6, "{manifests:?}");
    for manifest in manifests {
        let text = workspace::text(&manifest).unwrap();
        assert!(
            text.contains("[lints]\nworkspace = true"),
            "{}: [lints] workspace = true is missing",
            manifest.display()
        );
    }
}

/// The targets of the links in one page: `[text](target)` and the like, web addresses and anchors aside.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = targets.filter_map(|target| target.split('#').next());
    files.filter(|file| !file.is_empty() && !file.contains("://") && !file.starts_with("mailto:")).collect()
}

#[test]
fn every_link_in_the_docs_leads_somewhere() {
    let mut broken = BTreeSet::new();
    for page in workspace::files().unwrap().iter().filter(|file| file.extension().is_some_and(|ending| ending == "md"))
    {
        let text = workspace::text(page).unwrap();
        let folder = workspace::root().join(page.parent().unwrap());
        for target in links(&text) {
            if !folder.join(target).exists() {
                broken.insert(format!("{}: {target}", page.display()));
            }
        }
        // Pages also name files in backquotes; those from the root with a folder and an ending must exist as well.
        for name in text.split('`').skip(1).step_by(2).filter(|name| names_file(name)) {
            if !workspace::root().join(name).exists() {
                broken.insert(format!("{}: `{name}`", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.into_iter().collect::<Vec<_>>().join("\n"));
    assert_eq!(links("[a](b.md#c) [d](https://e) ![f](g/h.png)"), ["b.md", "g/h.png"]);
}

fn names_file(name: &str) -> bool {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-'));
    let ours =
        ["docs/", "tests/", "config/", "scripts/", "protocol/", "fuzz/"].iter().any(|folder| name.starts_with(folder));
    plain && ours && Path::new(name).extension().is_some()
}
