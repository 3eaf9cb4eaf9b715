//! A node's data directory: its keys, its certificate, its lock. Only the node's user may read it.
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use wardline_directory::key::ProposerKey;
use zeroize::Zeroizing;

/// The node's TLS certificate, PEM.
pub const CERTIFICATE_FILE: &str = "tls.crt";
/// Its key, PEM (PKCS #8).
pub const CERTIFICATE_KEY_FILE: &str = "tls.key";
/// The seed of the key that signs removal proposals, hexadecimal.
pub const PROPOSER_FILE: &str = "proposer.key";
/// What the IT admin's program needs to make the node known to the hospital.
pub const CARD_FILE: &str = "node.json";
/// Held as long as a node runs on the directory.
pub const LOCK_FILE: &str = "lock";

/// The data directory is not usable; the text says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// Somebody's data would be overwritten.
    #[error("{0} holds data already: take an empty directory")]
    NotEmpty(PathBuf),
    /// Nothing was made there yet.
    #[error("{0} is no data directory of a node: run `wardline init --data {0} --root HEX` first")]
    NotInitialised(PathBuf),
    /// Two nodes on one database would destroy it.
    #[error("another wardline runs on {0}: stop it first, or take another data directory")]
    Locked(PathBuf),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {reason}. Restore it from a backup")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Certificate and key of the QUIC listener.
pub struct TlsIdentity {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

impl TlsIdentity {
    /// SHA-256 of the certificate: what clients pin.
    pub fn certificate_sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.certificate).into()
    }
}

/// What `wardline-admin node add --card` reads. Numbers are hexadecimal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCard {
    /// For people.
    pub name: String,
    /// 16 bytes.
    pub node_id: String,
    /// 32 bytes.
    pub certificate_sha256: String,
    /// Ed25519, 32 bytes.
    pub proposer_public_key: String,
    /// "host:port", the preferred one first.
    pub addresses: Vec<String>,
}

/// A directory with a node's data.
#[derive(Clone)]
pub struct DataDir {
    path: PathBuf,
}

/// The directory is this process's until this is dropped, or the process ends in any way.
pub struct Lock {
    _file: File,
}

impl DataDir {
    /// Makes the directory, readable by the present user only. Errors when it exists and is not empty.
    pub fn create(path: &Path) -> Result<Self, DataDirError> {
        match fs::read_dir(path) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(DataDirError::NotEmpty(path.to_owned()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path))?;
            }
            Err(error) => return Err(at(path)(error)),
        }
        let private = <fs::Permissions as PermissionsExt>::from_mode(0o700);
        fs::set_permissions(path, private).map_err(at(path))?;
        Ok(Self { path: path.to_owned() })
    }

    /// A directory that `create` made and filled. Errors when it was not.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let dir = Self { path: path.to_owned() };
        let complete = [CERTIFICATE_FILE, CERTIFICATE_KEY_FILE, PROPOSER_FILE, crate::store::DATABASE_FILE];
        if complete.iter().all(|file| dir.file(file).is_file()) {
            Ok(dir)
        } else {
            Err(DataDirError::NotInitialised(path.to_owned()))
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Takes the directory for this process. Errors when another one has it.
    pub fn lock(&self) -> Result<Lock, DataDirError> {
        let path = self.file(LOCK_FILE);
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(at(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::Locked(self.path.clone())),
            Err(TryLockError::Error(error)) => Err(at(&path)(error)),
        }
    }

    /// Makes the node's keys and its long-lived certificate.
    pub fn make_keys(&self) -> Result<(), DataDirError> {
        let (certificate, key) = self_signed().map_err(|error| DataDirError::Damaged {
            path: self.file(CERTIFICATE_FILE),
            reason: format!("the certificate cannot be made: {error}"),
        })?;
        self.write(CERTIFICATE_FILE, certificate.as_bytes())?;
        self.write(CERTIFICATE_KEY_FILE, key.as_bytes())?;
        let seed = Zeroizing::new(crate::random::<32>());
        let hex = Zeroizing::new(data_encoding::HEXLOWER.encode(&*seed));
        self.write(PROPOSER_FILE, hex.as_bytes())
    }

    /// The listener's certificate and key.
    pub fn tls(&self) -> Result<TlsIdentity, DataDirError> {
        let damaged = |file: &str| {
            let path = self.file(file);
            move |error: rustls_pki_types::pem::Error| DataDirError::Damaged { path, reason: error.to_string() }
        };
        let certificate =
            CertificateDer::from_pem_file(self.file(CERTIFICATE_FILE)).map_err(damaged(CERTIFICATE_FILE))?;
        let key = PrivatePkcs8KeyDer::from_pem_file(self.file(CERTIFICATE_KEY_FILE))
            .map_err(damaged(CERTIFICATE_KEY_FILE))?;
        Ok(TlsIdentity { certificate, key: key.into() })
    }

    /// The key that signs removal proposals.
    pub fn proposer(&self) -> Result<ProposerKey, DataDirError> {
        let path = self.file(PROPOSER_FILE);
        let text = Zeroizing::new(fs::read(&path).map_err(at(&path))?);
        let seed = data_encoding::HEXLOWER_PERMISSIVE
            .decode(text.trim_ascii())
            .ok()
            .map(Zeroizing::new)
            .and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok())
            .ok_or_else(|| DataDirError::Damaged { path, reason: "not 64 hexadecimal digits".into() })?;
        Ok(ProposerKey::from_seed(seed))
    }

    /// Makes the names of the files in it durable; their contents are already.
    pub fn sync(&self) -> Result<(), DataDirError> {
        File::open(&self.path).and_then(|dir| dir.sync_all()).map_err(at(&self.path))
    }

    /// Writes a new file that only the present user may read, and syncs it.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), DataDirError> {
        write_private(&self.file(name), content)
    }
}

