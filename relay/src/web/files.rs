//! The web client's files, embedded when the node was built, and which of them a path means.
//!
//! Absent on purpose: a folder at run time. What a node serves is what it was built with, so that one hash of the program covers both.
use axum::http::header::{ACCEPT_ENCODING, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue};
use data_encoding::HEXLOWER;
use rust_embed::{EmbeddedFile, RustEmbed};
use std::borrow::Cow;

/// The client's build.
#[derive(RustEmbed)]
#[folder = "../web/app/dist"]
#[allow_missing = true]
struct Client;

/// The page, which every path without a file behind it shows.
const INDEX: &str = "index.html";

/// Folder of files whose names change with their contents.
const HASHED: &str = "assets/";

/// Encodings of files that may lie beside a file, the better one first, with their ending.
const ENCODINGS: [(&str, &str); 2] = [("br", "br"), ("gzip", "gz")];

/// Where the page finds the nonce that its styles need.
const NONCE_META: &str = r#"<meta name="csp-nonce" content=""#;

/// Shown in place of a client that was not built.
const NOT_BUILT: &str = "<!doctype html>
<html lang=\"en\">
<head><meta charset=\"utf-8\"><title>Wardline</title></head>
<body>
<h1>The web client is not in this node</h1>
<p>This node runs, and native clients can use it. To have the page here, build the web client and then the node again:</p>
<pre>cd web/app
npm ci
npm run build
cd ../..
cargo build --release --bin wardline</pre>
</body>
</html>
";

/// What a path is answered with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A file.
    File {
        bytes: Cow<'static, [u8]>,
        mime: &'static str,
        encoding: Option<&'static str>,
        etag: String,
        cache: &'static str,
    },
    /// The browser has it already.
    Unchanged { etag: String, cache: &'static str },
    /// The page; the nonce is in it.
    Page(String),
    /// Nothing is there.
    Nothing,
}

/// Where files come from.
#[derive(Clone, Copy)]
pub(crate) struct Files(fn(&str) -> Option<EmbeddedFile>);

impl Files {
    /// The client that is embedded in this program.
    pub(crate) fn embedded() -> Self {
        Self(Client::get)
    }

    /// What a path means to a browser that sent these headers. `nonce` is put into the page.
    pub(crate) fn find(self, path: &str, headers: &HeaderMap, nonce: &str) -> Found {
        let name = path.trim_start_matches('/');
        if name != INDEX
            && let Some(file) = (self.0)(name)
        {
            return self.file(name, file, headers);
        }
        // An unknown name with a dot is a file that is missing; one without is a place inside the client.
        if name != INDEX && name.contains('.') {
            return Found::Nothing;
        }
        let page = (self.0)(INDEX).map(|index| String::from_utf8_lossy(&index.data).into_owned());
        Found::Page(page.map_or_else(|| NOT_BUILT.to_owned(), |page| with_nonce(&page, nonce)))
    }

    fn file(self, name: &str, file: EmbeddedFile, headers: &HeaderMap) -> Found {
        let accepted = headers.get(ACCEPT_ENCODING);
        let smaller = ENCODINGS.iter().filter(|(encoding, _)| accepted.is_some_and(|value| accepts(value, encoding)));
        let smaller =
            smaller.filter_map(|(encoding, ending)| Some((*encoding, (self.0)(&format!("{name}.{ending}"))?)));
        let (encoding, file) = smaller.map(|(encoding, file)| (Some(encoding), file)).next().unwrap_or((None, file));
        let etag = etag(&file);
        let cache = if name.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
        if headers.get(IF_NONE_MATCH).is_some_and(|value| matches(value, &etag)) {
            return Found::Unchanged { etag, cache };
        }
        Found::File { bytes: file.data, mime: mime(name), encoding, etag, cache }
    }
}

/// The page with its nonce. It changes with every answer, so the page has no tag and is never taken from a cache.
fn with_nonce(page: &str, nonce: &str) -> String {
    match page.split_once(NONCE_META).and_then(|(before, rest)| Some((before, rest.split_once('"')?.1))) {
        Some((before, after)) => format!("{before}{NONCE_META}{nonce}\"{after}"),
        None => page.to_owned(),
    }
}

/// Of the bytes that are sent, so that each encoding has its own.
fn etag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    format!("\"{}\"", HEXLOWER.encode(hash.get(..16).unwrap_or(&hash)))
}

