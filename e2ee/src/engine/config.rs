//! How groups of this system are set up.
use crate::error::{EngineError, Refusal};
use crate::roster;
use crate::suite::Suite;
use openmls::prelude::{
    BasicCredential, Capabilities, CredentialType, Extension, ExtensionType, Extensions, ExternalSender, GroupContext,
    Lifetime, MlsGroupCreateConfig, MlsGroupJoinConfig, PURE_PLAINTEXT_WIRE_FORMAT_POLICY, ProtocolVersion,
    RequiredCapabilitiesExtension, SenderRatchetConfiguration,
};
use std::collections::BTreeSet;
use wardline_directory::Directory;
use wardline_directory::key::PublicKey;
use wardline_protocol::wire::Roster;

/// Epochs whose messages can still be read after a commit.
pub(crate) const PAST_EPOCHS: usize = 3;

/// Application messages are padded to a multiple of this many bytes.
pub(crate) const PADDING_BYTES: usize = 64;

/// Messages of one sender that may be missing before one that is read.
pub(crate) const FORWARD_DISTANCE_MAX: u32 = 2000;

/// Messages of one sender that may come late.
pub(crate) const OUT_OF_ORDER_MAX: u32 = 100;

pub(crate) fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .padding_size(PADDING_BYTES)
        .max_past_epochs(PAST_EPOCHS)
        .use_ratchet_tree_extension(false)
        .sender_ratchet_configuration(sender_ratchet())
        .build()
}

pub(crate) fn create_config(suite: Suite, extensions: Extensions<GroupContext>) -> MlsGroupCreateConfig {
    MlsGroupCreateConfig::builder()
        .ciphersuite(suite.ciphersuite())
        .capabilities(capabilities(suite))
        .lifetime(lifetime())
        .with_group_context_extensions(extensions)
        .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .padding_size(PADDING_BYTES)
        .max_past_epochs(PAST_EPOCHS)
        .use_ratchet_tree_extension(false)
        .sender_ratchet_configuration(sender_ratchet())
        .build()
}

fn sender_ratchet() -> SenderRatchetConfiguration {
    SenderRatchetConfiguration::new(OUT_OF_ORDER_MAX, FORWARD_DISTANCE_MAX)
}

/// A lifetime is checked again whenever an old Add is replayed, so it never ends; the node retires key packages by its own rules.
pub(crate) fn lifetime() -> Lifetime {
    Lifetime::init(0, u64::MAX)
}

pub(crate) fn is_lasting(lifetime: &Lifetime) -> bool {
    lifetime.not_before() == 0 && lifetime.not_after() == u64::MAX
}

/// What every leaf announces.
pub(crate) fn capabilities(suite: Suite) -> Capabilities {
    Capabilities::builder()
        .versions(vec![ProtocolVersion::Mls10])
        .ciphersuites(vec![suite.ciphersuite()])
        .extensions(vec![ExtensionType::LastResort, ExtensionType::Unknown(roster::EXTENSION_TYPE)])
        .proposals(vec![])
        .credentials(vec![CredentialType::Basic])
        .build()
}

/// What every group requires of its leaves.
pub(crate) fn required() -> RequiredCapabilitiesExtension {
    RequiredCapabilitiesExtension::new(&[ExtensionType::Unknown(roster::EXTENSION_TYPE)], &[], &[CredentialType::Basic])
}

/// A node's proposer key as MLS names it.
pub(crate) fn external_sender(key: &PublicKey) -> ExternalSender {
    let name = BasicCredential::new(b"wardline node".to_vec());
    ExternalSender::new(key.as_bytes().to_vec().into(), name.into())
}

/// The directory's nodes that may propose removals now, in the order of their keys.
pub(crate) fn proposers(directory: &Directory) -> Vec<ExternalSender> {
    let keys: BTreeSet<_> =
        directory.nodes().filter(|node| !node.deleted).map(|node| node.proposer_public_key).collect();
    keys.iter().map(external_sender).collect()
}

/// The external senders of a group context.
pub(crate) fn external_senders(extensions: &Extensions<GroupContext>) -> &[ExternalSender] {
    extensions.external_senders().map(Vec::as_slice).unwrap_or_default()
}

/// The extensions of a group context.
pub(crate) fn extensions(
    roster: &Roster,
    senders: Vec<ExternalSender>,
) -> Result<Extensions<GroupContext>, EngineError> {
    let mut list = vec![Extension::RequiredCapabilities(required()), roster::extension(roster)];
    if !senders.is_empty() {
        list.push(Extension::ExternalSenders(senders));
    }
    Extensions::from_vec(list).map_err(|_| EngineError::Forbidden(Refusal::ContextChanged))
}
