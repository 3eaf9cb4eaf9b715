//! A hospital of devices and one node, without any I/O: the shipped plane and the shipped client core, moved step by step. The schedules
//! and the hostile node are played in it.
// What does not hold here ends the test that plays.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod device;
mod dice;
mod line;
mod node;
mod times;
mod world;

pub use device::Device;
pub use dice::Dice;
pub use node::Backup;
pub use times::{Time, Times};
pub use world::World;
