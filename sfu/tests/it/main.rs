//! The media plane from outside: real WebRTC peers (str0m as a full ICE agent), real cryptography, over a simulated network with
//! its own clock, and over loopback sockets.
#[cfg(test)]
mod broadcast;
#[cfg(test)]
mod forwarding;
#[cfg(test)]
mod gating;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod loopback;
#[cfg(test)]
mod presence;
#[cfg(test)]
mod replacement;
#[cfg(test)]
mod room_stats;
#[cfg(test)]
mod spill;
#[cfg(test)]
mod support;
#[cfg(test)]
mod video;
