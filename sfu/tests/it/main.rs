//! The media plane from outside: real WebRTC peers (str0m as a full ICE agent), real cryptography, over a simulated network with
//! its own clock, and over loopback sockets.
mod forwarding;
mod gating;
mod hostile;
mod logs;
mod loopback;
mod presence;
mod replacement;
mod support;
mod video;
