//! How a device comes to be, without the way to the node: certified by a one-time code, or by a device that is there already.
//!
//! Absent on purpose: storing and sending. Both clients store the identity before they present it, so that a lost answer costs nothing.
use crate::core::{ConversationRecord, Identity, Membership, Saved};
use std::collections::BTreeMap;
use wardline_directory::key::{self, DeviceKey, EnrolmentKey, PublicKey};
use wardline_directory::{certificate, link};
use wardline_protocol::wire::{ConversationKind, DeviceChain, EnrolmentCode, LinkCode, LinkGrant};
use wardline_protocol::{AccountId, ConversationId, DeviceId, Rendezvous, code};
use zeroize::Zeroizing;

/// Why no device came to be. The text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The code cannot be read.
    #[error("{0}")]
    Code(String),
    /// The grant was sealed for another device, or is damaged.
    #[error("the grant does not open: {0}")]
    Sealed(link::LinkError),
    /// The grant is for something else than what was asked for.
    #[error("the grant is for another {0}: link again")]
    Other(&'static str),
    /// No randomness.
    #[error("the operating system gives no randomness")]
    Random,
}

/// A code that was read: whose device it makes, and where.
pub struct Invited {
    /// Whose.
    pub account: AccountId,
    /// The hospital.
    pub root: PublicKey,
    /// Where the node is, `host:port`.
    pub node_address: String,
    /// SHA-256 of the node's DER certificate.
    pub certificate_sha256: [u8; 32],
    seed: Zeroizing<[u8; 16]>,
}

impl Invited {
    /// Reads a link, or the bare code behind its `#`.
    pub fn read(text: &str) -> Result<Self, EntryError> {
        let code: EnrolmentCode = code::parse_enrolment(text).map_err(|error| EntryError::Code(error.message))?;
        let damaged = || EntryError::Code("the code is damaged: ask for a new one".into());
        Ok(Self {
            account: AccountId::parse(&code.account_id).map_err(|_| damaged())?,
            root: PublicKey::parse(&code.root_public_key).map_err(|_| damaged())?,
            certificate_sha256: code.certificate_sha256.as_ref().try_into().map_err(|_| damaged())?,
            seed: Zeroizing::new(code.seed.as_ref().try_into().map_err(|_| damaged())?),
            node_address: code.node_address,
        })
    }

    /// A new device, certified by the code's key.
    pub fn device(&self, now_ms: u64) -> Result<Identity, EntryError> {
        let (device, key) = new_device()?;
        let by = EnrolmentKey::from_code_seed(&self.seed);
        let own = certificate::issue_by_enrolment(&by, self.account, device, key.public(), now_ms);
        let chain = DeviceChain { certificates: vec![own] };
        Ok(Identity { root: self.root, account: self.account, device, key, chain })
    }
}

/// A new device that shows a code and waits for an existing one's grant.
pub struct LinkRequest {
    key: DeviceKey,
    device: DeviceId,
    secret: Zeroizing<[u8; link::SECRET_BYTES]>,
}

impl LinkRequest {
    /// A new key and a new secret.
    pub fn new() -> Result<Self, EntryError> {
        let (device, key) = new_device()?;
        Ok(Self { key, device, secret: key::random().map_err(|_| EntryError::Random)? })
    }

    /// What the screen shows.
    pub fn code(&self) -> String {
        code::device_link(&LinkCode {
            secret: self.secret.to_vec().into(),
            device_public_key: self.key.public().to_bytes(),
            device_id: self.device.to_bytes(),
        })
    }

    /// Signs the session in which the device is presented.
    pub fn signing_key(&self) -> DeviceKey {
        DeviceKey::from_seed(*self.key.seed())
    }

    /// Where the grant is waited for.
    pub fn rendezvous(&self) -> Rendezvous {
        link::rendezvous(&self.secret)
    }

    /// Opens the grant and makes sure that it is this device's. Everything in it is still to be proved against the directory.
    pub fn granted(self, sealed: &[u8]) -> Result<(Identity, LinkGrant), EntryError> {
        let grant = link::open(&self.secret, &self.device, &self.key.public(), sealed).map_err(EntryError::Sealed)?;
        let chain = grant.chain.clone().ok_or(EntryError::Other("device"))?;
        let own = chain.certificates.first().and_then(|own| certificate::body(own).ok());
        let own = own.filter(|own| own.device_id == self.device && own.public_key == self.key.public());
        let account = own.ok_or(EntryError::Other("device"))?.account_id;
        let root = PublicKey::parse(&grant.root_public_key).map_err(|_| EntryError::Other("hospital"))?;
        Ok((Identity { root, account, device: self.device, key: self.key, chain }, grant))
    }
}

/// What a linked device starts from: the directory and the group states that it must not be shown older ones of.
pub fn floors(grant: &LinkGrant) -> Saved {
    let conversations = grant.floors.iter().filter_map(|floor| {
        let record = ConversationRecord {
            // The node names the kind when it names the conversation.
            kind: ConversationKind::Unspecified,
            title: None,
            cursor: 0,
            read_seq: 0,
            state: Membership::Known,
            needs_directory: 0,
            floor: Some((floor.epoch, floor.epoch_authenticator.to_vec())),
            receipts: BTreeMap::new(),
        };
        Some((ConversationId::parse(&floor.conversation_id).ok()?, record))
    });
    let hash = grant.directory_hash.as_ref().try_into().ok();
    Saved {
        conversations: conversations.collect(),
        directory_floor: hash.map(|hash| (grant.directory_version, hash)),
        ..Saved::default()
    }
}

fn new_device() -> Result<(DeviceId, DeviceKey), EntryError> {
    let id = key::random::<16>().map_err(|_| EntryError::Random)?;
    Ok((DeviceId::from_bytes(*id), DeviceKey::generate().map_err(|_| EntryError::Random)?))
}
