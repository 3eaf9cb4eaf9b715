//! A running node: it starts everything, keeps the plane alive over storage failures, and ends everything in order.
pub mod clock;
mod plane;
mod supervise;

pub use plane::{READS_MAX, SHUTDOWN_MAX, STORE_QUEUE_BATCHES};

use crate::attachments::Attachments;
use crate::config::{Config, ConfigError};
use crate::identity::{DataDir, DataDirError, Lock};
use crate::media;
use crate::metrics::Metrics;
use crate::ops;
use crate::push::{self, PushError, Pusher};
use crate::store::{SqliteStore, database_path};
use crate::transport::door::Door;
use crate::transport::queue::Queue;
use crate::transport::{self, Shared, tls};
use crate::web;
use crate::web::certificates::{CertificateError, Certificates};
use crate::web::identity::{Identity, IdentityError};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use wardline_directory::key::PublicKey;
use wardline_protocol::wire::ClientFrame;
use wardline_protocol::{AttachmentId, Code, Incarnation, NodeId, WireError};
use wardline_sfu::Sfu;
use wardline_signaling::{Counts, NodeIdentity, SessionId, StoreError};

/// Inputs from sessions that wait for the plane; a session whose input does not fit waits, and so does its client.
pub const PLANE_QUEUE: usize = 4096;

/// Orders to the plane itself; who asks waits.
const CONTROL_QUEUE: usize = 16;

/// How long connections may take to end when the node goes down; their sessions are over by then.
const CONNECTIONS_END_MAX: Duration = Duration::from_secs(1);

/// Names of the node's own values in the store.
pub mod meta {
    /// The node's id, 16 bytes.
    pub const NODE_ID: &str = "node_id";
    /// The life of this database, 16 bytes.
    pub const INCARNATION: &str = "incarnation";
    /// The hospital's public root key, 32 bytes.
    pub const ROOT: &str = "root";
}

/// From a session's task to the plane.
pub(crate) enum FromSession {
    /// A connection is there. `exporter` is what its signature is bound to.
    Opened { session: SessionId, queue: Arc<Queue>, nonce: [u8; 32], exporter: [u8; 32] },
    /// A frame came.
    Frame { session: SessionId, frame: ClientFrame },
    /// An upload is on disk.
    Uploaded { session: SessionId, attachment_id: AttachmentId },
    /// Its queue has room again.
    Drained { session: SessionId },
    /// It is gone.
    Closed { session: SessionId },
}

/// From the node's own parts to the plane.
pub(crate) enum Control {
    /// How much is there?
    Counts(oneshot::Sender<Counts>),
    /// Go down.
    Shutdown,
}

/// The receiving ends; they outlive a plane that a storage failure ended.
pub(crate) struct Lanes {
    pub sessions: mpsc::Receiver<FromSession>,
    pub media: mpsc::Receiver<wardline_signaling::MediaEvent>,
    pub push: mpsc::Receiver<push::Gone>,
    pub control: mpsc::Receiver<Control>,
}

/// Whether the node serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Readiness {
    /// Sessions are served.
    Ready,
    /// A write failed; the node tries to open its storage again.
    StoreFailed,
    /// The node goes down.
    ShuttingDown,
}

impl Readiness {
    /// What a session is told that cannot be served.
    pub fn refusal(self) -> WireError {
        match self {
            Readiness::StoreFailed => WireError::retry(Code::Storage, "the node cannot write: reconnect later", 2_000),
            Readiness::Ready | Readiness::ShuttingDown => {
                WireError::retry(Code::ShuttingDown, "the node is restarting: reconnect", 1_000)
            }
        }
    }
}

