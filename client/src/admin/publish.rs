//! Talking to the node as the IT admin: what it lacks, what it has beyond this chain, locks and reports.
use crate::admin::{AdminError, Office};
use crate::connection::{CertificatePin, Connection, ConnectionError};
use std::collections::BTreeMap;
use wardline_directory::hospital::Hospital;
use wardline_directory::key::{RootKey, Sign};
use wardline_directory::{Directory, NodeRecord, Standing, statement};
use wardline_protocol::wire::{self, client_frame::Body, response};
use wardline_protocol::{AccountId, Code, limit};

/// What the node's reports call this program.
const CLIENT: &str = concat!("wardline-admin/", env!("CARGO_PKG_VERSION"));

/// What became of the statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Statements sent.
    pub sent: usize,
    /// The version that the node is at now.
    pub version: u64,
}

/// Whether the node knows what was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publication {
    /// It does.
    Done(Published),
    /// It was not to be asked, or there is none yet.
    NotAsked,
    /// It could not be told, for this reason.
    Failed(String),
}

/// One act of the IT admin: take in what the node has beyond this chain, sign, store, publish.
///
/// An error means that nothing was signed. Once it is, the outcome is the act's, and whether the node knows comes beside it.
pub async fn sign_and_publish<T>(
    office: &mut Office,
    offline: bool,
    act: impl FnOnce(&mut Hospital) -> Result<T, AdminError>,
) -> Result<(T, Publication), AdminError> {
    if offline {
        return Ok((office.sign(act)?, Publication::NotAsked));
    }
    let before = match NodeSession::open(office).await {
        Ok(mut session) => {
            session.pull(office).await?;
            Ok(session)
        }
        Err(error) => Err(error),
    };
    let roads_before = roads(office.directory()).ok();
    let done = office.sign(act)?;
    let session = match before {
        // The act named a node, or another certificate or address of it: that may be the road.
        Err(_) if roads(office.directory()).ok() != roads_before => NodeSession::open(office).await,
        before => before,
    };
    let publication = match session {
        Ok(mut session) => {
            let published = session.publish(office).await;
            session.close().await;
            published.map_or_else(|error| Publication::Failed(error.to_string()), Publication::Done)
        }
        Err(AdminError::NoNode) => Publication::NotAsked,
        Err(error) => Publication::Failed(error.to_string()),
    };
    Ok((done, publication))
}

/// A signed-in connection to a node.
pub struct NodeSession {
    connection: Connection,
    version: u64,
}

impl NodeSession {
    /// Signs in with the operational key or, at a node that does not know it yet, with the root.
    pub async fn open(office: &Office) -> Result<Self, AdminError> {
        let (addresses, pins) = roads(office.directory())?;
        match Self::sign_in(&addresses, &pins, office.hospital().operational()).await {
            Err(error) if is_bad_signature(&error) => {}
            other => return other,
        }
        let root = office.root()?.ok_or(AdminError::RootNeeded)?;
        Self::sign_in(&addresses, &pins, &root).await
    }

    /// Signs in with the root alone, e.g. to fetch the chain when this machine has none.
    pub async fn open_as_root(addresses: &[String], certificate: [u8; 32], root: &RootKey) -> Result<Self, AdminError> {
        Self::sign_in(addresses, &[CertificatePin(certificate)], root).await
    }

    /// Signs in with the root at a node that `directory` vouches for.
    pub async fn open_known_as_root(directory: &Directory, root: &RootKey) -> Result<Self, AdminError> {
        let (addresses, pins) = roads(directory)?;
        Self::sign_in(&addresses, &pins, root).await
    }

    async fn sign_in(addresses: &[String], pins: &[CertificatePin], key: &impl Sign) -> Result<Self, AdminError> {
        let mut connection = Connection::open(addresses, pins).await?;
        let challenge = connection.hello(CLIENT).await?;
        let authenticated = connection.authenticate_admin(&challenge, |message| key.sign(message)).await?;
        Ok(Self { connection, version: authenticated.directory_version })
    }

