//! Broadcasts as one device lives them: [`LiveBroadcast`] sends one from files, [`WatchedBroadcast`] watches one. Each survives a lost line and a lost
//! media connection by itself.
//!
//! The owner reads the device's events anyway and hands each to `hear`, which says what it meant; and calls `mend` about once a second.

use crate::call::{CallError, ask, local};
use crate::core::{Broadcast, Command, Event, Failure, Reply};
use crate::media::{Programme, Publisher, PublisherStatistics, Viewer, ViewerSinks, ViewerStatistics};
use crate::session::Client;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use wardline_e2ee::media::MediaEpoch;
use wardline_protocol::wire::broadcast_state::{EndReason, State};
use wardline_protocol::{CallId, ConversationId};

/// A media connection that is down for so long is made anew...
const MEND_AFTER: Duration = Duration::from_secs(2);

/// ...and again after so long: the node keeps the place for 30 s.
const MEND_EVERY: Duration = Duration::from_secs(4);

/// What an event meant for the broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// So many watch.
    Viewers(u32),
    /// The sender lost its connection; it has 30 s to return.
    SenderLost,
    /// The sender is back.
    SenderBack,
    /// It is over; [`EndReason::Revoked`] as well for who is not in the channel any more.
    Ended(EndReason),
}

/// One broadcast that this device sends.
pub struct LiveBroadcast {
    told: Told,
    media: Publisher,
    mender: Mender,
}

/// One broadcast that this device watches.
pub struct WatchedBroadcast {
    told: Told,
    media: Viewer,
    mender: Mender,
}

impl LiveBroadcast {
    /// Goes live in a channel. The programme begins to play when this returns, whether or not anybody watches yet.
    ///
    /// # Errors
    /// [`CallError`]; nothing is live then. [`Failure::Refused`] with [`wardline_protocol::Code::Busy`] when somebody else is live there.
    pub async fn start(
        client: &Client,
        conversation: ConversationId,
        title: String,
        programme: Programme,
    ) -> Result<Self, CallError> {
        let senders = programme.context_ids_count();
        let (media, offer_sdp) = Publisher::offer(local(client).await?, programme).await?;
        let Reply::Call { call: id, answer_sdp: Some(answer) } =
            ask(client, Command::StartBroadcast { conversation, title, offer_sdp }).await?
        else {
            return Err(CallError::NoAnswer);
        };
        let mender = Mender::new(media.connected());
        let live = Self { told: Told::new(id, conversation), media, mender };
        match live.begin(client, &answer, senders).await {
            Ok(()) => Ok(live),
            Err(error) => {
                // Nobody is left waiting for a picture. That it is over by now is as good.
                if let Err(unsaid) = live.stop(client).await {
                    tracing::info!(broadcast = %id, %unsaid, "a broadcast that failed could not be stopped");
                }
                Err(error)
            }
        }
    }

    /// Goes on with a broadcast that this device began and an earlier run of the program left: the node keeps it for 30 s.
    ///
    /// # Errors
    /// [`CallError`]; [`Failure::Refused`] when it is over already.
    pub async fn resume(client: &Client, broadcast: &Broadcast, programme: Programme) -> Result<Self, CallError> {
        let senders = programme.context_ids_count();
        let (media, offer_sdp) = Publisher::offer(local(client).await?, programme).await?;
        let join = Command::JoinBroadcast { broadcast: broadcast.id, offer_sdp };
        let Reply::Media(answer) = ask(client, join).await? else { return Err(CallError::NoAnswer) };
        let mender = Mender::new(media.connected());
        let told = Told { state: broadcast.state, ..Told::new(broadcast.id, broadcast.conversation) };
        let live = Self { told, media, mender };
        live.begin(client, &answer, senders).await?;
        Ok(live)
    }

    async fn begin(&self, client: &Client, answer: &str, senders: usize) -> Result<(), CallError> {
        self.media.answer(answer).await?;
        let (mut context_ids, mut keys) = (Vec::with_capacity(senders), None);
        for _ in 0..senders {
            let Reply::MediaKeys { epoch, context_id } = ask(client, Command::MediaKeys { call: self.told.id }).await?
            else {
                return Err(CallError::NoAnswer);
            };
            context_ids.push(context_id);
            keys = Some(epoch);
        }
        Ok(self.media.start(keys.ok_or(CallError::NoAnswer)?, &context_ids)?)
    }

    /// Takes one of the device's events and does what it asks of the broadcast. `None` when it means nothing for it.
    ///
    /// # Errors
    /// [`CallError`], when the device is gone.
    pub async fn hear(&mut self, client: &Client, event: &Event) -> Result<Option<Change>, CallError> {
        if let Some(keys) = self.told.new_keys(client, event).await? {
            self.media.update_keys(keys);
        }
        Ok(self.told.hear(event))
    }

    /// Makes the media's connection anew when it was lost.
    ///
    /// # Errors
    /// [`CallError`], when it cannot even be tried.
    pub async fn mend(&mut self, client: &Client) -> Result<(), CallError> {
        if self.mender.is_due(client).await? {
            let offer = self.media.restart(local(client).await?).await?;
            if let Some(answer) = rejoin(client, self.told.id, offer).await? {
                self.media.answer(&answer).await?;
            }
        }
        Ok(())
    }

    /// Ends it for everybody; its end comes as an event.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn stop(&self, client: &Client) -> Result<(), CallError> {
        ask(client, Command::StopBroadcast { broadcast: self.told.id }).await.map(drop)
    }

    /// Its id.
    pub fn id(&self) -> CallId {
        self.told.id
    }

    /// Whether the programme has come to its end.
    pub fn is_finished(&self) -> bool {
        *self.media.finished().borrow()
    }

    /// Counts of what was sent.
    pub fn statistics(&self) -> PublisherStatistics {
        self.media.statistics()
    }

    /// Ends the media. Says nothing to the node.
    pub async fn close(self) {
        self.media.close().await;
    }
}

