//! Against a small HTTPS server that does as a node does, and then other than it.
use super::*;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls_pki_types::PrivateKeyDer;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

type Files = BTreeMap<&'static str, Vec<u8>>;

/// A client as a build leaves it.
fn client() -> Files {
    let page =
        r#"<!doctype html><meta name="csp-nonce" content="__CSP_NONCE__"><script src="/assets/app-1a.js"></script>"#;
    let mut files = Files::from([
        ("index.html", page.as_bytes().to_vec()),
        ("assets/app-1a.js", b"console.log('client')".to_vec()),
        ("assets/app-1a.js.gz", vec![0x1f, 0x8b, 1, 2, 3]),
        ("sw.js", b"self.onfetch = null".to_vec()),
        ("icon.png", vec![137, 80, 78, 71]),
    ]);
    files.insert(LIST_NAME, sums(&files));
    files
}

fn sums(files: &Files) -> Vec<u8> {
    let lines = files.iter().filter(|(path, _)| **path != LIST_NAME);
    lines
        .map(|(path, bytes)| format!("{}  {path}\n", list::show_hash(&list::hash(bytes))))
        .collect::<String>()
        .into_bytes()
}

struct Server {
    url: String,
    folder: TempDir,
    _serving: JoinSet<()>,
}

impl Server {
    async fn serve(files: Files) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let files = Arc::new(files);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, files) = (acceptor.clone(), files.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| {
                        let answer = answer(&files, &request);
                        async move { Ok::<_, Infallible>(answer) }
                    });
                    let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { url, folder, _serving: serving }
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    async fn compared(&self, sha256: Option<&str>, list: Option<&Path>) -> Report {
        verify(&Question { url: &self.url, sha256, list, ca: Some(&self.ca()) }).await.unwrap()
    }
}

/// As the node's own server does.
fn answer<B>(files: &Files, request: &Request<B>) -> Response<BodyOf> {
    let path = request.uri().path().trim_start_matches('/');
    let gzip = request.headers().get(ACCEPT_ENCODING).is_some_and(|value| value.to_str().unwrap().contains("gzip"));
    if let Some(small) = files.get(format!("{path}.gz").as_str()).filter(|_| gzip) {
        return Response::builder().header(CONTENT_ENCODING, "gzip").body(BodyOf::from(small.clone())).unwrap();
    }
    if let Some(bytes) = files.get(path).filter(|_| path != PAGE) {
        return Response::new(BodyOf::from(bytes.clone()));
    }
    let page = files.get(PAGE).filter(|_| !path.contains('.')).map(|page| String::from_utf8(page.clone()).unwrap());
    match page {
        Some(page) => Response::new(BodyOf::from(page.replace(NONCE_PLACE, "bm9uY2U+/w==").into_bytes())),
        None => Response::builder().status(StatusCode::NOT_FOUND).body(BodyOf::from(Vec::new())).unwrap(),
    }
}

/// All of it in one frame.
struct BodyOf(Option<bytes::Bytes>);

impl From<Vec<u8>> for BodyOf {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Some(bytes.into()))
    }
}

impl hyper::body::Body for BodyOf {
    type Data = bytes::Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Infallible>>> {
        std::task::Poll::Ready(self.0.take().map(|bytes| Ok(hyper::body::Frame::data(bytes))))
    }
}

fn published() -> String {
    list::show_hash(&list::hash(client().get(LIST_NAME).unwrap()))
}

#[tokio::test]
async fn the_published_client_is_recognised() {
    let server = Server::serve(client()).await;
    let report = server.compared(Some(&published().to_ascii_uppercase()), None).await;
    assert!(report.is_same(), "{report:?}");
    assert_eq!((report.file_count, report.served_sha256), (4, Some(published())));
}

#[tokio::test]
async fn a_changed_byte_is_named_whichever_way_a_browser_gets_it() {
    for (path, named) in [
        ("assets/app-1a.js", "assets/app-1a.js"),
        ("assets/app-1a.js.gz", "assets/app-1a.js"),
        ("index.html", "index.html"),
        ("sw.js", "sw.js"),
    ] {
        let mut files = client();
        *files.get_mut(path).unwrap().last_mut().unwrap() ^= 1;
        let report = Server::serve(files).await.compared(Some(&published()), None).await;
        assert_eq!((report.is_same(), report.differs), (false, vec![named.to_owned()]), "{path}");
    }
}

#[tokio::test]
async fn a_node_that_adapts_its_list_is_found_and_with_the_published_list_named() {
    let mut files = client();
    files.insert("assets/app-1a.js", b"steal()".to_vec());
    files.insert("assets/more.js", b"steal()".to_vec());
    files.remove("icon.png");
    files.insert(LIST_NAME, sums(&files));
    let server = Server::serve(files).await;
    let by_hash = server.compared(Some(&published()), None).await;
    assert!(!by_hash.is_same() && by_hash.differs.is_empty(), "it keeps to its own list: {by_hash:?}");
    let list = server.folder.path().join("published.txt");
    std::fs::write(&list, client().get(LIST_NAME).unwrap()).unwrap();
    let by_list = server.compared(None, Some(&list)).await;
    assert_eq!(by_list.differs, ["assets/app-1a.js"]);
    assert_eq!(by_list.missing, ["icon.png"]);
    assert_eq!(by_list.extra, ["assets/more.js"]);
    assert!(!by_list.is_same());
}

#[tokio::test]
async fn a_page_with_something_in_the_place_of_its_nonce_differs() {
    let mut files = client();
    let page = String::from_utf8(files[PAGE].clone()).unwrap();
    files.insert(PAGE, page.replace(NONCE_PLACE, "x\"><script src=/y.js></script><meta name=\"y").into_bytes());
    let report = Server::serve(files).await.compared(Some(&published()), None).await;
    assert_eq!(report.differs, [PAGE]);
}

#[tokio::test]
async fn nothing_is_compared_over_a_certificate_that_nobody_vouches_for() {
    let (server, other) = (Server::serve(client()).await, Server::serve(client()).await);
    let hash = published();
    let refused = verify(&Question { url: &server.url, sha256: Some(&hash), list: None, ca: Some(&other.ca()) }).await;
    assert!(matches!(refused, Err(VerifyError::Unreachable { .. })), "{refused:?}");
}

#[tokio::test]
async fn what_cannot_be_compared_is_said() {
    let mut files = client();
    files.remove(LIST_NAME);
    let server = Server::serve(files).await;
    let hash = published();
    let ca = server.ca();
    let asked = |sha256, list| Question { url: &server.url, sha256, list, ca: Some(&ca) };
    assert!(matches!(verify(&asked(Some(&hash), None)).await, Err(VerifyError::NoList)));
    assert!(matches!(verify(&asked(Some("abc"), None)).await, Err(VerifyError::Hash(_))));
    let list = server.folder.path().join("published.txt");
    std::fs::write(&list, client().get(LIST_NAME).unwrap()).unwrap();
    let other = "ab".repeat(32);
    assert!(matches!(verify(&asked(Some(&other), Some(&list))).await, Err(VerifyError::List(..))));
    let report = verify(&asked(None, Some(&list))).await.unwrap();
    assert!(
        !report.is_same() && report.differs.is_empty() && report.missing.is_empty(),
        "only the list is not served: {report:?}"
    );
}
