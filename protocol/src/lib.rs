//! The wire between Wardline's programs: the protobuf schema, newtype ids, the frame codec, limits and numbered errors.
//!
//! Absent on purpose: I/O, clocks, cryptography. A decoder here never panics on any input (`fuzz/` and the property tests hold that).

pub mod code;
pub mod error;
pub mod frame;
pub mod id;
pub mod limit;

/// The generated messages of `proto/*.proto`; the comments there are the documentation.
#[allow(missing_docs, clippy::all)]
pub mod wire {
    include!(concat!(env!("OUT_DIR"), "/wardline.v1.rs"));
}

mod redacted;

pub use error::{Code, WireError};
pub use id::{
    AccountId, AttachmentId, CallId, ConversationId, DeviceId, GroupId, Incarnation, MessageId, NodeId, Rendezvous,
};

/// The version both sides speak; `Hello` carries it.
pub const PROTOCOL_VERSION: u32 = 1;

/// The ALPN of native clients.
pub const ALPN: &[u8] = b"wardline/1";

/// The label of the TLS exporter (RFC 8446 section 7.5) that session signatures are bound to; its context is empty and its length 32 bytes.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-wardline-session";

/// Prefix of what a device signs to open a session: prefix, nonce, exporter.
pub const SESSION_SIGNATURE_PREFIX: &[u8] = b"wardline session v1\0";

/// Prefix of what the operational key signs to open an IT admin's session.
pub const ADMIN_SIGNATURE_PREFIX: &[u8] = b"wardline admin session v1\0";

/// Prefix of what stands in the exporter's place for a session from a browser, which cannot export keying material: SHA-256 of prefix and
/// the page's origin, as its `Origin` header gives it.
pub const WEB_ORIGIN_PREFIX: &[u8] = b"wardline web origin v1\0";

/// The request id of what has no response: for a device that has nothing to learn from one.
pub const NO_RESPONSE: u64 = 0;

/// The path of sessions on both of the browser's roads, WebTransport and WebSocket.
pub const SESSION_PATH: &str = "/session";

/// The path of bulk streams for browsers whose session is a WebSocket.
pub const BULK_PATH: &str = "/bulk";
