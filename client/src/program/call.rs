//! Calls: placing and answering, with sound from and to files, and the times that matter.
use super::{Device, ProgramError};
use crate::call::{Change, LiveCall, Sound};
use crate::core::{Command, Event, Failure};
use crate::media::{AudioSink, AudioSource, Microphone, Speaker, WavSink, WavSource};
use crate::session::is_final;
use clap::Args;
use serde_json::Value;
use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, Instant};
use wardline_protocol::wire::call_state::{EndReason, State};
use wardline_protocol::{AccountId, CallId, ConversationId};

/// How often it is looked whether the first speech has been heard.
const LOOK_EVERY: Duration = Duration::from_millis(2);

#[derive(Args)]
pub(super) struct Outgoing {
    /// A person's handle.
    #[arg(long)]
    to: String,
    #[command(flatten)]
    sound: SoundFiles,
    /// Hang up after so many seconds of talking.
    #[arg(long)]
    seconds: Option<u64>,
}

#[derive(Args)]
pub(super) struct Incoming {
    #[command(flatten)]
    sound: SoundFiles,
    /// Decline instead.
    #[arg(long)]
    decline: bool,
    /// End after so many calls.
    #[arg(long)]
    count: Option<u64>,
}

#[derive(Args, Clone)]
struct SoundFiles {
    /// What is said: a WAV file instead of the microphone.
    #[arg(long)]
    audio_in: Option<PathBuf>,
    /// Where what is heard is written: a WAV file instead of the speaker.
    #[arg(long)]
    audio_out: Option<PathBuf>,
}

impl SoundFiles {
    fn open(&self) -> Result<Sound, ProgramError> {
        let source: Box<dyn AudioSource> = match &self.audio_in {
            Some(path) => Box::new(WavSource::open(path)?),
            None => Box::new(Microphone::open()?),
        };
        let sink: Box<dyn AudioSink> = match &self.audio_out {
            Some(path) => Box::new(WavSink::create(path)?),
            None => Box::new(Speaker::open()?),
        };
        Ok(Sound { source, sink })
    }
}

pub(super) async fn place(mut device: Device, outgoing: Outgoing) -> Result<(), ProgramError> {
    let peer = device.account(&outgoing.to).await?;
    let conversation = device.direct(&outgoing.to).await?;
    let sound = outgoing.sound.open()?;
    let mut events = device.client.events();
    let asked = Instant::now();
    let mut rang = false;
    let mut call = {
        let mut placing = pin!(LiveCall::place(&device.client, conversation, peer, sound));
        loop {
            // It may ring before the own media is set up: said at once.
            tokio::select! {
                placed = &mut placing => break placed?,
                event = events.recv(), if !rang => {
                    if let Ok(Event::CallState { state: State::Ringing, .. }) = event {
                        rang = true;
                        tell_ringing(&device, asked)?;
                    }
                }
            }
        }
    };
    let id = call.id().to_string().into();
    device.say.event("calling", &[("call", id)], &format!("Calling {} ...", outgoing.to))?;
    let reason = live(&mut device, &mut call, (!rang).then_some(asked), outgoing.seconds).await;
    call.close().await;
    let reason = reason?;
    device.close().await?;
    match reason {
        EndReason::HungUp => Ok(()),
        other => Err(ProgramError::Use(format!("the call ended: {}", words(other)))),
    }
}

