//! Broadcasts: going live in a channel from files, and watching, with what was seen written to files.
use super::chat::titled;
use super::{Device, ProgramError};
use crate::broadcast::{Change, LiveBroadcast, WatchedBroadcast};
use crate::core::{Body, Broadcast, Event, Failure};
use crate::media::{Programme, ProgrammeFiles, Received, ViewerSinks, ViewerStatistics};
use crate::session::is_final;
use clap::Args;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use wardline_protocol::ConversationId;
use wardline_protocol::wire::broadcast_state::{EndReason, State};

/// How often it is looked how the media does.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Messages in which a broadcast's title is looked for: the newest of its channel.
const TITLE_AMONG: u32 = 50;

#[derive(Args)]
pub(super) struct Live {
    /// The channel's name.
    channel: String,
    /// What the broadcast is called.
    #[arg(long)]
    title: String,
    /// The video: VP8 in IVF or WebM. With --middle or --low the largest of them.
    #[arg(long)]
    video: Option<PathBuf>,
    /// The same video in a middle size, for viewers on slower lines.
    #[arg(long)]
    middle: Option<PathBuf>,
    /// The same video in a small size.
    #[arg(long)]
    low: Option<PathBuf>,
    /// The sound: Opus in Ogg or WebM.
    #[arg(long)]
    sound: Option<PathBuf>,
    /// Begin again at the end, until Ctrl-C.
    #[arg(long = "loop")]
    looping: bool,
    /// End after so many seconds.
    #[arg(long = "for")]
    seconds: Option<u64>,
}

#[derive(Args)]
pub(super) struct Watch {
    /// The channel's name.
    channel: String,
    /// Wait so many seconds for a broadcast to begin.
    #[arg(long, default_value_t = 0)]
    wait: u64,
    /// Where the video is written, as IVF.
    #[arg(long)]
    video_out: Option<PathBuf>,
    /// Where the sound is written, as Opus in Ogg.
    #[arg(long)]
    sound_out: Option<PathBuf>,
    /// Leave after so many seconds.
    #[arg(long = "for")]
    seconds: Option<u64>,
}

pub(super) async fn live(mut device: Device, arguments: Live) -> Result<(), ProgramError> {
    let conversation = titled(&device, &arguments.channel).await?;
    let Live { title, video: high, middle, low, sound, looping, seconds, .. } = arguments;
    let files = ProgrammeFiles { high, middle, low, sound, looping };
    let programme = tokio::task::spawn_blocking(move || Programme::open(&files)).await;
    let programme = programme.map_err(|_| ProgramError::Use("the files could not be read".into()))??;
    // What an earlier run of the program left is gone on with.
    let left = move |core: &crate::core::Core| {
        core.broadcasts().into_values().find(|told| told.conversation == conversation && told.device == core.device())
    };
    let mut live = match device.client.look(left).await? {
        Some(left) => LiveBroadcast::resume(&device.client, &left, programme).await?,
        None => LiveBroadcast::start(&device.client, conversation, title, programme).await?,
    };
    let id = ("broadcast", live.id().to_string().into());
    device.say.event("live", &[id], "You are live. Ctrl-C ends it.")?;
    let reason = send(&mut device, &mut live, seconds).await;
    let sent = live.statistics();
    live.close().await;
    let reason = reason?;
    let frames: u64 = sent.video.iter().map(|(_, layer)| layer.frames).sum();
    let packets: u64 = sent.video.iter().map(|(_, layer)| layer.packets).sum::<u64>() + sent.sound.packets;
    let fields = [
        ("reason", words(reason).into()),
        ("video_frames", frames.into()),
        ("sound_packets", sent.sound.packets.into()),
        ("packets", packets.into()),
        ("unsent", sent.unsent.into()),
        ("packets_asked_for", sent.packets_asked_for.into()),
        ("key_frames_asked_for", sent.key_frames_asked_for.into()),
    ];
    device.say.event("broadcast_ended", &fields, &format!("The broadcast is over: {}.", words(reason)))?;
    device.close().await?;
    match reason {
        EndReason::Stopped => Ok(()),
        other => Err(ProgramError::Use(format!("the broadcast ended: {}", words(other)))),
    }
}

/// Until it is over: by its end, by somebody else, or after the time.
async fn send(device: &mut Device, live: &mut LiveBroadcast, seconds: Option<u64>) -> Result<EndReason, ProgramError> {
    let (started, mut stopped) = (Instant::now(), false);
    let mut look = interval();
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let event = tokio::select! {
            event = device.next() => event?,
            _ = &mut interrupted, if !stopped => {
                stopped = true;
                live.stop(&device.client).await?;
                continue;
            }
            _ = look.tick() => {
                let over = seconds.is_some_and(|seconds| started.elapsed() >= Duration::from_secs(seconds));
                if !stopped && (over || live.is_finished()) {
                    stopped = true;
                    live.stop(&device.client).await?;
                }
                live.mend(&device.client).await?;
                continue;
            }
        };
        final_word(&event)?;
        match live.hear(&device.client, &event).await? {
            Some(Change::Ended(reason)) => return Ok(reason),
            Some(change) => tell(device, change)?,
            None => {}
        }
    }
}

