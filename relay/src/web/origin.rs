//! Which page may open a session: the browser says where a page comes from, in a header that the page cannot change.
//!
//! Absent on purpose: patterns. An origin is allowed by its whole name or not at all.
use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};

/// The origin of a page, as the `Origin` header gives it: `scheme://host` or `scheme://host:port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    text: &'a str,
    scheme: Scheme,
    host: &'a str,
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(crate) const fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

impl<'a> Origin<'a> {
    /// Reads an origin. `null`, a path, upper case and credentials are none.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, authority) = match text.split_once("://")? {
            ("http", rest) => (Scheme::Http, rest),
            ("https", rest) => (Scheme::Https, rest),
            _ => return None,
        };
        if authority.chars().any(|c| c.is_ascii_uppercase()) {
            return None;
        }
        let (host, port) = host_and_port(authority, scheme)?;
        Some(Self { text, scheme, host, port })
    }

    /// The header's text: what the session's signature is bound to.
    pub fn as_str(&self) -> &'a str {
        self.text
    }
}

/// Host and port of an authority without credentials. IPv6 addresses keep their brackets.
fn host_and_port(authority: &str, scheme: Scheme) -> Option<(&str, u16)> {
    let parsed: Authority = authority.parse().ok()?;
    if authority.contains('@') || parsed.host().is_empty() {
        return None;
    }
    let host = authority.get(..parsed.host().len())?;
    let port = match authority.get(host.len()..)? {
        "" => scheme.port(),
        port => port.strip_prefix(':')?.parse().ok()?,
    };
    Some((host, port))
}

/// The one `Origin` of a request; none when it is missing, there twice, or no origin.
pub(crate) fn of(headers: &HeaderMap) -> Option<Origin<'_>> {
    let mut values = headers.get_all(header::ORIGIN).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    Origin::parse(value.to_str().ok()?)
}

/// The `Host` of a request, where it holds nothing but a host and a port: it is repeated in headers.
pub(crate) fn host(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::HOST).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let host = value.to_str().ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    (host.chars().all(plain) && host_and_port(host, Scheme::Https).is_some()).then_some(host)
}

/// The host of a `Host` header, without its port.
pub(crate) fn without_port(host: &str) -> &str {
    host_and_port(host, Scheme::Https).map_or(host, |(host, _)| host)
}

/// Whether a host is this machine by any of its names.
fn is_loopback(host: &str) -> bool {
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| host.eq_ignore_ascii_case(name))
}

/// The origins whose pages may open sessions.
pub(crate) struct Allowed(Vec<String>);

impl Allowed {
    /// Those of the settings; none: only the node's own page.
    pub(crate) fn new(origins: &[String]) -> Self {
        Self(origins.to_vec())
    }

    /// Whether a page may open a WebSocket that was asked for at `host` (the `Host` header) over `scheme`.
    pub(crate) fn websocket(&self, origin: Origin<'_>, scheme: Scheme, host: &str) -> bool {
        if !self.0.is_empty() {
            return self.named(origin);
        }
        let here = host_and_port(host, scheme);
        origin.scheme == scheme
            && here.is_some_and(|(host, port)| host.eq_ignore_ascii_case(origin.host) && port == origin.port)
    }

    /// Whether a page may open a WebTransport session that was asked for at `host`. The port is another one than the page's by nature. On
    /// this machine itself, a page of one name may use another, as `Place::webtransport_host` tells it to.
    pub(crate) fn webtransport(&self, origin: Origin<'_>, host: &str) -> bool {
        if !self.0.is_empty() {
            return self.named(origin);
        }
        host.eq_ignore_ascii_case(origin.host) || (is_loopback(host) && is_loopback(origin.host))
    }

    /// Whether the settings say that the page at `host` is reached by HTTPS, whatever a proxy in between speaks to the node.
    pub(crate) fn is_https(&self, host: &str) -> bool {
        self.0
            .iter()
            .any(|allowed| allowed.strip_prefix("https://").is_some_and(|rest| rest.eq_ignore_ascii_case(host)))
    }

