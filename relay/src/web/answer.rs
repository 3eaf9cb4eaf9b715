//! What a request is answered with: a file, the way to sessions, or a session.
use super::Visitor;
use super::certificates::Certificates;
use super::files::{Files, Found};
use super::headers::{self, Place};
use super::origin::{self, Scheme};
use crate::metrics::RoadLabel;
use crate::node::clock::system_ms;
use crate::transport::door::Ticket;
use crate::transport::road::Road;
use crate::transport::{Shared, bulk, session, websocket};
use axum::body::{Body, HttpBody};
use axum::extract::{FromRequestParts, WebSocketUpgrade};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName,
    VARY,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use axum::response::IntoResponse;
use data_encoding::BASE64;
use serde::Serialize;
use std::sync::Arc;
use wardline_directory::session::web_binding;
use wardline_protocol::{BULK_PATH, SESSION_PATH};

/// Where the page reads how to reach its node.
pub const CONNECT_PATH: &str = "/connect.json";

/// Bytes of a nonce.
const NONCE_BYTES: usize = 16;

/// Everything that requests are answered from.
pub(crate) struct Site {
    pub files: Files,
    pub scheme: Scheme,
    pub webtransport_port: u16,
    pub certificates: Arc<Certificates>,
    pub shared: Arc<Shared>,
}

/// `/connect.json`.
#[derive(Serialize)]
struct Connect<'a> {
    webtransport: WebTransport<'a>,
    websocket: &'static str,
    websocket_bulk: &'static str,
    /// `applicationServerKey` of push subscriptions, base64url; absent where the node sends no pushes.
    #[serde(skip_serializing_if = "Option::is_none")]
    push_key: Option<&'a str>,
}

#[derive(Serialize)]
struct WebTransport<'a> {
    host: &'a str,
    port: u16,
    path: &'static str,
    /// For `serverCertificateHashes`.
    certificates_sha256: Vec<String>,
}

