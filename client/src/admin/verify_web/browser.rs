//! Fetches what a node serves to browsers, asking as one does.
//!
//! Redirects are not followed: what another place serves is not what this node does.
use super::VerifyError;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HOST, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use std::future::poll_fn;
use std::net::IpAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// How long one file may take.
const FETCH_WAIT: Duration = Duration::from_secs(60);

/// Bytes of one file; the client's largest has about two million.
const FILE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Asked as a browser asks, so that a node cannot tell who looks by this alone.
const BROWSER: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36";
const BROWSER_ENCODINGS: &str = "gzip, deflate, br, zstd";

/// A file as it came.
pub(super) struct Fetched {
    /// `Content-Encoding`; empty for none.
    pub(super) encoding: String,
    /// As sent, still encoded.
    pub(super) bytes: Vec<u8>,
}

/// One connection to one node's page, made anew when the node ends it.
pub(super) struct Browser {
    place: Place,
    tls: TlsConnector,
    connection: Option<Connection>,
}

struct Connection {
    sender: SendRequest<String>,
    /// Ends with this.
    _driver: JoinSet<hyper::Result<()>>,
}

/// Where the page is.
struct Place {
    secure: bool,
    host: String,
    port: u16,
    authority: String,
}

impl Place {
    fn parse(url: &str) -> Result<Self, VerifyError> {
        let wrong = |reason: &str| VerifyError::Address(url.to_owned(), reason.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong("it is no address"))?;
        let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong("give the page's address without a path"));
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if is_loopback(&host) => false,
            Some("http") => return Err(wrong("without TLS, anybody on the way decides what is seen: use https")),
            _ => return Err(wrong("it must begin with https://")),
        };
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Self { secure, host, port, authority: authority.as_str().to_owned() })
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

impl Browser {
    /// `ca`: whose certificates are believed, in PEM; without it, those that this machine believes.
    pub(super) fn new(url: &str, ca: Option<&Path>) -> Result<Self, VerifyError> {
        let place = Place::parse(url)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(if place.secure { roots(ca)? } else { RootCertStore::empty() })
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { place, tls: TlsConnector::from(Arc::new(tls)), connection: None })
    }

    /// What a path is answered with; nothing where there is no such file. `encoded` as browsers ask, else without any encoding.
    pub(super) async fn fetch(&mut self, path: &str, encoded: bool) -> Result<Option<Fetched>, VerifyError> {
        let fetched = tokio::time::timeout(FETCH_WAIT, self.exchange(path, encoded)).await;
        fetched.unwrap_or_else(|_| Err(self.failed(path, &"no answer in time")))
    }

    async fn exchange(&mut self, path: &str, encoded: bool) -> Result<Option<Fetched>, VerifyError> {
        let request = Request::builder()
            .uri(path)
            .header(HOST, &self.place.authority)
            .header(USER_AGENT, BROWSER)
            .header(ACCEPT_ENCODING, if encoded { BROWSER_ENCODINGS } else { "identity" })
            .body(String::new())
            .map_err(|error| self.failed(path, &error))?;
        let answered = self.sender().await?.send_request(request).await;
        let response = answered.map_err(|error| self.failed(path, &error))?;
        let status = response.status();
        let encoding = response.headers().get(CONTENT_ENCODING).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let encoding = encoding.unwrap_or_default().trim().to_ascii_lowercase();
        let bytes = self.whole(path, response.into_body()).await?;
        match status {
            StatusCode::OK => Ok(Some(Fetched { encoding, bytes })),
            StatusCode::NOT_FOUND => Ok(None),
            other => Err(self.failed(path, &format!("the node answers {other}"))),
        }
    }

    async fn whole(&self, path: &str, mut body: Incoming) -> Result<Vec<u8>, VerifyError> {
        let mut bytes = Vec::new();
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            let frame = frame.map_err(|error| self.failed(path, &error))?;
            bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
            if bytes.len() > FILE_BYTES_MAX {
                return Err(self.failed(path, &"the file is larger than any of a web client"));
            }
        }
        Ok(bytes)
    }

    async fn sender(&mut self) -> Result<&mut SendRequest<String>, VerifyError> {
        let mut connection = match self.connection.take() {
            Some(connection) if !connection.sender.is_closed() => connection,
            _ => self.connect().await?,
        };
        connection.sender.ready().await.map_err(|error| self.failed("/", &error))?;
        Ok(&mut self.connection.insert(connection).sender)
    }

    async fn connect(&self) -> Result<Connection, VerifyError> {
        let Place { secure, host, port, .. } = &self.place;
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(|error| self.failed("/", &error))?;
        if !secure {
            return self.handshake(stream).await;
        }
        let name = ServerName::try_from(host.clone()).map_err(|error| self.failed("/", &error))?;
        self.handshake(self.tls.connect(name, stream).await.map_err(|error| self.failed("/", &error))?).await
    }

    async fn handshake<S>(&self, stream: S) -> Result<Connection, VerifyError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.failed("/", &error))?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        Ok(Connection { sender, _driver: driver })
    }

    fn failed(&self, path: &str, reason: &dyn std::fmt::Display) -> VerifyError {
        VerifyError::Unreachable { place: format!("{}{path}", self.place.authority), reason: reason.to_string() }
    }
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, VerifyError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(file) => {
            let bad = |reason: &dyn std::fmt::Display| VerifyError::Authority(file.to_owned(), reason.to_string());
            for certificate in CertificateDer::pem_file_iter(file).map_err(|error| bad(&error))? {
                roots.add(certificate.map_err(|error| bad(&error))?).map_err(|error| bad(&error))?;
            }
            if roots.is_empty() {
                return Err(bad(&"no certificate is in it"));
            }
        }
        // Some that a system has are of no use to rustls; the others are.
        None => _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_that_nobody_on_the_way_can_change_is_asked() {
        for good in
            ["https://wardline.klinik.example", "https://10.0.0.1:8443/", "http://127.0.0.1:8080", "http://[::1]:80"]
        {
            assert!(Place::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://wardline.klinik.example",
            "wardline.klinik.example",
            "ftp://a.example",
            "https://a.example/enrol",
            "https://",
        ] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
        let place = Place::parse("https://[2001:db8::1]").unwrap();
        assert_eq!((place.host.as_str(), place.port, place.authority.as_str()), ("2001:db8::1", 443, "[2001:db8::1]"));
    }
}
