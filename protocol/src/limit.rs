//! Every bound on the wire has its name here.

/// Bytes in one frame on the control stream, its length prefix not counted.
pub const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes in one frame before the session is authenticated.
pub const UNAUTHENTICATED_FRAME_BYTES_MAX: usize = 64 * 1024;

/// Bytes of one WebSocket message from the node; each holds any part of the stream of frames.
pub const WEBSOCKET_MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// Bytes of one WebSocket message from a client; a longer one ends the session, so larger frames are sent in several messages.
pub const WEBSOCKET_CLIENT_MESSAGE_BYTES_MAX: usize = 512 * 1024;

/// Bytes of one encrypted message.
pub const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// Bytes of one commit with its proposals, of one Welcome, of one GroupInfo.
pub const HANDSHAKE_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of one ratchet tree (5,000 members take 1 MB).
pub const TREE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Bytes of one key package with its credential chain.
pub const KEY_PACKAGE_BYTES_MAX: usize = 16 * 1024;

/// Bytes of an SDP offer or answer.
pub const SDP_BYTES_MAX: usize = 32 * 1024;

/// Entries in one `Log` page.
pub const ENTRIES_PER_PAGE: usize = 500;

/// Bytes of entries in one `Log` page, exceeded only by a single entry that is larger alone.
pub const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// Statements in one page.
pub const STATEMENTS_PER_PAGE: usize = 500;

/// Conversations in one `Heads` frame.
pub const HEADS_PER_FRAME: usize = 500;

/// Key packages a device keeps at the node, the last-resort one not counted.
pub const KEY_PACKAGES_PER_DEVICE: usize = 100;

/// Below this many the node asks for more.
pub const KEY_PACKAGES_LOW: usize = 20;

/// Devices of one account.
pub const DEVICES_PER_ACCOUNT: usize = 16;

/// Accounts watched for presence by one session.
pub const WATCHED_ACCOUNTS_MAX: usize = 10_000;

/// Members (devices) of one conversation.
pub const MEMBERS_MAX: usize = 5_000;

/// Accounts on one roster.
pub const ROSTER_MAX: usize = 5_000;

/// Adds in one commit (DESIGN: 250, so that a large group is filled in batches).
pub const ADDS_PER_COMMIT: usize = 250;

/// Certificates in a device chain.
pub const CHAIN_LENGTH_MAX: usize = 8;

/// Bytes of a sealed link grant.
pub const LINK_GRANT_BYTES_MAX: usize = 256 * 1024;

/// Ids in one request that takes a list.
pub const IDS_PER_REQUEST: usize = 5_000;

/// Bytes of one attachment's content. Its ciphertext is a little longer: a tag of 16 bytes for each piece.
pub const ATTACHMENT_BYTES_MAX: u64 = 100_000_000;

/// Bytes of one `chunk` on a bulk stream.
pub const BULK_CHUNK_BYTES: usize = 16 * 1024;

/// Bytes of `chunk`s that may be on their way beyond what the receiver has `taken`: what is in flight stands in front of an alert on the
/// same connection, whatever its priority.
pub const BULK_WINDOW_BYTES: u64 = 64 * 1024;

/// Bytes of one frame on a bulk stream.
pub const BULK_FRAME_BYTES_MAX: usize = BULK_CHUNK_BYTES + 1024;

/// How long a ticket opens a bulk stream.
pub const BULK_TICKET_MS: u64 = 60_000;

/// Bytes of a file's name.
pub const FILE_NAME_BYTES_MAX: usize = 255;

/// Bytes of a file's media type.
pub const MEDIA_TYPE_BYTES_MAX: usize = 127;

/// Bytes of a thumbnail.
pub const THUMBNAIL_BYTES_MAX: usize = 16 * 1024;

/// Bytes of what is written below a file.
pub const CAPTION_BYTES_MAX: usize = 4_096;

/// Bytes of a place in words.
pub const PLACE_WORDS_BYTES_MAX: usize = 1_024;

/// Bytes of what a broadcast is called.
pub const BROADCAST_TITLE_BYTES_MAX: usize = 255;

/// While somebody writes, a client says so this often at most.
pub const TYPING_SAID_MS: u64 = 3_000;

/// For so long a client shows that somebody writes who does not say it again.
pub const TYPING_HOLDS_MS: u64 = 6_000;

/// Bytes of the address of a Web Push subscription. The browsers' services give some 200 to 600.
pub const PUSH_ENDPOINT_BYTES_MAX: usize = 2_048;

/// Bytes of a subscription's public key: a point of P-256, not compressed (RFC 8291 section 2.1).
pub const PUSH_P256DH_BYTES: usize = 65;

/// Bytes of a subscription's secret (RFC 8291 section 2.2).
pub const PUSH_AUTH_BYTES: usize = 16;
