//! Why a statement or a certificate chain is not believed.
use crate::key::RandomError;
use wardline_protocol::{Code, WireError};

/// Why something signed was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The statement is not the next one.
    #[error("statement {expected} comes next")]
    OutOfOrder {
        /// The version that would be accepted.
        expected: u64,
    },
    /// It claims the next place but names another predecessor.
    #[error("the statement does not follow the newest one known")]
    BadPrevious,
    /// A validly signed statement contradicts one that was accepted at the same version: two directories exist.
    #[error("two different statements hold version {version}: do not trust this server, tell the IT admin")]
    Fork {
        /// Where they part.
        version: u64,
    },
    /// The signature does not verify.
    #[error("the signature does not verify")]
    BadSignature,
    /// Validly signed, by a key of the hospital that may not sign this (any more).
    #[error("signed by a key that may not sign this")]
    WrongKey,
    /// A field is missing, of the wrong length, or says something impossible.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// A kind of statement or issuer that this version does not know.
    #[error("a kind of statement this version does not know: update the program")]
    UnknownKind,
    /// Another account that is not deleted has this handle.
    #[error("the handle is taken")]
    HandleTaken,
    /// Another group that is not deleted has this name.
    #[error("the group name is taken")]
    GroupNameTaken,
    /// Another channel that is not deleted has this name.
    #[error("the channel name is taken")]
    ChannelNameTaken,
    /// The enrolment key was stated for another account.
    #[error("the enrolment key belongs to another account")]
    EnrolmentKeyTaken,
    /// No such account, or it was deleted.
    #[error("no such account")]
    UnknownAccount,
    /// No such group, or it was deleted.
    #[error("no such group")]
    UnknownGroup,
    /// No such node, or it was deleted.
    #[error("no such node")]
    UnknownNode,
    /// No such channel, or it was deleted.
    #[error("no such channel")]
    UnknownChannel,
    /// Deletion is final: a new account, group or node takes a new id.
    #[error("it was deleted, which is final: use a new id")]
    Deleted,
    /// The certificates do not form a chain of one account.
    #[error("broken device chain: {0}")]
    BrokenChain(&'static str),
    /// No statement gave the account the enrolment key that the chain ends in.
    #[error("the enrolment key is not one of this account")]
    UnknownEnrolmentKey,
    /// The first device was certified after its code had expired.
    #[error("the enrolment code had expired")]
    EnrolmentExpired,
    /// No statement named an operational key yet.
    #[error("the directory has no operational key yet")]
    NoOperationalKey,
    /// Keys could not be made.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl From<Refusal> for WireError {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::OutOfOrder { .. } | Refusal::BadPrevious | Refusal::Fork { .. } => Code::StatementOutOfOrder,
            Refusal::BadSignature | Refusal::BrokenChain(_) | Refusal::UnknownEnrolmentKey => Code::BadSignature,
            Refusal::UnknownAccount => Code::UnknownAccount,
            Refusal::EnrolmentExpired => Code::CodeExpired,
            Refusal::Random(_) => Code::Internal,
            Refusal::WrongKey
            | Refusal::Malformed(_)
            | Refusal::UnknownKind
            | Refusal::HandleTaken
            | Refusal::GroupNameTaken
            | Refusal::ChannelNameTaken
            | Refusal::EnrolmentKeyTaken
            | Refusal::UnknownGroup
            | Refusal::UnknownNode
            | Refusal::UnknownChannel
            | Refusal::Deleted
            | Refusal::NoOperationalKey => Code::StatementRefused,
        };
        WireError::new(code, refusal.to_string())
    }
}

impl From<WireError> for Refusal {
    /// From the parsing of an id: the only error of the protocol crate that this one meets.
    fn from(_: WireError) -> Self {
        Refusal::Malformed("an id has 16 bytes")
    }
}
