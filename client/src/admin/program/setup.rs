//! `init` and `recover`.
use super::arguments::Recover;
use super::{Desk, Outcome, now_ms, secret};
use crate::admin::vault::Cost;
use crate::admin::{AdminError, HOSPITAL_FILE, NodeSession, Office, Publication, ROOT_FILE, files, recovery};
use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::{Value, json};
use std::path::Path;
use wardline_directory::Directory;
use wardline_directory::key::RootKey;
use wardline_protocol::wire::Statement;

pub(super) fn init(desk: &Desk<'_>, recovery_file: Option<&Path>) -> Result<Outcome, AdminError> {
    let dir = &desk.arguments.dir;
    if dir.join(HOSPITAL_FILE).exists() {
        return Err(AdminError::Exists(dir.clone()));
    }
    let (office, printed) = Office::found(dir, desk.passphrase(true)?, Cost::default(), now_ms())?;
    let root = office.directory().root().to_hex();
    let dir = dir.display();
    let mut text =
        format!("A hospital was made in {dir}. Its root's public key, for `wardline init --root`:\n  {root}\n\n");
    let mut json = json!({"root": root, "dir": dir.to_string(), "recovery": Value::Null});
    match recovery_file {
        Some(path) => {
            files::create(path, format!("{}\n", printed.as_str()).as_bytes())?;
            text +=
                &format!("The root's recovery is in {}: print it, lock it away, destroy the file.\n", path.display());
        }
        None => {
            text += "The root's recovery. Write it down and lock it away; it is shown this once:\n";
            for line in printed.split(' ').collect::<Vec<_>>().chunks(7) {
                text += &format!("  {}\n", line.join("  "));
            }
            json["recovery"] = printed.as_str().into();
        }
    }
    text += &format!("\nWith the recovery safe, {dir}/{ROOT_FILE} may be moved off this machine.\n");
    text += "Next: `wardline init --root HEX` on the server, then `wardline-admin node add --card node.json` here.";
    Ok(Outcome::done(text, json))
}

pub(super) async fn recover(desk: &Desk<'_>, arguments: &Recover) -> Result<Outcome, AdminError> {
    let root = recovery::read(&secret::recovery(arguments.recovery_file.as_deref())?)?;
    let dir = &desk.arguments.dir;
    let mut statements = Office::stored_statements(dir)?;
    let mut session = road(desk, arguments, &root, &statements).await?;
    if let Some(session) = &mut session {
        // A chain shorter than the node's would fork the directory: what the node has beyond it comes first.
        statements.extend(session.statements_after(statements.len() as u64).await?);
    }
    let office = Office::recover(dir, &root, &statements, desk.passphrase(true)?, Cost::default(), now_ms())?;
    let publication = match session {
        None => Publication::NotAsked,
        Some(mut session) => match session.publish(&office).await {
            Ok(published) => Publication::Done(published),
            Err(error) => Publication::Failed(error.to_string()),
        },
    };
    let version = office.directory().version();
    let text = format!(
        "A new operational key signs from version {version} on; the old one signs nothing more.\n\
         Compare with what you know: {} accounts, {} groups.",
        office.directory().accounts().filter(|account| !account.deleted).count(),
        office.directory().groups().filter(|group| !group.deleted).count(),
    );
    let json = json!({"root": root.public().to_hex(), "version": version});
    Ok(Outcome::signed(text, json, &publication))
}

/// The node to ask for the chain, with the root's session.
async fn road(
    desk: &Desk<'_>,
    arguments: &Recover,
    root: &RootKey,
    stored: &[Statement],
) -> Result<Option<NodeSession>, AdminError> {
    if let (Some(address), Some(hex)) = (&arguments.from_node, &arguments.certificate_sha256) {
        let certificate =
            HEXLOWER_PERMISSIVE.decode(hex.trim().as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        let certificate =
            certificate.ok_or(AdminError::Input("--certificate-sha256 has 64 hexadecimal digits".into()))?;
        return Ok(Some(NodeSession::open_as_root(std::slice::from_ref(address), certificate, root).await?));
    }
    if stored.is_empty() {
        let missing = "there are no statements here: name a node that has them (--from-node, --certificate-sha256)";
        return Err(AdminError::Input(missing.into()));
    }
    let mut directory = Directory::new(root.public());
    directory.apply_all(stored).map_err(|_| AdminError::OtherHospital)?;
    if desk.arguments.offline || directory.nodes().all(|node| node.deleted) {
        return Ok(None);
    }
    NodeSession::open_known_as_root(&directory, root).await.map(Some)
}
