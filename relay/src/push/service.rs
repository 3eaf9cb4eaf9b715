//! One push to one push service: encryption, the request, and what the answer means.
//!
//! Each push has a connection of its own, by HTTP/1.1: there are few of them, and none may stand behind another. Redirects are not followed, and no
//! body is read, so a service can neither send the node elsewhere nor make it hold anything.
use super::vapid::VapidKey;
use crate::node::clock::system_ms;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, RETRY_AFTER};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use p256::PublicKey;
use rustls::RootCertStore;
use rustls_pki_types::ServerName;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use wardline_signaling::{Endpoint, PushKind, PushServices, PushSubscription};
use web_push_native::Auth;

/// How long a service may take to answer, from the first packet on.
pub const SEND_WAIT: Duration = Duration::from_secs(10);

/// Bytes of a push before it is encrypted. All have the same length: which one it is must not be seen by it.
pub const PAYLOAD_BYTES: usize = 16;

/// Bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// What became of a push.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The service has it.
    Taken,
    /// The service does not know the subscription, or its keys are none: it is of no use any more.
    Gone,
    /// Not now; perhaps the service said when.
    Later(Option<Duration>),
    /// The service does not want it, or the settings do not allow it. Nothing is gained by trying again.
    Refused(Option<StatusCode>),
}

/// Speaks to push services.
pub(super) struct Service {
    tls: TlsConnector,
    key: VapidKey,
    contact: String,
    accepted: PushServices,
}

impl Service {
    /// `roots` are whose certificates are believed.
    pub(super) fn new(
        roots: RootCertStore,
        key: VapidKey,
        contact: String,
        accepted: PushServices,
    ) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: TlsConnector::from(Arc::new(tls)), key, contact, accepted })
    }

    /// The key that pages subscribe with.
    pub(super) fn public_key(&self) -> String {
        self.key.public()
    }

    /// Sends one, which is worth something for `left`.
    pub(super) async fn send(&self, subscription: &PushSubscription, kind: PushKind, left: Duration) -> Answer {
        // Asked again, since the settings may have changed after it was registered.
        let Some(endpoint) = Endpoint::parse(&subscription.endpoint, &self.accepted) else {
            return Answer::Refused(None);
        };
        let Some(body) = sealed(subscription, kind) else { return Answer::Gone };
        let Some(request) = self.request(&endpoint, kind, left, body) else { return Answer::Refused(None) };
        match tokio::time::timeout(SEND_WAIT, self.exchange(&endpoint, request)).await {
            Ok(Ok((status, headers))) => meaning(status, &headers),
            Ok(Err(_)) | Err(_) => Answer::Later(None),
        }
    }

    fn request(&self, endpoint: &Endpoint, kind: PushKind, left: Duration, body: Vec<u8>) -> Option<Request<Body>> {
        let host = endpoint.origin().rsplit('/').next().unwrap_or_default();
        Request::builder()
            .method(Method::POST)
            .uri(endpoint.path())
            .header(HOST, host)
            .header(AUTHORIZATION, self.key.authorization(endpoint.origin(), &self.contact, system_ms()))
            .header("TTL", left.as_secs())
            .header("Urgency", urgency(kind))
            .header(CONTENT_ENCODING, "aes128gcm")
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(Body::from(body))
            .ok()
    }

    async fn exchange(&self, endpoint: &Endpoint, request: Request<Body>) -> io::Result<(StatusCode, HeaderMap)> {
        let host = endpoint.host().trim_matches(['[', ']']);
        let stream = TcpStream::connect((host, endpoint.port())).await?;
        if !endpoint.is_secure() {
            return answered(stream, request).await;
        }
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        answered(self.tls.connect(name, stream).await?, request).await
    }
}

async fn answered<S>(stream: S, request: Request<Body>) -> io::Result<(StatusCode, HeaderMap)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // Ends with this function, whatever the service still sends.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    let (head, _) = response.into_parts();
    Ok((head.status, head.headers))
}