/// Writes a new file that only the present user may read, and syncs it. Errors when it exists.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), DataDirError> {
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path).map_err(at(path))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(at(path))
}

/// An error of this file.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> DataDirError {
    let path = path.to_owned();
    move |source| DataDirError::File { path, source }
}

/// Clients accept the certificate by its hash, which the hospital's key has signed; names and dates in it mean nothing.
fn self_signed() -> Result<(String, Zeroizing<String>), rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(vec!["wardline.invalid".to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, "wardline node");
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), Zeroizing::new(key.serialize_pem())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn keys_are_made_once_and_read_back_and_are_private() {
        let base = tempfile::tempdir().unwrap();
        let dir = DataDir::create(&base.path().join("data")).unwrap();
        dir.make_keys().unwrap();
        assert_eq!(mode(dir.path()), 0o700);
        for file in [CERTIFICATE_FILE, CERTIFICATE_KEY_FILE, PROPOSER_FILE] {
            assert_eq!(mode(&dir.file(file)), 0o600, "{file}");
        }
        assert_eq!(dir.tls().unwrap().certificate_sha256(), dir.tls().unwrap().certificate_sha256());
        let seed = dir.proposer().unwrap().seed();
        assert!(*seed == *dir.proposer().unwrap().seed());
        assert!(matches!(dir.make_keys(), Err(DataDirError::File { .. })), "keys were overwritten");
        assert!(matches!(DataDir::create(dir.path()), Err(DataDirError::NotEmpty(_))));
    }

    #[test]
    fn one_process_at_a_time() {
        let base = tempfile::tempdir().unwrap();
        let dir = DataDir::create(base.path()).unwrap();
        let lock = dir.lock().unwrap();
        assert!(matches!(dir.lock(), Err(DataDirError::Locked(_))));
        drop(lock);
        dir.lock().unwrap();
    }

    #[test]
    fn damage_is_named() {
        let base = tempfile::tempdir().unwrap();
        assert!(matches!(DataDir::open(base.path()), Err(DataDirError::NotInitialised(_))));
        let dir = DataDir::create(base.path()).unwrap();
        dir.write(PROPOSER_FILE, b"abc").unwrap();
        assert!(matches!(dir.proposer(), Err(DataDirError::Damaged { .. })));
        dir.write(CERTIFICATE_FILE, b"abc").unwrap();
        assert!(matches!(dir.tls(), Err(DataDirError::Damaged { .. })));
    }
}
