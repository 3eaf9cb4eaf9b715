//! The certificates of WebTransport. Browsers take no private authority there; they take a certificate whose hash the page names, if it
//! lives two weeks at most (`serverCertificateHashes` of the W3C draft, which also demands ECDSA on P-256).
//!
//! So the node makes one every week, a week before anybody meets it: a page that was loaded days ago knows the hash of the certificate that
//! comes next. They are kept in the data directory, readable by the node's user only, and not in memory alone: a restart, as every update
//! brings one, would otherwise leave open pages with hashes that are no longer true. They are no part of a backup; a restored node makes new ones.
use crate::identity::{at, write_private};
use crate::node::clock::system_ms;
use data_encoding::BASE64;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use time::OffsetDateTime;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Where they are kept, in the data directory.
pub const WEBTRANSPORT_FILE: &str = "webtransport.json";

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// How long a certificate lives; browsers take no longer one.
pub const VALID_MS: u64 = 14 * DAY_MS;

/// How often one is made.
pub const MADE_EVERY_MS: u64 = 7 * DAY_MS;

/// The age at which one is shown to browsers, so that pages have heard of it, and clocks that are behind agree that it has begun. It is
/// followed [`MADE_EVERY_MS`] later, a day before its end, for clocks that are ahead.
pub const SHOWN_FROM_MS: u64 = 6 * DAY_MS;

/// How often the node looks whether one is due.
pub const LOOK_EVERY: Duration = Duration::from_secs(60 * 60);

/// Why no certificate could be made or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The library.
    #[error("a certificate for web sessions cannot be made: {0}")]
    Make(#[from] rcgen::Error),
    /// TLS.
    #[error("a certificate for web sessions cannot be used: {0}")]
    Use(#[from] rustls::Error),
    /// The file.
    #[error("the certificates of web sessions cannot be kept: {0}")]
    Keep(#[from] crate::identity::DataDirError),
}

/// What the file holds, the oldest first.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Kept {
    made_ms: u64,
    /// DER in Base64.
    certificate: String,
    /// PKCS #8 DER in Base64.
    key: String,
}

#[derive(Debug)]
struct Usable {
    made_ms: u64,
    sha256: [u8; 32],
    certified: Arc<CertifiedKey>,
}

impl Usable {
    fn lives(&self, now_ms: u64) -> bool {
        self.made_ms <= now_ms && now_ms < self.made_ms + VALID_MS
    }
}

/// The certificates that are valid now or soon.
#[derive(Debug)]
pub struct Certificates {
    file: PathBuf,
    usable: RwLock<Vec<Usable>>,
}

impl Certificates {
    /// Those in the data directory, with what is due made. A file that cannot be read is replaced: what it held is worth two weeks at most.
    pub fn open(data_dir: &Path, now_ms: u64) -> Result<Self, CertificateError> {
        let file = data_dir.join(WEBTRANSPORT_FILE);
        let kept = match read(&file) {
            Ok(kept) => kept,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                tracing::warn!(%error, "the certificates of web sessions could not be read: new ones are made");
                Vec::new()
            }
        };
        let usable = kept.iter().filter_map(|kept| kept.usable().ok()).collect();
        let certificates = Self { file, usable: RwLock::new(usable) };
        certificates.renew(now_ms)?;
        Ok(certificates)
    }

    /// Makes what is due and forgets what is over. True: something changed.
    pub fn renew(&self, now_ms: u64) -> Result<bool, CertificateError> {
        let mut kept: Vec<Kept> = read(&self.file).unwrap_or_default();
        kept.retain(|kept| kept.made_ms <= now_ms && now_ms < kept.made_ms + VALID_MS);
        let newest_ms = kept.iter().map(|kept| kept.made_ms).max();
        if newest_ms.is_some_and(|newest_ms| now_ms < newest_ms + MADE_EVERY_MS) {
            return Ok(false);
        }
        if kept.iter().all(|kept| now_ms < kept.made_ms + SHOWN_FROM_MS) {
            // The first one is shown at once, as if it had been made in time.
            kept.push(make(now_ms - SHOWN_FROM_MS.min(now_ms))?);
        }
        kept.push(make(now_ms)?);
        kept.sort_by_key(|kept| kept.made_ms);
        let usable = kept.iter().map(Kept::usable).collect::<Result<_, _>>()?;
        write(&self.file, &kept)?;
        *self.usable.write().unwrap_or_else(PoisonError::into_inner) = usable;
        Ok(true)
    }

    /// The one that a browser is shown.
    pub fn served(&self, now_ms: u64) -> Option<Arc<CertifiedKey>> {
        let usable = self.usable.read().unwrap_or_else(PoisonError::into_inner);
        let mut living = usable.iter().rev().filter(|usable| usable.lives(now_ms));
        let shown = living.clone().find(|usable| now_ms >= usable.made_ms + SHOWN_FROM_MS);
        // After a clock was set back none may be old enough: a young one is better than nothing.
        shown.or_else(|| living.next()).map(|usable| usable.certified.clone())
    }

    /// SHA-256 of all that live, the oldest first: what a page may meet in the next days.
    pub fn hashes(&self, now_ms: u64) -> Vec<[u8; 32]> {
        let usable = self.usable.read().unwrap_or_else(PoisonError::into_inner);
        usable.iter().filter(|usable| usable.lives(now_ms)).map(|usable| usable.sha256).collect()
    }

    /// Renews as time passes, for ever.
    pub(crate) async fn keep_renewed(self: Arc<Self>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            let certificates = self.clone();
            match tokio::task::spawn_blocking(move || certificates.renew(system_ms())).await {
                Ok(Ok(true)) => tracing::info!("a new certificate for web sessions is made"),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::error!(%error, "the certificates of web sessions are not renewed"),
                Err(_) => tracing::debug!("the runtime ends"),
            }
        }
    }
}

