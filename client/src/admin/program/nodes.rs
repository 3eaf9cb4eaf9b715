//! `node ...`
use super::arguments::Node;
use super::output::table;
use super::{Desk, Outcome, now_ms};
use crate::admin::AdminError;
use crate::admin::node_card::NodeCard;
use data_encoding::HEXLOWER;
use serde_json::json;
use std::fs;
use wardline_protocol::NodeId;

pub(super) async fn run(desk: &Desk<'_>, command: &Node) -> Result<Outcome, AdminError> {
    match command {
        Node::Add { card, name, addresses, certificate_sha256, proposer_key, node_id } => {
            let mut said = match card {
                Some(path) => NodeCard::parse(&fs::read_to_string(path).map_err(AdminError::file(path))?)?,
                None => NodeCard::default(),
            };
            let overrule = |field: &mut String, option: &Option<String>| {
                if let Some(option) = option {
                    field.clone_from(option);
                }
            };
            overrule(&mut said.name, name);
            overrule(&mut said.certificate_sha256, certificate_sha256);
            overrule(&mut said.proposer_public_key, proposer_key);
            overrule(&mut said.node_id, node_id);
            if !addresses.is_empty() {
                said.addresses.clone_from(addresses);
            }
            add(desk, &said).await
        }
        Node::List => list(desk),
        Node::Remove { node_id } => {
            let id = NodeId::parse_hex(node_id).map_err(|error| AdminError::Input(error.message))?;
            let ((), _, publication) = desk.sign(|hospital| Ok(hospital.delete_node(id, now_ms())?)).await?;
            Ok(Outcome::signed(format!("Node {id} is out."), json!({"node_id": id.to_string()}), &publication))
        }
    }
}

async fn add(desk: &Desk<'_>, card: &NodeCard) -> Result<Outcome, AdminError> {
    let record = card.record()?;
    let ((), _, publication) = desk.sign(|hospital| Ok(hospital.add_node(&record, now_ms())?)).await?;
    let text = format!("Node \"{}\" ({}) is vouched for.", record.name, record.node_id);
    let json = json!({"node_id": record.node_id.to_string(), "name": record.name, "addresses": record.addresses});
    Ok(Outcome::signed(text, json, &publication))
}

fn list(desk: &Desk<'_>) -> Result<Outcome, AdminError> {
    let directory = desk.directory()?;
    let nodes: Vec<_> = directory.nodes().filter(|node| !node.deleted).collect();
    let rows: Vec<_> =
        nodes.iter().map(|node| vec![node.node_id.to_string(), node.name.clone(), node.addresses.join(" ")]).collect();
    let describe = |node: &&wardline_directory::NodeRecord| {
        json!({
            "node_id": node.node_id.to_string(), "name": node.name, "addresses": node.addresses,
            "certificate_sha256": HEXLOWER.encode(&node.certificate_sha256),
            "proposer_public_key": node.proposer_public_key.to_hex(),
        })
    };
    let json = json!({"nodes": nodes.iter().map(describe).collect::<Vec<_>>()});
    Ok(Outcome::done(table(&["id", "name", "addresses"], &rows), json))
}