pub(super) async fn watch(mut device: Device, arguments: Watch) -> Result<(), ProgramError> {
    let conversation = titled(&device, &arguments.channel).await?;
    let found = find(&mut device, conversation, Duration::from_secs(arguments.wait)).await?;
    let from = device.handle(found.sender).await?;
    let title = title(&device, &found).await?;
    let sinks = ViewerSinks { video: arguments.video_out, sound: arguments.sound_out };
    let joined = Instant::now();
    let mut watched = WatchedBroadcast::join(&device.client, &found, sinks).await?;
    let id = ("broadcast", found.id.to_string().into());
    let mut fields = vec![id, ("from", from.clone().into())];
    fields.extend(title.clone().map(|title| ("title", title.into())));
    let words = format!("Watching {}, from {from}.", title.as_deref().unwrap_or("a broadcast"));
    device.say.event("watching", &fields, &words)?;
    let ended = see(&mut device, &mut watched, joined, arguments.seconds).await;
    if matches!(ended, Ok(None)) {
        watched.leave(&device.client).await?;
    }
    let seen = watched.close().await;
    let reason = ended?;
    tell_end(&device, reason, &seen)?;
    device.close().await
}

/// The channel's broadcast, waiting for one if asked to.
async fn find(device: &mut Device, channel: ConversationId, wait: Duration) -> Result<Broadcast, ProgramError> {
    let here =
        move |core: &crate::core::Core| core.broadcasts().into_values().find(|told| told.conversation == channel);
    if let Some(found) = device.client.look(here).await? {
        return Ok(found);
    }
    let waiting = async {
        loop {
            let event = device.next().await?;
            final_word(&event)?;
            if let Event::Broadcast(told) = event
                && told.conversation == channel
                && told.state != State::Ended
            {
                return Ok(told);
            }
        }
    };
    match tokio::time::timeout(wait, waiting).await {
        Ok(found) => found,
        Err(_) => Err(ProgramError::Use("nobody is live in this channel".into())),
    }
}

async fn title(device: &Device, of: &Broadcast) -> Result<Option<String>, ProgramError> {
    let newest = device.client.store().history(of.conversation, TITLE_AMONG).await?;
    Ok(newest.into_iter().rev().find_map(|message| match message.body {
        Body::Broadcast { broadcast, title, .. } if broadcast == of.id => Some(title),
        _ => None,
    }))
}

/// Until it is over (why), or until the time is.
async fn see(
    device: &mut Device,
    watched: &mut WatchedBroadcast,
    joined: Instant,
    seconds: Option<u64>,
) -> Result<Option<EndReason>, ProgramError> {
    let mut look = interval();
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let mut first_told = false;
    loop {
        let event = tokio::select! {
            event = device.next() => event?,
            _ = &mut interrupted => return Ok(None),
            _ = look.tick() => {
                let first = watched.statistics().first_key_frame_after.filter(|_| !first_told);
                if let Some(after) = first {
                    first_told = true;
                    device.say.event("picture", &[("after_ms", millis(after).into())], "")?;
                }
                if seconds.is_some_and(|seconds| joined.elapsed() >= Duration::from_secs(seconds)) {
                    return Ok(None);
                }
                watched.mend(&device.client).await?;
                continue;
            }
        };
        final_word(&event)?;
        match watched.hear(&device.client, &event).await? {
            Some(Change::Ended(reason)) => return Ok(Some(reason)),
            Some(change) => tell(device, change)?,
            None => {}
        }
    }
}

fn tell(device: &Device, change: Change) -> Result<(), ProgramError> {
    match change {
        Change::Viewers(count) => device.say.event("viewers", &[("count", count.into())], &format!("{count} watch.")),
        Change::SenderLost => device.say.event("sender_lost", &[], "The sender lost its connection."),
        Change::SenderBack => device.say.event("sender_back", &[], "The sender is back."),
        Change::Ended(_) => Ok(()),
    }
}

fn tell_end(device: &Device, reason: Option<EndReason>, seen: &ViewerStatistics) -> Result<(), ProgramError> {
    let why = reason.map_or("left", words);
    let ViewerStatistics { video, sound, .. } = seen;
    let sum = |of: fn(&Received) -> u64| of(video) + of(sound);
    let (width, height) = seen.size.unwrap_or_default();
    let fields = [
        ("reason", why.into()),
        ("video_frames", video.opened.into()),
        ("sound_packets", sound.opened.into()),
        ("undecryptable", sum(|track| track.undecryptable).into()),
        ("packets", sum(|track| track.packets).into()),
        ("packets_missing", sum(|track| track.missing).into()),
        ("width", width.into()),
        ("height", height.into()),
        ("size_changes", seen.size_changes.into()),
    ];
    device.say.event("broadcast_ended", &fields, &format!("The broadcast is over for you: {why}."))
}

fn final_word(event: &Event) -> Result<(), ProgramError> {
    match event {
        Event::Goodbye(error) if is_final(error) => Err(Failure::Refused(error.clone()).into()),
        _ => Ok(()),
    }
}

fn interval() -> tokio::time::Interval {
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    look
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 100.0
}

fn words(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Unspecified => "for an unknown reason",
        EndReason::Stopped => "stopped",
        EndReason::SenderLost => "the sender lost its connection",
        EndReason::Revoked => "who sends or watches has no right to it any more",
        EndReason::ShuttingDown => "the node is restarting",
    }
}
