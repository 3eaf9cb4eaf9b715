//! A call's sound on this device: microphone to network, network to speaker.
//!
//! [`MediaSession`] is the whole of it for a caller. Behind it the parts that decide are pure and take the time as an
//! argument ([`jitter`], [`pace`], [`listener`]); the session moves samples and packets between them, the clock and
//! WebRTC.
//!
//! Absent on purpose: signaling, call states, MLS. Keys come in as a `MediaEpoch`, descriptions go out and in as text.

mod arrivals;
mod audio;
mod broadcast;
mod card;
pub mod codec;
mod connection;
mod delay;
mod error;
pub mod file;
pub mod jitter;
pub mod listener;
mod lock;
pub mod pace;
mod peer;
mod resample;
mod session;
mod statistics;
pub mod talker;
pub mod vp8;
mod wav;

pub use audio::{AudioSink, AudioSource, FRAME_SAMPLES, SAMPLE_RATE};
pub use broadcast::{
    Layer, Programme, ProgrammeFiles, Publisher, PublisherStatistics, Received, Sent, Viewer, ViewerSinks,
    ViewerStatistics,
};
pub use card::{Microphone, Speaker};
pub use error::MediaError;
pub use file::FileError;
pub use session::{MediaConfig, MediaSession};
pub use statistics::MediaStatistics;
pub use wav::{WavSink, WavSource};
