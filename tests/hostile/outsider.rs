//! MLS without the rules of this system: what the owner's own programs can make from what the node has.
use openmls::prelude::tls_codec::{DeserializeBytes, Serialize as _};
use openmls::prelude::*;
use openmls_rust_crypto::OpenMlsRustCrypto;
use openmls_traits::OpenMlsProvider;
use openmls_traits::signatures::{Signer, SignerError};
use openmls_traits::types::SignatureScheme;
use prost::Message as _;
use wardline_directory::certificate;
use wardline_directory::key::{DeviceKey, EnrolmentKey, ProposerKey};
use wardline_e2ee::roster::EXTENSION_TYPE;
use wardline_protocol::{AccountId, ConversationId, DeviceId, wire};
use wardline_schedules::Device;
use wardline_signaling::ConversationRow;

const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

/// A device's key and certificates, true or not.
#[derive(Clone)]
pub struct Papers {
    seed: [u8; 32],
    chain: wire::DeviceChain,
}

impl Papers {
    /// A device that exists.
    pub fn of(device: &Device) -> Self {
        Self { seed: device.seed, chain: device.chain.clone() }
    }

    /// A further device of an account, certified by one that exists: what a person does with a link code.
    pub fn linked_by(device: &Device, now_ms: u64) -> Self {
        let key = DeviceKey::from_seed(device.seed);
        Self::issued_by(&key, device, device.account, now_ms)
    }

    /// A device that an owner certifies by itself in the name of one that exists.
    pub fn as_if_linked_by(device: &Device, now_ms: u64) -> Self {
        Self::issued_by(&DeviceKey::from_seed([0xEE; 32]), device, device.account, now_ms)
    }

    fn issued_by(key: &DeviceKey, device: &Device, account: AccountId, now_ms: u64) -> Self {
        let seed = [0xED; 32];
        let (id, public) = (DeviceId::from_bytes([0xED; 16]), DeviceKey::from_seed(seed).public());
        let own = certificate::issue_by_device(key, device.id, account, id, public, now_ms);
        Self {
            seed,
            chain: wire::DeviceChain { certificates: [vec![own], device.chain.certificates.clone()].concat() },
        }
    }

    /// A device enrolled with a code that the IT admin never gave out.
    pub fn enrolled_by_owner(account: AccountId, now_ms: u64) -> Self {
        let seed = [0xEC; 32];
        let (id, public) = (DeviceId::from_bytes([0xEC; 16]), DeviceKey::from_seed(seed).public());
        let own = certificate::issue_by_enrolment(&EnrolmentKey::from_seed([0xEF; 32]), account, id, public, now_ms);
        Self { seed, chain: wire::DeviceChain { certificates: vec![own] } }
    }

    fn credential(&self) -> CredentialWithKey {
        CredentialWithKey {
            credential: BasicCredential::new(self.chain.encode_to_vec()).into(),
            signature_key: DeviceKey::from_seed(self.seed).public().as_bytes().to_vec().into(),
        }
    }

    fn package(&self) -> KeyPackage {
        KeyPackage::builder()
            .key_package_lifetime(Lifetime::init(0, u64::MAX))
            .leaf_node_capabilities(capabilities())
            .build(SUITE, &OpenMlsRustCrypto::default(), &Key(&self.seed), self.credential())
            .unwrap()
            .into_key_package()
    }

    /// MLSMessage(KeyPackage).
    pub fn key_package(&self) -> Vec<u8> {
        MlsMessageOut::from(self.package()).tls_serialize_detached().unwrap()
    }
}

struct Key<'a>(&'a [u8; 32]);

impl Signer for Key<'_> {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(DeviceKey::from_seed(*self.0).sign(payload).to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

struct Proposer<'a>(&'a ProposerKey);

impl Signer for Proposer<'_> {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.0.sign(payload).to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

fn capabilities() -> Capabilities {
    Capabilities::builder()
        .extensions(vec![ExtensionType::LastResort, ExtensionType::Unknown(EXTENSION_TYPE)])
        .credentials(vec![CredentialType::Basic])
        .build()
}

fn message(bytes: &[u8]) -> MlsMessageIn {
    MlsMessageIn::tls_deserialize_exact_bytes(bytes).unwrap()
}

/// A group in which the owner believes to be.
pub struct Outsider {
    provider: OpenMlsRustCrypto,
    group: MlsGroup,
    /// MLSMessage(PublicMessage): the external commit that brought it in.
    commit: Vec<u8>,
}

impl Outsider {
    /// Joins from outside with the GroupInfo and the tree that the node has.
    pub fn join(papers: &Papers, row: &ConversationRow) -> Self {
        let provider = OpenMlsRustCrypto::default();
        let MlsMessageBodyIn::GroupInfo(info) = message(&row.group_info).extract() else { panic!() };
        let config = MlsGroupJoinConfig::builder()
            .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .use_ratchet_tree_extension(false)
            .build();
        let tree = RatchetTreeIn::tls_deserialize_exact_bytes(&row.ratchet_tree).unwrap();
        let (group, bundle) = MlsGroup::external_commit_builder()
            .with_ratchet_tree(tree)
            .with_config(config)
            .skip_lifetime_validation()
            .build_group(&provider, info, papers.credential())
            .unwrap()
            .leaf_node_parameters(LeafNodeParameters::builder().with_capabilities(capabilities()).build())
            .load_psks(provider.storage())
            .unwrap()
            .build(provider.rand(), provider.crypto(), &Key(&papers.seed), |_| true)
            .unwrap()
            .finalize(&provider)
            .unwrap();
        let (commit, _, _) = bundle.into_messages();
        Self { group, commit: commit.tls_serialize_detached().unwrap(), provider }
    }

    /// The external commit as the log would have it.
    pub fn entry(&self) -> wire::entry::Content {
        let commit = self.commit.clone().into();
        wire::entry::Content::Commit(wire::CommitContent { proposals: Vec::new(), commit })
    }

    /// Whether it can open a ciphertext.
    pub fn reads(&mut self, ciphertext: &[u8]) -> bool {
        let MlsMessageBodyIn::PrivateMessage(sealed) = message(ciphertext).extract() else { panic!() };
        let opened = self.group.process_message(&self.provider, sealed);
        opened.is_ok_and(|opened| matches!(opened.into_content(), ProcessedMessageContent::ApplicationMessage(_)))
    }
}

/// What the node's key signs about a group.
pub struct Proposals<'a> {
    pub key: &'a ProposerKey,
    pub conversation: ConversationId,
    pub epoch: u64,
}

impl Proposals<'_> {
    fn id(&self) -> GroupId {
        GroupId::from_slice(self.conversation.as_bytes())
    }

    /// What it may say.
    pub fn remove(&self, leaf: u32) -> Vec<u8> {
        let proposal = ExternalProposal::new_remove::<OpenMlsRustCrypto>(
            LeafNodeIndex::new(leaf),
            self.id(),
            GroupEpoch::from(self.epoch),
            &Proposer(self.key),
            SenderExtensionIndex::new(0),
        );
        proposal.unwrap().tls_serialize_detached().unwrap()
    }

    /// What it may not say.
    pub fn add(&self, papers: &Papers) -> Vec<u8> {
        let proposal = ExternalProposal::new_add::<OpenMlsRustCrypto>(
            papers.package(),
            self.id(),
            GroupEpoch::from(self.epoch),
            &Proposer(self.key),
            SenderExtensionIndex::new(0),
        );
        proposal.unwrap().tls_serialize_detached().unwrap()
    }
}
