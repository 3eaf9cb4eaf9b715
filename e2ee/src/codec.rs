//! Bytes to openmls types and back. Every decoder takes exactly its bytes and never panics.
use openmls::messages::group_info::VerifiableGroupInfo;
use openmls::prelude::tls_codec::{DeserializeBytes, Serialize as _};
use openmls::prelude::{
    KeyPackageIn, MlsMessageBodyIn, MlsMessageIn, MlsMessageOut, ProtocolMessage, PublicMessageIn, RatchetTreeIn,
    Welcome,
};
use openmls::treesync::RatchetTree;

/// The bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotDecodable;

pub(crate) fn message(bytes: &[u8]) -> Result<MlsMessageIn, NotDecodable> {
    MlsMessageIn::tls_deserialize_exact_bytes(bytes).map_err(|_| NotDecodable)
}

pub(crate) fn public_message(bytes: &[u8]) -> Result<PublicMessageIn, NotDecodable> {
    match message(bytes)?.extract() {
        MlsMessageBodyIn::PublicMessage(message) => Ok(message),
        _ => Err(NotDecodable),
    }
}

pub(crate) fn private_message(bytes: &[u8]) -> Result<ProtocolMessage, NotDecodable> {
    match message(bytes)?.extract() {
        MlsMessageBodyIn::PrivateMessage(message) => Ok(message.into()),
        _ => Err(NotDecodable),
    }
}

pub(crate) fn welcome(bytes: &[u8]) -> Result<Welcome, NotDecodable> {
    match message(bytes)?.extract() {
        MlsMessageBodyIn::Welcome(welcome) => Ok(welcome),
        _ => Err(NotDecodable),
    }
}

pub(crate) fn group_info(bytes: &[u8]) -> Result<VerifiableGroupInfo, NotDecodable> {
    match message(bytes)?.extract() {
        MlsMessageBodyIn::GroupInfo(group_info) => Ok(group_info),
        _ => Err(NotDecodable),
    }
}

pub(crate) fn key_package(bytes: &[u8]) -> Result<KeyPackageIn, NotDecodable> {
    match message(bytes)?.extract() {
        MlsMessageBodyIn::KeyPackage(key_package) => Ok(key_package),
        _ => Err(NotDecodable),
    }
}

pub(crate) fn ratchet_tree(bytes: &[u8]) -> Result<RatchetTreeIn, NotDecodable> {
    RatchetTreeIn::tls_deserialize_exact_bytes(bytes).map_err(|_| NotDecodable)
}

pub(crate) fn encode_tree(tree: &RatchetTree) -> Result<Vec<u8>, NotDecodable> {
    tree.tls_serialize_detached().map_err(|_| NotDecodable)
}

pub(crate) fn encode(message: &MlsMessageOut) -> Result<Vec<u8>, NotDecodable> {
    message.tls_serialize_detached().map_err(|_| NotDecodable)
}
