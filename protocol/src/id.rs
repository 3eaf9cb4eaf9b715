//! Newtype ids: 16 random bytes each, told apart by type. They name no person by themselves, so logs may hold them.
use crate::error::{Code, WireError};
use std::fmt;

/// Bytes in every id.
pub const ID_BYTES: usize = 16;

macro_rules! id {
    ($(#[$doc:meta] $name:ident),+ $(,)?) => {$(
        #[$doc]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; ID_BYTES]);

        impl $name {
            /// Wraps bytes that the caller made, e.g. from its random source.
            pub const fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
                Self(bytes)
            }

            /// The id as it travels.
            pub const fn as_bytes(&self) -> &[u8; ID_BYTES] {
                &self.0
            }

            /// Parses a field of a frame. Errors with `MALFORMED` when it is not 16 bytes long.
            pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
                bytes.try_into().map(Self).map_err(|_| {
                    WireError::new(Code::Malformed, concat!(stringify!($name), " must have 16 bytes"))
                })
            }

            /// Parses 32 hexadecimal digits.
            pub fn parse_hex(text: &str) -> Result<Self, WireError> {
                let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| {
                    WireError::new(Code::Malformed, concat!(stringify!($name), " must be 32 hexadecimal digits"))
                })?;
                Self::parse(&bytes)
            }

            /// The id as a protobuf field.
            pub fn to_bytes(&self) -> bytes::Bytes {
                bytes::Bytes::copy_from_slice(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    )+};
}

id!(
    /// A person, a machine or the archive: what the signed directory lists.
    AccountId,
    /// One phone, browser profile or program of an account.
    DeviceId,
    /// A group of accounts in the signed directory, e.g. a ward.
    GroupId,
    /// A conversation; also its MLS group id.
    ConversationId,
    /// A message, made by its sender; sending it twice stores it once.
    MessageId,
    /// The ciphertext of a file that was sent, made by its sender.
    AttachmentId,
    /// A call.
    CallId,
    /// A server of the hospital.
    NodeId,
    /// One life of a node's database: changes when a backup is restored.
    Incarnation,
    /// Where a new device and an existing one meet to be linked.
    Rendezvous,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_exactly_sixteen_bytes() {
        assert_eq!(AccountId::parse(&[7; 16]).unwrap(), AccountId::from_bytes([7; 16]));
        for wrong in [0, 15, 17, 32] {
            assert_eq!(AccountId::parse(&vec![7; wrong]).unwrap_err().code, Code::Malformed);
        }
    }

    #[test]
    fn hex_round_trips() {
        let id = DeviceId::from_bytes(*b"0123456789abcdef");
        assert_eq!(DeviceId::parse_hex(&id.to_string()).unwrap(), id);
        assert!(DeviceId::parse_hex("zz").is_err());
    }
}
