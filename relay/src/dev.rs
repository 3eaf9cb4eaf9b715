//! `wardline dev`: a demo hospital and its node in one place, to try the system or to develop clients.
//!
//! It plays the IT admin too, so root and operational key lie beside the node. That is what a real hospital must never do.
use crate::config::{Config, Listen, Log, LogFormat, Media, Ops, Web};
use crate::identity::{DataDir, DataDirError, write_private};
use crate::init;
use crate::node::clock::system_ms;
use crate::node::{Node, Running, StartError, meta};
use crate::store::{SqliteStore, database_path};
use crate::transport;
use data_encoding::HEXLOWER_PERMISSIVE;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use wardline_directory::hospital::{CODE_LIFETIME_MS, ChannelPlan, Hospital, Person};
use wardline_directory::key::{OperationalKey, ProposerKey, PublicKey, RootKey};
use wardline_directory::{NodeRecord, Refusal};
use wardline_protocol::{AccountId, NodeId};
use wardline_signaling::{Store, StoreError, Write};
use zeroize::Zeroizing;

/// The demo hospital's name, and its node's.
pub const HOSPITAL: &str = "Demo-Klinik";

/// Handle, name and role of each account.
pub const PEOPLE: [(&str, &str, &str); 5] = [
    ("anna", "Dr. Anna Meier", "Oberärztin, Station 1"),
    ("boris", "Boris Weber", "Pflege, Station 1"),
    ("carla", "Dr. Carla Rossi", "Assistenzärztin, Station 2"),
    ("deniz", "Deniz Yilmaz", "Pflege, Station 2"),
    ("emil", "Emil Brandt", "Anästhesie"),
];

/// Name and members of each group: two wards and a team.
pub const GROUPS: [(&str, &[&str]); 3] = [
    ("Station 1", &["anna", "boris"]),
    ("Station 2", &["carla", "deniz"]),
    ("Reanimation", &["anna", "carla", "deniz", "emil"]),
];

/// The channel for everybody, and who writes in it.
pub const CHANNEL: (&str, &str) = ("Hausmitteilungen", "anna");

/// What `wardline dev` is told.
pub struct Options {
    /// Where everything is kept; made when it is not there.
    pub dir: PathBuf,
    /// UDP address of clients.
    pub listen: SocketAddr,
    /// TCP address of the page: plain HTTP on a loopback address, which browsers trust as they trust HTTPS; else HTTPS.
    pub web: SocketAddr,
    /// TCP address of monitoring.
    pub ops: SocketAddr,
    /// Written when the node serves.
    pub ready_file: Option<PathBuf>,
    /// Whether there is [`CHANNEL`].
    pub channel: bool,
}

/// What the ready file holds. The links are secret: each lets one device in.
#[derive(Serialize)]
pub struct Ready {
    /// UDP address of clients.
    pub address: SocketAddr,
    /// TCP address of monitoring.
    pub ops: SocketAddr,
    /// UDP addresses of the media plane.
    pub media: Vec<SocketAddr>,
    /// The hospital's public root key, hexadecimal.
    pub root: String,
    /// A fresh enrolment link for each account.
    pub enrolment: BTreeMap<String, String>,
    /// Where the page is: `http://127.0.0.1:8080`.
    pub web: String,
    /// A link for each account that opens the page, with a code of its own: native and web devices do not take each other's.
    pub web_enrolment: BTreeMap<String, String>,
}