pub(super) async fn answer(mut device: Device, incoming: Incoming) -> Result<(), ProgramError> {
    device.say.event("ready", &[], "Waiting for calls. Ctrl-C ends it.")?;
    let mut left = incoming.count;
    while left != Some(0) {
        match device.next().await? {
            Event::IncomingCall { call, conversation, caller, video, .. } => {
                let outcome = if incoming.decline {
                    tell_incoming(&device, call, caller, video).await?;
                    device.command(Command::DeclineCall { call }).await.map(drop)
                } else {
                    take(&mut device, (call, video), conversation, caller, &incoming.sound).await
                };
                match outcome {
                    // The caller gave up, or another device was faster: wait for the next.
                    Err(ProgramError::Failure(Failure::UnknownCall)) => {}
                    outcome => outcome?,
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
    (id, video): (CallId, bool),
    conversation: ConversationId,
    caller: AccountId,
    sound: &SoundFiles,
) -> Result<(), ProgramError> {
    let asked = Instant::now();
    let ringing = LiveCall::ring(&device.client, id, conversation, caller, sound.open()?);
    let (call, told) = tokio::join!(ringing, tell_incoming(device, id, caller, video));
    told?;
    let mut call = call?;
    let connect_ms = millis(asked.elapsed());
    let fields = [("connected", call.is_connected().into()), ("connect_ms", connect_ms.into())];
    device.say.event("media", &fields, "")?;
    call.accept(&device.client).await?;
    let reason = live(device, &mut call, None, None).await;
    call.close().await;
    reason.map(|_| ())
}

/// From here to the end of the call. `asked` is when it was asked for, where ringing is still to be told.
async fn live(
    device: &mut Device,
    call: &mut LiveCall,
    asked: Option<Instant>,
    seconds: Option<u64>,
) -> Result<EndReason, ProgramError> {
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let (mut hung_up, mut speech_told) = (false, false);
    loop {
        let event = tokio::select! {
            event = device.next() => event?,
            _ = look.tick() => {
                speech_told = speech_told || tell_first_speech(device, call)?;
                let accepted = call.accepted_at();
                let over = accepted.zip(seconds).is_some_and(|(at, s)| at.elapsed() >= Duration::from_secs(s));
                if over && !hung_up {
                    hung_up = true;
                    call.hang_up(&device.client).await?;
                }
                continue;
            }
        };
        if let Event::Goodbye(error) = &event
            && is_final(error)
        {
            return Err(Failure::Refused(error.clone()).into());
        }
        match call.hear(&device.client, &event).await? {
            Some(Change::Ringing) => {
                if let Some(asked) = asked {
                    tell_ringing(device, asked)?;
                }
            }
            Some(Change::Accepted) => device.say.event("accepted", &[], "Connected.")?,
            Some(Change::PeerLost) => device.say.event("peer_lost", &[], "The other side lost its connection.")?,
            Some(Change::PeerResumed) => device.say.event("peer_resumed", &[], "The other side is back.")?,
            Some(Change::Ended { reason, talked_ms }) => {
                tell_end(device, call, reason, talked_ms)?;
                return Ok(reason);
            }
            None => {}
        }
    }
}

/// A video call is answered here as well, with voice only.
async fn tell_incoming(device: &Device, call: CallId, caller: AccountId, video: bool) -> Result<(), ProgramError> {
    let from = device.handle(caller).await?;
    let fields = [("call", call.to_string().into()), ("from", from.clone().into()), ("video", video.into())];
    let words =
        if video { format!("{from} calls with video; this program has voice only.") } else { format!("{from} calls.") };
    device.say.event("incoming_call", &fields, &words)
}

fn tell_ringing(device: &Device, asked: Instant) -> Result<(), ProgramError> {
    device.say.event("ringing", &[("ring_ms", millis(asked.elapsed()).into())], "It rings.")
}

/// Whether it could be told.
fn tell_first_speech(device: &Device, call: &LiveCall) -> Result<bool, ProgramError> {
    let Some((accepted, speech)) = call.accepted_at().zip(call.statistics().first_speech_at) else { return Ok(false) };
    let waited_ms = millis(speech.saturating_duration_since(accepted));
    device.say.event("speech", &[("accept_to_speech_ms", waited_ms.into())], "")?;
    Ok(true)
}

fn tell_end(device: &Device, call: &LiveCall, reason: EndReason, talked_ms: u64) -> Result<(), ProgramError> {
    let heard = call.statistics();
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
