//! What can go wrong, told apart by what the caller can do about it.
use crate::cells::CellError;
use thiserror::Error;
use wardline_directory::Refusal as DirectoryRefusal;

/// Why something that verifies as MLS is not accepted: it would break a rule of this system.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A credential is not a device chain, or its first certificate is not of the leaf's key.
    #[error("a leaf's credential is not the certificate chain of its key")]
    BadCredential,
    /// A chain does not lead to the hospital's root. `UnknownAccount` and `UnknownEnrolmentKey` inside may mean that the own directory
    /// is behind: fetch it and try once more.
    #[error("a device's chain does not verify: {0}")]
    Chain(DirectoryRefusal),
    /// A device whose account is not on the roster would be a member.
    #[error("a device's account is not on the roster")]
    NotOnRoster,
    /// The same device would be in the group twice.
    #[error("the device is already a member")]
    DeviceTwice,
    /// The account was deleted or its time is over.
    #[error("the account is deleted or expired")]
    AccountEnded,
    /// The roster is missing, not sorted, has duplicates, or is too large.
    #[error("the roster is not well-formed")]
    BadRoster,
    /// A direct conversation has exactly two accounts, for good.
    #[error("the roster of a direct conversation cannot change")]
    DirectRoster,
    /// Only a manager may change the roster like this.
    #[error("only a manager may change the roster")]
    NotManager,
    /// A channel's roster would hold somebody whom no statement put into its audience, or name an operator that none named. May mean that the own
    /// directory is behind: fetch it and try once more.
    #[error("the channel's statements do not have this account in its audience, or not as an operator")]
    NotInAudience,
    /// Only a manager, the account itself, or the node's proposal may remove a device.
    #[error("only a manager may remove another account's device")]
    NotYours,
    /// The group context changed in more than its roster and external senders.
    #[error("the commit changes what no commit may change")]
    ContextChanged,
    /// A proposal of a kind that this system does not use.
    #[error("a proposal of a kind that is not used here")]
    ProposalKind,
    /// The node proposed something else than to remove a device, or an external sender that the directory does not know did.
    #[error("an external sender may only propose to remove a device")]
    ExternalProposal,
    /// The archive cannot be removed by the node.
    #[error("the archive cannot be removed like this")]
    ArchiveRemoval,
    /// An external commit does more than to join its own device.
    #[error("a device that joins from outside may only join itself")]
    ExternalJoin,
    /// A committer's leaf changed its credential or key.
    #[error("a member cannot change its identity")]
    IdentityChanged,
    /// A leaf or key package would expire, and with it the replay of the log.
    #[error("a key package must not expire")]
    Lifetime,
    /// A leaf does not announce what the group needs.
    #[error("a leaf lacks capabilities that the group needs")]
    Capabilities,
    /// More devices in one commit, or in the group, than allowed.
    #[error("too many devices")]
    TooMany,
}

/// An operation of the engine failed; its state is as before.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// No such conversation here.
    #[error("no such conversation on this device")]
    UnknownConversation,
    /// There is one with this id.
    #[error("the conversation exists already")]
    AlreadyExists,
    /// This device was removed from the conversation.
    #[error("this device is no longer a member")]
    Removed,
    /// A commit or join of this device waits for the node's answer.
    #[error("a commit of this device is pending")]
    Pending,
    /// The chain is not one of the key.
    #[error("the certificate chain is not one of the device key")]
    BadIdentity,
    /// An argument does not decode.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// Against the rules; nothing was made.
    #[error(transparent)]
    Forbidden(#[from] Refusal),
    /// A stored cell does not decode.
    #[error(transparent)]
    Cells(#[from] CellError),
    /// The MLS library refused; the text names no person and no key.
    #[error("mls: {0}")]
    Mls(String),
}

/// A conversation could not be joined; the state is as before.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JoinError {
    /// Welcome, tree or GroupInfo do not decode.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// The Welcome is for a key package that this device does not have, or has used.
    #[error("no key package of this device fits the welcome")]
    NoKeyPackage,
    /// It is for another conversation.
    #[error("another conversation")]
    OtherConversation,
    /// This device is a member already, in this epoch or a later one.
    #[error("this device is a member already")]
    AlreadyJoined,
    /// A join waits for the node's answer: confirm or abandon it first.
    #[error("a join is pending")]
    Pending,
    /// No join waits for the node's answer.
    #[error("no join is pending")]
    NotPending,
    /// The GroupInfo is older than what this device was told, or of another history: the node holds something back.
    #[error("the node's GroupInfo is older than what this device knows")]
    BelowFloor,
    /// Signatures, hashes or tags do not verify.
    #[error("does not verify: {0}")]
    Invalid(String),
    /// Against the rules.
    #[error(transparent)]
    Forbidden(#[from] Refusal),
    /// A stored cell does not decode.
    #[error(transparent)]
    Cells(#[from] CellError),
}

/// An entry of the log could not be processed; the state is as before.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// Of an epoch that is over: a commit that was applied already, or a message older than the epochs that are kept.
    #[error("of an epoch that is over")]
    Stale,
    /// Of an epoch that this device has not reached: entries are missing before it.
    #[error("of an epoch not reached yet")]
    Future,
    /// Of this epoch, but not of this device's history: join from outside.
    #[error("of another history of this group")]
    Orphaned,
    /// It verifies, and breaks a rule: a defect or a hostile member or node.
    #[error(transparent)]
    Forbidden(#[from] Refusal),
    /// Does not decode.
    #[error("malformed")]
    Malformed,
    /// Forged: signature or contents do not verify.
    #[error("does not verify: {0}")]
    Invalid(String),
    /// A message of this device; its text is in the local history.
    #[error("a message of this device itself")]
    OwnMessage,
    /// The key of this message was used already.
    #[error("decrypted before")]
    Duplicate,
    /// No such conversation here.
    #[error("no such conversation on this device")]
    UnknownConversation,
    /// This device was removed from the conversation.
    #[error("this device is no longer a member")]
    Removed,
    /// A stored cell does not decode.
    #[error(transparent)]
    Cells(#[from] CellError),
}
