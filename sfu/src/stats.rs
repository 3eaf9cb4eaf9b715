//! Counters for metrics.

/// Counters since the start, and current numbers. All shards together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams received.
    pub packets_in: u64,
    /// Datagrams sent.
    pub packets_out: u64,
    /// Bytes received (UDP payload).
    pub bytes_in: u64,
    /// Bytes sent (UDP payload).
    pub bytes_out: u64,
    /// RTP packets of participants that were forwarded, counted once for each receiver.
    pub forwarded: u64,
    /// What was dropped, by [`DropCause`] in its order.
    pub dropped: [u64; DropCause::ALL.len()],
    /// Participants now.
    pub participants: u64,
    /// Rooms now.
    pub rooms: u64,
}

impl Stats {
    /// How many packets were dropped for a cause.
    pub fn dropped_by(&self, cause: DropCause) -> u64 {
        self.dropped[cause as usize]
    }
}

/// Why a packet was not processed, forwarded or sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum DropCause {
    /// Not STUN, DTLS, RTP or RTCP (RFC 7983), or damaged.
    Malformed,
    /// From an address that belongs to no participant.
    UnknownSource,
    /// The sender may not send yet.
    NotAllowed,
    /// The receiver is not connected yet, or lost. Media is never queued for it.
    ReceiverNotReady,
    /// The receiver has no free line for this sender's track, or none with its codec.
    NoLine,
    /// Older than what the rewriter still knows, or twice the same.
    Stale,
    /// The socket's send buffer is full, or the kernel refused the packet.
    SendFailed,
}

impl DropCause {
    /// Every cause, in the order of [`Stats::dropped`].
    pub const ALL: [DropCause; 7] = [
        DropCause::Malformed,
        DropCause::UnknownSource,
        DropCause::NotAllowed,
        DropCause::ReceiverNotReady,
        DropCause::NoLine,
        DropCause::Stale,
        DropCause::SendFailed,
    ];

    /// The cause as a metric label.
    pub const fn label(self) -> &'static str {
        match self {
            DropCause::Malformed => "malformed",
            DropCause::UnknownSource => "unknown_source",
            DropCause::NotAllowed => "not_allowed",
            DropCause::ReceiverNotReady => "receiver_not_ready",
            DropCause::NoLine => "no_line",
            DropCause::Stale => "stale",
            DropCause::SendFailed => "send_failed",
        }
    }
}
