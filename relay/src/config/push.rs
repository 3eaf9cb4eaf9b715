//! The section `[push]`: waking browsers that are closed. The one part of a node that speaks to the outside.
use super::ConfigError;
use serde::{Deserialize, Serialize};
use wardline_signaling::PushServices;

/// Web Push by the browsers' own services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Push {
    /// Whether pushes are sent.
    pub enabled: bool,
    /// Whom a push service may ask when something is wrong (RFC 8292 section 2.1): `mailto:` or `https:`.
    pub contact: String,
    /// Host names of the services; `*.` in front stands for every name below.
    pub services: Vec<String>,
    /// For tests: also plain HTTP on this host itself.
    pub insecure_loopback: bool,
}

impl Default for Push {
    fn default() -> Self {
        let services =
            ["fcm.googleapis.com", "updates.push.services.mozilla.com", "web.push.apple.com", "*.notify.windows.com"];
        Self {
            enabled: false,
            contact: String::new(),
            services: services.map(ToOwned::to_owned).to_vec(),
            insecure_loopback: false,
        }
    }
}

impl Push {
    /// What the plane accepts; nothing while pushes are off.
    pub fn accepted(&self) -> Option<PushServices> {
        self.enabled.then(|| PushServices { hosts: self.services.clone(), insecure_loopback: self.insecure_loopback })
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let address = self.contact.strip_prefix("mailto:").or_else(|| self.contact.strip_prefix("https://"));
        let printable = self.contact.bytes().all(|byte| byte.is_ascii_graphic());
        if self.enabled && !(printable && address.is_some_and(|address| !address.is_empty())) {
            return Err(ConfigError::Impossible(
                "push.enabled needs push.contact: whom push services may ask when something is wrong, e.g. \
                 \"mailto:it@clinic.example\""
                    .into(),
            ));
        }
        if let Some(wrong) = self.services.iter().find(|host| !is_host(host.strip_prefix("*.").unwrap_or(host))) {
            return Err(ConfigError::Impossible(format!(
                "push.services names {wrong:?}: write a host name in lower case without scheme and port, e.g. \
                 fcm.googleapis.com, or *.notify.windows.com for every name below it"
            )));
        }
        Ok(())
    }
}

/// A name of at least two labels: an address of the hospital's own network is none.
fn is_host(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let last_is_word = name.rsplit('.').next().is_some_and(|last| last.bytes().any(|byte| byte.is_ascii_lowercase()));
    name.contains('.') && last_is_word && name.split('.').all(label)
}