    /// The version that the node is at.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The node's statements above a version.
    pub async fn statements_after(&mut self, version: u64) -> Result<Vec<wire::Statement>, AdminError> {
        Ok(self.connection.statements_after(version).await?)
    }

    /// Takes in what the node has beyond this chain, and holds that both agree on what they share. Gives how many were new.
    pub async fn pull(&mut self, office: &mut Office) -> Result<usize, AdminError> {
        let shared = self.version.min(office.directory().version());
        if shared == 0 {
            return Ok(0);
        }
        let statements = self.statements_after(shared - 1).await?;
        let last_shared = statements.first().ok_or(AdminError::Answer("a statement that it has is missing"))?;
        if office.directory().standing(shared, &statement::hash(last_shared)) != Standing::Known {
            return Err(AdminError::Forked { version: shared });
        }
        if self.version <= office.directory().version() {
            return Ok(0);
        }
        office.take_in(statements.get(1..).unwrap_or_default())
    }

    /// Sends what the node lacks, in batches that fit a frame; each is taken whole or not at all.
    pub async fn publish(&mut self, office: &Office) -> Result<Published, AdminError> {
        let lacking = office.hospital().statements_after(self.version);
        for batch in lacking.chunks(limit::STATEMENTS_PER_PAGE) {
            let request = wire::PublishStatements { statements: batch.to_vec() };
            match self.connection.request(Body::PublishStatements(request)).await {
                Ok(response::Result::Done(_)) => self.version += batch.len() as u64,
                Ok(_) => return Err(AdminError::Answer("no confirmation of the statements")),
                Err(error) if code(&error) == Some(Code::StatementOutOfOrder) => {
                    return Err(AdminError::Forked { version: self.version + 1 });
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Published { sent: lacking.len(), version: self.version })
    }

    /// Locks or unlocks an account: the node closes its sessions before it answers.
    pub async fn lock(&mut self, account_id: AccountId, locked: bool) -> Result<(), AdminError> {
        let request = wire::LockAccount { account_id: account_id.to_bytes(), locked };
        match self.connection.request(Body::LockAccount(request)).await? {
            response::Result::Done(_) => Ok(()),
            _ => Err(AdminError::Answer("no confirmation of the lock")),
        }
    }

    /// What the node knows of accounts beside the signed directory.
    pub async fn reports(&mut self) -> Result<BTreeMap<AccountId, wire::AccountReport>, AdminError> {
        match self.connection.request(Body::ListAccounts(wire::ListAccounts {})).await? {
            response::Result::Accounts(accounts) => {
                let parse = |report: wire::AccountReport| Some((AccountId::parse(&report.account_id).ok()?, report));
                Ok(accounts.accounts.into_iter().filter_map(parse).collect())
            }
            _ => Err(AdminError::Answer("no list of accounts")),
        }
    }

    /// Ends the session in good order.
    pub async fn close(self) {
        self.connection.close().await;
    }
}

/// Every address and certificate that the directory vouches for.
fn roads(directory: &Directory) -> Result<(Vec<String>, Vec<CertificatePin>), AdminError> {
    let nodes: Vec<&NodeRecord> = directory.nodes().filter(|node| !node.deleted).collect();
    if nodes.is_empty() {
        return Err(AdminError::NoNode);
    }
    let addresses = nodes.iter().flat_map(|node| node.addresses.iter().cloned()).collect();
    Ok((addresses, nodes.iter().map(|node| CertificatePin(node.certificate_sha256)).collect()))
}

fn code(error: &ConnectionError) -> Option<Code> {
    error.wire().map(|error| error.code)
}

fn is_bad_signature(error: &AdminError) -> bool {
    matches!(error, AdminError::Connection(error) if code(error) == Some(Code::BadSignature))
}