    /// Whether the settings name an origin; only those may read from pages of other hosts.
    pub(crate) fn named(&self, origin: Origin<'_>) -> bool {
        self.0.iter().any(|allowed| allowed == origin.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn origin(text: &str) -> Origin<'_> {
        Origin::parse(text).unwrap()
    }

    #[test]
    fn origins_are_what_browsers_write() {
        assert_eq!(origin("https://clinic.example").port, 443);
        assert_eq!(origin("http://localhost:8080").port, 8080);
        assert_eq!(origin("https://[2001:db8::1]:4433").host, "[2001:db8::1]");
        for wrong in [
            "null",
            "",
            "clinic.example",
            "https://",
            "https://clinic.example/",
            "https://Clinic.example",
            "https://a@clinic.example",
            "https://clinic.example:",
            "https://clinic.example:99999",
            "file:///x",
            "https://a b",
            "https://:443",
        ] {
            assert_eq!(Origin::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn without_a_list_only_the_own_page_is_allowed() {
        let own = Allowed::new(&[]);
        for (page, scheme, host) in [
            ("https://clinic.example", Scheme::Https, "clinic.example"),
            ("https://clinic.example", Scheme::Https, "Clinic.example:443"),
            ("https://clinic.example:4433", Scheme::Https, "clinic.example:4433"),
            ("http://localhost:8080", Scheme::Http, "localhost:8080"),
            ("https://[::1]:4433", Scheme::Https, "[::1]:4433"),
        ] {
            assert!(own.websocket(origin(page), scheme, host), "{page} at {host}");
        }
        for (page, scheme, host) in [
            ("https://evil.example", Scheme::Https, "clinic.example"),
            ("http://clinic.example", Scheme::Https, "clinic.example"),
            ("https://clinic.example:8443", Scheme::Https, "clinic.example"),
            ("https://clinic.example.evil", Scheme::Https, "clinic.example"),
            ("http://127.0.0.1:8080", Scheme::Http, "localhost:8080"),
        ] {
            assert!(!own.websocket(origin(page), scheme, host), "{page} at {host}");
        }
        assert!(own.webtransport(origin("https://clinic.example"), "clinic.example"));
        assert!(own.webtransport(origin("http://localhost:8080"), "127.0.0.1"));
        assert!(!own.webtransport(origin("https://evil.example"), "clinic.example"));
        assert!(!own.webtransport(origin("http://localhost:8080"), "clinic.example"));
    }

    #[test]
    fn a_list_allows_its_own_and_nothing_else() {
        let listed = Allowed::new(&["https://wardline.clinic.example".into()]);
        assert!(listed.websocket(origin("https://wardline.clinic.example"), Scheme::Http, "127.0.0.1:8080"));
        assert!(listed.webtransport(origin("https://wardline.clinic.example"), "node.clinic.example"));
        assert!(!listed.websocket(origin("http://127.0.0.1:8080"), Scheme::Http, "127.0.0.1:8080"));
        assert!(!listed.webtransport(origin("https://node.clinic.example"), "node.clinic.example"));
        assert!(listed.is_https("wardline.clinic.example") && !listed.is_https("127.0.0.1:8080"));
    }

    #[test]
    fn headers_are_there_once_and_plain() {
        let mut headers = HeaderMap::new();
        assert!(of(&headers).is_none() && host(&headers).is_none());
        headers.append(header::ORIGIN, HeaderValue::from_static("https://a.example"));
        headers.append(header::HOST, HeaderValue::from_static("a.example:4433"));
        assert_eq!(of(&headers).unwrap().as_str(), "https://a.example");
        assert_eq!(host(&headers), Some("a.example:4433"));
        assert_eq!(without_port("[::1]:4433"), "[::1]");
        headers.append(header::ORIGIN, HeaderValue::from_static("https://b.example"));
        headers.append(header::HOST, HeaderValue::from_static("b.example"));
        assert!(of(&headers).is_none() && host(&headers).is_none());
        headers.insert(header::HOST, HeaderValue::from_static("a.example;script-src"));
        assert!(host(&headers).is_none());
    }
}