impl Kept {
    fn usable(&self) -> Result<Usable, rustls::Error> {
        let decode = |text: &str| {
            BASE64.decode(text.as_bytes()).map_err(|_| rustls::Error::General("not in Base64: remove the file".into()))
        };
        let certificate = CertificateDer::from(decode(&self.certificate)?);
        let key = PrivatePkcs8KeyDer::from(decode(&self.key)?);
        let sha256 = Sha256::digest(&certificate).into();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let certified = Arc::new(CertifiedKey::from_der(vec![certificate], key.into(), &provider)?);
        Ok(Usable { made_ms: self.made_ms, sha256, certified })
    }
}

/// Names mean nothing in it; dates are counted in whole seconds, the end included.
fn make(made_ms: u64) -> Result<Kept, rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(vec!["wardline.invalid".to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, "wardline web sessions");
    params.not_before = date(made_ms);
    params.not_after = date(made_ms + VALID_MS - 1_000);
    let certificate = params.self_signed(&key)?;
    Ok(Kept { made_ms, certificate: BASE64.encode(certificate.der()), key: BASE64.encode(key.serialized_der()) })
}

fn date(ms: u64) -> OffsetDateTime {
    let seconds = i64::try_from(ms / 1_000).unwrap_or_default();
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn read(file: &Path) -> io::Result<Vec<Kept>> {
    serde_json::from_slice(&zeroize::Zeroizing::new(std::fs::read(file)?)).map_err(io::Error::from)
}

/// Whoever reads the file sees the old or the new one.
fn write(file: &Path, kept: &[Kept]) -> Result<(), crate::identity::DataDirError> {
    let partial = file.with_extension("partial");
    match std::fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&partial)(error)),
        Ok(()) | Err(_) => {}
    }
    let json = zeroize::Zeroizing::new(serde_json::to_vec_pretty(kept).unwrap_or_default());
    write_private(&partial, &json)?;
    std::fs::rename(&partial, file).map_err(at(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const START_MS: u64 = 1_900_000_000_000;

    fn shown(certificates: &Certificates, now_ms: u64) -> [u8; 32] {
        let certified = certificates.served(now_ms).unwrap();
        Sha256::digest(certified.cert.first().unwrap()).into()
    }

    #[test]
    fn the_one_that_is_shown_was_named_for_days_and_never_expires_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let certificates = Certificates::open(dir.path(), START_MS).unwrap();
        // What pages know that were loaded up to five days ago.
        let mut known: Vec<(u64, Vec<[u8; 32]>)> = Vec::new();
        let mut met = Vec::new();
        for hour in 0..24 * 100 {
            let now_ms = START_MS + hour * 60 * 60 * 1000;
            certificates.renew(now_ms).unwrap();
            let hashes = certificates.hashes(now_ms);
            assert!((2..=3).contains(&hashes.len()), "hour {hour}");
            known.push((now_ms, hashes));
            let shown = shown(&certificates, now_ms);
            if met.last() != Some(&shown) {
                met.push(shown);
            }
            for (loaded_ms, hashes) in known.iter().rev().take_while(|(at_ms, _)| now_ms - at_ms < 5 * DAY_MS) {
                assert!(hashes.contains(&shown), "hour {hour}: a page of {} h ago", (now_ms - loaded_ms) / 3_600_000);
            }
            // A browser whose clock is wrong by up to a day agrees.
            let usable = certificates.usable.read().unwrap();
            let inside = usable.iter().find(|usable| usable.sha256 == shown).unwrap();
            assert!(inside.lives(now_ms + DAY_MS - 3_600_000) && inside.lives(now_ms - DAY_MS), "hour {hour}");
        }
        assert_eq!(met.len(), 15, "one a week");
    }

    #[test]
    fn a_restart_goes_on_with_the_same_ones_and_only_the_node_may_read_them() {
        let dir = tempfile::tempdir().unwrap();
        let certificates = Certificates::open(dir.path(), START_MS).unwrap();
        let again = Certificates::open(dir.path(), START_MS + DAY_MS).unwrap();
        assert_eq!(certificates.hashes(START_MS), again.hashes(START_MS + DAY_MS));
        let file = dir.path().join(WEBTRANSPORT_FILE);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

        std::fs::write(&file, "rubbish").unwrap();
        let new = Certificates::open(dir.path(), START_MS + DAY_MS).unwrap();
        assert_eq!(new.hashes(START_MS + DAY_MS).len(), 2);
        assert_ne!(new.hashes(START_MS + DAY_MS), again.hashes(START_MS + DAY_MS));
    }

    #[test]
    fn a_node_that_was_off_for_a_month_or_whose_clock_was_set_back_serves() {
        let dir = tempfile::tempdir().unwrap();
        let certificates = Certificates::open(dir.path(), START_MS).unwrap();
        let before = shown(&certificates, START_MS);
        for now_ms in [START_MS + 30 * DAY_MS, START_MS - 30 * DAY_MS] {
            certificates.renew(now_ms).unwrap();
            assert_eq!(certificates.hashes(now_ms).len(), 2);
            assert_ne!(shown(&certificates, now_ms), before);
        }
    }
}
