//! Changes of names that are not durable yet, and which of them a sync makes so.
use std::path::{Path, PathBuf};

/// What the kernel knows a file by: device and inode.
pub type Key = (u64, u64);

/// One change of a name, by the file it concerns. Paths are absolute.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A new file.
    Created { path: PathBuf, key: Key },
    /// Another name, replacing what had it.
    Renamed { from: PathBuf, to: PathBuf, key: Key },
    /// The name is gone.
    Removed { path: PathBuf, key: Key },
}

impl Change {
    fn key(&self) -> Key {
        match self {
            Self::Created { key, .. } | Self::Renamed { key, .. } | Self::Removed { key, .. } => *key,
        }
    }

    fn paths(&self) -> impl Iterator<Item = &Path> {
        let (first, second) = match self {
            Self::Created { path, .. } | Self::Removed { path, .. } => (path, None),
            Self::Renamed { from, to, .. } => (from, Some(to)),
        };
        std::iter::once(first.as_path()).chain(second.map(PathBuf::as_path))
    }
}

/// What was synced.
pub enum Synced<'a> {
    /// One file.
    File(Key),
    /// The entries of one directory.
    Directory(&'a Path),
    /// The whole file system.
    All,
}

/// Changes in the order they were made.
#[derive(Default)]
pub struct Pending(Vec<Change>);

impl Pending {
    /// Appends one.
    pub fn push(&mut self, change: Change) {
        self.0.push(change);
    }

    /// Takes out, in order, what the sync makes durable: the changes it names and every earlier one of the same names.
    pub fn take(&mut self, synced: &Synced<'_>) -> Vec<Change> {
        let mut names: Vec<PathBuf> = Vec::new();
        let mut wanted = vec![false; self.0.len()];
        for (change, wanted) in self.0.iter().zip(&mut wanted).rev() {
            let direct = match synced {
                Synced::File(key) => change.key() == *key,
                Synced::Directory(directory) => change.paths().any(|path| path.parent() == Some(directory)),
                Synced::All => true,
            };
            if direct || change.paths().any(|path| names.iter().any(|name| name == path)) {
                *wanted = true;
                names.extend(change.paths().map(Path::to_owned));
            }
        }
        let mut flags = wanted.into_iter();
        self.0.extract_if(.., |_| flags.next().unwrap_or(false)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(path: &str, inode: u64) -> Change {
        Change::Created { path: path.into(), key: (0, inode) }
    }

    #[test]
    fn a_sync_of_a_file_takes_its_names_only() {
        let mut pending = Pending::default();
        pending.push(created("/d/a", 1));
        pending.push(created("/d/b", 2));
        assert_eq!(pending.take(&Synced::File((0, 2))), [created("/d/b", 2)]);
        assert_eq!(pending.take(&Synced::File((0, 2))), []);
        assert_eq!(pending.take(&Synced::Directory("/d".as_ref())), [created("/d/a", 1)]);
    }

    #[test]
    fn earlier_changes_of_the_same_name_come_along_in_order() {
        let mut pending = Pending::default();
        let removed = Change::Removed { path: "/d/b".into(), key: (0, 9) };
        let renamed = Change::Renamed { from: "/d/a".into(), to: "/d/b".into(), key: (0, 1) };
        pending.push(created("/d/a", 1));
        pending.push(created("/d/c", 3));
        pending.push(removed.clone());
        pending.push(renamed.clone());
        assert_eq!(pending.take(&Synced::File((0, 1))), [created("/d/a", 1), removed, renamed]);
        assert_eq!(pending.take(&Synced::All), [created("/d/c", 3)]);
    }
}