impl WatchedBroadcast {
    /// Watches what [`Event::Broadcast`] or [`crate::core::Core::broadcasts`] told of.
    ///
    /// # Errors
    /// [`CallError`]; [`Failure::UnknownCall`] when it is over already.
    pub async fn join(client: &Client, broadcast: &Broadcast, sinks: ViewerSinks) -> Result<Self, CallError> {
        let (id, conversation) = (broadcast.id, broadcast.conversation);
        let keys = client.look(move |core| core.media_epoch(&conversation, &id)).await?;
        let keys = keys.ok_or(Failure::UnknownConversation)?;
        let (media, offer_sdp) = Viewer::offer(local(client).await?).await?;
        let Reply::Media(answer) = ask(client, Command::JoinBroadcast { broadcast: id, offer_sdp }).await? else {
            return Err(CallError::NoAnswer);
        };
        media.start(keys, broadcast.sender, sinks)?;
        media.answer(&answer).await?;
        let mender = Mender::new(media.connected());
        Ok(Self { told: Told { state: broadcast.state, ..Told::new(id, conversation) }, media, mender })
    }

    /// As [`LiveBroadcast::hear`].
    ///
    /// # Errors
    /// As there.
    pub async fn hear(&mut self, client: &Client, event: &Event) -> Result<Option<Change>, CallError> {
        if let Some(keys) = self.told.new_keys(client, event).await? {
            self.media.update_keys(keys);
        }
        Ok(self.told.hear(event))
    }

    /// As [`LiveBroadcast::mend`].
    ///
    /// # Errors
    /// As there.
    pub async fn mend(&mut self, client: &Client) -> Result<(), CallError> {
        if self.mender.is_due(client).await? {
            let offer = self.media.restart(local(client).await?).await?;
            if let Some(answer) = rejoin(client, self.told.id, offer).await? {
                self.media.answer(&answer).await?;
            }
        }
        Ok(())
    }

    /// Does not watch any more.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn leave(&self, client: &Client) -> Result<(), CallError> {
        ask(client, Command::LeaveBroadcast { broadcast: self.told.id }).await.map(drop)
    }

    /// Counts of what was seen.
    pub fn statistics(&self) -> ViewerStatistics {
        self.media.statistics()
    }

    /// Ends the media; what it wrote is complete when this returns. Says nothing to the node.
    pub async fn close(self) -> ViewerStatistics {
        self.media.close().await
    }
}

/// What the node has said of a broadcast.
struct Told {
    id: CallId,
    conversation: ConversationId,
    viewers: u32,
    state: State,
}

impl Told {
    fn new(id: CallId, conversation: ConversationId) -> Self {
        Self { id, conversation, viewers: 0, state: State::Live }
    }

    fn hear(&mut self, event: &Event) -> Option<Change> {
        let told = match event {
            // Out of the channel, out of what is live in it.
            Event::ConversationLeft { conversation } if *conversation == self.conversation => {
                return Some(Change::Ended(EndReason::Revoked));
            }
            Event::Broadcast(told) => told,
            _ => return None,
        };
        if told.id != self.id {
            return None;
        }
        let before = std::mem::replace(&mut self.state, told.state);
        match (before, told.state) {
            (_, State::Ended) => Some(Change::Ended(told.reason)),
            (State::Live, State::SenderLost) => Some(Change::SenderLost),
            (State::SenderLost, State::Live) => Some(Change::SenderBack),
            _ if told.viewers != self.viewers => {
                self.viewers = told.viewers;
                Some(Change::Viewers(told.viewers))
            }
            _ => None,
        }
    }

    async fn new_keys(&self, client: &Client, event: &Event) -> Result<Option<MediaEpoch>, CallError> {
        let (id, conversation) = (self.id, self.conversation);
        match event {
            Event::MediaEpochChanged { call, .. } if *call == id => {
                Ok(client.look(move |core| core.media_epoch(&conversation, &id)).await?)
            }
            _ => Ok(None),
        }
    }
}

/// Finds out when a media connection has to be made anew.
struct Mender {
    connected: watch::Receiver<bool>,
    down_since: Option<Instant>,
    tried: Option<Instant>,
}

impl Mender {
    fn new(connected: watch::Receiver<bool>) -> Self {
        Self { connected, down_since: None, tried: None }
    }

    /// Whether it is to be tried now. Not while the node cannot be reached: it could not answer.
    async fn is_due(&mut self, client: &Client) -> Result<bool, CallError> {
        let now = Instant::now();
        if *self.connected.borrow() {
            (self.down_since, self.tried) = (None, None);
            return Ok(false);
        }
        let down = now.saturating_duration_since(*self.down_since.get_or_insert(now)) >= MEND_AFTER;
        let again = self.tried.is_none_or(|tried| now.saturating_duration_since(tried) >= MEND_EVERY);
        let due = down && again && client.look(|core| core.is_connected()).await?;
        if due {
            self.tried = Some(now);
        }
        Ok(due)
    }
}

/// The node's answer to a new connection's offer; `None` when it has none now: the broadcast may be over, which comes as an event.
async fn rejoin(client: &Client, broadcast: CallId, offer_sdp: String) -> Result<Option<String>, CallError> {
    match ask(client, Command::JoinBroadcast { broadcast, offer_sdp }).await {
        Ok(Reply::Media(answer)) => Ok(Some(answer)),
        Ok(_) | Err(CallError::Failure(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
