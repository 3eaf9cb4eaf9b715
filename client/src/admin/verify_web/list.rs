//! The published list of the web client's files, as `sha256sum` writes it: a hash, two spaces, a path.
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Where the list lies in the client's folder, and where a node serves it. It names everything beside itself.
pub const LIST_NAME: &str = "sha256sums.txt";

/// Files that a list may name; a client has about a hundred.
const FILES_MAX: usize = 5_000;

/// The hash of a file.
pub(super) type Hash = [u8; 32];

/// Paths and what lies there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct List {
    files: BTreeMap<String, Hash>,
}

impl List {
    /// Reads a list. The error says which line is bad.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
        let mut files = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let (hash, path) = entry(line).ok_or_else(|| format!("line {number} is no hash with a path"))?;
            if files.insert(path.to_owned(), hash).is_some() {
                return Err(format!("line {number} names {path} a second time"));
            }
            if number > FILES_MAX {
                return Err(format!("it names more than {FILES_MAX} files"));
            }
        }
        if files.is_empty() { Err("it names no file".into()) } else { Ok(Self { files }) }
    }

    /// All of them, in order.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &Hash)> {
        self.files.iter().map(|(path, hash)| (path.as_str(), hash))
    }

    /// What lies at a path.
    pub(super) fn get(&self, path: &str) -> Option<&Hash> {
        self.files.get(path)
    }
}

/// SHA-256 of some bytes.
pub(super) fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// A hash as people write it.
pub(super) fn parse_hash(text: &str) -> Option<Hash> {
    HEXLOWER.decode(text.trim().to_ascii_lowercase().as_bytes()).ok()?.try_into().ok()
}

/// A hash for people.
pub(super) fn show_hash(hash: &Hash) -> String {
    HEXLOWER.encode(hash)
}

fn entry(line: &str) -> Option<(Hash, &str)> {
    let (hash, path) = line.split_once("  ")?;
    let plain = |part: &str| {
        let named = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        named && !part.is_empty() && !part.starts_with('.')
    };
    path.split('/').all(plain).then_some((parse_hash(hash)?, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_as_sha256sum_writes_it() {
        let (one, two) = ("ab".repeat(32), "cd".repeat(32));
        let list = List::parse(format!("{one}  assets/a-B_1.js\n{two}  index.html\n").as_bytes()).unwrap();
        assert_eq!(list.files().count(), 2);
        assert_eq!(list.get("index.html"), Some(&[0xcd; 32]));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let hash = "ab".repeat(32);
        let line = |path: &str| format!("{hash}  {path}\n");
        for wrong in ["/etc/passwd", "../index.html", "a/../b", ".env", "a b.js", "a?x=1.js", "", "a//b"] {
            assert!(List::parse(line(wrong).as_bytes()).is_err(), "{wrong}");
        }
        for wrong in ["", "<!doctype html>\n", "abcd  a.js\n", &(line("a.js") + &line("a.js"))] {
            assert!(List::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
