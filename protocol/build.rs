//! Compiles the schema without `protoc`.
use std::error::Error;

/// Messages that name a person or carry a key, a plaintext or an address: no derived `Debug` (invariant 8).
const REDACTED: &[&str] = &[
    "Account",
    "Group",
    "Node",
    "EnrolmentCode",
    "LinkCode",
    "LinkGrant",
    "Content",
    "Text",
    "Profile",
    "File",
    "Location",
    "Position",
    "TransferOpened",
    "Bulk",
    "StartCall",
    "ConnectMedia",
    "MediaAnswer",
    "StartBroadcast",
    "JoinBroadcast",
    "BroadcastNotice",
    "RegisterPush",
];

fn main() -> Result<(), Box<dyn Error>> {
    let files = ["proto/control.proto", "proto/directory.proto", "proto/content.proto"];
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    let mut config = prost_build::Config::new();
    config.bytes(["."]);
    config.skip_debug(REDACTED.iter().map(|name| format!(".wardline.v1.{name}")));
    config.compile_fds(protox::compile(files, ["proto"])?)?;
    Ok(())
}