impl Site {
    /// Answers one request; every answer carries the headers of [`headers`].
    pub(super) async fn answer<B: HttpBody>(&self, request: Request<B>, visitor: &Arc<Visitor>) -> Response<Body> {
        let nonce = BASE64.encode(&crate::random::<NONCE_BYTES>());
        let has_body = !request.body().is_end_stream();
        let (mut parts, _) = request.into_parts();
        let host = origin::host(&parts.headers).map(ToOwned::to_owned);
        let mut response = match &host {
            None => refusal(StatusCode::BAD_REQUEST, "the request needs one Host header\n"),
            Some(_) if parts.method != Method::GET && parts.method != Method::HEAD => {
                let refused = refusal(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered here\n");
                with(refused, ALLOW, "GET, HEAD")
            }
            Some(_) if has_body => {
                // What follows on the connection is the body, which nobody reads.
                let refused = refusal(StatusCode::PAYLOAD_TOO_LARGE, "requests have no body here\n");
                with(refused, CONNECTION, "close")
            }
            Some(host) => match parts.uri.path() {
                CONNECT_PATH => self.connect(&parts.headers, self.place(host)),
                SESSION_PATH => self.session(&mut parts, host, visitor).await,
                BULK_PATH => self.bulk(&mut parts, host, visitor).await,
                path => found(self.files.find(path, &parts.headers, &nonce)),
            },
        };
        headers::put(response.headers_mut(), self.place(host.as_deref().unwrap_or("invalid")), Some(&nonce));
        response
    }

    fn place<'a>(&self, host: &'a str) -> Place<'a> {
        let scheme = if self.shared.allowed.is_https(host) { Scheme::Https } else { self.scheme };
        Place { scheme, host, webtransport_port: self.webtransport_port }
    }

    /// A page that is hosted elsewhere may read it too, if it is named in the settings.
    fn connect(&self, asked: &HeaderMap, place: Place<'_>) -> Response<Body> {
        let hashes = self.certificates.hashes(system_ms());
        let connect = Connect {
            webtransport: WebTransport {
                host: place.webtransport_host(),
                port: self.webtransport_port,
                path: SESSION_PATH,
                certificates_sha256: hashes.iter().map(|hash| BASE64.encode(hash)).collect(),
            },
            websocket: SESSION_PATH,
            websocket_bulk: BULK_PATH,
            push_key: self.shared.push_key.as_deref(),
        };
        let body = serde_json::to_vec(&connect).unwrap_or_default();
        let mut response = with(Response::new(body.into()), CONTENT_TYPE, "application/json");
        let reader = origin::of(asked).filter(|&origin| self.shared.allowed.named(origin));
        if let Some(Ok(reader)) = reader.map(|origin| HeaderValue::from_str(origin.as_str())) {
            response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, reader);
        }
        with(with(response, CACHE_CONTROL, "no-store"), VARY, "Origin")
    }

    /// A session over WebSocket, for a page that may have one.
    async fn session(&self, parts: &mut Parts, host: &str, visitor: &Arc<Visitor>) -> Response<Body> {
        let (upgrade, binding, ticket) = match self.websocket(parts, host, visitor).await {
            Ok(taken) => taken,
            Err(refused) => return *refused,
        };
        let (shared, pulse) = (self.shared.clone(), visitor.pulse.clone());
        upgrade.on_upgrade(async move |socket| {
            let _counted = shared.metrics.connection(RoadLabel::WebSocket);
            session::serve(websocket::Socket::new(socket, pulse), binding, ticket, &shared).await;
        })
    }

    /// A bulk stream of a session over WebSocket. The session's ticket, in its first frame, says whose it is.
    async fn bulk(&self, parts: &mut Parts, host: &str, visitor: &Arc<Visitor>) -> Response<Body> {
        let (upgrade, _, mut ticket) = match self.websocket(parts, host, visitor).await {
            Ok(taken) => taken,
            Err(refused) => return *refused,
        };
        let (shared, pulse) = (self.shared.clone(), visitor.pulse.clone());
        upgrade.on_upgrade(async move |socket| {
            let _counted = shared.metrics.connection(RoadLabel::WebSocket);
            if let Ok((inlet, outlet)) = websocket::Socket::new(socket, pulse).control().await {
                bulk::serve(inlet, outlet, &shared, || ticket.authenticated()).await;
            }
        })
    }

    /// A WebSocket for a page that may have one; what its signatures are bound to; and its place behind the door.
    async fn websocket(
        &self,
        parts: &mut Parts,
        host: &str,
        visitor: &Arc<Visitor>,
    ) -> Result<(WebSocketUpgrade, [u8; 32], Ticket), Box<Response<Body>>> {
        let origin = origin::of(&parts.headers);
        let Some(origin) = origin.filter(|&origin| self.shared.allowed.websocket(origin, self.scheme, host)) else {
            self.shared.metrics.connection_refused("origin");
            let text = "sessions are for this node's own page, or those in web.origins\n";
            return Err(Box::new(refusal(StatusCode::FORBIDDEN, text)));
        };
        let binding = web_binding(origin.as_str());
        let upgrade = match WebSocketUpgrade::from_request_parts(parts, &()).await {
            Ok(upgrade) => websocket::bounded(upgrade),
            Err(refused) => return Err(Box::new(refused.into_response())),
        };
        match visitor.take_place() {
            Some(ticket) => Ok((upgrade, binding, ticket)),
            None => Err(Box::new(refusal(StatusCode::CONFLICT, "this connection has had its session\n"))),
        }
    }
}

fn found(found: Found) -> Response<Body> {
    let bare = |status| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        with(response, VARY, "Accept-Encoding")
    };
    match found {
        Found::File { bytes, mime, encoding, etag, cache } => {
            let mut response = bare(StatusCode::OK);
            *response.body_mut() = bytes.into();
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(mime));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
            tag(headers, &etag);
            if let Some(encoding) = encoding {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
            }
            response
        }
        Found::Unchanged { etag, cache } => {
            let mut response = bare(StatusCode::NOT_MODIFIED);
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(cache));
            tag(response.headers_mut(), &etag);
            response
        }
        Found::Page(page) => {
            let response = Response::new(Body::from(page));
            with(with(response, CONTENT_TYPE, "text/html; charset=utf-8"), CACHE_CONTROL, "no-cache")
        }
        Found::Nothing => refusal(StatusCode::NOT_FOUND, "there is no such file\n"),
    }
}

fn tag(headers: &mut HeaderMap, etag: &str) {
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(ETAG, etag);
    }
}

fn refusal(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    with(with(response, CONTENT_TYPE, "text/plain; charset=utf-8"), CACHE_CONTROL, "no-store")
}

fn with(mut response: Response<Body>, name: HeaderName, value: &'static str) -> Response<Body> {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}
