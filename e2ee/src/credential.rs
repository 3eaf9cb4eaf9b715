//! Who a leaf of the MLS tree is: its credential is a serialized device chain.
use crate::error::Refusal;
use openmls::prelude::{BasicCredential, Credential, LeafNode, Member as MlsMember};
use prost::Message;
use wardline_directory::Directory;
use wardline_directory::key::PublicKey;
use wardline_protocol::limit::KEY_PACKAGE_BYTES_MAX;
use wardline_protocol::wire::{DeviceCertificateBody, DeviceChain};
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
        let claim = Self::of_credential(credential)?;
        if claim.public_key.as_bytes().as_slice() == signature_key { Ok(claim) } else { Err(Refusal::BadCredential) }
    }

    /// Reads the credential of a leaf that passed [`Self::read`] when it came in.
    pub(crate) fn of_credential(credential: &Credential) -> Result<Self, Refusal> {
        let basic = BasicCredential::try_from(credential.clone()).map_err(|_| Refusal::BadCredential)?;
        if basic.identity().len() > KEY_PACKAGE_BYTES_MAX {
            return Err(Refusal::BadCredential);
        }
        let chain = DeviceChain::decode(basic.identity()).map_err(|_| Refusal::BadCredential)?;
        let own = chain.certificates.first().ok_or(Refusal::BadCredential)?;
        // Not `certificate::body`, which checks that keys are points of the curve: a claim is read for every member at every commit.
        let body = DeviceCertificateBody::decode(own.body.clone()).map_err(|_| Refusal::BadCredential)?;
        let public_key = body.public_key.as_ref().try_into().map_err(|_| Refusal::BadCredential)?;
        let account_id = AccountId::parse(&body.account_id).map_err(|_| Refusal::BadCredential)?;
        let device_id = DeviceId::parse(&body.device_id).map_err(|_| Refusal::BadCredential)?;
        let device = DeviceRef { account_id, device_id };
        Ok(Self { device, public_key: PublicKey::from_bytes(public_key), chain })
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
        // The same bytes read by two decoders: they must agree.
        if device != self.device || verified.public_key != self.public_key {
            return Err(Refusal::BadCredential);
        }
        Ok(device)
    }
}

/// The members of a tree, unverified, in leaf order.
pub(crate) fn members(tree: impl Iterator<Item = MlsMember>) -> Result<Vec<Member>, Refusal> {
    tree.map(|member| Ok(Member::new(member.index.u32(), &Claim::of_member(&member)?))).collect()
}
