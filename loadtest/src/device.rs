//! A device of one of the run's accounts: a key with its certificate, enrolled at the node, and its line to it.
use crate::live::{Count, Live};
use crate::node::{Access, CLIENT, Node, now_ms};
use anyhow::Result;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use wardline_client::connection::{Connection, Receiver, Sender};
use wardline_client::core::Identity;
use wardline_directory::certificate;
use wardline_directory::invitation::Invitation;
use wardline_directory::key::{self, DeviceKey};
use wardline_protocol::DeviceId;
use wardline_protocol::wire::{self, DeviceChain, ServerFrame};

/// Devices that enrol at the same time while the load is set up.
pub const SET_UP_AT_ONCE: usize = 16;

/// First and longest wait between two attempts to connect, as the shipped client has them.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));

/// Enrols a first device with an account's code.
///
/// # Errors
/// What the node says.
pub async fn enrol(access: &Access, invitation: &Invitation) -> Result<Identity> {
    enrol_as(access, invitation, DeviceId::from_bytes(*key::random()?)).await
}

/// [`enrol`], with an id of the caller's choice.
///
/// # Errors
/// What the node says.
pub async fn enrol_as(access: &Access, invitation: &Invitation, device: DeviceId) -> Result<Identity> {
    let key = DeviceKey::generate()?;
    let account = invitation.account_id;
    let own = certificate::issue_by_enrolment(&invitation.enrolment_key(), account, device, key.public(), now_ms());
    let chain = DeviceChain { certificates: vec![own] };
    let mut connection = access.connect().await?;
    let challenge = connection.hello(CLIENT).await?;
    connection.enrol(&challenge, chain.clone(), |message| key.sign(message)).await?;
    connection.link().abandon();
    Ok(Identity { root: access.root, account, device, key, chain })
}

/// A device for each account of the hospital, in the accounts' order.
///
/// # Errors
/// The first that could not be enrolled.
pub async fn enrol_all(node: &Node, live: &Live) -> Result<Vec<Identity>> {
    live.phase(format!("enrolling {} devices", node.invitations().len()));
    let gate = Arc::new(Semaphore::new(SET_UP_AT_ONCE));
    let mut enrolling = JoinSet::new();
    for (n, invitation) in node.invitations().iter().enumerate() {
        let (gate, access) = (gate.clone(), node.access().clone());
        let invitation = Invitation::from_seed(invitation.account_id, invitation.expires_at_ms, *invitation.seed());
        enrolling.spawn(async move {
            let _permit = gate.acquire().await?;
            anyhow::Ok((n, enrol(&access, &invitation).await?))
        });
    }
    let mut identities = Vec::with_capacity(enrolling.len());
    while let Some(enrolled) = enrolling.join_next().await {
        identities.push(enrolled??);
    }
    identities.sort_by_key(|(n, _)| *n);
    Ok(identities.into_iter().map(|(_, identity)| identity).collect())
}

/// Connects and signs in.
///
/// # Errors
/// What the node says.
pub async fn sign_in(
    access: &Access,
    identity: &Identity,
) -> Result<(Connection, wire::Challenge, wire::Authenticated)> {
    let mut connection = access.connect().await?;
    let challenge = connection.hello(CLIENT).await?;
    let authenticated =
        connection.authenticate(&challenge, identity.device, |message| identity.key.sign(message)).await?;
    Ok((connection, challenge, authenticated))
}

/// A signed-in connection in its two halves. Dropped, it is counted as gone.
pub(crate) struct Line {
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
    /// Frames that came before it was split.
    pub(crate) first: VecDeque<ServerFrame>,
    pub(crate) challenge: wire::Challenge,
    pub(crate) authenticated: wire::Authenticated,
    live: Arc<Live>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.live.count(Count::Disconnected);
        self.sender.link().abandon();
    }
}

/// What happened to the lines of a workload's devices.
#[derive(Debug, Default)]
pub struct Lines {
    /// Attempts to sign in that failed and were made again.
    pub failed_attempts: AtomicU64,
    /// Lines that ended though nobody cut them.
    pub broken: AtomicU64,
    /// When devices were back, after a cut or a break.
    back: Mutex<Vec<Instant>>,
}

impl Lines {
    /// When devices were back since `since`, after a cut or a break.
    pub fn back_since(&self, since: Instant) -> Vec<Instant> {
        let back = self.back.lock().unwrap_or_else(PoisonError::into_inner);
        back.iter().copied().filter(|at| *at >= since).collect()
    }
}

/// How a workload's devices are connected: where to, whether at all, and what became of it. Shared by all that are cut together.
#[derive(Clone)]
pub struct Roads {
    access: Access,
    live: Arc<Live>,
    up: watch::Receiver<bool>,
    lines: Arc<Lines>,
}

impl Roads {
    /// Roads that are there while the switch says `true`.
    pub fn new(access: Access, live: Arc<Live>) -> (Self, watch::Sender<bool>) {
        let (switch, up) = watch::channel(true);
        (Self { access, live, up, lines: Arc::default() }, switch)
    }

    /// Further ones with a switch of their own; broken lines are counted together.
    pub fn branch(&self) -> (Self, watch::Sender<bool>) {
        let (switch, up) = watch::channel(true);
        (Self { up, ..self.clone() }, switch)
    }

    /// What became of the lines so far.
    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    /// Signs in once.
    ///
    /// # Errors
    /// What the node says.
    pub(crate) async fn line(&self, identity: &Identity) -> Result<Line> {
        let (connection, challenge, authenticated) = sign_in(&self.access, identity).await?;
        let (sender, receiver, first) = connection.split();
        self.live.count(Count::Connected);
        Ok(Line { sender, receiver, first, challenge, authenticated, live: self.live.clone() })
    }

    /// Signs in, again and again as the shipped client does, until it holds. Gives up never: the workload has a bound.
    pub(crate) async fn line_again(&self, identity: &Identity) -> Line {
        let mut wait = BACK_OFF.0;
        loop {
            match self.line(identity).await {
                Ok(line) => {
                    self.lines.back.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
                    return line;
                }
                Err(error) => tracing::info!(%error, "not connected"),
            }
            self.lines.failed_attempts.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(jittered(wait)).await;
            wait = (wait * 2).min(BACK_OFF.1);
        }
    }

    /// Waits until the road is there. Safe to drop.
    pub(crate) async fn open(&mut self) {
        self.switched(true).await;
    }

    /// Waits until the road is cut. Safe to drop.
    pub(crate) async fn cut(&mut self) {
        self.switched(false).await;
    }

    async fn switched(&mut self, to: bool) {
        if self.up.wait_for(|up| *up == to).await.is_err() {
            // The workload is over, and with it this device.
            std::future::pending::<()>().await;
        }
    }

    pub(crate) fn broke(&self, error: &anyhow::Error) {
        tracing::warn!(%error, "a line broke");
        self.lines.broken.fetch_add(1, Ordering::Relaxed);
        self.live.count(Count::Failed);
    }
}

/// From three quarters to five quarters of `wait`, so that those who fail together do not come back together.
fn jittered(wait: Duration) -> Duration {
    let dice = key::random::<1>().map_or(128, |bytes| u32::from(bytes[0]));
    wait * (192 + dice / 2) / 256
}

/// Waits for `done`, looking now and then; whether it came to be within `bound`.
pub async fn within(bound: Duration, mut done: impl FnMut() -> bool) -> bool {
    const LOOK_EVERY: Duration = Duration::from_millis(20);
    let until = Instant::now() + bound;
    while !done() {
        if Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    true
}
