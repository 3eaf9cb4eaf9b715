//! The first words on a control stream: hello, challenge, and then who this is.
//!
//! The signature covers the node's nonce and the TLS exporter, so that it is worth nothing on any other connection.
use super::{Connection, ConnectionError, field, unexpected};
use wardline_protocol::wire::{self, client_frame::Body, response};
use wardline_protocol::{ADMIN_SIGNATURE_PREFIX, DeviceId, PROTOCOL_VERSION, Rendezvous, SESSION_SIGNATURE_PREFIX};

impl Connection {
    /// Says hello; the node answers with its challenge. `client` is program and version, for the IT admin's reports.
    pub async fn hello(&mut self, client: &str) -> Result<wire::Challenge, ConnectionError> {
        let hello = wire::Hello { protocol_version: PROTOCOL_VERSION, client: client.into() };
        match self.request(Body::Hello(hello)).await? {
            response::Result::Challenge(challenge) if challenge.nonce.len() == 32 => Ok(challenge),
            _ => Err(unexpected("no challenge after hello")),
        }
    }

    /// Signs in as a device. `sign` is Ed25519 by the device key.
    pub async fn authenticate(
        &mut self,
        challenge: &wire::Challenge,
        device_id: DeviceId,
        sign: impl FnOnce(&[u8]) -> [u8; 64],
    ) -> Result<wire::Authenticated, ConnectionError> {
        let signature = sign(&self.signed_message(SESSION_SIGNATURE_PREFIX, challenge)?);
        let request = wire::Authenticate { device_id: device_id.to_bytes(), signature: field(&signature) };
        self.signed_in(Body::Authenticate(request)).await
    }

    /// Signs in as the IT admin. `sign` is Ed25519 by the operational key.
    pub async fn authenticate_admin(
        &mut self,
        challenge: &wire::Challenge,
        sign: impl FnOnce(&[u8]) -> [u8; 64],
    ) -> Result<wire::Authenticated, ConnectionError> {
        let signature = sign(&self.signed_message(ADMIN_SIGNATURE_PREFIX, challenge)?);
        self.signed_in(Body::AuthenticateAdmin(wire::AuthenticateAdmin { signature: field(&signature) })).await
    }

    /// Presents a new device's chain. `sign` is Ed25519 by the new device key. The session stays unauthenticated.
    pub async fn enrol(
        &mut self,
        challenge: &wire::Challenge,
        chain: wire::DeviceChain,
        sign: impl FnOnce(&[u8]) -> [u8; 64],
    ) -> Result<wire::Enrolled, ConnectionError> {
        let signature = sign(&self.signed_message(SESSION_SIGNATURE_PREFIX, challenge)?);
        let request = wire::Enrol { chain: Some(chain), signature: field(&signature) };
        match self.request(Body::Enrol(request)).await? {
            response::Result::Enrolled(enrolled) => Ok(enrolled),
            _ => Err(unexpected("no confirmation of the enrolment")),
        }
    }

    /// Asks for an existing device's grant. Gives the request's id for [`linked`](Self::linked).
    pub async fn await_link(&mut self, rendezvous: Rendezvous) -> Result<u64, ConnectionError> {
        self.ask(Body::AwaitLink(wire::AwaitLink { rendezvous: rendezvous.to_bytes() })).await
    }

    /// Waits, as long as the caller lets it, for the grant. Gives the sealed bytes.
    pub async fn linked(&mut self, request_id: u64) -> Result<Vec<u8>, ConnectionError> {
        match self.answer(request_id).await? {
            response::Result::SealedLinkGrant(grant) => Ok(grant.sealed.to_vec()),
            _ => Err(unexpected("no grant where one was awaited")),
        }
    }

    /// What session signatures sign: prefix, nonce, exporter.
    pub fn signed_message(&self, prefix: &[u8], challenge: &wire::Challenge) -> Result<Vec<u8>, ConnectionError> {
        Ok([prefix, &challenge.nonce, &self.exporter()?].concat())
    }

    async fn signed_in(&mut self, body: Body) -> Result<wire::Authenticated, ConnectionError> {
        match self.request(body).await? {
            response::Result::Authenticated(authenticated) => Ok(authenticated),
            _ => Err(unexpected("no confirmation of the sign-in")),
        }
    }
}

impl Connection {
    /// Every statement after `after_version` that the node has, page by page.
    pub async fn statements_after(&mut self, after_version: u64) -> Result<Vec<wire::Statement>, ConnectionError> {
        let mut statements: Vec<wire::Statement> = Vec::new();
        loop {
            let reached = after_version + statements.len() as u64;
            match self.request(Body::FetchStatements(wire::FetchStatements { after_version: reached })).await? {
                response::Result::Statements(page) => {
                    let reached = reached + page.statements.len() as u64;
                    let last = page.statements.is_empty() || reached >= page.head_version;
                    statements.extend(page.statements);
                    if last {
                        return Ok(statements);
                    }
                }
                _ => return Err(unexpected("no statements where they were asked for")),
            }
        }
    }
}
