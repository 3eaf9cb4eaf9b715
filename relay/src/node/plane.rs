//! The plane's thread: the one owner of every session, conversation and call. It takes inputs from bounded lanes, performs the outputs
//! in order, and never waits for anybody.
//!
//! Back-pressure: while [`STORE_QUEUE_BATCHES`] batches are not durable or [`READS_MAX`] queries are not answered, it takes nothing from
//! sessions. Its orders to the store can therefore go through unbounded channels without growing beyond that.
use super::clock::Clock;
use super::{Control, FromSession, Lanes};
use crate::attachments::Attachments;
use crate::media::Media;
use crate::metrics::Metrics;
use crate::push::{Gone, Pusher};
use crate::store::{Committed, SqliteStore, StoreFailed, WriteOrder, run_group_commit};
use crate::transport::queue::{Outgoing, Pushed, Queue};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use wardline_protocol::wire::TransferOpened;
use wardline_protocol::wire::server_frame::Body;
use wardline_protocol::{Code, WireError, frame, limit};
use wardline_signaling::{Answer, Class, Input, Output, Plane, SessionId, Store, StoreError};

/// Batches handed to the store and not durable; beyond them sessions wait.
pub const STORE_QUEUE_BATCHES: usize = 8192;

/// Queries handed to the store and not answered; beyond them sessions wait.
pub const READS_MAX: usize = 1024;

/// How long a clean shutdown may take.
pub const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

/// The longest sleep, so that a clock that was set forward is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// What comes back from this plane's tasks on the disk.
enum FromStore {
    Committed(Committed),
    Failed(StoreFailed),
    Answered { session: SessionId, request_id: u64, answer: Result<Answer, StoreError> },
    TransferOpened { session: SessionId, request_id: u64, opened: Result<TransferOpened, WireError> },
}

/// Why the loop ended.
pub(super) enum End {
    /// As asked: everything is durable, every session is told; or the time for it is over.
    ShutDown,
    /// A write failed: what the plane believes is no longer what is stored.
    StoreFailed(StoreError),
}

/// The plane with all that surrounds it in one life.
pub(super) struct Shell {
    plane: Plane,
    clock: Clock,
    sessions: HashMap<SessionId, Arc<Queue>>,
    outputs: Vec<Output>,
    store: Arc<SqliteStore>,
    attachments: Arc<Attachments>,
    pusher: Option<Arc<Pusher>>,
    runtime: Handle,
    orders: mpsc::UnboundedSender<WriteOrder>,
    answers: mpsc::Sender<FromStore>,
    from_store: mpsc::Receiver<FromStore>,
    batches: usize,
    reads: usize,
    store_ended: bool,
    metrics: Arc<Metrics>,
}

impl Shell {
    /// A shell around an open plane; starts the store's task on `runtime`.
    pub(super) fn new(
        plane: Plane,
        clock: Clock,
        store: Arc<SqliteStore>,
        attachments: Arc<Attachments>,
        runtime: Handle,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (orders, waiting) = mpsc::unbounded_channel();
        // A task that reports waits while this is full; the plane takes from it before anything else.
        let (answers, from_store) = mpsc::channel(READS_MAX);
        let reports = answers.clone();
        runtime.spawn(run_group_commit(store.clone(), waiting, metrics.clone(), move |outcome| {
            let reports = reports.clone();
            async move {
                let report = match outcome {
                    Ok(committed) => FromStore::Committed(committed),
                    Err(failed) => FromStore::Failed(failed),
                };
                if reports.send(report).await.is_err() {
                    tracing::debug!("the plane ended before its store");
                }
            }
        }));
        Self {
            plane,
            clock,
            sessions: HashMap::new(),
            outputs: Vec::new(),
            store,
            attachments,
            pusher: None,
            runtime,
            orders,
            answers,
            from_store,
            batches: 0,
            reads: 0,
            store_ended: false,
            metrics,
        }
    }

    /// With what wakes devices, if pushes are sent.
    pub(super) fn waking(self, pusher: Option<Arc<Pusher>>) -> Self {
        Self { pusher, ..self }
    }

