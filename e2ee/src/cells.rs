//! Where openmls keeps its state: a map of cells in memory that knows which of them changed.
//!
//! openmls writes through on every step, so the map is always what a restart would need; the owner of the [`crate::Engine`] makes
//! the changed cells durable in a batch. Values are encoded with postcard (one byte a byte), since JSON takes three times the space.
//! Absent on purpose: files and databases.
use serde::{Serialize, de::DeserializeOwned};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

/// A cell's key and its bytes.
pub type Cell = (Vec<u8>, Vec<u8>);

/// What must be durable before anything made since leaves the device. The values hold secrets.
#[derive(Default)]
pub struct Changes {
    /// Cells to insert or replace.
    pub put: Vec<Cell>,
    /// Keys of cells to delete.
    pub deleted: Vec<Vec<u8>>,
}

impl Changes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.deleted.is_empty()
    }
}

impl std::fmt::Debug for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Changes").field("put", &self.put.len()).field("deleted", &self.deleted.len()).finish()
    }
}

/// A cell that does not decode: the stored state is damaged or of another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored cell does not decode")]
pub struct CellError;

#[derive(Default)]
struct Inner {
    values: BTreeMap<Vec<u8>, Zeroizing<Vec<u8>>>,
    changed: BTreeSet<Vec<u8>>,
    /// While a transaction is open: what each touched cell held before.
    undo: Option<BTreeMap<Vec<u8>, Before>>,
}

struct Before {
    value: Option<Zeroizing<Vec<u8>>>,
    changed: bool,
}

impl Inner {
    fn set(&mut self, key: Vec<u8>, value: Option<Zeroizing<Vec<u8>>>) {
        let was_changed = !self.changed.insert(key.clone());
        let old = match value {
            Some(value) => self.values.insert(key.clone(), value),
            None => self.values.remove(&key),
        };
        if let Some(undo) = &mut self.undo {
            undo.entry(key).or_insert(Before { value: old, changed: was_changed });
        }
    }
}

/// The cells of one device. Borrows are short and never nested, so the `RefCell` cannot be found borrowed.
#[derive(Default)]
pub(crate) struct Cells(RefCell<Inner>);

impl Cells {
    /// Starts with what was durable; nothing counts as changed.
    pub(crate) fn load(cells: impl IntoIterator<Item = Cell>) -> Self {
        let values = cells.into_iter().map(|(key, value)| (key, Zeroizing::new(value))).collect();
        Self(RefCell::new(Inner { values, ..Inner::default() }))
    }

    /// The changes since the last call.
    pub(crate) fn take_changes(&self) -> Changes {
        let mut inner = self.0.borrow_mut();
        let mut changes = Changes::default();
        for key in std::mem::take(&mut inner.changed) {
            match inner.values.get(&key) {
                Some(value) => changes.put.push((key, value.to_vec())),
                None => changes.deleted.push(key),
            }
        }
        changes
    }

    /// Opens a transaction. They do not nest.
    pub(crate) fn begin(&self) {
        self.0.borrow_mut().undo = Some(BTreeMap::new());
    }

    /// Keeps what was written since [`Self::begin`].
    pub(crate) fn commit(&self) {
        self.0.borrow_mut().undo = None;
    }

    /// Takes back what was written since [`Self::begin`].
    pub(crate) fn rollback(&self) {
        let mut inner = self.0.borrow_mut();
        for (key, before) in inner.undo.take().unwrap_or_default() {
            if !before.changed {
                inner.changed.remove(&key);
            }
            match before.value {
                Some(value) => inner.values.insert(key, value),
                None => inner.values.remove(&key),
            };
        }
    }

    /// Every cell, for a device's state that is not in use yet.
    pub(crate) fn all(&self) -> Vec<Cell> {
        self.0.borrow().values.iter().map(|(key, value)| (key.clone(), value.to_vec())).collect()
    }

    pub(crate) fn put<V: Serialize + ?Sized>(&self, key: Vec<u8>, value: &V) -> Result<(), CellError> {
        let bytes = postcard::to_allocvec(value).map_err(|_| CellError)?;
        self.put_bytes(key, bytes);
        Ok(())
    }

    pub(crate) fn put_bytes(&self, key: Vec<u8>, bytes: Vec<u8>) {
        self.0.borrow_mut().set(key, Some(Zeroizing::new(bytes)));
    }

    pub(crate) fn get<V: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<V>, CellError> {
        let inner = self.0.borrow();
        inner.values.get(key).map(|bytes| postcard::from_bytes(bytes).map_err(|_| CellError)).transpose()
    }

    pub(crate) fn get_bytes(&self, key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.0.borrow().values.get(key).cloned()
    }

    pub(crate) fn delete(&self, key: &[u8]) {
        let mut inner = self.0.borrow_mut();
        if inner.values.contains_key(key) {
            inner.set(key.to_vec(), None);
        }
    }

    /// The keys that begin with `prefix`.
    pub(crate) fn keys(&self, prefix: &[u8]) -> Vec<Vec<u8>> {
        let inner = self.0.borrow();
        inner
            .values
            .range(prefix.to_vec()..)
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(prefix))
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changed_cells_are_handed_out_and_once() {
        let cells = Cells::load([(b"a".to_vec(), vec![1]), (b"b".to_vec(), vec![2])]);
        assert!(cells.take_changes().is_empty());
        cells.put_bytes(b"a".to_vec(), vec![3]);
        cells.delete(b"b");
        cells.delete(b"never there");
        let changes = cells.take_changes();
        assert_eq!(changes.put, vec![(b"a".to_vec(), vec![3])]);
        assert_eq!(changes.deleted, vec![b"b".to_vec()]);
        assert!(cells.take_changes().is_empty());
    }

    #[test]
    fn a_rollback_leaves_no_trace() {
        let cells = Cells::load([(b"a".to_vec(), vec![1])]);
        cells.put_bytes(b"kept".to_vec(), vec![9]);
        cells.begin();
        cells.put_bytes(b"a".to_vec(), vec![2]);
        cells.put_bytes(b"new".to_vec(), vec![3]);
        cells.put_bytes(b"kept".to_vec(), vec![8]);
        cells.delete(b"a");
        cells.rollback();
        assert_eq!(cells.get_bytes(b"a").unwrap().as_slice(), [1]);
        assert!(cells.get_bytes(b"new").is_none());
        let changes = cells.take_changes();
        assert_eq!((changes.put, changes.deleted), (vec![(b"kept".to_vec(), vec![9])], vec![]));
    }
}
