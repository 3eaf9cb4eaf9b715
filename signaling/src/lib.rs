//! The signaling plane: sessions, directory, devices, conversations, presence and calls, as one state machine without I/O.
//!
//! [`Plane`] takes an [`Input`] and the time and gives [`Output`]s; a shell (`relay`) performs them. What must be durable before it may be
//! said waits inside the plane until [`Input::Durable`] comes (invariant 5).
//!
//! Absent on purpose: sockets, clocks, randomness, await, SQL, and anything that could open a message or a media frame.

mod attachment;
mod broadcast;
mod call;
mod conversation;
mod identity;
mod input;
pub mod limit;
pub mod memory;
mod plane;
mod push;
mod rate;
mod session;
mod store;

pub use attachment::{Direction, Transfer, TransferWish};
pub use input::{BatchId, Class, Input, MediaCommand, MediaEvent, NodeIdentity, Output, SdpOffer, SessionId};
pub use limit::Limits;
pub use plane::{Counts, OpenError, Plane};
pub use push::{Endpoint, Push, PushKind, PushServices, PushSubscription};
pub use store::{
    Answer, AttachmentRow, ConversationRow, DeviceRow, FormerRow, FoundKeyPackage, KeyPackageRow, MemberRow, PushRow,
    Query, Snapshot, Store, StoreError, WelcomeRow, Write,
};
