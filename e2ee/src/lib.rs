//! End-to-end encryption: the MLS conversations of one device, the media keys taken from them, and the node's view of a group.
//!
//! - [`Engine`] holds a device's conversations (RFC 9420 by openmls) and keeps the rules that a node cannot be trusted with: who may
//!   be a member, who may change that, what the node may propose.
//! - [`public::PublicView`] follows a group on the node without any secret.
//! - [`media`] seals and opens media frames (SFrame, RFC 9605 section 5.2).
//!
//! Absent on purpose: I/O, clocks, SQL. Time is an argument; randomness comes through the MLS provider only.

pub mod attachment;
mod cells;
mod codec;
mod credential;
mod engine;
mod error;
mod facts;
mod header;
mod identity;
pub mod media;
pub mod public;
pub mod roster;
mod rules;
mod storage;
mod suite;

pub use cells::{Cell, CellError, Changes};
pub use credential::{DeviceRef, Member};
pub use engine::{
    Change, CommitApplied, Created, Encrypted, Engine, Floor, Joined, PendingCommit, PendingJoin, Received,
    SPENT_CALLS_MAX,
};
pub use error::{EngineError, JoinError, ProcessError, Refusal};
pub use header::{Header, NotAMessage, header};
pub use identity::DeviceIdentity;
pub use suite::Suite;
