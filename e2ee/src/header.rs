//! The clear header of an MLS message: what the node routes by.
use crate::codec;
use openmls::prelude::{ContentType, MlsMessageBodyIn};

/// A message does not decode or is of a kind that does not travel alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an MLS PublicMessage or PrivateMessage")]
pub struct NotAMessage;

/// What stands in clear at the front of a PublicMessage or PrivateMessage (RFC 9420 section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The conversation's id when it is one of ours.
    pub group_id: Vec<u8>,
    /// In which it was made.
    pub epoch: u64,
    /// A PrivateMessage that says it is an application message.
    pub is_private: bool,
}

/// Reads the header of an MLSMessage. Nothing is verified.
pub fn header(message: &[u8]) -> Result<Header, NotAMessage> {
    let message = codec::message(message).map_err(|_| NotAMessage)?;
    match message.extract() {
        MlsMessageBodyIn::PublicMessage(message) => {
            let group_id = message.group_id().to_vec();
            Ok(Header { group_id, epoch: message.epoch().as_u64(), is_private: false })
        }
        MlsMessageBodyIn::PrivateMessage(message) => {
            let is_private = message.content_type() == ContentType::Application;
            Ok(Header { group_id: message.group_id().to_vec(), epoch: message.epoch().as_u64(), is_private })
        }
        _ => Err(NotAMessage),
    }
}
