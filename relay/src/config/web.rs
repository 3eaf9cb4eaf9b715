//! The section `[web]`: the page that browsers load, and where its sessions may come from.
use super::ConfigError;
use crate::web::origin::Origin;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// The web client's page and the browser's two roads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Web {
    /// Whether browsers are served at all.
    pub enabled: bool,
    /// TCP address of HTTPS: the page, and sessions where UDP is blocked. Port 0 takes any free one.
    pub address: SocketAddr,
    /// PEM file with the certificate chain of the page. Empty: the node's own, which browsers warn of.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
    /// Serves the page over plain HTTP; only on a loopback address.
    pub plain_http: bool,
    /// Origins whose pages may open sessions. Empty: only the page that this node serves.
    pub origins: Vec<String>,
}

impl Default for Web {
    fn default() -> Self {
        Self {
            enabled: true,
            address: SocketAddr::from(([0, 0, 0, 0], 4433)),
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            plain_http: false,
            origins: Vec::new(),
        }
    }
}

impl Web {
    /// Certificate and key, if the hospital gives its own.
    pub fn files(&self) -> Option<(&PathBuf, &PathBuf)> {
        (!self.certificate.as_os_str().is_empty()).then_some((&self.certificate, &self.key))
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.certificate.as_os_str().is_empty() != self.key.as_os_str().is_empty() {
            return Err(ConfigError::Impossible("web.certificate and web.key go together: give both or none".into()));
        }
        if self.plain_http && !self.address.ip().is_loopback() {
            return Err(ConfigError::Impossible(format!(
                "web.plain_http would send {} in clear over the network: set web.address to a loopback address, e.g. \
                 127.0.0.1:8080, with a proxy that speaks TLS in front of it; or give web.certificate and web.key",
                self.address
            )));
        }
        if let Some(wrong) = self.origins.iter().find(|origin| Origin::parse(origin).is_none()) {
            return Err(ConfigError::Impossible(format!(
                "web.origins names {wrong:?}: write it as browsers do, scheme://host or scheme://host:port in lower case \
                 without a path, e.g. https://wardline.clinic.example"
            )));
        }
        Ok(())
    }
}
