//! Bounds on what a statement may say.

/// Bytes of one statement's body: a page of `STATEMENTS_PER_PAGE` of them fits one frame.
pub const STATEMENT_BODY_BYTES_MAX: usize = 8_000;

/// Accounts named in one membership statement; larger changes take several statements.
pub const MEMBERS_PER_STATEMENT: usize = 400;

/// Characters of a handle.
pub const HANDLE_CHARS_MAX: usize = 64;

/// Characters of a display name, a role, a group's or a node's name.
pub const NAME_CHARS_MAX: usize = 128;

/// Groups whose members are in a channel's audience.
pub const CHANNEL_GROUPS_MAX: usize = 64;

/// Operators of one channel.
pub const CHANNEL_OPERATORS_MAX: usize = 64;

/// Addresses of one node.
pub const NODE_ADDRESSES_MAX: usize = 8;

/// Characters of one address.
pub const ADDRESS_CHARS_MAX: usize = 260;
