//! The node in the hands of its owner: the shipped plane with all it stores and its keys, whose frames the owner alters, invents, withholds,
//! orders and repeats as it likes. Against it stand shipped client cores. Each test shows first that the owner's means carry what is
//! true, then what becomes of the lie: refused and told, and the conversation goes on as soon as the node is honest.
// What does not hold here ends the test that plays; Clippy spares only functions marked as tests, not their helpers.
#![allow(clippy::unwrap_used)]

mod calls;
mod directory;
mod fork;
mod healing;
mod membership;
mod order;
mod outsider;
mod owner;
mod past;
