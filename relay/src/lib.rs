//! The node: the program `wardline`. Configuration, listeners, storage, metrics; it wires the planes together.
//!
//! Absent on purpose: rules about accounts, conversations and calls, which are in `wardline-signaling`; forwarding of media, which is in
//! `wardline-sfu`; anything that could open a message or a media frame.
pub(crate) mod attachments;
pub mod backup;
pub mod config;
pub mod dev;
pub mod identity;
pub mod init;
pub mod logging;
mod media;
pub mod metrics;
pub mod node;
mod ops;
pub mod push;
pub mod store;
pub mod transport;
pub mod web;

/// Fresh randomness of the operating system.
///
/// Without it no key and no nonce is safe, and there is nothing a node could do instead, so the process ends.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::error!(%error, "the operating system gives no randomness");
        std::process::abort();
    }
    bytes
}
