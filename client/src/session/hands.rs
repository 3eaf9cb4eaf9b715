//! The task that owns a device: inputs in, outputs performed in order.
use super::PROGRAM;
use super::files::Files;
use crate::connection::{CertificatePin, Connection, ConnectionError, Link, Receiver, Sender};
use crate::core::{Command, Core, Event, Failure, Input, Output, Reply, Token, UPLOADS_AT_ONCE, UploadEnd, is_final};
use crate::store::{Place, Store};
use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{broadcast, mpsc, oneshot};
use wardline_directory::key::DeviceKey;
use wardline_protocol::wire::ServerFrame;
use wardline_protocol::{AttachmentId, Incarnation};

/// First and longest wait between two attempts to connect.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));

/// Frames taken in before their outputs are performed: what arrived together is stored in one transaction.
const BATCH_FRAMES_MAX: usize = 256;

/// A node that takes nothing for this long is lost, though its acknowledgements come.
const SEND_MAX: Duration = Duration::from_secs(15);

/// A question to the task.
pub(super) enum Ask {
    Command(Box<Command>, oneshot::Sender<Result<Reply, Failure>>),
    Look(Box<dyn FnOnce(&Core) + Send>),
    Link(oneshot::Sender<Option<Link>>),
}

pub(super) struct Hands {
    core: Core,
    store: Arc<Store>,
    place: Place,
    signing: DeviceKey,
    events: broadcast::Sender<Event>,
    waiting: BTreeMap<Token, oneshot::Sender<Result<Reply, Failure>>>,
    next_token: u64,
    wake_at_ms: Option<u64>,
    line: Option<Sender>,
    files: Files,
    uploaded: mpsc::Sender<(AttachmentId, UploadEnd)>,
    uploads: mpsc::Receiver<(AttachmentId, UploadEnd)>,
    /// Set when the device cannot go on: its state does not store, or the node has shut it out for good.
    over: bool,
}

/// A line on which this device has signed in.
struct Line {
    sender: Sender,
    receiver: Receiver,
    set_aside: VecDeque<ServerFrame>,
    connected: Input,
}

impl Hands {
    pub(super) fn new(
        core: Core,
        store: Arc<Store>,
        place: Place,
        signing: DeviceKey,
        events: broadcast::Sender<Event>,
        files: Files,
    ) -> Self {
        let (uploaded, uploads) = mpsc::channel(UPLOADS_AT_ONCE);
        Self {
            core,
            store,
            place,
            signing,
            events,
            waiting: BTreeMap::new(),
            next_token: 1,
            wake_at_ms: None,
            line: None,
            files,
            uploaded,
            uploads,
            over: false,
        }
    }