    /// Runs until the node shuts down or the store fails; every session has then been told to end.
    pub(super) async fn run(mut self, lanes: &mut Lanes, media: &mut Media) -> End {
        let end = self.take_inputs(lanes, media).await;
        media.close_all_rooms();
        let error = match &end {
            End::ShutDown => super::Readiness::ShuttingDown.refusal(),
            End::StoreFailed(_) => super::Readiness::StoreFailed.refusal(),
        };
        for (session, queue) in &self.sessions {
            queue.close(error.clone());
            self.attachments.session_over(*session);
        }
        end
    }

    async fn take_inputs(&mut self, lanes: &mut Lanes, media: &mut Media) -> End {
        let mut deadline: Option<tokio::time::Instant> = None;
        loop {
            if self.store_ended {
                return End::StoreFailed(self.store_error());
            }
            if deadline.is_some() && self.sessions.is_empty() && self.batches == 0 {
                return End::ShutDown;
            }
            let wake = self.sleep();
            let open = self.batches < STORE_QUEUE_BATCHES && self.reads < READS_MAX;
            let input = tokio::select! {
                biased;
                Some(report) = self.from_store.recv() => match report {
                    FromStore::Committed(Committed { batch, batches }) => {
                        self.batches = self.batches.saturating_sub(batches);
                        Input::Durable { batch }
                    }
                    FromStore::Failed(StoreFailed(error)) => return End::StoreFailed(error),
                    FromStore::Answered { session, request_id, answer } => {
                        self.reads = self.reads.saturating_sub(1);
                        Input::Answered { session, request_id, answer: answer.map_err(unreadable) }
                    }
                    FromStore::TransferOpened { session, request_id, opened } => {
                        self.reads = self.reads.saturating_sub(1);
                        Input::TransferOpened { session, request_id, opened }
                    }
                },
                control = lanes.control.recv(), if deadline.is_none() => match control {
                    Some(Control::Counts(reply)) => {
                        if reply.send(self.plane.counts()).is_err() {
                            tracing::debug!("nobody waits for the counts any more");
                        }
                        continue;
                    }
                    // A node whose handle is gone goes down too.
                    Some(Control::Shutdown) | None => {
                        deadline = Some(tokio::time::Instant::now() + SHUTDOWN_MAX);
                        Input::Shutdown
                    }
                },
                () = until(deadline) => {
                    tracing::warn!(sessions = self.sessions.len(), batches = self.batches, "shutdown took too long");
                    return End::ShutDown;
                }
                Some(event) = lanes.media.recv() => Input::Media(event),
                Some(Gone { device_id, endpoint }) = lanes.push.recv() => Input::PushGone { device_id, endpoint },
                () = tokio::time::sleep(wake.unwrap_or_default()), if wake.is_some() => {
                    if self.is_due() { Input::Tick } else { continue }
                }
                Some(message) = lanes.sessions.recv(), if open => match self.session_says(message, deadline.is_some()) {
                    Some(input) => input,
                    None => continue,
                },
            };
            self.handle(input, lanes.sessions.len(), media);
        }
    }

    fn session_says(&mut self, message: FromSession, shutting_down: bool) -> Option<Input> {
        match message {
            FromSession::Opened { queue, .. } if shutting_down => {
                queue.close(super::Readiness::ShuttingDown.refusal());
                None
            }
            FromSession::Opened { session, queue, nonce, exporter } => {
                self.sessions.insert(session, queue);
                Some(Input::Opened { session, nonce, exporter })
            }
            // A session of an earlier plane is unknown to this one.
            FromSession::Frame { session, frame } => {
                self.sessions.contains_key(&session).then_some(Input::Frame { session, frame })
            }
            FromSession::Drained { session } => {
                self.sessions.contains_key(&session).then_some(Input::Drained { session })
            }
            FromSession::Uploaded { session, attachment_id } => Some(Input::Uploaded { session, attachment_id }),
            FromSession::Closed { session } => {
                self.attachments.session_over(session);
                self.sessions.remove(&session).map(|_| Input::Closed { session })
            }
        }
    }

    fn handle(&mut self, input: Input, waiting: usize, media: &mut Media) {
        let started = Instant::now();
        let now_ms = self.clock.now_ms();
        let mut outputs = std::mem::take(&mut self.outputs);
        self.plane.handle(now_ms, input, &mut outputs);
        self.metrics.plane_handled(started.elapsed(), waiting);
        // First the larger limit, so that no client can be quicker than it.
        for output in &outputs {
            if let Output::Authenticated { session } = output
                && let Some(queue) = self.sessions.get(session)
            {
                queue.set_authenticated();
            }
        }
        for output in outputs.drain(..) {
            self.perform(output, media);
        }
        self.outputs = outputs;
    }

