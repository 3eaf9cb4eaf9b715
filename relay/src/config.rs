//! The node's settings: `wardline.toml`, overridden by environment variables such as `WARDLINE_LISTEN__ADDRESS`.
//!
//! `config/wardline.toml` documents every key with its default; a test keeps that file and these structs equal.
mod push;
mod web;

pub use push::Push;
pub use web::Web;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

/// Prefix of the environment variables that override the file; `__` stands between a section and a key.
pub const ENV_PREFIX: &str = "WARDLINE_";

/// All settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the node keeps its database and its keys; made by `wardline init`.
    pub data_dir: PathBuf,
    /// For clients.
    pub listen: Listen,
    /// For browsers.
    pub web: Web,
    /// For the hospital's monitoring.
    pub ops: Ops,
    /// The media plane.
    pub media: Media,
    /// How much is allowed.
    pub limits: Limits,
    /// Photos and other files.
    pub attachments: Attachments,
    /// Waking browsers that are closed.
    pub push: Push,
    /// What is written to standard error.
    pub log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("/var/lib/wardline"),
            listen: Listen::default(),
            web: Web::default(),
            ops: Ops::default(),
            media: Media::default(),
            limits: Limits::default(),
            attachments: Attachments::default(),
            push: Push::default(),
            log: Log::default(),
        }
    }
}

/// The address of clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// UDP address of QUIC. Port 0 takes any free one.
    pub address: SocketAddr,
    /// Connections at the same time, signed in or not; further ones are refused.
    pub connections_max: usize,
    /// Connections at the same time that have not signed in, from one address (one IPv6 /64).
    pub unauthenticated_per_address_max: usize,
    /// Connections at the same time that have not signed in, from all addresses.
    pub unauthenticated_max: usize,
    /// From so many connections not signed in on, a new one must first prove its address (a QUIC Retry, one more round trip).
    pub retry_from: usize,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([0, 0, 0, 0], 4433)),
            connections_max: 20_000,
            unauthenticated_per_address_max: 2_000,
            unauthenticated_max: 5_000,
            retry_from: 500,
        }
    }
}

/// The address of monitoring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ops {
    /// TCP address of plain HTTP: `/healthz`, `/readyz`, `/metrics`. Keep it away from clients: it has no sign-in.
    pub address: SocketAddr,
}

impl Default for Ops {
    fn default() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 9443)) }
    }
}

/// The media plane's addresses and size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    /// Threads that forward media, each with one UDP port. 0: one for each core.
    pub shards: usize,
    /// UDP address of the first shard; the next ones take the ports that follow. Port 0: any free ones.
    pub address: SocketAddr,
    /// What clients are told, "ip:port", one for each shard. Empty: the addresses of this host's interfaces.
    pub advertise: Vec<SocketAddr>,
    /// Whether each shard takes media over TCP too, on the same port, for networks that block UDP.
    pub tcp: bool,
    /// Ties each shard's thread to one core.
    pub pin_cores: bool,
    /// Participants in one room; further ones are refused.
    pub room_participants_max: usize,
}

impl Default for Media {
    fn default() -> Self {
        Self {
            shards: 0,
            address: SocketAddr::from(([0, 0, 0, 0], 4434)),
            advertise: Vec::new(),
            tcp: true,
            pin_cores: false,
            room_participants_max: 5_000,
        }
    }
}

impl Media {
    /// How many shards there will be.
    pub fn shard_count(&self) -> usize {
        match self.shards {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            count => count,
        }
    }
}

/// Limits of the signaling plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Conversations one account may create an hour.
    pub creations_per_hour: u32,
    /// Joins from outside one device may make in one conversation an hour.
    pub external_joins_per_hour: u32,
    /// Key packages one device may fetch an hour.
    pub key_packages_per_hour: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let limits = wardline_signaling::Limits::default();
        Self {
            creations_per_hour: limits.creations_per_hour,
            external_joins_per_hour: limits.external_joins_per_hour,
            key_packages_per_hour: limits.key_packages_per_hour,
        }
    }
}

/// Photos, videos and other files, kept as ciphertext in `attachments` below the data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attachments {
    /// Bytes of one file; at most 100,000,000.
    pub file_bytes_max: u64,
    /// Bytes that the files of one account may take.
    pub account_bytes_max: u64,
    /// Files are refused while less than this would be left on the disk, so that messages are always stored.
    pub keep_free_bytes: u64,
}

impl Default for Attachments {
    fn default() -> Self {
        let limits = wardline_signaling::Limits::default();
        Self {
            file_bytes_max: limits.file_bytes_max,
            account_bytes_max: limits.attachment_bytes_per_account,
            keep_free_bytes: 2_000_000_000,
        }
    }
}

impl Config {
    /// What the signaling plane is held to.
    pub fn plane_limits(&self) -> wardline_signaling::Limits {
        wardline_signaling::Limits {
            creations_per_hour: self.limits.creations_per_hour,
            external_joins_per_hour: self.limits.external_joins_per_hour,
            key_packages_per_hour: self.limits.key_packages_per_hour,
            file_bytes_max: self.attachments.file_bytes_max,
            attachment_bytes_per_account: self.attachments.account_bytes_max,
            push: self.push.accepted(),
        }
    }
}

/// The log, written to standard error. It holds ids and counts, never names, addresses of persons, texts or keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// One JSON object a line, or text for people.
    pub format: LogFormat,
    /// How much.
    pub level: LogLevel,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Json, level: LogLevel::Info }
    }
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What somebody must repair.
    Error,
    /// And what somebody should know.
    Warn,
    /// And what happens rarely: start, stop, refused sessions.
    Info,
    /// And every session.
    Debug,
}

impl LogLevel {
    /// The level as `tracing` writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
        }
    }
}

