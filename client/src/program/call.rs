//! Calls: placing and answering, with sound from and to files, and the times that matter.
use super::{Device, ProgramError};
use crate::core::{Command, Event, Failure, Reply};
use crate::media::{MediaConfig, MediaSession, WavSink, WavSource};
use crate::session::is_final;
use clap::Args;
use serde_json::Value;
use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, Instant};
use wardline_e2ee::media::MediaEpoch;
use wardline_protocol::wire::call_state::{EndReason, State};
use wardline_protocol::{AccountId, CallId, ConversationId};

/// How long a callee's media is waited for before the call is accepted without it being up.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How often it is looked whether the first speech has been heard.
const LOOK_EVERY: Duration = Duration::from_millis(2);

#[derive(Args)]
pub(super) struct Outgoing {
    /// A person's handle.
    #[arg(long)]
    to: String,
    #[command(flatten)]
    sound: Sound,
    /// Hang up after so many seconds of talking.
    #[arg(long)]
    seconds: Option<u64>,
}

#[derive(Args)]
pub(super) struct Incoming {
    #[command(flatten)]
    sound: Sound,
    /// Decline instead.
    #[arg(long)]
    decline: bool,
    /// End after so many calls.
    #[arg(long)]
    count: Option<u64>,
}

#[derive(Args, Clone)]
struct Sound {
    /// What is said: a WAV file.
    #[arg(long)]
    audio_in: PathBuf,
    /// Where what is heard is written: a WAV file.
    #[arg(long)]
    audio_out: PathBuf,
}

/// One call as this side lives it.
struct Call {
    id: CallId,
    conversation: ConversationId,
    peer: AccountId,
    media: MediaSession,
    /// Everything that the first sample needs, so that nothing is left to do when the call is accepted.
    prepared: Option<Prepared>,
    rang: bool,
    accepted: Option<Instant>,
    speech_told: bool,
}

struct Prepared {
    source: Box<WavSource>,
    sink: Box<WavSink>,
    keys: MediaEpoch,
    context_id: u32,
}

pub(super) async fn place(mut device: Device, outgoing: Outgoing) -> Result<(), ProgramError> {
    let peer = device.account(&outgoing.to).await?;
    let conversation = device.direct(&outgoing.to).await?;
    let (source, sink) = files(&outgoing.sound)?;
    let (media, offer_sdp) = MediaSession::offer(local(&device).await?).await?;
    let mut events = device.client.events();
    let asked = Instant::now();
    let mut rang = false;
    let started = start_call(&device, &media, conversation, offer_sdp);
    let (id, keys) = {
        let mut started = pin!(started);
        loop {
            // It may ring before the own media is set up: said at once.
            tokio::select! {
                outcome = &mut started => break outcome?,
                event = events.recv(), if !rang => {
                    if let Ok(Event::CallState { state: State::Ringing, .. }) = event {
                        rang = true;
                        tell_ringing(&device, asked)?;
                    }
                }
            }
        }
    };
    let call = id.to_string().into();
    device.say.event("calling", &[("call", call)], &format!("Calling {} ...", outgoing.to))?;
    let prepared = keys.map(|(keys, context_id)| Prepared { source, sink, keys, context_id });
    let mut call = Call { id, conversation, peer, media, prepared, rang, accepted: None, speech_told: false };
    let reason = live(&mut device, &mut call, asked, outgoing.seconds).await;
    call.media.close().await;
    let reason = reason?;
    device.close().await?;
    match reason {
        EndReason::HungUp => Ok(()),
        other => Err(ProgramError::Use(format!("the call ended: {}", words(other)))),
    }
}

/// Starts the call, sets up the own media, and takes the keys; no keys when the call is over already.
async fn start_call(
    device: &Device,
    media: &MediaSession,
    conversation: ConversationId,
    offer_sdp: String,
) -> Result<(CallId, Option<(MediaEpoch, u32)>), ProgramError> {
    match device.command(Command::StartCall { conversation, offer_sdp }).await? {
        Reply::Call { call, answer_sdp: None } => Ok((call, None)),
        Reply::Call { call, answer_sdp: Some(answer) } => {
            media.answer(&answer).await?;
            match keys(device, call).await {
                Ok(keys) => Ok((call, Some(keys))),
                // Declined already: its end comes as an event.
                Err(ProgramError::Failure(Failure::UnknownCall)) => Ok((call, None)),
                Err(error) => Err(error),
            }
        }
        _ => Err(ProgramError::Use("no call came of it".into())),
    }
}