    fn perform(&mut self, output: Output, media: &mut Media) {
        match output {
            Output::Send { session, frame, class } => {
                let is_entry = matches!(frame.body, Some(Body::Entry(_)));
                self.queue(session, Outgoing::Frame(frame), class, is_entry);
            }
            Output::FanOut { sessions, frame, class } => match frame::encode(&frame, limit::FRAME_BYTES_MAX) {
                Ok(bytes) => {
                    for session in sessions {
                        self.queue(session, Outgoing::Encoded(bytes.clone()), class, true);
                    }
                }
                Err(_) => tracing::error!("a frame of the node is too large"),
            },
            Output::Authenticated { session } => tracing::debug!(session = session.0, "signed in"),
            Output::Close { session, error } => {
                tracing::info!(session = session.0, code = error.code.number(), "session closed by the plane");
                self.attachments.session_over(session);
                if let Some(queue) = self.sessions.get(&session) {
                    queue.close(error);
                }
            }
            Output::Write { batch, writes } => {
                self.batches += 1;
                // The task ends after a failure only, and its report is on the way.
                self.store_ended |= self.orders.send(WriteOrder { batch, writes }).is_err();
            }
            Output::Read { session, request_id, query } => {
                self.reads += 1;
                let (store, answers) = (self.store.clone(), self.answers.clone());
                self.runtime.spawn(async move {
                    let answer = store.read(query).await;
                    if answers.send(FromStore::Answered { session, request_id, answer }).await.is_err() {
                        tracing::debug!("the plane ended before its answer");
                    }
                });
            }
            Output::OpenTransfer(transfer) => {
                self.reads += 1;
                let (attachments, answers) = (self.attachments.clone(), self.answers.clone());
                self.runtime.spawn(async move {
                    let (session, request_id) = (transfer.session, transfer.request_id);
                    let opened = attachments.grant(transfer).await;
                    if answers.send(FromStore::TransferOpened { session, request_id, opened }).await.is_err() {
                        tracing::debug!("the plane ended before a transfer was open");
                    }
                });
            }
            Output::DropAttachment { attachment_id } => {
                let attachments = self.attachments.clone();
                self.runtime.spawn(async move { attachments.drop_file(attachment_id).await });
            }
            Output::Push(push) => {
                if let Some(pusher) = &self.pusher {
                    pusher.push(push);
                }
            }
            Output::Media(command) => media.perform(command),
        }
    }

    fn queue(&self, session: SessionId, outgoing: Outgoing, class: Class, is_entry: bool) {
        let Some(queue) = self.sessions.get(&session) else { return };
        match queue.push(outgoing, class) {
            Pushed::Queued if is_entry => self.metrics.entry_pushed(),
            Pushed::Dropped => self.metrics.push_dropped(class),
            Pushed::Overflowed => {
                self.metrics.session_overflowed();
                tracing::info!(session = session.0, "session closed: its queue was full");
            }
            Pushed::Queued | Pushed::Closed => {}
        }
    }

    /// What the store's task said last.
    fn store_error(&mut self) -> StoreError {
        while let Ok(report) = self.from_store.try_recv() {
            if let FromStore::Failed(StoreFailed(error)) = report {
                return error;
            }
        }
        StoreError("its task ended without a word".into())
    }

    /// How long until the plane wants to be woken.
    fn sleep(&mut self) -> Option<Duration> {
        let wake_ms = self.plane.next_wake_ms()?;
        Some(Duration::from_millis(wake_ms.saturating_sub(self.clock.now_ms())).min(SLEEP_MAX))
    }

    fn is_due(&mut self) -> bool {
        let now_ms = self.clock.now_ms();
        self.plane.next_wake_ms().is_some_and(|wake_ms| wake_ms <= now_ms)
    }
}

fn unreadable(error: StoreError) -> WireError {
    tracing::error!(%error, "a query failed");
    WireError::new(Code::Storage, "the node cannot read its storage: try again later")
}

async fn until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
