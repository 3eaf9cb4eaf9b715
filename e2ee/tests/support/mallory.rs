//! A member whose program keeps none of the rules: openmls without the engine.
use super::{Commit, ID, NOW, Node, Papers, World};
use openmls::prelude::tls_codec::{DeserializeBytes, Serialize as _};
use openmls::prelude::*;
use openmls_rust_crypto::OpenMlsRustCrypto;
use openmls_traits::OpenMlsProvider;
use openmls_traits::signatures::{Signer, SignerError};
use openmls_traits::types::SignatureScheme;
use prost::Message;
use wardline_directory::key::{DeviceKey, ProposerKey};
use wardline_e2ee::roster::EXTENSION_TYPE;
use wardline_e2ee::{Change, Engine};
use wardline_protocol::wire::{DeviceChain, Roster};

pub const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

/// Signs with any key.
pub struct Key<'a>(pub &'a [u8; 32]);

impl Signer for Key<'_> {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(DeviceKey::from_seed(*self.0).sign(payload).to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

pub struct Proposer<'a>(pub &'a ProposerKey);

impl Signer for Proposer<'_> {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.0.sign(payload).to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

pub struct Mallory {
    pub provider: OpenMlsRustCrypto,
    pub papers: Papers,
    pub group: MlsGroup,
}

fn capabilities() -> Capabilities {
    Capabilities::builder()
        .extensions(vec![ExtensionType::LastResort, ExtensionType::Unknown(EXTENSION_TYPE)])
        .credentials(vec![CredentialType::Basic])
        .build()
}

pub fn credential(seed: &[u8; 32], chain: &DeviceChain) -> CredentialWithKey {
    CredentialWithKey {
        credential: BasicCredential::new(chain.encode_to_vec()).into(),
        signature_key: DeviceKey::from_seed(*seed).public().as_bytes().to_vec().into(),
    }
}

/// A key package that any key and chain may be in.
pub fn key_package(
    provider: &OpenMlsRustCrypto,
    seed: &[u8; 32],
    chain: &DeviceChain,
    lifetime: Lifetime,
) -> KeyPackage {
    KeyPackage::builder()
        .key_package_lifetime(lifetime)
        .leaf_node_capabilities(capabilities())
        .build(SUITE, provider, &Key(seed), credential(seed, chain))
        .unwrap()
        .into_key_package()
}

pub fn forever() -> Lifetime {
    Lifetime::init(0, u64::MAX)
}

pub fn honest(papers: &Papers) -> KeyPackage {
    key_package(&OpenMlsRustCrypto::default(), &papers.seed, &papers.chain, forever())
}

pub fn bytes(key_package: KeyPackage) -> Vec<u8> {
    MlsMessageOut::from(key_package).tls_serialize_detached().unwrap()
}

/// Somebody's key package as a hostile program takes it: checked by MLS only.
pub fn valid(bytes: &[u8]) -> KeyPackage {
    let MlsMessageBodyIn::KeyPackage(key_package) = message(bytes).extract() else { panic!() };
    key_package.validate(OpenMlsRustCrypto::default().crypto(), ProtocolVersion::Mls10).unwrap()
}

fn config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .use_ratchet_tree_extension(false)
        .build()
}

pub fn tree(bytes: &[u8]) -> RatchetTreeIn {
    RatchetTreeIn::tls_deserialize_exact_bytes(bytes).unwrap()
}

pub fn message(bytes: &[u8]) -> MlsMessageIn {
    MlsMessageIn::tls_deserialize_exact_bytes(bytes).unwrap()
}

pub fn public(bytes: &[u8]) -> PublicMessageIn {
    match message(bytes).extract() {
        MlsMessageBodyIn::PublicMessage(message) => message,
        _ => panic!("not a PublicMessage"),
    }
}

pub fn out(message: &MlsMessageOut) -> Vec<u8> {
    message.tls_serialize_detached().unwrap()
}

/// A commit as Mallory makes it, with what she would send to the node.
pub struct Made {
    pub entry: Commit,
    pub welcome: Option<Vec<u8>>,
    pub group_info: Vec<u8>,
}

impl Mallory {
    /// Is added by `by` like anybody else.
    pub fn join(node: &mut Node, by: &mut Engine, others: &mut [&mut Engine], papers: Papers, world: &World) -> Self {
        let provider = OpenMlsRustCrypto::default();
        let own = key_package(&provider, &papers.seed, &papers.chain, forever());
        let change = Change { add_key_packages: vec![bytes(own)], ..Change::default() };
        let pending = by.commit(ID, change, world.directory(), NOW).unwrap();
        node.submit(&pending);
        super::process(by, node.log.last().unwrap(), world).unwrap();
        for other in others.iter_mut() {
            super::process(other, node.log.last().unwrap(), world).unwrap();
        }
        let MlsMessageBodyIn::Welcome(welcome) = message(&pending.welcome.unwrap()).extract() else { panic!() };
        let group = StagedWelcome::new_from_welcome(&provider, &config(), welcome, Some(tree(&node.tree())));
        let group = group.unwrap().into_group(&provider).unwrap();
        Self { provider, papers, group }
    }

