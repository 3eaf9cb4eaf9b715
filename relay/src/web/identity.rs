//! The certificate of the page: the hospital's, read again when the file changes, or the node's own.
//!
//! The node's own is the one that native clients pin. Browsers warn of it; the fingerprint in the warning is `certificate_sha256` of the node's
//! card, so that somebody can compare the two. A further certificate, made for browsers alone, would give them nothing to compare.
use crate::config::Web;
use crate::identity::{DataDirError, TlsIdentity};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

/// How often the files are looked at: certificates are replaced weeks before they expire.
pub const LOOK_EVERY: Duration = Duration::from_secs(60 * 60);

/// The page's certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file is missing or is no PEM.
    #[error("{setting} = {path}: {source}. Give a PEM file that the node's user may read")]
    File {
        /// The setting.
        setting: &'static str,
        /// Its value.
        path: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// Certificate and key do not fit, or are of an unknown kind.
    #[error(
        "web.certificate and web.key cannot be used: {0}. Give the chain and the private key of the same certificate"
    )]
    Pair(#[from] rustls::Error),
    /// The node's own.
    #[error(transparent)]
    Own(#[from] DataDirError),
}

/// Certificate and key of the page, as they are now.
#[derive(Debug)]
pub struct Identity {
    files: Option<(PathBuf, PathBuf)>,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    certified: Arc<CertifiedKey>,
    changed: Option<SystemTime>,
}

impl Identity {
    /// That of the settings; if they name none, `own`.
    pub fn open(settings: &Web, own: TlsIdentity) -> Result<Self, IdentityError> {
        let files = settings.files().map(|(certificate, key)| (certificate.clone(), key.clone()));
        let changed = changed(&files);
        let certified = match &files {
            Some((certificate, key)) => read(certificate, key)?,
            None => CertifiedKey::from_der(vec![own.certificate], own.key, &provider())?,
        };
        Ok(Self { files, state: RwLock::new(State { certified: Arc::new(certified), changed }) })
    }

    /// Reads the files if they have changed. True: there is a new certificate. An error leaves the old one in use.
    pub fn refresh(&self) -> Result<bool, IdentityError> {
        let Some((certificate, key)) = &self.files else { return Ok(false) };
        let changed = changed(&self.files);
        if self.state.read().unwrap_or_else(PoisonError::into_inner).changed == changed {
            return Ok(false);
        }
        let certified = Arc::new(read(certificate, key)?);
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = State { certified, changed };
        Ok(true)
    }

    /// Refreshes as time passes, for ever.
    pub(crate) async fn keep_fresh(self: Arc<Self>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            let identity = self.clone();
            match tokio::task::spawn_blocking(move || identity.refresh()).await {
                Ok(Ok(true)) => tracing::info!("the page's new certificate is in use"),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => {
                    tracing::error!(%error, "the page's new certificate cannot be used; the old one stays")
                }
                Err(_) => tracing::debug!("the runtime ends"),
            }
        }
    }

    /// TLS 1.3 for HTTP/1.1.
    pub(super) fn server_config(self: Arc<Self>) -> Result<Arc<ServerConfig>, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(self);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.state.read().unwrap_or_else(PoisonError::into_inner).certified.clone())
    }
}

fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

/// When either file was last written.
fn changed(files: &Option<(PathBuf, PathBuf)>) -> Option<SystemTime> {
    let (certificate, key) = files.as_ref()?;
    let written = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    written(certificate).max(written(key))
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, IdentityError> {
    let wrong = |setting, path: &Path| {
        let path = path.to_owned();
        move |source| IdentityError::File { setting, path, source }
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(wrong("web.certificate", certificate))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(wrong("web.key", key))?;
    if chain.is_empty() {
        return Err(wrong("web.certificate", certificate)(pem::Error::NoItemsFound));
    }
    Ok(CertifiedKey::from_der(chain, key, &provider())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::DataDir;

    fn made(dir: &Path) -> DataDir {
        let dir = DataDir::create(dir).unwrap();
        dir.make_keys().unwrap();
        dir
    }

    #[test]
    fn a_renewed_certificate_is_taken_without_a_restart_and_a_broken_one_is_not() {
        let base = tempfile::tempdir().unwrap();
        let [own, first, second] = ["own", "first", "second"].map(|name| made(&base.path().join(name)));
        let settings = Web { certificate: first.file("tls.crt"), key: first.file("tls.key"), ..Web::default() };
        let identity = Identity::open(&settings, own.tls().unwrap()).unwrap();
        let shown = || identity.state.read().unwrap().certified.cert[0].clone();
        assert_eq!(shown(), first.tls().unwrap().certificate);
        assert!(!identity.refresh().unwrap());

        let later = SystemTime::now() + Duration::from_secs(60);
        let replace = |file: &str, content: &[u8]| {
            std::fs::write(first.file(file), content).unwrap();
            std::fs::File::options().write(true).open(first.file(file)).unwrap().set_modified(later).unwrap();
        };
        replace("tls.crt", &std::fs::read(second.file("tls.crt")).unwrap());
        assert!(matches!(identity.refresh(), Err(IdentityError::Pair(_))), "certificate and key do not fit yet");
        replace("tls.key", &std::fs::read(second.file("tls.key")).unwrap());
        assert!(identity.refresh().unwrap());
        assert_eq!(shown(), second.tls().unwrap().certificate);

        let without = Identity::open(&Web::default(), own.tls().unwrap()).unwrap();
        assert_eq!(without.state.read().unwrap().certified.cert[0], own.tls().unwrap().certificate);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_setting() {
        let base = tempfile::tempdir().unwrap();
        let own = made(&base.path().join("own"));
        let settings = Web { certificate: base.path().join("none.crt"), key: own.file("tls.key"), ..Web::default() };
        let error = Identity::open(&settings, own.tls().unwrap()).unwrap_err().to_string();
        assert!(error.contains("web.certificate") && error.contains("none.crt"), "{error}");
        let settings = Web { certificate: own.file("tls.crt"), key: own.file("tls.crt"), ..Web::default() };
        let error = Identity::open(&settings, own.tls().unwrap()).unwrap_err().to_string();
        assert!(error.contains("web.key"), "{error}");
    }
}
