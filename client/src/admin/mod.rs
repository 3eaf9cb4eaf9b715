//! The IT admin's side: what `wardline-admin` does, as functions.
//!
//! An [`Office`] is the directory in which the hospital's signing keys and the chain of statements are kept. Every act signs
//! first and is durable on this machine before the node hears of it: the chain here is the source of truth, the node has a copy.
//!
//! Absent on purpose: parsing of arguments and printing (the program does that), and anything of a device's.
pub mod chain_file;
pub mod date;
mod error;
mod files;
pub mod import;
pub mod node_card;
mod office;
pub mod program;
mod publish;
#[cfg(test)]
mod publish_tests;
pub mod recovery;
pub mod sheet;
#[cfg(test)]
mod test_node;
pub mod vault;
pub mod verify_web;

pub use error::AdminError;
pub use office::{HOSPITAL_FILE, OPERATIONAL_FILE, Office, ROOT_FILE, STATEMENTS_FILE};
pub use publish::{NodeSession, Publication, Published, sign_and_publish};

use wardline_directory::{AccountRecord, ChannelRecord, Directory, GroupRecord, NodeRecord};

/// An account by the handle that a person typed.
pub fn account<'a>(directory: &'a Directory, handle: &str) -> Result<&'a AccountRecord, AdminError> {
    directory.account_by_handle(handle).ok_or_else(|| AdminError::NoAccount(handle.into()))
}

/// A group by the name that a person typed.
pub fn group<'a>(directory: &'a Directory, name: &str) -> Result<&'a GroupRecord, AdminError> {
    directory.group_by_name(name).ok_or_else(|| AdminError::NoGroup(name.into()))
}

/// A channel by the name that a person typed.
pub fn channel<'a>(directory: &'a Directory, name: &str) -> Result<&'a ChannelRecord, AdminError> {
    directory.channel_by_name(name).ok_or_else(|| AdminError::NoChannel(name.into()))
}

/// The node that codes lead to. A code without one would lead nowhere.
pub fn node(directory: &Directory) -> Result<&NodeRecord, AdminError> {
    directory.nodes().find(|node| !node.deleted).ok_or(AdminError::NoNode)
}
