//! The native SDK of Wardline: what a device does, from the socket to the conversation.
//!
//! [`core`] is the device without its hands: it decides everything and does no I/O, so that a seeded test can drive it and the
//! browser can run it. The feature `native` adds the hands: QUIC, SQLite, media and the async facade.
pub mod bulk;
pub mod core;
pub mod entry;

#[cfg(feature = "native")]
pub mod admin;
#[cfg(feature = "native")]
pub mod broadcast;
#[cfg(feature = "native")]
pub mod call;
#[cfg(feature = "native")]
pub mod connection;
#[cfg(feature = "native")]
pub mod media;
#[cfg(feature = "native")]
pub mod program;
#[cfg(feature = "native")]
pub mod session;
#[cfg(feature = "native")]
pub mod store;