    pub(super) async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        let mut wait = BACK_OFF.0;
        while !self.over {
            let began = Instant::now();
            match self.connect(&mut asks).await {
                None => return,
                Some(Ok(line)) => {
                    if !self.talk(line, &mut asks).await {
                        return;
                    }
                    // A line that held for a while was a good one: the next attempt is at once.
                    if began.elapsed() > BACK_OFF.1 {
                        wait = BACK_OFF.0;
                    }
                }
                Some(Err(error)) => {
                    tracing::info!(%error, "not connected");
                    self.refused(&error);
                }
            }
            if self.over || !self.pause(wait, &mut asks).await {
                return;
            }
            wait = jittered((wait * 2).min(BACK_OFF.1));
        }
    }

    /// Connects and signs in, serving questions meanwhile. `None` when the handle is gone.
    async fn connect(&mut self, asks: &mut mpsc::Receiver<Ask>) -> Option<Result<Line, ConnectionError>> {
        let directory = self.core.directory();
        let known = directory.nodes().filter(|node| !node.deleted);
        let (mut addresses, mut pins) = (self.place.addresses.clone(), vec![self.place.pin]);
        for node in known {
            addresses.extend(node.addresses.iter().filter(|address| !self.place.addresses.contains(address)).cloned());
            pins.push(CertificatePin(node.certificate_sha256));
        }
        let device = self.core.device();
        let signing = DeviceKey::from_seed(*self.signing.seed());
        let mut signing_in = pin!(async move {
            let mut connection = Connection::open(&addresses, &pins).await?;
            let challenge = connection.hello(PROGRAM).await?;
            let signed_in = connection.authenticate(&challenge, device, |message| signing.sign(message)).await?;
            let parse = |field: &[u8]| wardline_protocol::AccountId::parse(field).map_err(ConnectionError::Protocol);
            let connected = Input::Connected {
                account: parse(&signed_in.account_id)?,
                directory_version: signed_in.directory_version,
                incarnation: Incarnation::parse(&challenge.node_incarnation).map_err(ConnectionError::Protocol)?,
                key_packages: signed_in.key_packages,
            };
            let (sender, receiver, set_aside) = connection.split();
            Ok(Line { sender, receiver, set_aside, connected })
        });
        loop {
            let wake = self.wake();
            tokio::select! {
                outcome = &mut signing_in => return Some(outcome),
                ask = asks.recv() => self.asked(ask?).await,
                () = tokio::time::sleep(wake) => self.input(Input::Tick).await,
            }
        }
    }

    /// Serves the line until it breaks. False when the handle is gone.
    async fn talk(&mut self, line: Line, asks: &mut mpsc::Receiver<Ask>) -> bool {
        let Line { sender, mut receiver, set_aside, connected } = line;
        self.line = Some(sender);
        self.input(connected).await;
        self.frames(set_aside).await;
        let mut alive = true;
        while self.line.is_some() && !self.over {
            let wake = self.wake();
            tokio::select! {
                frame = receiver.next() => match frame {
                    Ok(frame) => {
                        let mut frames = VecDeque::from([frame]);
                        while frames.len() < BATCH_FRAMES_MAX
                            && let Ok(Some(frame)) = receiver.try_next()
                        {
                            frames.push_back(frame);
                        }
                        self.frames(frames).await;
                    }
                    Err(error) => {
                        tracing::info!(%error, "the line broke");
                        self.refused(&error);
                        break;
                    }
                },
                Some((attachment, end)) = self.uploads.recv() => self.input(Input::UploadEnded(attachment, end)).await,
                ask = asks.recv() => match ask {
                    Some(ask) => self.asked(ask).await,
                    None => {
                        alive = false;
                        break;
                    }
                },
                () = tokio::time::sleep(wake) => self.input(Input::Tick).await,
            }
        }
        match self.line.take() {
            Some(line) if !alive => line.link().close().await,
            Some(line) => line.link().abandon(),
            None => {}
        }
        self.input(Input::Disconnected).await;
        alive
    }

    async fn pause(&mut self, wait: Duration, asks: &mut mpsc::Receiver<Ask>) -> bool {
        let mut over = pin!(tokio::time::sleep(wait));
        loop {
            let wake = self.wake();
            tokio::select! {
                () = &mut over => return true,
                ask = asks.recv() => match ask {
                    Some(ask) => self.asked(ask).await,
                    None => return false,
                },
                () = tokio::time::sleep(wake) => self.input(Input::Tick).await,
            }
        }
    }

    async fn asked(&mut self, ask: Ask) {
        match ask {
            Ask::Command(command, answer) => {
                let token = Token(self.next_token);
                self.next_token += 1;
                self.waiting.insert(token, answer);
                self.input(Input::Command(*command, token)).await;
            }
            Ask::Look(look) => look(&self.core),
            Ask::Link(answer) => {
                // The asker may have gone.
                let _ = answer.send(self.line.as_ref().map(|line| line.link().clone()));
            }
        }
    }

    /// One input, and everything that follows from it, in order.
    async fn input(&mut self, input: Input) {
        if matches!(input, Input::Tick) {
            // Wished for anew where it still matters.
            self.wake_at_ms = None;
        }
        self.core.handle(now_ms(), input);
        self.perform().await;
    }

    async fn frames(&mut self, frames: VecDeque<ServerFrame>) {
        for frame in frames {
            self.core.handle(now_ms(), Input::Frame(frame));
        }
        self.perform().await;
    }

    /// Does what the core wants, in its order, until it wants nothing more.
    async fn perform(&mut self) {
        while let Some(output) = self.core.poll() {
            match output {
                Output::Persist(changes) => {
                    if let Err(error) = self.store.apply(&changes).await {
                        // Going on would send what a crash could not repeat.
                        tracing::error!(%error, "the device's state cannot be stored: it stops here");
                        self.over = true;
                        self.line = None;
                        self.waiting.clear();
                        return;
                    }
                }
                Output::Send(frame) => {
                    let Some(line) = &mut self.line else { continue };
                    let sent = tokio::time::timeout(SEND_MAX, line.send(&frame)).await;
                    if let Err(error) = sent.unwrap_or(Err(ConnectionError::TimedOut)) {
                        tracing::info!(%error, "the line broke while sending");
                        line.link().abandon();
                        self.line = None;
                    }
                }
                Output::Upload(order) => {
                    let Some(link) = self.line.as_ref().map(|line| line.link().clone()) else { continue };
                    let (files, uploaded) = (self.files.clone(), self.uploaded.clone());
                    tokio::spawn(async move {
                        let end = files.upload(&link, &order).await;
                        // A device that is over has nobody to tell.
                        let _ = uploaded.send((order.attachment, end)).await;
                    });
                }
                Output::Event(event) => {
                    // Nobody listening is no fault.
                    let _ = self.events.send(event);
                }
                Output::Done(token, result) => {
                    if let Some(answer) = self.waiting.remove(&token) {
                        let _ = answer.send(result); // the asker may have gone
                    }
                }
                Output::WakeAt(at_ms) => self.wake_at_ms = Some(at_ms),
            }
        }
    }

    fn wake(&self) -> Duration {
        let wait_ms = self.wake_at_ms.map_or(3_600_000, |at_ms| at_ms.saturating_sub(now_ms()).max(1));
        Duration::from_millis(wait_ms)
    }

    /// After some refusals trying again only does harm.
    fn refused(&mut self, error: &ConnectionError) {
        let Some(error) = error.wire() else { return };
        if is_final(error) {
            self.over = true;
            let _ = self.events.send(Event::Goodbye(error.clone()));
        }
    }
}

/// Between half of it and all of it, so that a restarted node is not met by everybody at once.
fn jittered(wait: Duration) -> Duration {
    let dice = wardline_directory::key::random::<1>().map_or(0, |bytes| u8::from_be_bytes(*bytes));
    wait / 2 + wait / 2 * u32::from(dice) / 255
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
