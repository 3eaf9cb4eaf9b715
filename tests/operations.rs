//! docs/OPERATIONS.md explains every line of the node's log and every metric; neither can be added without it.
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use wardline_tests::workspace;

const PAGE: &str = "docs/OPERATIONS.md";

/// The node's own code, test modules cut off.
fn node_code() -> Result<Vec<(PathBuf, String)>> {
    let folders = ["relay/src", "signaling/src", "sfu/src"];
    let files = workspace::files()?.into_iter().filter(|file| folders.iter().any(|folder| file.starts_with(folder)));
    let code = files.filter(|file| file.extension().is_some_and(|ending| ending == "rs")).map(|file| {
        let text = workspace::text(&file).context("code in UTF-8")?;
        let tests_at = text.find("#[cfg(test)]").unwrap_or(text.len());
        Ok((file, text[..tests_at].to_owned()))
    });
    code.collect()
}

/// The last string literal of each call of a macro: a log line's message.
fn messages(code: &str, call: &str) -> Vec<String> {
    code.split(call).skip(1).filter_map(|rest| literals(rest).pop()).collect()
}

/// String literals up to the parenthesis that closes the call.
fn literals(rest: &str) -> Vec<String> {
    let (mut found, mut depth, mut characters) = (Vec::new(), 1, rest.chars());
    while let Some(character) = characters.next() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            '"' => found.push(literal(&mut characters)),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

fn literal(characters: &mut std::str::Chars<'_>) -> String {
    let mut text = String::new();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    text
}

#[test]
fn every_log_line_is_explained() {
    let page = workspace::text(Path::new(PAGE)).unwrap();
    let explained: BTreeSet<&str> =
        page.lines().filter(|line| line.starts_with("| `")).flat_map(in_backquotes).collect();
    let mut seen = BTreeSet::new();
    for (file, code) in node_code().unwrap() {
        for call in ["error!(", "warn!(", "info!("] {
            for message in messages(&code, call) {
                assert!(explained.contains(message.as_str()), "{}: {PAGE} does not explain: {message}", file.display());
                seen.insert(message);
            }
        }
    }
    assert!(seen.len() > 15, "the calls were found: {seen:?}");
    let log_section = page.split("## The log").nth(1).unwrap();
    let stale: Vec<_> = log_section.lines().filter(|line| line.starts_with("| `")).flat_map(first_cell).collect();
    let stale: Vec<_> = stale.into_iter().filter(|line| !seen.contains(*line)).collect();
    assert!(stale.is_empty(), "{PAGE} explains lines that are no longer written: {stale:?}");
}

#[test]
fn every_metric_is_explained() {
    let page = workspace::text(Path::new(PAGE)).unwrap();
    let code = workspace::text(Path::new("relay/src/metrics.rs")).unwrap();
    let names: Vec<String> =
        code.split("r.register(").skip(1).filter_map(|rest| literals(rest).into_iter().next()).collect();
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        let in_page = page.contains(&format!("`{name}`")) || page.contains(&format!("`{name}_total`"));
        assert!(in_page, "{PAGE} does not explain the metric {name}");
    }
}

fn in_backquotes(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn first_cell(line: &str) -> impl Iterator<Item = &str> {
    in_backquotes(line.trim_start_matches("| ").split(" | ").next().unwrap_or_default())
}

#[test]
fn calls_are_read_as_they_are_written() {
    let code = r#"tracing::warn!(count = f(1), "it (really)
 is"); other("x"); tracing::warn!(%error, "two \" quotes");"#;
    assert_eq!(messages(code, "warn!("), ["it (really)\n is", "two \" quotes"]);
}
