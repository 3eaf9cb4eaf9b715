//! The headers that every answer of the page's server carries: what the page may load, where it may connect, what it may use of the device.
//!
//! They are the second line: what a defect in the page would let somebody inject, the browser does not run and does not send anywhere.
use super::origin::{Scheme, without_port};
use axum::http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};

/// Names of the Trusted Types policies that the page may make. `default` is the one that React's own `innerHTML` of style elements goes
/// through: the page lets only text without markup pass there. `wardline` makes the addresses of the page's own workers.
pub const TRUSTED_TYPES: &str = "default wardline";

/// What of the device the page may use. Everything else that browsers know is off.
const PERMITTED: [&str; 10] = [
    "autoplay", // the ringing of a call
    "camera",
    "clipboard-write", // a code that is handed on
    "cross-origin-isolated",
    "display-capture", // the screen, in a broadcast; the browser asks which
    "fullscreen",
    "geolocation",
    "microphone",
    "screen-wake-lock",  // a call that is shown
    "speaker-selection", // the headset
];

/// What it may not. Names that a browser does not know fill its console with warnings, so they are left out.
const DENIED: [&str; 17] = [
    "accelerometer",
    "browsing-topics",
    "clipboard-read",
    "encrypted-media",
    "gamepad",
    "gyroscope",
    "hid",
    "idle-detection",
    "local-fonts",
    "magnetometer",
    "midi",
    "payment",
    "picture-in-picture",
    "publickey-credentials-get",
    "serial",
    "usb",
    "xr-spatial-tracking",
];

/// A year, as is usual.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Where the page may connect to.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Of the page.
    pub scheme: Scheme,
    /// The `Host` header, checked to hold nothing but host and port.
    pub host: &'a str,
    /// The UDP port of WebTransport.
    pub webtransport_port: u16,
}

impl<'a> Place<'a> {
    /// Where the page finds WebTransport: on its own host. Of the addresses of `localhost` browsers try only the first for WebTransport, which
    /// is an IPv6 one on many machines; a node listens on the other.
    pub(crate) fn webtransport_host(&self) -> &'a str {
        match without_port(self.host) {
            "localhost" => "127.0.0.1",
            host => host,
        }
    }
}

/// Puts them on an answer. `nonce` is that of the styles in this answer's page.
pub(crate) fn put(headers: &mut HeaderMap, place: Place<'_>, nonce: Option<&str>) {
    // The text is made of checked parts, so that this does not fail; without a policy, nothing would be allowed to leave.
    let policy = HeaderValue::from_str(&policy(place, nonce));
    headers.insert(CONTENT_SECURITY_POLICY, policy.unwrap_or(HeaderValue::from_static("default-src 'none'")));
    let mut fixed = |name: &'static str, value: &'static str| {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    };
    fixed("cross-origin-opener-policy", "same-origin");
    fixed("cross-origin-embedder-policy", "require-corp");
    fixed("cross-origin-resource-policy", "same-origin");
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Ok(permissions) = HeaderValue::from_str(&permissions()) {
        headers.insert(HeaderName::from_static("permissions-policy"), permissions);
    }
    if place.scheme == Scheme::Https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HSTS);
    }
}

fn policy(place: Place<'_>, nonce: Option<&str>) -> String {
    let styles = nonce.map(|nonce| format!(" 'nonce-{nonce}'")).unwrap_or_default();
    let websocket = if place.scheme == Scheme::Https { "wss" } else { "ws" };
    let connect = format!(
        "'self' {websocket}://{} https://{}:{}",
        place.host,
        place.webtransport_host(),
        place.webtransport_port
    );
    [
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self'",
        &format!("style-src 'self'{styles}"),
        "style-src-attr 'unsafe-inline'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "font-src 'self'",
        &format!("connect-src {connect}"),
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        &format!("trusted-types {TRUSTED_TYPES}"),
    ]
    .join("; ")
}

fn permissions() -> String {
    let permitted = PERMITTED.iter().map(|feature| format!("{feature}=(self)"));
    let denied = DENIED.iter().map(|feature| format!("{feature}=()"));
    permitted.chain(denied).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put_on(scheme: Scheme, host: &str, nonce: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        put(&mut headers, Place { scheme, host, webtransport_port: 4433 }, nonce);
        headers
    }

    fn directive<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        let mut found = policy.split("; ").filter_map(|part| part.strip_prefix(name)?.strip_prefix(' '));
        let value = found.next().unwrap_or_else(|| panic!("{name} is missing in {policy}"));
        assert!(found.next().is_none(), "{name} is there twice");
        value
    }

    #[test]
    fn the_policy_allows_the_page_and_its_node_and_nothing_else() {
        let headers = put_on(Scheme::Https, "clinic.example:8443", None);
        for (name, value) in [
            ("default-src", "'none'"),
            ("script-src", "'self' 'wasm-unsafe-eval'"),
            ("worker-src", "'self'"),
            ("style-src", "'self'"),
            ("style-src-attr", "'unsafe-inline'"),
            ("img-src", "'self' blob: data:"),
            ("media-src", "'self' blob:"),
            ("font-src", "'self'"),
            ("connect-src", "'self' wss://clinic.example:8443 https://clinic.example:4433"),
            ("manifest-src", "'self'"),
            ("base-uri", "'none'"),
            ("form-action", "'none'"),
            ("frame-ancestors", "'none'"),
            ("require-trusted-types-for", "'script'"),
            ("trusted-types", TRUSTED_TYPES),
        ] {
            assert_eq!(directive(&headers, name), value, "{name}");
        }
        assert_eq!(headers[CONTENT_SECURITY_POLICY].to_str().unwrap().split("; ").count(), 15);
        assert_eq!(directive(&put_on(Scheme::Https, "a", Some("bm9uY2U")), "style-src"), "'self' 'nonce-bm9uY2U'");
    }

    #[test]
    fn on_this_machine_webtransport_goes_to_the_address_that_browsers_find() {
        let headers = put_on(Scheme::Http, "localhost:8080", None);
        let expected = "'self' ws://localhost:8080 https://127.0.0.1:4433";
        assert_eq!(directive(&headers, "connect-src"), expected);
        let headers = put_on(Scheme::Http, "127.0.0.1:8080", None);
        assert_eq!(directive(&headers, "connect-src"), "'self' ws://127.0.0.1:8080 https://127.0.0.1:4433");
    }

    #[test]
    fn the_page_is_isolated_and_uses_of_the_device_what_a_call_needs() {
        let headers = put_on(Scheme::Https, "clinic.example", None);
        for (name, value) in [
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-embedder-policy", "require-corp"),
            ("cross-origin-resource-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            assert_eq!(headers[name], value, "{name}");
        }
        assert!(put_on(Scheme::Http, "localhost", None).get(STRICT_TRANSPORT_SECURITY).is_none());
        let permissions = headers["permissions-policy"].to_str().unwrap();
        let features: Vec<&str> = permissions.split(", ").collect();
        for on in ["camera=(self)", "microphone=(self)", "geolocation=(self)"] {
            assert!(features.contains(&on), "{on}");
        }
        for off in ["usb=()", "serial=()", "payment=()", "clipboard-read=()"] {
            assert!(features.contains(&off), "{off}");
        }
        let mut names: Vec<&str> = features.iter().filter_map(|feature| feature.split('=').next()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), features.len(), "a feature is named twice");
    }
}
