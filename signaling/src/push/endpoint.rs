//! Where a subscription's pushes go. The address comes from a client, and the node will send requests to it: so it is read strictly, and only
//! services that the IT has named are accepted. Whatever else could be meant by it, e.g. a host of the hospital's own network, is refused.
use std::fmt;
use wardline_protocol::limit::PUSH_ENDPOINT_BYTES_MAX;

/// The port of HTTPS; no other is accepted.
const HTTPS_PORT: u16 = 443;

/// Which push services the node speaks to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushServices {
    /// Host names in lower case; one that begins with `*.` stands for all names below it.
    pub hosts: Vec<String>,
    /// For tests: also plain HTTP to `localhost`, 127.0.0.1 and ::1, on any port.
    pub insecure_loopback: bool,
}

impl PushServices {
    fn knows(&self, host: &str) -> bool {
        self.hosts.iter().any(|known| match known.strip_prefix('*') {
            Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            None => host == known,
        })
    }
}

/// The address of a subscription. It is a secret: whoever knows it can use up the service's patience with it. So `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    text: String,
    secure: bool,
    host: String,
    port: u16,
    path_at: usize,
}

impl Endpoint {
    /// Reads an address; nothing if it is malformed or of a service that is not accepted.
    ///
    /// Accepted is `https://HOST/PATH` with a host out of `services`, in the form in which browsers give it: lower case, no user, no port but 443, and
    /// only printable ASCII without a fragment.
    pub fn parse(text: &str, services: &PushServices) -> Option<Self> {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\'));
        if text.len() > PUSH_ENDPOINT_BYTES_MAX || !printable {
            return None;
        }
        let (secure, rest) = match text.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("http://")?),
        };
        let authority = &rest[..rest.find('/')?];
        let (host, port) = authority_parts(authority)?;
        let port = port.unwrap_or(if secure { HTTPS_PORT } else { 80 });
        let accepted = match secure {
            true => port == HTTPS_PORT && services.knows(host),
            false => services.insecure_loopback && matches!(host, "localhost" | "127.0.0.1" | "[::1]"),
        };
        let path_at = text.len() - rest.len() + authority.len();
        accepted.then(|| Self { text: text.to_owned(), secure, host: host.to_owned(), port, path_at })
    }

    /// The address as it came.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port: what a VAPID token is made out to (RFC 8292 section 2).
    pub fn origin(&self) -> &str {
        self.text.get(..self.path_at).unwrap_or_default()
    }

    /// The request's target.
    pub fn path(&self) -> &str {
        self.text.get(self.path_at..).unwrap_or_default()
    }

    /// The host, for DNS, TLS and the `Host` header.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is reached by TLS; never false outside of tests.
    pub fn is_secure(&self) -> bool {
        self.secure
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endpoint(redacted)")
    }
}

/// Host and port of an authority without a user. A name in another case than the browsers' is not one of theirs.
fn authority_parts(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.strip_prefix("[::1]") {
        Some("") => ("[::1]", None),
        Some(rest) => ("[::1]", Some(rest.strip_prefix(':')?)),
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let named = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    if host != "[::1]" && (host.is_empty() || !host.bytes().all(named)) {
        return None;
    }
    match port {
        None => Some((host, None)),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some((host, Some(digits.parse().ok()?))),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(insecure_loopback: bool) -> PushServices {
        let hosts = ["push.example", "*.notify.example"].map(ToOwned::to_owned).to_vec();
        PushServices { hosts, insecure_loopback }
    }

    #[test]
    fn only_https_to_the_named_services_is_accepted() {
        for good in
            ["https://push.example/a?b=c", "https://push.example:443/a", "https://db5.notify.example/w/?token=%2b"]
        {
            assert!(Endpoint::parse(good, &services(false)).is_some(), "{good}");
        }
        for bad in [
            "http://push.example/a",
            "https://push.example",
            "https://push.example:8443/a",
            "https://push.example:/a",
            "https://push.example:443443/a",
            "https://push.example.evil.example/a",
            "https://xpush.example/a",
            "https://notify.example/a",
            "https://.notify.example/a",
            "https://evilnotify.example/a",
            "https://push.example@evil.example/a",
            "https://evil.example:443@push.example/a",
            "https://evil.example\\@push.example/a",
            "https://evil.example#@push.example/a",
            "https://evil.example?@push.example/a",
            "https://PUSH.example/a",
            "https://push.example./a",
            "https://push.example/a\r\nX: y",
            "https://push.example/a b",
            "https://push.example/ä",
            "https://127.0.0.1/a",
            "https://[::1]/a",
            "http://127.0.0.1:80/a",
            "http://localhost/a",
            "ftp://push.example/a",
            "//push.example/a",
            "",
        ] {
            assert!(Endpoint::parse(bad, &services(false)).is_none(), "{bad}");
        }
        let long = format!("https://push.example/{}", "a".repeat(PUSH_ENDPOINT_BYTES_MAX));
        assert!(Endpoint::parse(&long, &services(false)).is_none());
    }

    #[test]
    fn plain_http_is_for_loopback_in_tests_only() {
        for good in ["http://localhost:8090/notify/1", "http://127.0.0.1/a", "http://[::1]:5/a"] {
            assert!(Endpoint::parse(good, &services(true)).is_some(), "{good}");
        }
        for bad in ["http://push.example/a", "http://127.0.0.2/a", "http://localhost.evil.example/a", "http://[::1]x/a"]
        {
            assert!(Endpoint::parse(bad, &services(true)).is_none(), "{bad}");
        }
    }

    #[test]
    fn its_parts_are_those_of_the_address() {
        let endpoint = Endpoint::parse("https://push.example/wpush/v2/abc?d", &services(false)).unwrap();
        assert_eq!((endpoint.origin(), endpoint.path()), ("https://push.example", "/wpush/v2/abc?d"));
        assert_eq!((endpoint.host(), endpoint.port(), endpoint.is_secure()), ("push.example", 443, true));
        let local = Endpoint::parse("http://localhost:8090/n", &services(true)).unwrap();
        assert_eq!((local.origin(), local.host(), local.port()), ("http://localhost:8090", "localhost", 8090));
        assert!(!format!("{endpoint:?}").contains("abc"));
    }
}
