//! `Debug` for the messages that must not show themselves in logs.
use crate::wire;
use std::fmt;

macro_rules! redacted {
    ($($name:ident),+ $(,)?) => {$(
        impl fmt::Debug for wire::$name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    )+};
}

redacted!(
    Account,
    Group,
    Node,
    EnrolmentCode,
    LinkCode,
    LinkGrant,
    Content,
    Text,
    Profile,
    File,
    Location,
    Position,
    TransferOpened,
    Bulk,
    StartCall,
    ConnectMedia,
    MediaAnswer,
    StartBroadcast,
    JoinBroadcast,
    BroadcastNotice,
    RegisterPush,
);

#[cfg(test)]
mod tests {
    use crate::wire;

    #[test]
    fn a_name_never_reaches_debug() {
        let statement = wire::StatementBody {
            version: 1,
            content: Some(wire::statement_body::Content::Account(wire::Account {
                handle: "canary-handle".into(),
                display_name: "Canary Name".into(),
                ..Default::default()
            })),
            ..Default::default()
        };
        let content = wire::Content {
            body: Some(wire::content::Body::Text(wire::Text { text: "canary-text".into() })),
            ..Default::default()
        };
        let shown = format!("{statement:?} {content:?}").to_lowercase();
        assert!(shown.contains("redacted"));
        assert!(!shown.contains("canary"), "{shown}");
    }
}
