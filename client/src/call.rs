//! [`LiveCall`]: a call as one device lives it. Its media is connected while it rings, its keys follow the conversation, and it
//! survives a lost line.
//!
//! The owner reads the device's events anyway and hands each to [`LiveCall::hear`], which says what it meant for the call.

use crate::core::{Command, Event, Failure, Reply};
use crate::media::{AudioSink, AudioSource, MediaConfig, MediaError, MediaSession, MediaStatistics};
use crate::session::{Client, ClientError};
use std::time::{Duration, Instant};
use wardline_e2ee::media::MediaEpoch;
use wardline_protocol::wire::call_state::{EndReason, State};
use wardline_protocol::{AccountId, CallId, ConversationId};

/// How long a callee's media is waited for before the call can be accepted without it being up.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How long an answer of the node is waited for.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Why a call does not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The device.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The core or the node refused.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The sound or its connection.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The node did not answer in time, or with something else.
    #[error("the node gave no answer to the call")]
    NoAnswer,
    /// The node's own address is not usable.
    #[error("the node's address cannot be resolved")]
    Unresolved,
}

/// Where a call's sound comes from and where it goes. Nothing is taken from the source before the call is accepted.
pub struct Sound {
    /// The microphone, or what stands for it.
    pub source: Box<dyn AudioSource>,
    /// The speaker, or what stands for it.
    pub sink: Box<dyn AudioSink>,
}

/// What an event meant for the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A device of the callee rings.
    Ringing,
    /// Accepted: the sound runs from now on.
    Accepted,
    /// The other side lost its connection; the call is held.
    PeerLost,
    /// The other side is back.
    PeerResumed,
    /// The call is over.
    Ended {
        /// Why.
        reason: EndReason,
        /// How long was talked.
        talked_ms: u64,
    },
}

/// One call on one device.
pub struct LiveCall {
    id: CallId,
    conversation: ConversationId,
    peer: AccountId,
    media: MediaSession,
    /// Everything that the first sample needs, so that nothing is left to do when the call is accepted.
    prepared: Option<Prepared>,
    rang: bool,
    accepted: Option<Instant>,
}

struct Prepared {
    sound: Sound,
    keys: MediaEpoch,
    context_id: u32,
}

impl LiveCall {
    /// Calls the other account of a direct conversation. The callee may ring, by an event, before this returns.
    ///
    /// # Errors
    /// [`CallError`]; the call is cancelled then.
    pub async fn place(
        client: &Client,
        conversation: ConversationId,
        peer: AccountId,
        sound: Sound,
    ) -> Result<Self, CallError> {
        let (media, offer_sdp) = MediaSession::offer(local(client).await?).await?;
        let (id, answer) = match ask(client, Command::StartCall { conversation, offer_sdp, video: false }).await? {
            Reply::Call { call, answer_sdp } => (call, answer_sdp),
            _ => return Err(CallError::NoAnswer),
        };
        let mut call = Self { id, conversation, peer, media, prepared: None, rang: false, accepted: None };
        if let Some(answer) = answer
            && let Err(error) = call.connect(client, &answer, sound).await
        {
            // It may ring already, for a caller who cannot talk. That it is over by now is as good.
            if let Err(unsaid) = call.hang_up(client).await {
                tracing::info!(call = %id, %unsaid, "a call that failed could not be cancelled");
            }
            return Err(error);
        }
        Ok(call)
    }

    async fn connect(&mut self, client: &Client, answer: &str, sound: Sound) -> Result<(), CallError> {
        self.media.answer(answer).await?;
        self.prepared = prepare(client, self.id, sound).await?;
        Ok(())
    }

    /// Rings for a call that came in ([`Event::IncomingCall`]), and connects its media meanwhile. The caller hears that it rings first of
    /// all. [`accept`](Self::accept) answers it.
    ///
    /// # Errors
    /// [`CallError`]; [`Failure::UnknownCall`] when it is over already.
    pub async fn ring(
        client: &Client,
        id: CallId,
        conversation: ConversationId,
        caller: AccountId,
        sound: Sound,
    ) -> Result<Self, CallError> {
        ask(client, Command::ReportRinging { call: id }).await?;
        let (media, offer_sdp) = MediaSession::offer(local(client).await?).await?;
        let Reply::Media(answer) = ask(client, Command::ConnectMedia { call: id, offer_sdp }).await? else {
            return Err(CallError::NoAnswer);
        };
        media.answer(&answer).await?;
        let mut connected = media.connected();
        let waited = tokio::time::timeout(CONNECT_MAX, connected.wait_for(|up| *up)).await;
        tracing::debug!(call = %id, up = waited.is_ok(), "media while it rings");
        let prepared = prepare(client, id, sound).await?;
        if prepared.is_none() {
            return Err(Failure::UnknownCall.into());
        }
        Ok(Self { id, conversation, peer: caller, media, prepared, rang: true, accepted: None })
    }