pub(super) async fn answer(mut device: Device, incoming: Incoming) -> Result<(), ProgramError> {
    device.say.event("ready", &[], "Waiting for calls. Ctrl-C ends it.")?;
    let mut left = incoming.count;
    while left != Some(0) {
        match device.next().await? {
            Event::IncomingCall { call, conversation, caller, .. } => {
                // First of all: the caller's tone depends on it.
                if !incoming.decline {
                    device.command(Command::ReportRinging { call }).await?;
                }
                let from = device.handle(caller).await?;
                let fields = [("call", call.to_string().into()), ("from", from.clone().into())];
                device.say.event("incoming_call", &fields, &format!("{from} calls."))?;
                if incoming.decline {
                    device.command(Command::DeclineCall { call }).await?;
                } else {
                    take(&mut device, call, conversation, caller, &incoming.sound).await?;
                }
                left = left.map(|left| left - 1);
            }
            Event::Goodbye(error) if is_final(&error) => return Err(Failure::Refused(error).into()),
            _ => {}
        }
    }
    device.close().await
}

/// Rings, connects the media while it rings, accepts, talks.
async fn take(
    device: &mut Device,
    id: CallId,
    conversation: ConversationId,
    peer: AccountId,
    sound: &Sound,
) -> Result<(), ProgramError> {
    let asked = Instant::now();
    let (media, offer_sdp) = MediaSession::offer(local(device).await?).await?;
    let Reply::Media(answer) = device.command(Command::ConnectMedia { call: id, offer_sdp }).await? else {
        return Err(ProgramError::Use("the node gave no answer to the offer".into()));
    };
    media.answer(&answer).await?;
    let mut connected = media.connected();
    let up = tokio::time::timeout(CONNECT_MAX, connected.wait_for(|up| *up)).await.is_ok();
    let connect_ms = millis(asked.elapsed());
    device.say.event("media", &[("connected", up.into()), ("connect_ms", connect_ms.into())], "")?;
    let (source, sink) = files(sound)?;
    let (keys, context_id) = keys(device, id).await?;
    let prepared = Some(Prepared { source, sink, keys, context_id });
    device.command(Command::AcceptCall { call: id }).await?;
    let mut call = Call { id, conversation, peer, media, prepared, rang: true, accepted: None, speech_told: false };
    let reason = live(device, &mut call, asked, None).await;
    call.media.close().await;
    reason.map(|_| ())
}

/// From here to the end of the call.
async fn live(
    device: &mut Device,
    call: &mut Call,
    asked: Instant,
    seconds: Option<u64>,
) -> Result<EndReason, ProgramError> {
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut hung_up = false;
    loop {
        let event = tokio::select! {
            event = device.next() => event?,
            _ = look.tick() => {
                tell_first_speech(device, call)?;
                let over = call.accepted.zip(seconds).is_some_and(|(at, s)| at.elapsed() >= Duration::from_secs(s));
                if over && !hung_up {
                    hung_up = true;
                    device.command(Command::HangUp { call: call.id }).await?;
                }
                continue;
            }
        };
        match event {
            Event::CallState { call: id, state, reason, talked_ms, .. } if id == call.id => match state {
                State::Ringing if !call.rang => {
                    call.rang = true;
                    tell_ringing(device, asked)?;
                }
                State::Accepted if call.accepted.is_none() => {
                    call.accepted = Some(Instant::now());
                    start(call)?;
                    device.say.event("accepted", &[], "Connected.")?;
                }
                State::PeerLost => device.say.event("peer_lost", &[], "The other side lost its connection.")?,
                State::PeerResumed => device.say.event("peer_resumed", &[], "The other side is back.")?,
                State::Ended => {
                    ended(device, call, reason, talked_ms)?;
                    return Ok(reason);
                }
                _ => {}
            },
            Event::MediaEpochChanged { call: id, conversation } if id == call.id => {
                let keys = device.client.look(move |core| core.media_epoch(&conversation, &id)).await?;
                match (keys, &mut call.prepared) {
                    (Some(keys), Some(prepared)) => prepared.keys = keys,
                    (Some(keys), None) => call.media.update_keys(keys),
                    (None, _) => {}
                }
            }
            // The line broke and is back: the media may have moved with it, so it is made anew.
            Event::Ready => resume(device, call).await?,
            Event::Goodbye(error) if is_final(&error) => return Err(Failure::Refused(error).into()),
            _ => {}
        }
    }
}

