//! Sends pushes (RFC 8030) to the services of the browsers' makers, when the settings allow it. Nothing waits for it: not the plane, not a message,
//! not a call. A push that is lost costs an announcement, never what it announces.
//!
//! Absent on purpose: whom to wake and when, which is `wardline_signaling`'s; and any word of what came.
mod line;
mod service;
pub(crate) mod vapid;

pub use line::PUSHES_MAX;
pub use service::{PAYLOAD_BYTES, SEND_WAIT};
pub use vapid::PUSH_KEY_FILE;

use crate::config;
use crate::identity::{DataDir, DataDirError};
use crate::metrics::{Metrics, PushOutcome};
use line::{Job, Line, Next};
use rustls::RootCertStore;
use service::{Answer, Service};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use vapid::VapidKey;
use wardline_protocol::DeviceId;
use wardline_signaling::limit::RING_MS;
use wardline_signaling::{Push, PushKind};

/// Pushes that are being sent at the same time.
pub const SENDING_MAX: usize = 8;

/// How often one is tried at most.
pub const ATTEMPTS_MAX: u32 = 5;

/// The pause after the first failure; four times as long after each further one.
pub const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause, also when the service asks for a longer one.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// How long a service keeps a message's push for a device that is off. After a weekend nobody needs to be told that there is something.
pub const MESSAGE_LIFE: Duration = Duration::from_secs(48 * 3_600);

/// A call's push is of no use once nothing rings any more.
pub const CALL_LIFE: Duration = Duration::from_millis(RING_MS);

/// Subscriptions that services do not know any more, on their way to the plane. When it is full one is dropped: the service will say it again.
pub const GONE_QUEUE: usize = 256;

/// A subscription that is of no use any more.
pub(crate) struct Gone {
    pub(crate) device_id: DeviceId,
    pub(crate) endpoint: String,
}

/// Pushes cannot be sent with these settings on this host; the text says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The key.
    #[error(transparent)]
    Key(#[from] DataDirError),
    /// TLS.
    #[error("pushes cannot be sent: {0}")]
    Tls(#[from] rustls::Error),
    /// The operating system has no certificate authorities.
    #[error(
        "push.enabled: this host has no certificate authorities to know push services by: install them (on Debian the package \
         ca-certificates), or set push.enabled = false"
    )]
    NoAuthorities,
}

/// Takes pushes and sends them, as long as it lives.
pub(crate) struct Pusher {
    service: Service,
    line: Mutex<Line>,
    changed: Notify,
    gone: mpsc::Sender<Gone>,
    metrics: Arc<Metrics>,
}

impl Pusher {
    /// Nothing where the settings say that no pushes are sent.
    pub(crate) fn open(
        settings: &config::Push,
        dir: &DataDir,
        gone: mpsc::Sender<Gone>,
        metrics: Arc<Metrics>,
    ) -> Result<Option<Arc<Self>>, PushError> {
        let Some(accepted) = settings.accepted() else { return Ok(None) };
        let roots = authorities();
        if roots.is_empty() && !settings.insecure_loopback {
            return Err(PushError::NoAuthorities);
        }
        let service = Service::new(roots, VapidKey::open(dir)?, settings.contact.clone(), accepted)?;
        let (line, changed) = (Mutex::default(), Notify::new());
        Ok(Some(Arc::new(Self { service, line, changed, gone, metrics })))
    }

    /// The key that pages subscribe with, base64url.
    pub(crate) fn public_key(&self) -> String {
        self.service.public_key()
    }

    /// Takes one. Returns at once.
    pub(crate) fn push(&self, push: Push) {
        let until = Instant::now() + life(push.kind);
        if self.line().add(Job { push, until, attempts: 0 }) {
            self.metrics.push_ended(PushOutcome::Dropped);
        }
        self.changed.notify_one();
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what comes, until it is aborted.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut sending = JoinSet::new();
        loop {
            let room = sending.len() < SENDING_MAX;
            let next = if room { self.line().next(Instant::now()) } else { Next::Wait(None) };
            let wake = match next {
                Next::Send(job, left) => {
                    sending.spawn(self.clone().send(job, left));
                    continue;
                }
                Next::Late => {
                    self.metrics.push_ended(PushOutcome::GivenUp);
                    continue;
                }
                Next::Wait(wake) => wake,
            };
            tokio::select! {
                Some(_) = sending.join_next() => {}
                () = self.changed.notified() => {}
                () = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
    }

    async fn send(self: Arc<Self>, job: Job, left: Duration) {
        match self.service.send(&job.push.subscription, job.push.kind, left).await {
            Answer::Taken => self.metrics.push_ended(PushOutcome::Sent),
            Answer::Gone => self.report_gone(&job.push),
            Answer::Later(wished) => self.try_later(job, wished),
            Answer::Refused(status) => {
                let status = status.map(|status| status.as_u16());
                tracing::warn!(device = %job.push.device_id, status, "a push service refused a push");
                self.metrics.push_ended(PushOutcome::Refused);
            }
        }
    }

    fn report_gone(&self, push: &Push) {
        self.metrics.push_ended(PushOutcome::Gone);
        let gone = Gone { device_id: push.device_id, endpoint: push.subscription.endpoint.clone() };
        if self.gone.try_send(gone).is_err() {
            tracing::debug!("the plane does not hear of a subscription that is gone; the service will say it again");
        }
    }

    fn try_later(&self, job: Job, wished: Option<Duration>) {
        let job = Job { attempts: job.attempts + 1, ..job };
        let at = Instant::now() + pause(job.attempts, wished);
        if job.attempts >= ATTEMPTS_MAX || at >= job.until {
            tracing::warn!(device = %job.push.device_id, attempts = job.attempts, "a push could not be sent");
            return self.metrics.push_ended(PushOutcome::GivenUp);
        }
        self.metrics.push_ended(PushOutcome::Retried);
        if self.line().again(job, at) {
            self.metrics.push_ended(PushOutcome::Dropped);
        }
        self.changed.notify_one();
    }
}

/// The host's own authorities rather than a list inside this program: they are kept up to date with the system, and where the hospital's firewall
/// looks into TLS, its IT has put its own among them.
fn authorities() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    if !found.errors.is_empty() {
        tracing::warn!(unreadable = found.errors.len(), "some certificate authorities of this host cannot be read");
    }
    let mut roots = RootCertStore::empty();
    let (_, ignored) = roots.add_parsable_certificates(found.certs);
    tracing::debug!(known = roots.len(), ignored, "certificate authorities for push services");
    roots
}

fn life(kind: PushKind) -> Duration {
    match kind {
        PushKind::Message => MESSAGE_LIFE,
        PushKind::Call => CALL_LIFE,
    }
}

/// After so many attempts; what the service wishes counts, up to a bound.
fn pause(attempts: u32, wished: Option<Duration>) -> Duration {
    let own = RETRY_PAUSE * 4u32.saturating_pow(attempts.saturating_sub(1));
    wished.unwrap_or(own).clamp(RETRY_PAUSE, RETRY_AFTER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        assert_eq!([1, 2, 3].map(|attempts| pause(attempts, None).as_secs()), [1, 4, 16]);
        assert_eq!(pause(40, None), RETRY_AFTER_MAX);
        assert_eq!(pause(1, Some(Duration::from_secs(9))).as_secs(), 9);
        assert_eq!(pause(1, Some(Duration::MAX)), RETRY_AFTER_MAX);
        assert_eq!(pause(1, Some(Duration::ZERO)), RETRY_PAUSE);
    }
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod live_tests;
