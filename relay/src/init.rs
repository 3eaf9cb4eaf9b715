//! `wardline init`: a data directory for a new node.
use crate::identity::{CARD_FILE, DataDir, NodeCard, TlsIdentity};
use crate::node::{StartError, meta};
use crate::store::{SqliteStore, database_path};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use std::path::Path;
use wardline_directory::key::PublicKey;
use wardline_protocol::NodeId;

/// The hospital's root is not a key.
#[derive(Debug, thiserror::Error)]
#[error(
    "--root must be 64 hexadecimal digits or a file that holds them: take hospital.pub, which `wardline-admin init` wrote"
)]
pub struct RootError;

/// A new node.
pub struct Made {
    /// Where it is.
    pub dir: DataDir,
    /// Its id.
    pub node_id: NodeId,
    /// What the IT admin's program takes.
    pub card: NodeCard,
}

/// Reads the hospital's public root key: hexadecimal digits, or a file that holds them.
pub fn parse_root(text: &str) -> Result<PublicKey, RootError> {
    let parse = |hex: &str| {
        let bytes = HEXLOWER_PERMISSIVE.decode(hex.trim().as_bytes()).map_err(|_| RootError)?;
        PublicKey::parse(&bytes).map_err(|_| RootError)
    };
    parse(text).or_else(|_| std::fs::read_to_string(text).map_err(|_| RootError).and_then(|content| parse(&content)))
}

/// Makes keys, certificate, database and card. Refuses a directory that is not empty. What was made is removed when it fails half-way.
pub async fn init(path: &Path, root: PublicKey, name: &str, addresses: Vec<String>) -> Result<Made, StartError> {
    let dir = DataDir::create(path)?;
    let made = fill(&dir, root, name, addresses).await;
    if made.is_err() && std::fs::remove_dir_all(path).is_err() {
        tracing::warn!("the half-made data directory could not be removed");
    }
    made
}

async fn fill(dir: &DataDir, root: PublicKey, name: &str, addresses: Vec<String>) -> Result<Made, StartError> {
    dir.make_keys()?;
    let node_id = NodeId::from_bytes(crate::random());
    let store = SqliteStore::create(&database_path(dir.path())).await?;
    store.set_meta(meta::NODE_ID, node_id.as_bytes()).await?;
    store.set_meta(meta::INCARNATION, &crate::random::<16>()).await?;
    store.set_meta(meta::ROOT, &root.to_bytes()).await?;
    store.close().await?;
    let card = card(&dir.tls()?, node_id, dir.proposer()?.public(), name, addresses);
    dir.write(CARD_FILE, &serde_json::to_vec_pretty(&card).unwrap_or_default())?;
    dir.sync()?;
    Ok(Made { dir: dir.clone(), node_id, card })
}

fn card(tls: &TlsIdentity, node_id: NodeId, proposer: PublicKey, name: &str, addresses: Vec<String>) -> NodeCard {
    NodeCard {
        name: name.to_owned(),
        node_id: node_id.to_string(),
        certificate_sha256: HEXLOWER.encode(&tls.certificate_sha256()),
        proposer_public_key: proposer.to_hex(),
        addresses,
    }
}
