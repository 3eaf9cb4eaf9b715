//! The device of a browser: [`wardline_client::core`] with everything around it that is pure: frames, sign-in, entry, and the forms in which a page
//! stores and shows things. `web/app/src/worker/` drives it, as `client::session` does natively.
//!
//! Absent on purpose: I/O. Bytes come in and go out; the worker has the socket and the database.
mod ask;
mod device;
mod files;
mod line;
mod link;
mod media;
mod output;
mod shown;
mod stored;

#[cfg(target_arch = "wasm32")]
mod bindings;

pub use ask::Ask;
pub use device::Device;
pub use files::{BulkReceiving, BulkSending, FileOpener, FileSealer, UploadEnd, sealed_bytes};
pub use link::Link;
pub use media::{Opener, Sealer};
pub use output::Output;
pub use stored::{Saved, StoredIdentity};

// Only named, so that its JavaScript source of randomness is compiled in.
#[cfg(target_arch = "wasm32")]
use getrandom_2 as _;

/// What failed, as the contract with the page says it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Failed {
    /// For programs: the node's error name in lower case (its `Storage` is `nodestorage`), or `offline`, `unknown`, `full`, `engine`, `code`, `storage`.
    pub code: String,
    /// For people.
    pub message: String,
    /// The node's error number, where the worker has to give it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
}

impl Failed {
    fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), number: None }
    }

    /// As one text, for what is stored and shown later: the page has words of its own for most codes.
    fn reason(&self) -> String {
        format!("{}: {}", self.code, self.message)
    }
}

impl From<wardline_client::entry::EntryError> for Failed {
    fn from(error: wardline_client::entry::EntryError) -> Self {
        Self::new("code", error.to_string())
    }
}

impl From<wardline_protocol::WireError> for Failed {
    fn from(error: wardline_protocol::WireError) -> Self {
        let code = match error.code {
            // `storage` is the browser's.
            wardline_protocol::Code::Storage => "nodestorage".to_owned(),
            code => format!("{code:?}").to_lowercase(),
        };
        Self::new(&code, error.message)
    }
}
