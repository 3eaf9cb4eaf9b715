//! Ids of the media plane. They are the bytes of protocol ids and name no person.
use std::fmt;
use wardline_protocol::id::{CallId, DeviceId};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident from $source:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Wraps the bytes of an id.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl From<$source> for $name {
            fn from(id: $source) -> Self {
                Self(*id.as_bytes())
            }
        }

        impl From<$name> for $source {
            fn from(id: $name) -> Self {
                $source::from_bytes(id.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&$source::from_bytes(self.0), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

id!(
    /// The SFU's side of a call.
    RoomId from CallId
);
id!(
    /// One device's place in a room.
    ParticipantId from DeviceId
);
