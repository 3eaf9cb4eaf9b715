//! What the stories, the fault tests and the rules of the house share.
//!
//! Absent on purpose: anything that a program of the product could use, and stand-ins for parts that a user would have.

pub mod call;
pub mod canary;
pub mod hospital;
pub mod memory;
pub mod network;
pub mod program;
pub mod unsynced;
pub mod workspace;
