//! The hot paths of node and clients, each ready to be run once more: what `benches/time.rs` times, `benches/instructions.rs` counts the instructions of, and
//! `benches/guard.rs` the allocations.
//!
//! Real parts throughout: the plane, the MLS engine, the forwarding core, in the worlds of their own tests (without their clocks and networks, which is what makes
//! a count repeatable).
// The worlds are written for tests, which may end the test, and a benchmark that cannot be set up has no better to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod media;
pub mod messages;

/// A hospital around the real plane, with devices that have real MLS engines.
#[path = "../../signaling/tests/world/mod.rs"]
pub mod world;

/// Peers around the real forwarding core.
#[path = "../../sfu/tests/it/support/mod.rs"]
#[allow(dead_code, missing_docs)]
pub mod support;
