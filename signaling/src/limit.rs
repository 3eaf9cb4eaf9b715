//! The plane's bounds and times. Every one has a name; those an installation may want to change are in [`Limits`].

/// Message ids each conversation remembers in memory to recognise a message sent twice; older ones are looked up when the client says `again`.
pub const RECENT_MESSAGES: usize = 1024;

/// How long a callee's devices ring.
pub const RING_MS: u64 = 45_000;

/// How long a call is held for a side that lost its connection.
pub const HOLD_MS: u64 = 30_000;

/// How many watch a broadcast is told no more often.
pub const VIEWERS_TOLD_EVERY_MS: u64 = 1_000;

/// How long one member alone may commit when removals are pending.
pub const LEASE_MS: u64 = 2_000;

/// Times in one conversation that are kept for a device that is out of it and has not read their end; a further one is not kept.
pub const FORMER_TIMES_MAX: usize = 8;

/// How long a new device waits for its grant.
pub const LINK_WAIT_MS: u64 = 300_000;

/// New devices that wait for a grant at the same time; a further one is refused.
pub const LINK_WAITERS_MAX: usize = 1_000;

/// In conversations with more accounts than this, receipts are neither pushed nor told at sign-in: the traffic would grow with the square. A
/// device fetches them when its person looks.
pub const RECEIPT_PUSH_ACCOUNTS_MAX: usize = 64;

/// How long a cursor may wait for a batch to go to disk with; devices repeat what a crash loses of it.
pub const LAZY_WRITE_MS: u64 = 1_000;

/// Cursors that wait; one more sends them all.
pub const LAZY_WRITES_MAX: usize = 4_096;

/// Uploads of one account that are not complete; a further one is refused.
pub const UPLOADS_OPEN_MAX: usize = 64;

/// How long an upload that was announced may take, interruptions included: then it is forgotten.
pub const UPLOAD_KEEP_MS: u64 = 7 * 24 * 3_600_000;

/// Limits an installation can set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Conversations one account may create an hour.
    pub creations_per_hour: u32,
    /// Joins from outside one device may make in one conversation an hour.
    pub external_joins_per_hour: u32,
    /// Key packages one device may fetch an hour.
    pub key_packages_per_hour: u32,
    /// Bytes of one file's content; at most `wardline_protocol::limit::ATTACHMENT_BYTES_MAX`.
    pub file_bytes_max: u64,
    /// Bytes of attachments that one account may have stored.
    pub attachment_bytes_per_account: u64,
    /// The push services that devices may be woken by; none: nobody is.
    pub push: Option<crate::push::PushServices>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            creations_per_hour: 1_000,
            external_joins_per_hour: 60,
            key_packages_per_hour: 20_000,
            file_bytes_max: wardline_protocol::limit::ATTACHMENT_BYTES_MAX,
            attachment_bytes_per_account: 20_000_000_000,
            push: None,
        }
    }
}
