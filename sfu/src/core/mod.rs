//! Rooms, participants and forwarding, sans-IO.
use std::time::Duration;

/// A participant is lost when nothing of it was heard for this long. Clients check the path every 2.5 s at most.
pub const LOST_AFTER: Duration = Duration::from_secs(5);
