//! The directory on the IT admin's machine: two sealed keys, the root's public half, and the chain of statements.
use crate::admin::vault::{self, Cost, Passphrase};
use crate::admin::{AdminError, chain_file, files, recovery};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use wardline_directory::hospital::Hospital;
use wardline_directory::key::{OperationalKey, PublicKey, RootKey};
use wardline_directory::{Directory, Refusal};
use wardline_protocol::wire::Statement;
use zeroize::Zeroizing;

/// The root key, sealed. May be kept elsewhere once its recovery is printed.
pub const ROOT_FILE: &str = "root.key";
/// The operational key, sealed.
pub const OPERATIONAL_FILE: &str = "operational.key";
/// The chain: the source of truth.
pub const STATEMENTS_FILE: &str = "statements.log";
/// The root's public half, hexadecimal: what `wardline init --root` takes.
pub const HOSPITAL_FILE: &str = "hospital.pub";

const ROOT_PURPOSE: &str = "root";
const OPERATIONAL_PURPOSE: &str = "operational";

/// A hospital that this process, and no other, may sign for.
pub struct Office {
    dir: PathBuf,
    passphrase: Passphrase,
    hospital: Hospital,
    saved: usize,
    _lock: File,
}

impl Office {
    /// A new hospital in a new directory. Gives the recovery to be printed, which is shown this once.
    pub fn found(
        dir: &Path,
        passphrase: Passphrase,
        cost: Cost,
        now_ms: u64,
    ) -> Result<(Self, Zeroizing<String>), AdminError> {
        passphrase.check()?;
        files::create_dir(dir)?;
        let lock = files::lock(dir)?;
        if dir.join(HOSPITAL_FILE).exists() {
            return Err(AdminError::Exists(dir.to_owned()));
        }
        let root = RootKey::generate()?;
        let hospital = Hospital::found(&root, OperationalKey::generate()?, now_ms)?;
        let printed = recovery::print(&root);
        let office = Self::establish(dir, lock, passphrase, cost, &root, hospital)?;
        Ok((office, printed))
    }

    /// The hospital again, from its root: a new operational key, sealed under a new passphrase. `statements` is the longest
    /// chain that can be found; a shorter one would fork the directory. The old operational key signs nothing more.
    pub fn recover(
        dir: &Path,
        root: &RootKey,
        statements: &[Statement],
        passphrase: Passphrase,
        cost: Cost,
        now_ms: u64,
    ) -> Result<Self, AdminError> {
        passphrase.check()?;
        files::create_dir(dir)?;
        let lock = files::lock(dir)?;
        if dir.join(HOSPITAL_FILE).exists() && read_root(dir)? != root.public() {
            return Err(AdminError::OtherHospital);
        }
        let hospital = Hospital::take_over(root, OperationalKey::generate()?, statements, now_ms)?;
        Self::establish(dir, lock, passphrase, cost, root, hospital)
    }

    /// hospital.pub comes last: a directory without it was never finished and holds nothing that anybody relies on.
    fn establish(
        dir: &Path,
        lock: File,
        passphrase: Passphrase,
        cost: Cost,
        root: &RootKey,
        hospital: Hospital,
    ) -> Result<Self, AdminError> {
        let sealed = vault::seal(&hospital.operational().seed(), OPERATIONAL_PURPOSE, &passphrase, cost)?;
        files::replace(&dir.join(OPERATIONAL_FILE), sealed.as_bytes())?;
        let sealed = vault::seal(&root.seed(), ROOT_PURPOSE, &passphrase, cost)?;
        files::replace(&dir.join(ROOT_FILE), sealed.as_bytes())?;
        let mut office = Self { dir: dir.to_owned(), passphrase, hospital, saved: 0, _lock: lock };
        office.save()?;
        files::replace(&dir.join(HOSPITAL_FILE), format!("{}\n", root.public().to_hex()).as_bytes())?;
        Ok(office)
    }

    /// Opens a directory for signing: the whole chain is verified and the operational key unlocked.
    pub fn open(dir: &Path, passphrase: Passphrase) -> Result<Self, AdminError> {
        let root = read_root(dir)?;
        let lock = files::lock(dir)?;
        let path = dir.join(OPERATIONAL_FILE);
        let seed = vault::open(&read(&path)?, OPERATIONAL_PURPOSE, &passphrase)?;
        let statements = read_statements(dir)?;
        let saved = statements.len();
        let hospital =
            Hospital::open(root, OperationalKey::from_seed(*seed), statements).map_err(|refusal| match refusal {
                Refusal::WrongKey => AdminError::damaged(
                    &path,
                    "it is not the key that the chain names: `wardline-admin recover` makes a new one",
                ),
                other => AdminError::damaged(&dir.join(STATEMENTS_FILE), other.to_string()),
            })?;
        Ok(Self { dir: dir.to_owned(), passphrase, hospital, saved, _lock: lock })
    }