/// RFC 9110 section 12.5.3, without its ranking: the node prefers the smaller.
fn accepts(value: &HeaderValue, encoding: &str) -> bool {
    let Ok(value) = value.to_str() else { return false };
    value.split(',').any(|part| {
        let mut parts = part.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let refused =
            |weight: &str| weight.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).is_some_and(|q| q == 0.0);
        named && !parts.any(refused)
    })
}

/// RFC 9110 section 13.1.2: the weak comparison.
fn matches(value: &HeaderValue, etag: &str) -> bool {
    let Ok(value) = value.to_str() else { return false };
    value.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// By ending; only those that a web client has.
fn mime(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        "wav" => "audio/wav",
        "ogg" | "opus" => "audio/ogg",
        "mp3" => "audio/mpeg",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client as a build leaves it.
    #[derive(RustEmbed)]
    #[folder = "tests/page"]
    struct Built;

    const BUILT: Files = Files(Built::get);
    const NONE: Files = Files(|_| None);

    fn headers(pairs: &[(axum::http::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    fn served(
        path: &str,
        accepted: &'static str,
    ) -> (Vec<u8>, &'static str, Option<&'static str>, String, &'static str) {
        match BUILT.find(path, &headers(&[(ACCEPT_ENCODING, accepted)]), "n") {
            Found::File { bytes, mime, encoding, etag, cache } => (bytes.into_owned(), mime, encoding, etag, cache),
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn files_come_with_their_type_and_cache_rule() {
        for (path, mime, immutable) in [
            ("/assets/app-3f2a.js", "text/javascript; charset=utf-8", true),
            ("/assets/engine-77aa.wasm", "application/wasm", true),
            ("/manifest.webmanifest", "application/manifest+json", false),
        ] {
            let (bytes, found, encoding, etag, cache) = served(path, "");
            assert_eq!((found, encoding, cache.contains("immutable")), (mime, None, immutable), "{path}");
            assert!(!bytes.is_empty() && etag.len() == 34, "{path}: {etag}");
        }
        assert_eq!(served("/manifest.webmanifest", "").4, "no-cache");
    }

    #[test]
    fn the_best_encoding_that_lies_there_and_is_accepted_is_taken() {
        let path = "/assets/app-3f2a.js";
        let encoding = |accepted| served(path, accepted).2;
        assert_eq!(encoding("gzip, deflate, br, zstd"), Some("br"));
        assert_eq!(encoding("gzip"), Some("gzip"));
        assert_eq!(encoding("br;q=0, gzip;q=0.5"), Some("gzip"));
        assert_eq!(encoding("identity"), None);
        assert_eq!(served("/manifest.webmanifest", "br, gzip").2, None, "nothing smaller lies there");
        assert_ne!(served(path, "br").3, served(path, "gzip").3, "each has its own tag");
        assert_eq!(served(path, "br").1, "text/javascript; charset=utf-8", "the type is that of the file itself");
    }

    #[test]
    fn a_file_that_the_browser_has_is_not_sent_again() {
        let etag = served("/manifest.webmanifest", "").3;
        for tag in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".into()] {
            let headers = [(IF_NONE_MATCH, HeaderValue::from_str(&tag).unwrap())].into_iter().collect();
            let found = BUILT.find("/manifest.webmanifest", &headers, "n");
            assert_eq!(found, Found::Unchanged { etag: etag.clone(), cache: "no-cache" }, "{tag}");
        }
        let headers = headers(&[(IF_NONE_MATCH, "\"other\"")]);
        assert!(matches!(BUILT.find("/manifest.webmanifest", &headers, "n"), Found::File { .. }));
    }

    #[test]
    fn places_inside_the_client_show_the_page_with_a_nonce() {
        for path in ["/", "/index.html", "/enrol", "/chats/0a1b", "/assets/none"] {
            let Found::Page(page) = BUILT.find(path, &HeaderMap::new(), "bm9uY2U") else { panic!("{path}") };
            assert!(page.contains(r#"<meta name="csp-nonce" content="bm9uY2U">"#), "{path}: {page}");
            assert_eq!(page.matches("bm9uY2U").count(), 1, "{page}");
        }
        for path in ["/none.js", "/assets/app-0000.js", "/../Cargo.toml", "/.env"] {
            assert_eq!(BUILT.find(path, &HeaderMap::new(), "n"), Found::Nothing, "{path}");
        }
    }

    #[test]
    fn a_node_without_a_client_says_how_to_build_it() {
        let Found::Page(page) = NONE.find("/", &HeaderMap::new(), "n") else { panic!() };
        assert!(page.contains("npm run build") && page.contains("cargo build"), "{page}");
        assert_eq!(NONE.find("/app.js", &HeaderMap::new(), "n"), Found::Nothing);
    }
}