    /// The person answers here. The sound starts with the node's word, which [`hear`](Self::hear) takes.
    ///
    /// # Errors
    /// [`CallError`]; [`Failure::UnknownCall`] when it is over already.
    pub async fn accept(&self, client: &Client) -> Result<(), CallError> {
        ask(client, Command::AcceptCall { call: self.id }).await.map(drop)
    }

    /// Ends or cancels the call; its end comes as an event.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn hang_up(&self, client: &Client) -> Result<(), CallError> {
        ask(client, Command::HangUp { call: self.id }).await.map(drop)
    }

    /// Takes one of the device's events and does what it asks of the call. `None` when it means nothing for it.
    ///
    /// # Errors
    /// [`CallError`], when the sound cannot start or the line cannot be made anew; the owner hangs up.
    pub async fn hear(&mut self, client: &Client, event: &Event) -> Result<Option<Change>, CallError> {
        match event {
            Event::CallState { call, state, reason, talked_ms, .. } if *call == self.id => match state {
                State::Ringing if !std::mem::replace(&mut self.rang, true) => return Ok(Some(Change::Ringing)),
                State::Accepted if self.accepted.is_none() => {
                    self.accepted = Some(Instant::now());
                    self.start()?;
                    return Ok(Some(Change::Accepted));
                }
                State::PeerLost => return Ok(Some(Change::PeerLost)),
                State::PeerResumed => return Ok(Some(Change::PeerResumed)),
                State::Ended => return Ok(Some(Change::Ended { reason: *reason, talked_ms: *talked_ms })),
                _ => {}
            },
            Event::MediaEpochChanged { call, .. } if *call == self.id => self.take_new_keys(client).await?,
            // The line broke and is back: the media may have moved with it, so it is made anew.
            Event::Ready => self.resume(client).await?,
            _ => {}
        }
        Ok(None)
    }

    /// Its id.
    pub fn id(&self) -> CallId {
        self.id
    }

    /// When this device heard that the call was accepted.
    pub fn accepted_at(&self) -> Option<Instant> {
        self.accepted
    }

    /// Whether packets can pass now.
    pub fn is_connected(&self) -> bool {
        *self.media.connected().borrow()
    }

    /// Counts of the sound.
    pub fn statistics(&self) -> MediaStatistics {
        self.media.statistics()
    }

    /// Ends the sound and its connection; the sink is finished when this returns. Says nothing to the node.
    pub async fn close(self) {
        self.media.close().await;
    }

    fn start(&mut self) -> Result<(), CallError> {
        if let Some(Prepared { sound: Sound { source, sink }, keys, context_id }) = self.prepared.take() {
            self.media.start(source, sink, keys, context_id, self.peer)?;
        }
        Ok(())
    }

    async fn take_new_keys(&mut self, client: &Client) -> Result<(), CallError> {
        let (conversation, id) = (self.conversation, self.id);
        let keys = client.look(move |core| core.media_epoch(&conversation, &id)).await?;
        match (keys, &mut self.prepared) {
            (Some(keys), Some(prepared)) => prepared.keys = keys,
            (Some(keys), None) => self.media.update_keys(keys),
            (None, _) => {}
        }
        Ok(())
    }

    async fn resume(&self, client: &Client) -> Result<(), CallError> {
        let known = client.look(|core| core.calls()).await?;
        if known.get(&self.id) != Some(&self.conversation) {
            return Ok(());
        }
        let offer_sdp = self.media.restart(local(client).await?).await?;
        match ask(client, Command::ConnectMedia { call: self.id, offer_sdp }).await {
            Ok(Reply::Media(answer)) => Ok(self.media.answer(&answer).await?),
            // The call ended meanwhile: its end comes as an event.
            Ok(_) | Err(CallError::Failure(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Keys and a context id for the sound; `None` when the call is over already: its end comes as an event.
async fn prepare(client: &Client, id: CallId, sound: Sound) -> Result<Option<Prepared>, CallError> {
    match ask(client, Command::MediaKeys { call: id }).await {
        Ok(Reply::MediaKeys { epoch, context_id }) => Ok(Some(Prepared { sound, keys: epoch, context_id })),
        Err(CallError::Failure(Failure::UnknownCall)) => Ok(None),
        Ok(_) => Err(CallError::NoAnswer),
        Err(error) => Err(error),
    }
}

pub(crate) async fn ask(client: &Client, command: Command) -> Result<Reply, CallError> {
    let answer = tokio::time::timeout(ANSWER_MAX, client.command(command)).await;
    Ok(answer.map_err(|_| CallError::NoAnswer)???)
}

/// The local address from which the node is reached: the one its media can be sent from.
pub(crate) async fn local(client: &Client) -> Result<MediaConfig, CallError> {
    for address in client.node_addresses() {
        if let Ok(mut resolved) = tokio::net::lookup_host(address.as_str()).await
            && let Some(address) = resolved.next()
        {
            return Ok(MediaConfig::toward(address)?);
        }
    }
    Err(CallError::Unresolved)
}