/// The demo cannot start; the text says why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevError {
    /// The node.
    #[error(transparent)]
    Node(#[from] StartError),
    /// A file.
    #[error(transparent)]
    File(#[from] DataDirError),
    /// Storage.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The chain in the node's database and the keys beside it do not belong together.
    #[error("the demo hospital's keys and its statements do not fit ({0}): take an empty directory")]
    Hospital(#[from] Refusal),
}

/// The settings of the demo's node.
pub fn config(options: &Options) -> Config {
    Config {
        data_dir: options.dir.join("node"),
        listen: Listen { address: options.listen, ..Listen::default() },
        web: Web { address: options.web, plain_http: options.web.ip().is_loopback(), ..Web::default() },
        ops: Ops { address: options.ops },
        media: Media { address: SocketAddr::new(options.listen.ip(), 0), ..Media::default() },
        log: Log { format: LogFormat::Text, ..Log::default() },
        ..Config::default()
    }
}

/// Makes or continues the demo hospital, issues fresh codes, and starts its node.
pub async fn start(options: &Options) -> Result<(Running, Ready), DevError> {
    let config = config(options);
    let (root, operational) = keys(&options.dir.join("hospital"))?;
    if !database_path(&config.data_dir).exists() {
        init::init(&config.data_dir, root.public(), HOSPITAL, Vec::new()).await?;
    }
    let address = config.listen.address;
    let listen_error = |source| StartError::Listen { setting: "--listen", address, source };
    let socket = transport::bind(address).map_err(listen_error)?;
    let address = reachable(socket.local_addr().map_err(listen_error)?);
    let links = publish(&config.data_dir, &root, operational, address, options.channel).await?;
    let running = Node::start_on(&config, socket).await?;
    let page = reachable(running.web_address.unwrap_or(options.web));
    let scheme = if config.web.plain_http { "http" } else { "https" };
    // By its name, because browsers keep what a page stores apart by that, and people type this one.
    let origin = match page.ip().is_loopback() {
        true => format!("{scheme}://localhost:{}", page.port()),
        false => format!("{scheme}://{page}"),
    };
    let ready = Ready {
        address,
        ops: running.ops_address,
        media: running.media_addresses.clone(),
        root: root.public().to_hex(),
        enrolment: links.native,
        web: format!("{scheme}://{page}"),
        web_enrolment: links.web.into_iter().map(|(handle, code)| (handle, format!("{origin}/enrol#{code}"))).collect(),
    };
    if let Some(path) = &options.ready_file {
        write_ready(path, &ready)?;
    }
    let hospital = options.dir.join("hospital");
    tracing::warn!(folder = %hospital.display(), "this is a demo: the hospital's root key lies unprotected");
    Ok((running, ready))
}

/// Brings the hospital's chain up to date in the node's database, and gives the fresh links.
async fn publish(
    data_dir: &Path,
    root: &RootKey,
    operational: OperationalKey,
    address: SocketAddr,
    with_channel: bool,
) -> Result<Links, DevError> {
    let dir = DataDir::open(data_dir)?;
    let _lock = dir.lock()?;
    let store = SqliteStore::open(&database_path(data_dir)).await?;
    let statements = store.load().await?.statements;
    let now_ms = system_ms();
    let known = statements.len() as u64;
    let mut hospital = if statements.is_empty() {
        Hospital::found(root, operational, now_ms)?
    } else {
        Hospital::open(root.public(), operational, statements)?
    };
    let node_id = store.meta(meta::NODE_ID).await?.ok_or(StartError::Meta(meta::NODE_ID))?;
    let node_id = NodeId::parse(&node_id).map_err(|_| StartError::Meta(meta::NODE_ID))?;
    let node = node_record(node_id, &dir.tls()?.certificate_sha256(), &dir.proposer()?, address);
    hospital.add_node(&node, now_ms)?;
    let (accounts, links) = people(&mut hospital, root.public(), &node, now_ms)?;
    groups(&mut hospital, &accounts, now_ms)?;
    if with_channel {
        channel(&mut hospital, &accounts, now_ms)?;
    }
    let versions = known + 1..;
    let writes = versions
        .zip(hospital.statements_after(known))
        .map(|(version, statement)| Write::Statement { version, statement: statement.clone() });
    store.apply(writes.collect()).await?;
    store.close().await?;
    Ok(links)
}

fn node_record(
    node_id: NodeId,
    certificate_sha256: &[u8; 32],
    proposer: &ProposerKey,
    address: SocketAddr,
) -> NodeRecord {
    NodeRecord {
        node_id,
        name: HOSPITAL.to_owned(),
        addresses: vec![address.to_string()],
        certificate_sha256: *certificate_sha256,
        proposer_public_key: proposer.public(),
        deleted: false,
    }
}

/// What lets devices in, by handle: a link for native clients, a bare code for the page.
#[derive(Default)]
struct Links {
    native: BTreeMap<String, String>,
    web: BTreeMap<String, String>,
}

type People = (BTreeMap<&'static str, AccountId>, Links);

fn people(hospital: &mut Hospital, root: PublicKey, node: &NodeRecord, now_ms: u64) -> Result<People, Refusal> {
    let (mut accounts, mut links) = (BTreeMap::new(), Links::default());
    let expires_at_ms = now_ms + CODE_LIFETIME_MS;
    for (handle, name, role) in PEOPLE {
        let known = hospital.directory().account_by_handle(handle).map(|account| account.account_id);
        let native = match known {
            Some(id) => hospital.invite(id, expires_at_ms, now_ms)?,
            None => hospital.add_account(&Person::internal(handle, name, role), now_ms)?,
        };
        let web = hospital.invite(native.account_id, expires_at_ms, now_ms)?;
        accounts.insert(handle, native.account_id);
        links.native.insert(handle.to_owned(), native.link(root, node).to_string());
        let link = web.link(root, node);
        links.web.insert(handle.to_owned(), link.rsplit('#').next().unwrap_or_default().to_owned());
    }
    Ok((accounts, links))
}

fn groups(hospital: &mut Hospital, accounts: &BTreeMap<&str, AccountId>, now_ms: u64) -> Result<(), Refusal> {
    for (name, members) in GROUPS {
        let known = hospital.directory().group_by_name(name).map(|group| group.group_id);
        if known.is_none() {
            let id = hospital.add_group(name, now_ms)?;
            let members: Vec<AccountId> = members.iter().filter_map(|handle| accounts.get(handle)).copied().collect();
            hospital.change_members(id, &members, &[], now_ms)?;
        }
    }
    Ok(())
}

fn channel(hospital: &mut Hospital, accounts: &BTreeMap<&str, AccountId>, now_ms: u64) -> Result<(), Refusal> {
    let (name, operator) = CHANNEL;
    if hospital.directory().channel_by_name(name).is_none() {
        let operators = accounts.get(operator).copied().into_iter().collect();
        let plan = ChannelPlan { name: name.to_owned(), everyone: true, operators, ..ChannelPlan::default() };
        hospital.add_channel(&plan, now_ms)?;
    }
    Ok(())
}

/// The demo's root and operational key, made at the first run.
fn keys(dir: &Path) -> Result<(RootKey, OperationalKey), DevError> {
    if !dir.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(crate::identity::at(dir))?;
    }
    let root = RootKey::from_seed(*seed(&dir.join("root.key"))?);
    let operational = OperationalKey::from_seed(*seed(&dir.join("operational.key"))?);
    Ok((root, operational))
}

fn seed(path: &Path) -> Result<Zeroizing<[u8; 32]>, DevError> {
    if !path.exists() {
        let seed = Zeroizing::new(crate::random::<32>());
        let hex = Zeroizing::new(data_encoding::HEXLOWER.encode(&*seed));
        write_private(path, hex.as_bytes())?;
        return Ok(seed);
    }
    let text = Zeroizing::new(std::fs::read(path).map_err(crate::identity::at(path))?);
    let damaged = || DataDirError::Damaged { path: path.to_owned(), reason: "not 64 hexadecimal digits".into() };
    let bytes = Zeroizing::new(HEXLOWER_PERMISSIVE.decode(text.trim_ascii()).map_err(|_| damaged())?);
    Ok(Zeroizing::new(bytes.as_slice().try_into().map_err(|_| damaged())?))
}

/// What a client on this machine can connect to.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
    SocketAddr::new(ip, address.port())
}

/// Whoever waits for the file sees it whole or not at all.
fn write_ready(path: &Path, ready: &Ready) -> Result<(), DataDirError> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    if partial.exists() {
        std::fs::remove_file(&partial).map_err(crate::identity::at(&partial))?;
    }
    write_private(&partial, &serde_json::to_vec_pretty(ready).unwrap_or_default())?;
    std::fs::rename(&partial, path).map_err(crate::identity::at(path))
}
