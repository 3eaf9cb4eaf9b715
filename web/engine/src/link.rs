//! A browser that becomes a further device: shows a code and waits for an existing device's grant.
use crate::Failed;
use crate::line::{Heard, Line, Purpose};
use crate::output::Output;
use crate::stored::{Saved, StoredIdentity};
use std::collections::VecDeque;
use wardline_client::core::Identity;
use wardline_client::entry::LinkRequest;
use wardline_directory::key::DeviceKey;
use wardline_protocol::WireError;
use wardline_protocol::wire::LinkGrant;

/// The new device until it is enrolled. After every call drain [`poll`](Self::poll).
pub struct Link {
    request: Option<LinkRequest>,
    granted: Option<(Identity, LinkGrant)>,
    code: String,
    line: Line,
    signing: DeviceKey,
    outputs: VecDeque<Output>,
}

impl Link {
    /// A new key and code.
    pub fn new(origin: &str) -> Result<Self, Failed> {
        let request = LinkRequest::new()?;
        let line = Line::new(Purpose::AwaitLink(request.rendezvous()), origin);
        let (code, signing) = (request.code(), request.signing_key());
        Ok(Self { code, line, signing, request: Some(request), granted: None, outputs: VecDeque::new() })
    }

    /// What the screen shows.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// A connection to the node is there.
    pub fn opened(&mut self) {
        let Some(request) = &self.request else { return };
        let hello = self.line.opened(Purpose::AwaitLink(request.rendezvous()));
        self.say(hello);
    }

    /// Bytes arrived on it.
    pub fn received(&mut self, bytes: &[u8]) {
        self.line.push(bytes);
        loop {
            match self.line.next(&self.signing) {
                Ok(Heard::Nothing) => return,
                Ok(Heard::Say(bytes)) => self.outputs.push_back(Output::Send { bytes }),
                Ok(Heard::Granted(sealed)) => self.granted(&sealed),
                Ok(Heard::Enrolled) => return self.enrolled(),
                Ok(Heard::SignedIn(..) | Heard::Frame(_)) => {}
                Err(error) => return self.outputs.push_back(Output::Close { failed: error.into(), last: true }),
            }
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn granted(&mut self, sealed: &[u8]) {
        let Some(request) = self.request.take() else { return };
        match request.granted(sealed) {
            Ok((identity, grant)) => {
                let enrol = self.line.enrol(identity.chain.clone(), &identity.key);
                self.granted = Some((identity, grant));
                self.say(enrol);
            }
            Err(error) => self.outputs.push_back(Output::Close { failed: error.into(), last: true }),
        }
    }

    fn enrolled(&mut self) {
        if let Some((identity, grant)) = self.granted.take() {
            self.outputs.push_back(Output::Linked {
                identity: Box::new(StoredIdentity::of(&identity, true)),
                saved: Box::new(Saved::floors(&grant)),
            });
        }
    }

    fn say(&mut self, bytes: Result<Vec<u8>, WireError>) {
        self.outputs.push_back(match bytes {
            Ok(bytes) => Output::Send { bytes },
            Err(error) => Output::Close { failed: error.into(), last: true },
        });
    }
}