    /// The directory as signed so far; no key is needed to read it.
    pub fn read(dir: &Path) -> Result<Directory, AdminError> {
        let mut directory = Directory::new(read_root(dir)?);
        let statements = read_statements(dir)?;
        directory.apply_all(&statements).map_err(|(i, refusal)| {
            AdminError::damaged(&dir.join(STATEMENTS_FILE), format!("statement {}: {refusal}", i + 1))
        })?;
        Ok(directory)
    }

    /// The chain as it lies there, for `recover`; empty when there is none.
    pub fn stored_statements(dir: &Path) -> Result<Vec<Statement>, AdminError> {
        if dir.join(STATEMENTS_FILE).exists() { read_statements(dir) } else { Ok(Vec::new()) }
    }

    /// What signs.
    pub fn hospital(&self) -> &Hospital {
        &self.hospital
    }

    /// The verified state.
    pub fn directory(&self) -> &Directory {
        self.hospital.directory()
    }

    /// Does something that signs, and makes its statements durable here before anybody hears of them. All or nothing.
    pub fn sign<T>(&mut self, act: impl FnOnce(&mut Hospital) -> Result<T, AdminError>) -> Result<T, AdminError> {
        let outcome = self.hospital.all_or_none(act)?;
        self.save()?;
        Ok(outcome)
    }

    /// Takes in what the node has beyond this chain, signed by the same key on another machine. Gives how many.
    pub fn take_in(&mut self, statements: &[Statement]) -> Result<usize, AdminError> {
        let version = self.directory().version() + 1;
        self.hospital.take_in(statements).map_err(|refusal| match refusal {
            Refusal::WrongKey => AdminError::Replaced,
            _ => AdminError::Forked { version },
        })?;
        self.save()?;
        Ok(statements.len())
    }

    /// Unlocks the root, if it is kept here.
    pub fn root(&self) -> Result<Option<RootKey>, AdminError> {
        let path = self.dir.join(ROOT_FILE);
        if !path.exists() {
            return Ok(None);
        }
        let seed = vault::open(&read(&path)?, ROOT_PURPOSE, &self.passphrase)?;
        Ok(Some(RootKey::from_seed(*seed)))
    }

    /// The whole chain is written anew and takes the old file's place: 10,000 statements are about 3 MB.
    fn save(&mut self) -> Result<(), AdminError> {
        let statements = self.hospital.statements();
        if statements.len() != self.saved {
            let path = self.dir.join(STATEMENTS_FILE);
            let bytes = chain_file::encode(statements).map_err(|reason| AdminError::damaged(&path, reason))?;
            files::replace(&path, &bytes)?;
            self.saved = statements.len();
        }
        Ok(())
    }
}

fn read_root(dir: &Path) -> Result<PublicKey, AdminError> {
    let path = dir.join(HOSPITAL_FILE);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(AdminError::NotInitialised(dir.to_owned()));
        }
        other => other.map_err(AdminError::file(&path))?,
    };
    PublicKey::parse_hex(&text).map_err(|refusal| AdminError::damaged(&path, refusal.to_string()))
}

fn read(path: &Path) -> Result<Zeroizing<String>, AdminError> {
    fs::read_to_string(path).map(Zeroizing::new).map_err(AdminError::file(path))
}

