//! Numbered errors. Each code says what a client can do; the message says it to a person.
use crate::wire;

macro_rules! codes {
    ($($(#[$doc:meta])+ $name:ident = $number:literal),+ $(,)?) => {
        /// The taxonomy. Numbers are stable; unknown ones decode as `Code::Unknown`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])+ $name,)+
            /// A number this version does not know: treat as final, show the message.
            Unknown(u32),
        }

        impl Code {
            /// Every code with a number of its own.
            pub const ALL: &'static [Code] = &[$(Code::$name),+];

            /// The number on the wire.
            pub const fn number(self) -> u32 {
                match self { $(Code::$name => $number,)+ Code::Unknown(number) => number }
            }

            /// From the number on the wire.
            pub const fn from_number(number: u32) -> Self {
                match number { $($number => Code::$name,)+ other => Code::Unknown(other) }
            }
        }
    };
}

codes! {
    // 1xx: the frame itself
    /// Not decodable, a field of the wrong length, or a required one missing. A defect of the client: do not retry.
    Malformed = 100,
    /// Larger than the limit for its kind. Split it.
    TooLarge = 101,
    /// Not allowed in the session's present state, e.g. a request before signing in.
    OutOfOrder = 102,
    /// Another protocol version. Update the program.
    UnsupportedVersion = 103,
    /// Too often. Retry after `retry_after_ms`.
    RateLimited = 104,
    /// Something failed inside the node and was logged there. Retry with back-off.
    Internal = 190,
    /// The node cannot write. Nothing was accepted; retry with back-off.
    Storage = 191,
    /// The node is going down. Reconnect after `retry_after_ms`.
    ShuttingDown = 192,

    // 2xx: who you are
    /// Sign in first.
    Unauthenticated = 200,
    /// The signature does not verify, or a certificate chain does not lead to the hospital's root.
    BadSignature = 201,
    /// The node has no such device. Enrol again.
    UnknownDevice = 202,
    /// The account is locked. Only the IT admin can unlock it.
    AccountLocked = 203,
    /// The account's time is over.
    AccountExpired = 204,
    /// The enrolment code has been used already. Ask the IT admin for a new one, and who used it.
    CodeUsed = 205,
    /// The enrolment code is too old. Ask for a new one.
    CodeExpired = 206,
    /// The device was revoked. Wipe its state and enrol again.
    DeviceRevoked = 207,
    /// The same device signed in again elsewhere; this session is over. Do not reconnect by itself.
    Replaced = 208,
    /// No such account in the directory, or it was deleted.
    UnknownAccount = 209,

    // 3xx: the directory
    /// A statement does not follow the head of the chain. Fetch and try again.
    StatementOutOfOrder = 300,
    /// A statement is not validly signed or says something impossible.
    StatementRefused = 301,

    // 4xx: conversations
    /// Made in an epoch that is over. Process the log up to its head, make it again (rebase), send it again.
    Stale = 400,
    /// Made in an epoch the node has not reached. Fetch the log; if the node stays behind, it was restored: join again.
    Future = 401,
    /// The device's state is not on the node's chain, or it is not in the group although it may be. Join from outside.
    Orphaned = 402,
    /// Not permitted to this account or device, whatever it retries.
    Forbidden = 403,
    /// No such conversation for this device.
    UnknownConversation = 404,
    /// There is one already; `existing_id` names it.
    AlreadyExists = 405,
    /// The commit does not verify against the group.
    InvalidCommit = 406,
    /// The commit leaves out a pending removal. Wait for the lease and take the proposals in.
    MissingRemovals = 407,
    /// A device has no key package left. Try later or without it.
    NoKeyPackage = 408,
    /// Another device holds the commit lease. Retry after `retry_after_ms`.
    Leased = 409,
    /// The GroupInfo does not describe the epoch that the commit leads to.
    GroupInfoRefused = 410,
    /// A limit on members, conversations or pending messages.
    LimitReached = 411,

    /// The account has no room left for attachments, or the file is larger than the node takes. Waiting does not help: ask the IT admin.
    QuotaExceeded = 412,
    /// No such attachment in this conversation, or it is not complete yet.
    UnknownAttachment = 413,

    // 5xx: calls
    /// No such call, or it is over.
    UnknownCall = 500,
    /// Not possible in the call's present state.
    WrongCallState = 501,
    /// The media offer was refused; the message says why and what to do.
    MediaRefused = 502,
    /// This account is already in a call.
    Busy = 503,
}

/// An error as it travels: the code, a sentence for people, and what the code's handling needs.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message} (error {})", code.number())]
pub struct WireError {
    /// What kind.
    pub code: Code,
    /// What happened and what to do, without anything that names a person.
    pub message: String,
    /// For `Stale` and `Future`: where the node is.
    pub current_epoch: u64,
    /// For `AlreadyExists`.
    pub existing_id: Vec<u8>,
    /// For `RateLimited`, `Leased`, `ShuttingDown`.
    pub retry_after_ms: u32,
}

impl WireError {
    /// An error without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), current_epoch: 0, existing_id: Vec::new(), retry_after_ms: 0 }
    }

    /// `Stale` or `Future` with the node's epoch.
    pub fn epoch(code: Code, message: impl Into<String>, current_epoch: u64) -> Self {
        Self { current_epoch, ..Self::new(code, message) }
    }

    /// An error worth retrying after a while.
    pub fn retry(code: Code, message: impl Into<String>, retry_after_ms: u32) -> Self {
        Self { retry_after_ms, ..Self::new(code, message) }
    }
}

impl From<WireError> for wire::Error {
    fn from(error: WireError) -> Self {
        wire::Error {
            code: error.code.number(),
            message: error.message,
            current_epoch: error.current_epoch,
            existing_id: error.existing_id.into(),
            retry_after_ms: error.retry_after_ms,
        }
    }
}

impl From<wire::Error> for WireError {
    fn from(error: wire::Error) -> Self {
        WireError {
            code: Code::from_number(error.code),
            message: error.message,
            current_epoch: error.current_epoch,
            existing_id: error.existing_id.to_vec(),
            retry_after_ms: error.retry_after_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_round_trip() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.number()), "{code:?} has a number twice");
            assert_eq!(Code::from_number(code.number()), *code);
        }
        assert_eq!(Code::from_number(65_000), Code::Unknown(65_000));
    }

    #[test]
    fn errors_survive_the_wire() {
        let error = WireError { existing_id: vec![1; 16], ..WireError::epoch(Code::Stale, "behind", 9) };
        assert_eq!(WireError::from(wire::Error::from(error.clone())), error);
    }
}
