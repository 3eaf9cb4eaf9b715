//! What can go wrong at the IT admin's desk; each text says what to do.
use crate::admin::import::BadRow;
use crate::admin::verify_web::VerifyError;
use crate::connection::ConnectionError;
use std::io;
use std::path::{Path, PathBuf};
use wardline_directory::Refusal;
use wardline_directory::key::RandomError;

/// An act was not done. Unless it says otherwise, nothing has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {reason}")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// `init` never overwrites.
    #[error("{0} holds a hospital already: take another --dir")]
    Exists(PathBuf),
    /// Nothing was made there yet.
    #[error("{0} holds no hospital: run `wardline-admin init`, or name the right --dir")]
    NotInitialised(PathBuf),
    /// Two programs signing at once would fork the chain.
    #[error("another wardline-admin works in {0}: wait until it is done")]
    Locked(PathBuf),
    /// The key does not open.
    #[error("the passphrase is wrong (or the key file is damaged: then use `wardline-admin recover`)")]
    WrongPassphrase,
    /// Short ones are guessed.
    #[error("a passphrase needs at least 12 characters")]
    WeakPassphrase,
    /// The printed recovery does not read.
    #[error("the recovery does not read: {0}")]
    Recovery(String),
    /// The recovery is of another hospital.
    #[error("this recovery belongs to another hospital")]
    OtherHospital,
    /// The directory refuses what was to be signed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The random source failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// Nobody has the handle.
    #[error("no account has the handle \"{0}\": see `wardline-admin account list`")]
    NoAccount(String),
    /// No group has the name.
    #[error("no group is called \"{0}\": see `wardline-admin group list`")]
    NoGroup(String),
    /// No channel has the name.
    #[error("no channel is called \"{0}\": see `wardline-admin channel list`")]
    NoChannel(String),
    /// There is no node yet.
    #[error(
        "no node is known yet: run `wardline init` on the server and then `wardline-admin node add --card node.json`"
    )]
    NoNode,
    /// A date that is none.
    #[error("\"{0}\" is no date: write 2027-03-31 (to the end of that day, UTC) or 2027-03-31T18:00Z")]
    Date(String),
    /// The import was refused whole.
    #[error("{} of the file's rows are bad: nothing was changed\n{}", .0.len(), lines(.0))]
    BadRows(Vec<BadRow>),
    /// A file that was given does not read.
    #[error("{0}")]
    Input(String),
    /// The node cannot be spoken to.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The node does not take the operational key and the root is not here.
    #[error(
        "the node does not know the present operational key yet, so the root must open its session: \
         put root.key back into the directory, or run `wardline-admin recover`"
    )]
    RootNeeded,
    /// The node's chain and this one are different.
    #[error(
        "the node holds other statements than this directory from version {version} on: this directory was restored from an \
         old copy, or somebody else signs with the hospital's key. Find out which before anything else"
    )]
    Forked {
        /// The version at which both differ, or could first differ.
        version: u64,
    },
    /// The root has named another operational key.
    #[error(
        "the operational key of this directory was replaced on another machine and signs nothing more: work there, or make a \
         new one with `wardline-admin recover`"
    )]
    Replaced,
    /// The node's page cannot be compared.
    #[error(transparent)]
    VerifyWeb(#[from] VerifyError),
    /// The node's answer makes no sense.
    #[error("the node's answer is not understood: {0}")]
    Answer(&'static str),
}

impl AdminError {
    /// What a script reads: the sentence, and the rows of an import that it is about.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::BadRows(rows) => {
                let rows: Vec<_> =
                    rows.iter().map(|row| serde_json::json!({"line": row.line, "reason": row.reason})).collect();
                serde_json::json!({"error": "rows of the file are bad: nothing was changed", "bad_rows": rows})
            }
            other => serde_json::json!({"error": other.to_string()}),
        }
    }

    /// An error of a file.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }

    /// A file with the wrong content.
    pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.into() }
    }
}

fn lines(rows: &[BadRow]) -> String {
    rows.iter().map(|row| format!("  line {}: {}", row.line, row.reason)).collect::<Vec<_>>().join("\n")
}