/// The settings are not usable; the text says where and how to put it right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no such file.
    #[error(
        "there is no configuration file {0}: give its path, or run `wardline serve --data DIR` to take the defaults"
    )]
    Missing(PathBuf),
    /// A key is unknown or its value is not possible.
    #[error("configuration: {0}. config/wardline.toml lists every key")]
    Refused(Box<figment::Error>),
    /// Values that do not go together.
    #[error("configuration: {0}")]
    Impossible(String),
}

impl Config {
    /// Reads the file, if one is given, then the environment. Unknown keys and impossible values are refused.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Config::default()));
        if let Some(path) = file {
            if !path.is_file() {
                return Err(ConfigError::Missing(path.to_owned()));
            }
            figment = figment.merge(Toml::file_exact(path));
        }
        // A variable without `__` may be another program's (WARDLINE_PASSPHRASE), so only `data_dir` is taken; with it, a typo is refused.
        let env = Env::prefixed(ENV_PREFIX).filter(|key| key == "data_dir" || key.as_str().contains("__")).split("__");
        let config: Config = figment.merge(env).extract().map_err(|error| ConfigError::Refused(Box::new(error)))?;
        config.check()?;
        Ok(config)
    }

    /// Checks what a single value cannot show.
    pub fn check(&self) -> Result<(), ConfigError> {
        let shards = self.media.shard_count();
        if !self.media.advertise.is_empty() && self.media.advertise.len() != shards {
            return Err(ConfigError::Impossible(format!(
                "media.advertise has {} addresses for {shards} shards: give one for each, or set media.shards",
                self.media.advertise.len()
            )));
        }
        let listen = self.listen.address;
        let is_listen = |told: &&SocketAddr| {
            // The same port of another host is the affair of whoever translates.
            let own = || listen.ip().is_unspecified() && UdpSocket::bind((told.ip(), 0)).is_ok();
            listen.port() == told.port() && (listen.ip() == told.ip() || own())
        };
        if let Some(told) = self.media.advertise.iter().find(is_listen) {
            return Err(ConfigError::Impossible(format!(
                "media.advertise names {told}, where listen.address is: media has a port of its own"
            )));
        }
        let last_port = usize::from(self.media.address.port()) + shards - 1;
        if self.media.address.port() != 0 && last_port > usize::from(u16::MAX) {
            return Err(ConfigError::Impossible(format!(
                "media.address leaves no room for {shards} ports: take a lower port"
            )));
        }
        if self.listen.connections_max == 0 || self.listen.unauthenticated_max == 0 {
            return Err(ConfigError::Impossible(
                "listen.connections_max and listen.unauthenticated_max must be above 0".into(),
            ));
        }
        self.push.check()?;
        self.web.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::Value;

    const FILE: &str = include_str!("../../config/wardline.toml");

    /// The documented file with every commented-out `# key = value` line made a real one.
    fn uncommented() -> String {
        let key = |line: &str| {
            let rest = line.strip_prefix("# ")?;
            let name = rest.split(" = ").next()?;
            (rest.contains(" = ") && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')).then(|| rest.to_owned())
        };
        FILE.lines().map(|line| key(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
    }

    #[test]
    fn the_documented_file_has_every_key_with_its_default_and_no_other() {
        let documented: Value = toml::from_str(&uncommented()).unwrap();
        let defaults = Value::try_from(Config::default()).unwrap();
        assert_eq!(documented, defaults);
    }

    #[test]
    fn every_key_is_explained() {
        let lines: Vec<&str> = FILE.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let is_key = line.trim_start_matches("# ").split_once(" = ").is_some_and(|(name, _)| !name.contains(' '));
            let above = number.checked_sub(1).and_then(|above| lines.get(above)).copied().unwrap_or_default();
            assert!(!is_key || above.starts_with("# "), "line {} has no explanation above it: {line}", number + 1);
        }
    }

    fn load(text: &str) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(Some(file.path()))
    }

    #[test]
    fn the_file_as_delivered_means_the_defaults() {
        assert_eq!(load(FILE).unwrap(), Config::default());
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = load("[listen]\nadress = \"127.0.0.1:1\"").unwrap_err().to_string();
        assert!(error.contains("adress") && error.contains("listen"), "{error}");
        assert!(load("datadir = \"/x\"").unwrap_err().to_string().contains("datadir"));
    }

    #[test]
    fn impossible_values_are_refused() {
        for text in [
            "[listen]\naddress = \"hospital\"",
            "[media]\nshards = 2\nadvertise = [\"192.0.2.1:5000\"]",
            "[media]\nshards = 1\nadvertise = [\"127.0.0.1:4433\"]",
            "[media]\nshards = 4\naddress = \"0.0.0.0:65534\"",
            "[log]\nlevel = \"loud\"",
            "[listen]\nconnections_max = 0",
            "[web]\nplain_http = true",
            "[web]\ncertificate = \"/etc/wardline/web.crt\"",
            "[web]\nkey = \"/etc/wardline/web.key\"",
            "[web]\norigins = [\"clinic.example\"]",
            "[web]\norigins = [\"https://clinic.example/\"]",
            "[push]\nenabled = true",
            "[push]\nenabled = true\ncontact = \"it@clinic.example\"",
            "[push]\nservices = [\"https://push.example\"]",
            "[push]\nservices = [\"push.example:8443\"]",
            "[push]\nservices = [\"*.\"]",
            "[push]\nservices = [\"*\"]",
            "[push]\nservices = [\"10.0.0.1\"]",
            "[push]\nservices = [\"localhost\"]",
        ] {
            assert!(load(text).is_err(), "{text}");
        }
        assert!(matches!(Config::load(Some(Path::new("/nonexistent/x.toml"))), Err(ConfigError::Missing(_))));
    }
}
