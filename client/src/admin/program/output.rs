//! What a command says, once for people and once for scripts.
use crate::admin::Publication;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// Exit code: signed and stored, but the node does not know yet.
pub const UNPUBLISHED: u8 = 3;

/// Exit code: what was verified is another than it should be.
pub const DIFFERS: u8 = 4;

/// The outcome of a command.
pub struct Outcome {
    text: Zeroizing<String>,
    json: Value,
    exit: u8,
}

impl Outcome {
    /// Done. `json` is an object.
    pub fn done(text: impl Into<String>, json: Value) -> Self {
        Self { text: Zeroizing::new(text.into()), json, exit: 0 }
    }

    /// Done, and what was looked at is not as it should be.
    pub fn differs(text: impl Into<String>, json: Value) -> Self {
        Self { exit: DIFFERS, ..Self::done(text, json) }
    }

    /// Done and signed; says what became of the statements.
    pub fn signed(text: impl Into<String>, json: Value, publication: &Publication) -> Self {
        let mut outcome = Self::done(text, json);
        let (said, exit) = match publication {
            Publication::Done(published) if published.sent == 0 => ("The node is up to date.".to_owned(), 0),
            Publication::Done(published) => (format!("The node has it (directory version {}).", published.version), 0),
            Publication::NotAsked => ("Not sent to a node: run `wardline-admin publish` when one is up.".into(), 0),
            Publication::Failed(reason) => {
                let reason =
                    format!("SIGNED, BUT THE NODE DOES NOT KNOW YET: {reason}\nRun `wardline-admin publish` later.");
                (reason, UNPUBLISHED)
            }
        };
        if !outcome.text.is_empty() && !outcome.text.ends_with('\n') {
            outcome.text.push('\n');
        }
        outcome.text.push_str(&said);
        outcome.exit = exit;
        if let Value::Object(object) = &mut outcome.json {
            describe(object, publication);
        }
        outcome
    }

    /// What goes to standard output.
    pub fn shown(&self, json: bool) -> Zeroizing<String> {
        if json { Zeroizing::new(self.json.to_string()) } else { self.text.clone() }
    }

    /// The program's exit code.
    pub fn exit(&self) -> u8 {
        self.exit
    }
}

fn describe(object: &mut Map<String, Value>, publication: &Publication) {
    let (published, version, reason) = match publication {
        Publication::Done(published) => (true, Some(published.version), None),
        Publication::NotAsked => (false, None, None),
        Publication::Failed(reason) => (false, None, Some(reason.clone())),
    };
    object.insert("published".into(), published.into());
    object.insert("node_version".into(), version.into());
    object.insert("reason".into(), reason.into());
}

/// Columns of equal width, two spaces apart.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let heading: Vec<String> = heading.iter().map(|cell| (*cell).to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&heading).chain(rows).collect();
    let width = |column: usize| all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..heading.len()).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Published;
    use serde_json::json;

    #[test]
    fn scripts_see_what_became_of_it() {
        let done =
            Outcome::signed("ok", json!({"handle": "anna"}), &Publication::Done(Published { sent: 1, version: 7 }));
        let expected = json!({"handle": "anna", "published": true, "node_version": 7, "reason": null});
        assert_eq!(serde_json::from_str::<Value>(&done.shown(true)).unwrap(), expected);
        assert_eq!(done.exit(), 0);
        let failed = Outcome::signed("ok", json!({}), &Publication::Failed("nobody answers".into()));
        assert!(failed.shown(false).contains("nobody answers") && failed.exit() == UNPUBLISHED);
    }

    #[test]
    fn tables_line_up() {
        let rows = [vec!["a".into(), "Ärztin".into()], vec!["bbb".into(), String::new()]];
        assert_eq!(table(&["x", "role"], &rows), "x    role\na    Ärztin\nbbb");
    }
}