    /// A group of her own making under the same id.
    pub fn create(papers: Papers, extensions: Vec<Extension>) -> Self {
        let provider = OpenMlsRustCrypto::default();
        let create = MlsGroupCreateConfig::builder()
            .ciphersuite(SUITE)
            .capabilities(capabilities())
            .lifetime(forever())
            .with_group_context_extensions(Extensions::from_vec(extensions).unwrap())
            .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .use_ratchet_tree_extension(false)
            .build();
        let own = credential(&papers.seed, &papers.chain);
        let id = GroupId::from_slice(ID.as_bytes());
        let group = MlsGroup::new_with_group_id(&provider, &Key(&papers.seed), &create, id, own).unwrap();
        Self { provider, papers, group }
    }

    /// Commits whatever `build` puts in, and the proposals by reference.
    pub fn commit(
        &mut self,
        proposals: &[Vec<u8>],
        build: impl FnOnce(CommitBuilder<'_, Initial>) -> CommitBuilder<'_, Initial>,
    ) -> Made {
        for proposal in proposals {
            let processed = self.group.process_message(&self.provider, public(proposal)).unwrap();
            let ProcessedMessageContent::ProposalMessage(queued) = processed.into_content() else { panic!() };
            self.group.store_pending_proposal(self.provider.storage(), *queued).unwrap();
        }
        let key = Key(&self.papers.seed);
        let bundle = build(self.group.commit_builder())
            .load_psks(self.provider.storage())
            .unwrap()
            .create_group_info(true)
            .build(self.provider.rand(), self.provider.crypto(), &key, |_| true)
            .unwrap()
            .stage_commit(&self.provider)
            .unwrap();
        let made = made(bundle, proposals);
        self.group.clear_pending_proposals(self.provider.storage()).unwrap();
        made
    }

    /// Drops the commit made last, so that she can make another.
    pub fn drop_commit(&mut self) {
        self.group.clear_pending_commit(self.provider.storage()).unwrap();
    }

    pub fn tree(&self) -> Vec<u8> {
        self.group.export_ratchet_tree().tls_serialize_detached().unwrap()
    }

    pub fn merge(&mut self) {
        self.group.merge_pending_commit(&self.provider).unwrap();
    }

    /// The group's extensions with the roster replaced.
    pub fn with_roster(&self, roster: &Roster) -> Extensions<GroupContext> {
        let mut extensions = self.group.extensions().clone();
        let roster = UnknownExtension(roster.encode_to_vec());
        extensions.add_or_replace(Extension::Unknown(EXTENSION_TYPE, roster)).unwrap();
        extensions
    }

    pub fn leaf_of(&self, papers: &Papers) -> LeafNodeIndex {
        let key = DeviceKey::from_seed(papers.seed).public();
        self.group.members().find(|member| member.signature_key == key.as_bytes()).unwrap().index
    }
}

pub fn made(bundle: CommitMessageBundle, proposals: &[Vec<u8>]) -> Made {
    let (commit, welcome, group_info) = bundle.into_messages();
    Made {
        entry: Commit { proposals: proposals.to_vec(), commit: out(&commit) },
        welcome: welcome.as_ref().map(out),
        group_info: out(&group_info.unwrap()),
    }
}

/// An external commit by anybody.
pub fn external_commit(node: &Node, papers: &Papers) -> Made {
    let provider = OpenMlsRustCrypto::default();
    let MlsMessageBodyIn::GroupInfo(info) = message(node.view.group_info()).extract() else { panic!() };
    let (_, bundle) = MlsGroup::external_commit_builder()
        .with_ratchet_tree(tree(&node.tree()))
        .with_config(config())
        .build_group(&provider, info, credential(&papers.seed, &papers.chain))
        .unwrap()
        .leaf_node_parameters(LeafNodeParameters::builder().with_capabilities(capabilities()).build())
        .load_psks(provider.storage())
        .unwrap()
        .create_group_info(true)
        .build(provider.rand(), provider.crypto(), &Key(&papers.seed), |_| true)
        .unwrap()
        .finalize(&provider)
        .unwrap();
    made(bundle, &[])
}

/// Required capabilities and roster, as a group of this system has them.
pub fn context(roster: &Roster) -> Vec<Extension> {
    let kind = ExtensionType::Unknown(EXTENSION_TYPE);
    vec![
        Extension::RequiredCapabilities(RequiredCapabilitiesExtension::new(&[kind], &[], &[CredentialType::Basic])),
        Extension::Unknown(EXTENSION_TYPE, UnknownExtension(roster.encode_to_vec())),
    ]
}