/// The kind and nothing else, encrypted to the browser (RFC 8291). Nothing when its keys are no keys.
fn sealed(subscription: &PushSubscription, kind: PushKind) -> Option<Vec<u8>> {
    let browser = PublicKey::from_sec1_bytes(&subscription.p256dh).ok()?;
    let word = match kind {
        PushKind::Message => "message",
        PushKind::Call => "call",
    };
    let padded = format!("{word:PAYLOAD_BYTES$}").into_bytes();
    web_push_native::encrypt(padded, &browser, &Auth::from(subscription.auth)).ok()
}

/// RFC 8030 section 5.3: a device that saves its battery is woken for `high` only. A chat message may wait for a better moment, a call may not.
fn urgency(kind: PushKind) -> &'static str {
    match kind {
        PushKind::Message => "normal",
        PushKind::Call => "high",
    }
}

/// RFC 8030 sections 5 and 7.3, RFC 8291, and what the services' own pages say of their numbers.
fn meaning(status: StatusCode, headers: &HeaderMap) -> Answer {
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Answer::Gone,
        StatusCode::TOO_MANY_REQUESTS => Answer::Later(retry_after(headers)),
        status if status.is_server_error() => Answer::Later(retry_after(headers)),
        status if status.is_success() => Answer::Taken,
        status => Answer::Refused(Some(status)),
    }
}

/// In seconds; the form with a date is passed over, since it would trust the service's clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::SecretKey;
    use p256::elliptic_curve::sec1::ToEncodedPoint;

    fn browser() -> (SecretKey, PushSubscription) {
        let secret = SecretKey::from_slice(&[5; 32]).unwrap();
        let p256dh = secret.public_key().to_encoded_point(false).as_bytes().try_into().unwrap();
        (secret, PushSubscription { endpoint: "https://push.example/a".into(), p256dh, auth: [7; 16] })
    }

    #[test]
    fn a_push_says_its_kind_and_nothing_else_in_one_length() {
        let (secret, subscription) = browser();
        let mut lengths = Vec::new();
        for (kind, word) in [(PushKind::Message, "message"), (PushKind::Call, "call")] {
            let sealed = sealed(&subscription, kind).unwrap();
            lengths.push(sealed.len());
            let opened = web_push_native::decrypt(sealed, &secret, &Auth::from(subscription.auth)).unwrap();
            assert_eq!(opened.len(), PAYLOAD_BYTES);
            assert_eq!(String::from_utf8(opened).unwrap().trim_end(), word);
        }
        assert_eq!(lengths[0], lengths[1]);
    }

    #[test]
    fn keys_that_are_no_keys_seal_nothing() {
        let (_, subscription) = browser();
        let broken = PushSubscription { p256dh: [4; 65], ..subscription };
        assert!(sealed(&broken, PushKind::Call).is_none());
    }

    #[test]
    fn answers_have_their_meaning() {
        let mut headers = HeaderMap::new();
        let said = |status: u16, headers: &HeaderMap| meaning(StatusCode::from_u16(status).unwrap(), headers);
        assert_eq!(said(201, &headers), Answer::Taken);
        assert_eq!(said(404, &headers), Answer::Gone);
        assert_eq!(said(410, &headers), Answer::Gone);
        assert_eq!(said(307, &headers), Answer::Refused(Some(StatusCode::TEMPORARY_REDIRECT)));
        assert_eq!(said(403, &headers), Answer::Refused(Some(StatusCode::FORBIDDEN)));
        assert_eq!(said(503, &headers), Answer::Later(None));
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        assert_eq!(said(429, &headers), Answer::Later(Some(Duration::from_secs(7))));
        headers.insert(RETRY_AFTER, "Wed, 21 Oct 2026 07:28:00 GMT".parse().unwrap());
        assert_eq!(said(429, &headers), Answer::Later(None));
    }
}