fn read_statements(dir: &Path) -> Result<Vec<Statement>, AdminError> {
    let path = dir.join(STATEMENTS_FILE);
    let bytes = fs::read(&path).map_err(AdminError::file(&path))?;
    chain_file::decode(&bytes).map_err(|reason| AdminError::damaged(&path, reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wardline_directory::hospital::Person;

    const NOW_MS: u64 = 1_790_000_000_000;
    const QUICK: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

    fn passphrase() -> Passphrase {
        Passphrase::new("correct horse battery")
    }

    fn person(handle: &str) -> Person {
        Person::internal(handle, "Anna Meier", "")
    }

    #[test]
    fn what_was_signed_is_there_after_reopening() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("hospital");
        let (mut office, _) = Office::found(&dir, passphrase(), QUICK, NOW_MS).unwrap();
        office.sign(|hospital| Ok(hospital.add_account(&person("anna"), NOW_MS)?)).unwrap();
        let head = office.directory().head_hash();
        assert!(matches!(Office::open(&dir, passphrase()), Err(AdminError::Locked(_))));
        drop(office);
        let office = Office::open(&dir, passphrase()).unwrap();
        assert_eq!((office.directory().version(), office.directory().head_hash()), (2, head));
        assert_eq!(Office::read(&dir).unwrap().head_hash(), head);
        assert!(office.root().unwrap().unwrap().public() == office.directory().root());
    }

    #[test]
    fn a_failed_act_leaves_the_file_as_it_was() {
        let base = tempfile::tempdir().unwrap();
        let (mut office, _) = Office::found(base.path(), passphrase(), QUICK, NOW_MS).unwrap();
        let before = fs::read(base.path().join(STATEMENTS_FILE)).unwrap();
        let outcome = office.sign(|hospital| {
            hospital.add_account(&person("anna"), NOW_MS)?;
            Ok(hospital.add_account(&person("anna"), NOW_MS)?)
        });
        assert!(matches!(outcome, Err(AdminError::Refused(Refusal::HandleTaken))));
        assert_eq!(office.directory().version(), 1);
        assert_eq!(fs::read(base.path().join(STATEMENTS_FILE)).unwrap(), before);
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_opens_without_its_passphrase() {
        let base = tempfile::tempdir().unwrap();
        assert!(matches!(Office::open(base.path(), passphrase()), Err(AdminError::NotInitialised(_))));
        assert!(matches!(
            Office::found(base.path(), Passphrase::new("short"), QUICK, NOW_MS),
            Err(AdminError::WeakPassphrase)
        ));
        drop(Office::found(base.path(), passphrase(), QUICK, NOW_MS).unwrap());
        assert!(matches!(Office::found(base.path(), passphrase(), QUICK, NOW_MS), Err(AdminError::Exists(_))));
        let wrong = Office::open(base.path(), Passphrase::new("correct horse batterie"));
        assert!(matches!(wrong, Err(AdminError::WrongPassphrase)));
    }

    #[test]
    fn a_bent_chain_does_not_open() {
        let base = tempfile::tempdir().unwrap();
        drop(Office::found(base.path(), passphrase(), QUICK, NOW_MS).unwrap());
        let path = base.path().join(STATEMENTS_FILE);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(Office::open(base.path(), passphrase()), Err(AdminError::Damaged { .. })));
        assert!(matches!(Office::read(base.path()), Err(AdminError::Damaged { .. })));
    }

    #[test]
    fn the_paper_brings_the_hospital_back_with_a_new_key() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("old");
        let (mut office, paper) = Office::found(&dir, passphrase(), QUICK, NOW_MS).unwrap();
        office.sign(|hospital| Ok(hospital.add_account(&person("anna"), NOW_MS)?)).unwrap();
        let old_key = office.directory().operational_key();
        drop(office);

        let root = recovery::read(&paper).unwrap();
        let statements = Office::stored_statements(&dir).unwrap();
        let other = Passphrase::new("another passphrase");
        // The machine is gone: the chain comes from elsewhere.
        let new = Office::recover(&base.path().join("new"), &root, &statements, other.clone(), QUICK, NOW_MS).unwrap();
        assert_eq!(new.directory().version(), 3);
        assert!(new.directory().account_by_handle("anna").is_some());
        assert_ne!(new.directory().operational_key(), old_key);
        // The passphrase is forgotten: the directory is there.
        drop(Office::recover(&dir, &root, &statements, other.clone(), QUICK, NOW_MS).unwrap());
        assert!(matches!(Office::open(&dir, passphrase()), Err(AdminError::WrongPassphrase)));
        drop(Office::open(&dir, other.clone()).unwrap());
        let foreign = RootKey::generate().unwrap();
        let outcome = Office::recover(&dir, &foreign, &[], other, QUICK, NOW_MS);
        assert!(matches!(outcome, Err(AdminError::OtherHospital)));
    }

    #[test]
    fn what_another_machine_signed_is_taken_in() {
        let base = tempfile::tempdir().unwrap();
        let (mut office, _) = Office::found(base.path(), passphrase(), QUICK, NOW_MS).unwrap();
        let key = OperationalKey::from_seed(*office.hospital().operational().seed());
        let root = office.directory().root();
        let mut elsewhere = Hospital::open(root, key, office.hospital().statements().to_vec()).unwrap();
        elsewhere.add_account(&person("anna"), NOW_MS).unwrap();
        assert_eq!(office.take_in(elsewhere.statements_after(1)).unwrap(), 1);
        assert_eq!(Office::read(base.path()).unwrap().version(), 2);
        let outcome = office.take_in(elsewhere.statements_after(1));
        assert!(matches!(outcome, Err(AdminError::Forked { version: 3 })));
    }
}
