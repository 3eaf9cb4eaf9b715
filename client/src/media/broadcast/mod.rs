//! Broadcasts: one publisher, many who watch.
//!
//! [`Publisher`] sends a [`Programme`], which comes from files, and needs nobody beside it. [`Viewer`] watches: it opens every frame,
//! counts, and writes what it saw to files if wanted. Both are shells; what decides is pure and takes the time as an argument
//! ([`stream`], [`clock`], [`watching`], [`reorder`]).
//!
//! Frames are sealed by SFrame as in the browser client: each track and each simulcast layer has a context id of its own.
//!
//! Absent: codecs. What is in the file is what is sent, so a key frame cannot be made when somebody asks for one, nor the bit rate
//! follow the network: the layers do that.

mod assembler;
mod clock;
mod feedback;
mod inlet;
mod outlet;
mod programme;
mod publisher;
mod recorder;
mod reel;
mod reorder;
mod restorer;
mod statistics;
mod stream;
mod timeline;
mod viewer;
mod watching;
#[cfg(test)]
mod watching_tests;

pub use programme::{Layer, Programme, ProgrammeFiles};
pub use publisher::Publisher;
pub use recorder::ViewerSinks;
pub use statistics::{PublisherStatistics, Received, Sent, ViewerStatistics};
pub use viewer::Viewer;