fn files(sound: &Sound) -> Result<(Box<WavSource>, Box<WavSink>), ProgramError> {
    Ok((Box::new(WavSource::open(&sound.audio_in)?), Box::new(WavSink::create(&sound.audio_out)?)))
}

async fn keys(device: &Device, call: CallId) -> Result<(MediaEpoch, u32), ProgramError> {
    match device.command(Command::MediaKeys { call }).await? {
        Reply::MediaKeys { epoch, context_id } => Ok((epoch, context_id)),
        _ => Err(ProgramError::Use("no keys for the call".into())),
    }
}

fn tell_ringing(device: &Device, asked: Instant) -> Result<(), ProgramError> {
    device.say.event("ringing", &[("ring_ms", millis(asked.elapsed()).into())], "It rings.")
}

fn start(call: &mut Call) -> Result<(), ProgramError> {
    if let Some(prepared) = call.prepared.take() {
        let Prepared { source, sink, keys, context_id } = prepared;
        call.media.start(source, sink, keys, context_id, call.peer)?;
    }
    Ok(())
}

async fn resume(device: &Device, call: &Call) -> Result<(), ProgramError> {
    let known = device.client.look(|core| core.calls()).await?;
    if known.get(&call.id) != Some(&call.conversation) {
        return Ok(());
    }
    let offer_sdp = call.media.restart(local(device).await?).await?;
    match device.command(Command::ConnectMedia { call: call.id, offer_sdp }).await {
        Ok(Reply::Media(answer)) => Ok(call.media.answer(&answer).await?),
        // The call ended meanwhile: its end comes as an event.
        Ok(_) | Err(ProgramError::Failure(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn tell_first_speech(device: &Device, call: &mut Call) -> Result<(), ProgramError> {
    let Some(accepted) = call.accepted.filter(|_| !call.speech_told) else { return Ok(()) };
    let Some(speech) = call.media.statistics().first_speech_at else { return Ok(()) };
    call.speech_told = true;
    let waited_ms = millis(speech.saturating_duration_since(accepted));
    device.say.event("speech", &[("accept_to_speech_ms", waited_ms.into())], "")
}

fn ended(device: &Device, call: &Call, reason: EndReason, talked_ms: u64) -> Result<(), ProgramError> {
    let heard = call.media.statistics();
    let fields: [(&str, Value); 9] = [
        ("reason", words(reason).into()),
        ("talked_ms", talked_ms.into()),
        ("packets_sent", heard.sent.into()),
        ("packets_received", heard.received.into()),
        ("packets_lost", heard.lost.into()),
        ("frames_concealed", heard.concealed.into()),
        ("packets_late", heard.late.into()),
        ("undecryptable", heard.undecryptable.into()),
        ("jitter_buffer_ms", heard.jitter_buffer_ms.into()),
    ];
    device.say.event("ended", &fields, &format!("The call is over: {}.", words(reason)))
}

/// The local address from which the node is reached: the one its media can be sent from.
async fn local(device: &Device) -> Result<MediaConfig, ProgramError> {
    for address in device.client.node_addresses() {
        if let Ok(mut resolved) = tokio::net::lookup_host(address.as_str()).await
            && let Some(address) = resolved.next()
        {
            return Ok(MediaConfig::toward(address)?);
        }
    }
    Err(ProgramError::Use("the node's address cannot be resolved".into()))
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 100.0
}

fn words(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Unspecified => "for an unknown reason",
        EndReason::HungUp => "hung up",
        EndReason::Declined => "declined",
        EndReason::Busy => "busy",
        EndReason::Cancelled => "cancelled by the caller",
        EndReason::NoAnswer => "no answer",
        EndReason::AcceptedElsewhere => "accepted on another device",
        EndReason::DeclinedElsewhere => "declined on another device",
        EndReason::PeerLost => "the other side lost its connection",
        EndReason::Revoked => "an account was locked or removed",
        EndReason::ShuttingDown => "the node is restarting",
        EndReason::Unreachable => "no device of theirs is connected",
        EndReason::MediaFailed => "the sound could not be connected",
    }
}
