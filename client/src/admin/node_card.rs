//! What `wardline init` tells of a new node (node.json) so that the hospital's key can vouch for it.
use crate::admin::AdminError;
use data_encoding::HEXLOWER_PERMISSIVE;
use serde::Deserialize;
use wardline_directory::NodeRecord;
use wardline_directory::key::PublicKey;
use wardline_protocol::NodeId;

/// A node's card, or the same from the command line. Numbers are hexadecimal.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
pub struct NodeCard {
    /// For people.
    #[serde(default)]
    pub name: String,
    /// 16 bytes; empty: a new one is made.
    #[serde(default)]
    pub node_id: String,
    /// 32 bytes.
    pub certificate_sha256: String,
    /// Ed25519, 32 bytes.
    pub proposer_public_key: String,
    /// "host:port", the preferred one first.
    #[serde(default)]
    pub addresses: Vec<String>,
}

impl NodeCard {
    /// Reads node.json.
    pub fn parse(text: &str) -> Result<Self, AdminError> {
        serde_json::from_str(text).map_err(|error| AdminError::Input(format!("the node card does not read: {error}")))
    }

    /// What the statement will say. Errors when a number is not one.
    pub fn record(&self) -> Result<NodeRecord, AdminError> {
        let wrong = |what: &str| AdminError::Input(format!("the node card's {what} is not what it should be"));
        let node_id = match self.node_id.as_str() {
            "" => NodeId::from_bytes(*wardline_directory::key::random()?),
            hex => NodeId::parse_hex(hex).map_err(|_| wrong("node_id"))?,
        };
        let certificate = HEXLOWER_PERMISSIVE.decode(self.certificate_sha256.trim().as_bytes()).ok();
        let certificate_sha256 = certificate.and_then(|bytes| bytes.try_into().ok());
        Ok(NodeRecord {
            node_id,
            name: if self.name.is_empty() { "node".into() } else { self.name.clone() },
            addresses: self.addresses.clone(),
            certificate_sha256: certificate_sha256.ok_or_else(|| wrong("certificate_sha256"))?,
            proposer_public_key: PublicKey::parse_hex(&self.proposer_public_key)
                .map_err(|_| wrong("proposer_public_key"))?,
            deleted: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wardline_directory::key::ProposerKey;

    fn card(certificate: &str) -> String {
        let key = ProposerKey::from_seed([4; 32]).public().to_hex();
        format!(
            r#"{{"name":"node-1","node_id":"{}","certificate_sha256":"{certificate}","proposer_public_key":"{key}","addresses":["10.0.0.1:4433"]}}"#,
            "01".repeat(16)
        )
    }

    #[test]
    fn a_card_becomes_a_record() {
        let record = NodeCard::parse(&card(&"ab".repeat(32))).unwrap().record().unwrap();
        assert_eq!(record.node_id, NodeId::from_bytes([1; 16]));
        assert_eq!(record.certificate_sha256, [0xab; 32]);
        assert_eq!(record.addresses, ["10.0.0.1:4433"]);
    }

    #[test]
    fn a_wrong_number_is_named() {
        let error = NodeCard::parse(&card("abcd")).unwrap().record().unwrap_err().to_string();
        assert!(error.contains("certificate_sha256"), "{error}");
        assert!(NodeCard::parse("{}").is_err());
    }
}
