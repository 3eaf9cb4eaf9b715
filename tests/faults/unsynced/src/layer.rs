//! The shadow: what would be on the disk if the power went now.
//!
//! `tree/` holds the durable names and contents, `new/` the contents of files that have no durable name yet. The layer itself works
//! with ordinary file calls; the exports keep it from watching itself.
use crate::names::{Change, Key, Pending, Synced};
use crate::ranges::Ranges;
use crate::real;
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::RawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

const COPY_BYTES: usize = 1 << 16;

/// Everything the layer knows.
pub struct Layer {
    root: PathBuf,
    tree: PathBuf,
    new: PathBuf,
    files: HashMap<Key, Watched>,
    pending: Pending,
    made: u64,
}

struct Watched {
    /// Where the durable content is written: a file of the shadow.
    durable: File,
    /// The content's place in `new/` until it has a durable name.
    unnamed: Option<PathBuf>,
    path: PathBuf,
    written: Ranges,
    /// The shortest the file has been since its last sync: what lay behind is gone.
    shortest: Option<u64>,
    sync_each_write: bool,
}

impl Layer {
    /// Starts to watch `root`. A shadow that exists goes on; otherwise what the root holds now counts as durable.
    pub fn new(root: &Path, shadow: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        let (tree, new) = (shadow.join("tree"), shadow.join("new"));
        if !tree.exists() {
            copy_tree(&root, &tree)?;
        }
        let _ = fs::remove_dir_all(&new); // contents that never got a name are lost with the program that made them
        fs::create_dir_all(&new)?;
        Ok(Self { root, tree, new, files: HashMap::new(), pending: Pending::default(), made: 0 })
    }

    /// Whether a path is watched.
    pub fn covers(&self, path: &Path) -> bool {
        path.starts_with(&self.root)
    }

    /// Whether a file is watched: it is, once it has been opened below the root.
    pub fn knows(&self, key: Key) -> bool {
        self.files.contains_key(&key)
    }

    /// The path under which a watched file was opened last.
    pub fn path_of(&self, key: Key) -> Option<&Path> {
        self.files.get(&key).map(|file| file.path.as_path())
    }

    /// A regular file below the root was opened.
    pub fn opened(&mut self, path: &Path, key: Key, how: How) -> io::Result<()> {
        if how.created {
            self.made += 1;
            let place = self.new.join(self.made.to_string());
            let durable = OpenOptions::new().read(true).write(true).create_new(true).open(&place)?;
            self.files.insert(key, Watched::new(durable, Some(place), path));
            self.pending.push(Change::Created { path: path.into(), key });
        } else {
            self.adopt(path, key)?;
        }
        if let Some(file) = self.files.get_mut(&key) {
            file.path = path.into();
            file.sync_each_write |= how.sync_each_write;
            if how.truncated {
                file.shortest = Some(0);
            }
        }
        Ok(())
    }

    /// Begins to watch a file that was there before.
    fn adopt(&mut self, path: &Path, key: Key) -> io::Result<()> {
        if self.files.contains_key(&key) {
            return Ok(());
        }
        let place = self.in_tree(path);
        if !place.exists() {
            // Made by a program that is not watched: durable as it is.
            make_parent(&place)?;
            fs::copy(path, &place)?;
        }
        let durable = OpenOptions::new().read(true).write(true).open(&place)?;
        self.files.insert(key, Watched::new(durable, None, path));
        Ok(())
    }

    /// Bytes of a watched file were written. True when the write must be durable at once.
    #[must_use]
    pub fn wrote(&mut self, key: Key, start: u64, end: u64) -> bool {
        self.files.get_mut(&key).is_some_and(|file| {
            file.written.add(start, end);
            file.sync_each_write
        })
    }

    /// A watched file was cut or extended to `length` bytes.
    pub fn resized(&mut self, key: Key, length: u64) {
        if let Some(file) = self.files.get_mut(&key) {
            file.shortest = Some(file.shortest.map_or(length, |shortest| shortest.min(length)));
        }
    }

    /// A descriptor was synced: what it is open on becomes durable.
    pub fn synced(&mut self, fd: RawFd, status: &real::Status) -> io::Result<()> {
        if status.is_directory {
            let directory = path_of_descriptor(fd)?;
            if self.covers(&directory) {
                self.settle(&Synced::Directory(&directory))?;
            }
        } else if let Some(file) = self.files.get_mut(&status.key) {
            file.store(fd, status.length)?;
            self.settle(&Synced::File(status.key))?;
        }
        Ok(())
    }