/// Why a node does not start; the text says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The database.
    #[error("{0}. If the disk is sound, restore a backup with `wardline restore`")]
    Store(#[from] StoreError),
    /// The database lacks what `wardline init` puts into it.
    #[error("the database has no {0}: it was not made by `wardline init`")]
    Meta(&'static str),
    /// The stored state contradicts itself.
    #[error("the stored state cannot be opened: {0}. Restore a backup with `wardline restore`")]
    State(#[from] wardline_signaling::OpenError),
    /// An address.
    #[error("cannot listen on {setting} = {address}: {source}. Set it to an address of this host and a free port")]
    Listen {
        /// The setting.
        setting: &'static str,
        /// Its value.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The certificate.
    #[error("the certificate in the data directory cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    /// The certificate of the page.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The certificates of web sessions.
    #[error(transparent)]
    Certificates(#[from] CertificateError),
    /// Waking browsers.
    #[error(transparent)]
    Push(#[from] PushError),
    /// The media plane.
    #[error(transparent)]
    Media(#[from] wardline_sfu::StartError),
    /// A thread.
    #[error("a thread cannot be started: {0}")]
    Thread(io::Error),
}

/// Starts nodes.
pub struct Node;

/// A node that serves. Dropping it without [`Running::shutdown`] ends it in the background.
pub struct Running {
    /// UDP address of clients.
    pub address: SocketAddr,
    /// TCP address of the page, if browsers are served.
    pub web_address: Option<SocketAddr>,
    /// TCP address of monitoring.
    pub ops_address: SocketAddr,
    /// UDP addresses of the media plane.
    pub media_addresses: Vec<SocketAddr>,
    /// The metrics, as `/metrics` shows them.
    pub metrics: Arc<Metrics>,
    endpoint: quinn::Endpoint,
    control: mpsc::Sender<Control>,
    readiness: watch::Receiver<Readiness>,
    media_failed: watch::Receiver<bool>,
    plane: JoinHandle<()>,
    accept: JoinHandle<()>,
    ops: JoinHandle<()>,
    web: Option<Web>,
    push: Option<JoinHandle<()>>,
    sfu: Sfu,
    _lock: Lock,
}

/// What serves browsers.
struct Web {
    page: JoinHandle<()>,
    renewals: Vec<JoinHandle<()>>,
}

impl Node {
    /// Starts a node on its data directory. Everything that can be wrong with settings, files and addresses is found here.
    pub async fn start(config: &Config) -> Result<Running, StartError> {
        let address = config.listen.address;
        let socket = transport::bind(address).map_err(|source| StartError::Listen {
            setting: "listen.address",
            address,
            source,
        })?;
        Self::start_on(config, socket).await
    }

    /// The same on a UDP socket that is bound already.
    pub async fn start_on(config: &Config, socket: UdpSocket) -> Result<Running, StartError> {
        config.check()?;
        let dir = DataDir::open(&config.data_dir)?;
        let lock = dir.lock()?;
        let store = SqliteStore::open(&database_path(dir.path())).await?;
        let root = root(&store).await?;
        let identity = identity(&dir, &store).await?;

        let metrics = Arc::new(Metrics::default());
        let (sessions_in, sessions) = mpsc::channel(PLANE_QUEUE);
        let (media_in, media_events) = mpsc::channel(media::MEDIA_EVENTS_QUEUE);
        let (control, control_orders) = mpsc::channel(CONTROL_QUEUE);
        let (gone, pushes_gone) = mpsc::channel(push::GONE_QUEUE);
        let pusher = Pusher::open(&config.push, &dir, gone, metrics.clone())?;
        let lanes = Lanes { sessions, media: media_events, push: pushes_gone, control: control_orders };
        let (readiness_in, readiness) = watch::channel(Readiness::Ready);

        let listen_error =
            |source| StartError::Listen { setting: "listen.address", address: config.listen.address, source };
        let certificates = match config.web.enabled {
            true => Some(Arc::new(Certificates::open(dir.path(), clock::system_ms())?)),
            false => None,
        };
        let quic = tls::server_config(dir.tls()?, certificates.clone())?;
        let endpoint = transport::endpoint(socket, quic).map_err(listen_error)?;
        let address = endpoint.local_addr().map_err(listen_error)?;
        let page = match certificates {
            Some(certificates) => Some(Page::open(&config.web, &dir, certificates)?),
            None => None,
        };
        let web_address = page.as_ref().map(|page| page.listener.address()).transpose().map_err(listen_error)?;
        let ops_listener = ops::bind(config.ops.address).await.map_err(|source| StartError::Listen {
            setting: "ops.address",
            address: config.ops.address,
            source,
        })?;
        let ops_address = ops_listener.local_addr().map_err(listen_error)?;
        let (failed, media_failed) = watch::channel(false);
        let sfu = media::start(&config.media, media_in.clone(), metrics.clone(), failed)?;

        let attachments = Attachments::open(dir.path(), config.attachments.keep_free_bytes)?;
        let supervisor = supervise::Supervisor {
            database: database_path(dir.path()),
            root,
            identity,
            limits: config.plane_limits(),
            attachments: attachments.clone(),
            metrics: metrics.clone(),
            media: media::Media::new(sfu.clone(), media_in, metrics.clone()),
            pusher: pusher.clone(),
            lanes,
            readiness: readiness_in,
        };
        let plane = supervisor.start(store).await?;
        let shared = Arc::new(Shared {
            plane: sessions_in,
            readiness: readiness.clone(),
            metrics: metrics.clone(),
            door: Door::new(config.listen.clone()),
            allowed: web::origin::Allowed::new(&config.web.origins),
            attachments,
            push_key: pusher.as_ref().map(|pusher| pusher.public_key()),
            sessions: AtomicU64::new(0),
        });
        let accept = tokio::spawn(transport::accept(endpoint.clone(), shared.clone()));
        let web = page.map(|page| page.serve(address, shared));
        let push = pusher.map(|pusher| tokio::spawn(pusher.run()));
        let ops = tokio::spawn(ops::serve(
            ops_listener,
            ops::State {
                metrics: metrics.clone(),
                readiness: readiness.clone(),
                control: control.clone(),
                sfu: sfu.clone(),
            },
        ));
        let media_addresses = sfu.local_addresses();
        let page = web_address.map(tracing::field::display);
        tracing::info!(%address, page, ops = %ops_address, media = ?media_addresses, "the node serves");
        Ok(Running {
            address,
            web_address,
            ops_address,
            media_addresses,
            metrics,
            endpoint,
            control,
            readiness,
            media_failed,
            plane,
            accept,
            ops,
            web,
            push,
            sfu,
            _lock: lock,
        })
    }
}

/// What serves browsers, before it does.
struct Page {
    listener: web::Listener,
    identity: Option<Arc<Identity>>,
    certificates: Arc<Certificates>,
}

impl Page {
    fn open(settings: &crate::config::Web, dir: &DataDir, certificates: Arc<Certificates>) -> Result<Self, StartError> {
        let identity = match settings.plain_http {
            true => None,
            false => Some(Arc::new(Identity::open(settings, dir.tls()?)?)),
        };
        let listener = web::bind(settings, identity.clone()).map_err(|source| StartError::Listen {
            setting: "web.address",
            address: settings.address,
            source,
        })?;
        Ok(Self { listener, identity, certificates })
    }

    fn serve(self, quic: SocketAddr, shared: Arc<Shared>) -> Web {
        let mut renewals = vec![tokio::spawn(self.certificates.clone().keep_renewed())];
        renewals.extend(self.identity.map(|identity| tokio::spawn(identity.keep_fresh())));
        Web { page: tokio::spawn(self.listener.serve(quic, self.certificates, shared)), renewals }
    }
}

impl Running {
    /// Whether the node serves now.
    pub fn readiness(&self) -> Readiness {
        *self.readiness.borrow()
    }

    /// Waits until the node is in this state.
    pub async fn reached(&self, wanted: Readiness) {
        if self.readiness.clone().wait_for(|now| *now == wanted).await.is_err() {
            tracing::debug!("the node ended before it reached the state");
        }
    }

    /// Waits until the plane or a shard of the media plane has ended by itself, which is a defect: the process should end too, so that
    /// it is started again. A shard is not started again alone: the plane would go on with calls whose rooms are gone.
    pub async fn ended(&self) {
        let mut readiness = self.readiness.clone();
        let mut media_failed = self.media_failed.clone();
        // The sender lives in the plane's thread.
        let plane_ended = async { while readiness.changed().await.is_ok() {} };
        let shard_ended = async {
            if media_failed.wait_for(|failed| *failed).await.is_err() {
                std::future::pending::<()>().await; // all shards ended because they were told to
            }
        };
        tokio::select! {
            () = plane_ended => {}
            () = shard_ended => {}
        }
    }

    /// Ends the node: calls and sessions are told, everything accepted is made durable. Takes at most a little over [`SHUTDOWN_MAX`].
    pub async fn shutdown(self) {
        tracing::info!("shutting down");
        if self.control.send(Control::Shutdown).await.is_err() {
            tracing::debug!("the plane has ended already");
        }
        if tokio::time::timeout(SHUTDOWN_MAX * 2, self.plane).await.is_err() {
            tracing::error!("the plane does not end; the process ends without it");
        }
        self.ops.abort();
        self.endpoint.close(transport::close_code(Code::ShuttingDown), b"the node is restarting");
        if tokio::time::timeout(CONNECTIONS_END_MAX, self.endpoint.wait_idle()).await.is_err() {
            tracing::debug!("some connections did not end in time");
        }
        if let Some(mut web) = self.web {
            web.renewals.iter().for_each(JoinHandle::abort);
            if tokio::time::timeout(web::FAREWELL_WAIT + CONNECTIONS_END_MAX, &mut web.page).await.is_err() {
                tracing::debug!("the page's server did not end in time");
                web.page.abort();
            }
        }
        self.accept.abort();
        self.push.iter().for_each(JoinHandle::abort);
        let sfu = self.sfu;
        if tokio::task::spawn_blocking(move || sfu.shutdown()).await.is_err() {
            tracing::error!("the media plane did not end in order");
        }
        tracing::info!("the node has ended");
    }
}

async fn root(store: &SqliteStore) -> Result<PublicKey, StartError> {
    let bytes = store.meta(meta::ROOT).await?.ok_or(StartError::Meta(meta::ROOT))?;
    PublicKey::parse(&bytes).map_err(|_| StartError::Meta(meta::ROOT))
}

async fn identity(dir: &DataDir, store: &SqliteStore) -> Result<NodeIdentity, StartError> {
    let node_id = store.meta(meta::NODE_ID).await?.ok_or(StartError::Meta(meta::NODE_ID))?;
    let incarnation = store.meta(meta::INCARNATION).await?.ok_or(StartError::Meta(meta::INCARNATION))?;
    Ok(NodeIdentity {
        node_id: NodeId::parse(&node_id).map_err(|_| StartError::Meta(meta::NODE_ID))?,
        incarnation: Incarnation::parse(&incarnation).map_err(|_| StartError::Meta(meta::INCARNATION))?,
        proposer: Arc::new(dir.proposer()?),
    })
}

#[cfg(test)]
mod ended_tests;
