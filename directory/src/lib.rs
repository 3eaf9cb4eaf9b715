//! Who is who in the hospital: the signed directory, device certificates, and the codes that bring a device in.
//!
//! The hospital's root key signs the operational key; that one signs *statements*, which form one hash chain. A device's
//! certificate chain leads to an enrolment key that some statement gave its account. [`Directory`] is the verified state of
//! the chain; whoever holds the root's public key can build it from statements that anybody passes on.
//!
//! Absent on purpose: I/O, clocks and MLS. Time is an argument (`now_ms`, Unix milliseconds); randomness is drawn only where
//! keys are made (`generate`), and every such function has a twin that takes the seed.

pub mod certificate;
mod chain;
mod check;
mod directory;
pub mod hospital;
pub mod invitation;
pub mod key;
pub mod limit;
pub mod link;
mod record;
mod refusal;
pub mod safety;
pub mod session;
pub mod statement;

pub use chain::VerifiedDevice;
pub use directory::{Change, Directory, Standing};
pub use record::{AccountRecord, ChannelRecord, EnrolmentKeyRecord, GroupRecord, NodeRecord};
pub use refusal::Refusal;