    /// The whole file system was synced. Contents are reached by their present names.
    pub fn synced_all(&mut self) -> io::Result<()> {
        for (key, file) in &mut self.files {
            if let Ok(open) = File::open(&file.path)
                && let Ok(metadata) = open.metadata()
                && (metadata.dev(), metadata.ino()) == *key
            {
                file.store_from(&open, metadata.len())?;
            }
        }
        self.settle(&Synced::All)
    }

    /// A name below the root was replaced by another.
    pub fn renamed(&mut self, from: &Path, to: &Path, key: Key) {
        if let Some(file) = self.files.get_mut(&key) {
            file.path = to.into();
        }
        self.pending.push(Change::Renamed { from: from.into(), to: to.into(), key });
    }

    /// Must be called before a rename or removal: the shadow's copy is found by the old name.
    pub fn about_to_change(&mut self, path: &Path) -> io::Result<Option<Key>> {
        let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(None) };
        if !metadata.is_file() {
            return Ok(None);
        }
        let key = (metadata.dev(), metadata.ino());
        self.adopt(path, key)?;
        Ok(Some(key))
    }

    /// A name below the root was removed.
    pub fn removed(&mut self, path: &Path, key: Key) {
        self.pending.push(Change::Removed { path: path.into(), key });
    }

    fn in_tree(&self, path: &Path) -> PathBuf {
        self.tree.join(path.strip_prefix(&self.root).unwrap_or(path))
    }

    fn settle(&mut self, synced: &Synced<'_>) -> io::Result<()> {
        for change in self.pending.take(synced) {
            match change {
                Change::Created { path, key } => {
                    let place = self.in_tree(&path);
                    if let Some(unnamed) = self.files.get_mut(&key).and_then(|file| file.unnamed.take()) {
                        make_parent(&place)?;
                        fs::rename(unnamed, place)?;
                    }
                }
                Change::Renamed { from, to, .. } => {
                    let (from, to) = (self.in_tree(&from), self.in_tree(&to));
                    if from.exists() {
                        make_parent(&to)?;
                        fs::rename(from, to)?;
                    }
                }
                Change::Removed { path, .. } => match fs::remove_file(self.in_tree(&path)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                },
            }
        }
        Ok(())
    }
}

/// How a file was opened.
#[derive(Clone, Copy, Default)]
pub struct How {
    /// It was not there before.
    pub created: bool,
    /// `O_TRUNC`.
    pub truncated: bool,
    /// `O_SYNC` or `O_DSYNC`.
    pub sync_each_write: bool,
}

impl Watched {
    fn new(durable: File, unnamed: Option<PathBuf>, path: &Path) -> Self {
        let (written, shortest) = (Ranges::default(), None);
        Self { durable, unnamed, path: path.into(), written, shortest, sync_each_write: false }
    }

    fn store(&mut self, fd: RawFd, length: u64) -> io::Result<()> {
        // Opened anew because the program's descriptor may be for writing only.
        let open = File::open(format!("/proc/self/fd/{fd}"))?;
        self.store_from(&open, length)
    }

    fn store_from(&mut self, open: &File, length: u64) -> io::Result<()> {
        if let Some(shortest) = self.shortest.take()
            && shortest < self.durable.metadata()?.len()
        {
            self.durable.set_len(shortest)?;
        }
        self.durable.set_len(length)?;
        let mut buffer = vec![0; COPY_BYTES];
        for (start, end) in self.written.take() {
            let mut at = start;
            let end = end.min(length);
            while at < end {
                let want = usize::try_from(end - at).unwrap_or(COPY_BYTES).min(COPY_BYTES);
                let part = buffer.get_mut(..want).unwrap_or_default();
                open.read_exact_at(part, at)?;
                self.durable.write_all_at(part, at)?;
                at += want as u64;
            }
        }
        Ok(())
    }
}

/// The path of what a descriptor is open on.
pub fn path_of_descriptor(fd: RawFd) -> io::Result<PathBuf> {
    fs::read_link(format!("/proc/self/fd/{fd}"))
}

fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if entry.file_type()?.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
