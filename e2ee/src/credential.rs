//! Who a leaf of the MLS tree is: its credential is a serialized device chain.
use crate::error::Refusal;
use openmls::prelude::{BasicCredential, Credential, LeafNode, Member as MlsMember};
use prost::Message;
use wardline_directory::key::PublicKey;
use wardline_directory::{Directory, certificate};
use wardline_protocol::limit::KEY_PACKAGE_BYTES_MAX;
use wardline_protocol::wire::DeviceChain;
use wardline_protocol::{AccountId, DeviceId};

/// A device and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceRef {
    /// The account.
    pub account_id: AccountId,
    /// The device.
    pub device_id: DeviceId,
}

/// A member of a conversation: a device at its place in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Leaf index.
    pub leaf: u32,
    /// The account.
    pub account_id: AccountId,
    /// The device.
    pub device_id: DeviceId,
    /// The leaf's signature key.
    pub public_key: PublicKey,
}

impl Member {
    pub(crate) fn new(leaf: u32, claim: &Claim) -> Self {
        let DeviceRef { account_id, device_id } = claim.device;
        Self { leaf, account_id, device_id, public_key: claim.public_key }
    }

    /// The device without its place.
    pub fn device(&self) -> DeviceRef {
        DeviceRef { account_id: self.account_id, device_id: self.device_id }
    }
}

/// What a credential claims, read but not verified.
pub(crate) struct Claim {
    pub device: DeviceRef,
    pub public_key: PublicKey,
    pub chain: DeviceChain,
}

impl Claim {
    /// Reads a credential. The claim holds only together with a signature by the key of its first certificate, so a leaf with
    /// another signature key is refused here.
    pub(crate) fn read(credential: &Credential, signature_key: &[u8]) -> Result<Self, Refusal> {
        let basic = BasicCredential::try_from(credential.clone()).map_err(|_| Refusal::BadCredential)?;
        if basic.identity().len() > KEY_PACKAGE_BYTES_MAX {
            return Err(Refusal::BadCredential);
        }
        let chain = DeviceChain::decode(basic.identity()).map_err(|_| Refusal::BadCredential)?;
        let own = chain.certificates.first().ok_or(Refusal::BadCredential)?;
        let body = certificate::body(own).map_err(Refusal::Chain)?;
        if body.public_key.as_bytes().as_slice() != signature_key {
            return Err(Refusal::BadCredential);
        }
        let device = DeviceRef { account_id: body.account_id, device_id: body.device_id };
        Ok(Self { device, public_key: body.public_key, chain })
    }

    pub(crate) fn of_leaf(leaf: &LeafNode) -> Result<Self, Refusal> {
        Self::read(leaf.credential(), leaf.signature_key().as_slice())
    }

    pub(crate) fn of_member(member: &MlsMember) -> Result<Self, Refusal> {
        Self::read(&member.credential, &member.signature_key)
    }

    /// Verifies the chain up to the hospital's root. Whether the account was deleted since is not judged here.
    pub(crate) fn verify(&self, directory: &Directory) -> Result<DeviceRef, Refusal> {
        let verified = directory.verify_chain(&self.chain).map_err(Refusal::Chain)?;
        let device = DeviceRef { account_id: verified.account_id, device_id: verified.device_id };
        if device != self.device {
            return Err(Refusal::BadCredential);
        }
        Ok(device)
    }
}

/// The members of a tree, unverified, in leaf order.
pub(crate) fn members(tree: impl Iterator<Item = MlsMember>) -> Result<Vec<Member>, Refusal> {
    tree.map(|member| Ok(Member::new(member.index.u32(), &Claim::of_member(&member)?))).collect()
}

/// The public key of a leaf whose signatures were checked already.
pub(crate) fn public_key(bytes: &[u8]) -> Option<PublicKey> {
    PublicKey::parse(bytes).ok()
}
