//! Voice calls between two native clients, one after the other: how long they take to ring and to be heard.
use crate::live::{Count, Live};
use crate::node::Node;
use crate::report::{Metric, OverTime, Times};
use crate::run::Figures;
use crate::workload::Calls;
use anyhow::{Context as _, Result, ensure};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;
use wardline_client::call::{Change, LiveCall, Sound};
use wardline_client::core::{Command, Event, Reply};
use wardline_client::media::{AudioSink, AudioSource, FRAME_SAMPLES, MediaError, SAMPLE_RATE};
use wardline_client::session::{Client, join};
use wardline_protocol::wire::call_state::{EndReason, State};
use wardline_protocol::{AccountId, ConversationId};

/// Bound of every step of a call.
const STEP_MAX: Duration = Duration::from_secs(20);

/// A person takes at least this long to answer: both sides' media is connected by then.
const ANSWER_AFTER: Duration = Duration::from_millis(200);

/// How often it is looked whether speech was heard. The time itself is the listener's, not the look's.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A voice that begins with its first sample, so that no silence of a recording is counted as the system's time: a buzz of 150 Hz with
/// the falling harmonics of a vowel, at -12 dBFS.
#[derive(Default)]
struct Voice {
    position: u64,
}

impl AudioSource for Voice {
    fn read(&mut self, frame: &mut [f32; FRAME_SAMPLES]) -> usize {
        for sample in frame.iter_mut() {
            let phase = self.position as f32 * 150.0 / SAMPLE_RATE as f32 * std::f32::consts::TAU;
            *sample = (1..=8_u8).map(f32::from).map(|n| (phase * n).sin() / n).sum::<f32>() * 0.15;
            self.position += 1;
        }
        FRAME_SAMPLES
    }
}

/// A speaker that nobody listens to.
struct Nowhere;

impl AudioSink for Nowhere {
    fn write(&mut self, _samples: &[f32]) -> Result<(), MediaError> {
        Ok(())
    }
}

fn sound() -> Sound {
    Sound { source: Box::new(Voice::default()), sink: Box::new(Nowhere) }
}

struct Party {
    client: Client,
    events: Receiver<Event>,
    account: AccountId,
}

/// What one side of a call saw.
struct Seen {
    /// When the caller was told that it rings; when the callee answered.
    at: Instant,
    speech: Instant,
    undecryptable: u64,
}

impl Party {
    async fn enrol(node: &Node, account: usize) -> Result<Self> {
        let directory = node.folder().join(format!("client-{account}"));
        join::enrol(&directory, node.link(account)?).await?;
        let (client, events) = Client::open(&directory).await?;
        let account = node.invitations().get(account).context("an account")?.account_id;
        let mut party = Self { client, events, account };
        party.until(|event| matches!(event, Event::Ready).then_some(())).await?;
        Ok(party)
    }

    async fn until<T>(&mut self, mut wanted: impl FnMut(Event) -> Option<T>) -> Result<T> {
        timeout(STEP_MAX, async {
            loop {
                if let Some(found) = wanted(self.events.recv().await?) {
                    return Ok(found);
                }
            }
        })
        .await
        .context("nothing happened in a call")?
    }

    /// Lives the call until speech is heard, and `talk` longer.
    async fn talk(&mut self, call: &mut LiveCall, talk: Duration) -> Result<Instant> {
        let until = Instant::now() + STEP_MAX;
        loop {
            tokio::select! {
                event = self.events.recv() => {
                    if let Some(Change::Ended { reason, .. }) = call.hear(&self.client, &event?).await? {
                        anyhow::bail!("the call ended early: {reason:?}");
                    }
                }
                () = tokio::time::sleep(LOOK_EVERY) => {
                    if let Some(speech) = call.statistics().first_speech_at && speech.elapsed() >= talk {
                        return Ok(speech);
                    }
                    ensure!(Instant::now() < until, "no speech within {STEP_MAX:?}");
                }
            }
        }
    }

    async fn end(&mut self, mut call: LiveCall) -> Result<u64> {
        loop {
            let event = timeout(STEP_MAX, self.events.recv()).await.context("the end of a call")??;
            if let Some(Change::Ended { reason, .. }) = call.hear(&self.client, &event).await? {
                ensure!(reason == EndReason::HungUp, "the call ended: {reason:?}");
                let undecryptable = call.statistics().undecryptable;
                call.close().await;
                return Ok(undecryptable);
            }
        }
    }

    async fn place(&mut self, peer: AccountId, conversation: ConversationId, talk: Duration) -> Result<Seen> {
        let mut told = self.client.events();
        let ringing = async {
            loop {
                if matches!(told.recv().await?, Event::CallState { state: State::Ringing, .. }) {
                    return anyhow::Ok(Instant::now());
                }
            }
        };
        let placing = LiveCall::place(&self.client, conversation, peer, sound());
        let (call, rang) = timeout(STEP_MAX, async { tokio::join!(placing, ringing) }).await.context("ringing")?;
        let (mut call, at) = (call?, rang?);
        let speech = self.talk(&mut call, talk).await?;
        call.hang_up(&self.client).await?;
        Ok(Seen { at, speech, undecryptable: self.end(call).await? })
    }

    async fn answer(&mut self) -> Result<Seen> {
        let incoming = |event| match event {
            Event::IncomingCall { call, conversation, caller, .. } => Some((call, conversation, caller)),
            _ => None,
        };
        let (id, conversation, caller) = self.until(incoming).await?;
        let mut call = LiveCall::ring(&self.client, id, conversation, caller, sound()).await?;
        tokio::time::sleep(ANSWER_AFTER).await;
        let at = Instant::now();
        call.accept(&self.client).await?;
        let speech = self.talk(&mut call, Duration::ZERO).await?;
        Ok(Seen { at, speech, undecryptable: self.end(call).await? })
    }
}

/// What was measured of the calls so far.
struct Measured {
    ring: Times,
    caller_heard: Times,
    callee_heard: Times,
    over_time: OverTime,
    undecryptable: u64,
}

impl Measured {
    fn add(&mut self, asked: Instant, placed: &Seen, answered: &Seen) -> Result<()> {
        self.ring.add(placed.at - asked);
        for (speech, heard) in [(placed.speech, &mut self.caller_heard), (answered.speech, &mut self.callee_heard)] {
            let waited = speech.checked_duration_since(answered.at).context("speech was heard before the answer")?;
            heard.add(waited);
            self.over_time.add(answered.at, waited);
        }
        self.undecryptable += placed.undecryptable + answered.undecryptable;
        Ok(())
    }
}

/// Runs the calls.
///
/// # Errors
/// When the two cannot be enrolled. The first call that does not go as it should is counted, and ends the run.
pub async fn run(workload: &Calls, node: &Node, live: &Arc<Live>) -> Result<Figures> {
    live.phase("enrolling 2 devices");
    let (mut caller, mut callee) = (Party::enrol(node, 0).await?, Party::enrol(node, 1).await?);
    live.count_many(Count::Connected, 2);
    let Reply::Conversation(conversation) =
        caller.client.command(Command::OpenDirect { account: callee.account }).await??
    else {
        anyhow::bail!("no conversation");
    };
    let joined = |event| matches!(event, Event::ConversationJoined { .. }).then_some(());
    callee.until(joined).await?;
    let talk = Duration::from_millis(workload.talk_ms);
    let mut measured = Measured {
        ring: Times::default(),
        caller_heard: Times::default(),
        callee_heard: Times::default(),
        over_time: OverTime::new(live.began()),
        undecryptable: 0,
    };
    let mut figures = Figures::default();
    let mut cpu_before = node.cpu_time();
    live.phase("warming up");
    for n in 0..workload.warm_up + workload.count {
        if n == workload.warm_up {
            live.phase("measuring");
            cpu_before = node.cpu_time();
        }
        let asked = Instant::now();
        let peer = callee.account;
        live.count(Count::Sent);
        let (placed, answered) = tokio::join!(caller.place(peer, conversation, talk), callee.answer());
        let done = match (placed, answered) {
            (Ok(placed), Ok(answered)) if n >= workload.warm_up => measured.add(asked, &placed, &answered),
            (Ok(_), Ok(_)) => Ok(()),
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        if let Err(error) = done {
            tracing::error!(error = format!("{error:#}"), call = n, "a call failed");
            live.count(Count::Failed);
            figures.errors("calls_failed", 1);
            break;
        }
        live.count(Count::Delivered);
    }
    let cpu = node.cpu_since(cpu_before);
    figures.times("ring_ms", &measured.ring);
    figures.times("accept_to_speech_ms", &measured.caller_heard);
    figures.times("accept_to_speech_callee_ms", &measured.callee_heard);
    figures.over_time("accept_to_speech_ms", &measured.over_time);
    figures.metric("undecryptable_frames", Metric::value("frames", measured.undecryptable as f64));
    figures.errors("undecryptable_frames", measured.undecryptable);
    let calls = measured.ring.count().max(1) as f64;
    figures.maybe("server_cpu_ms_per_call", "ms", cpu.map(|cpu| cpu.as_secs_f64() * 1e3 / calls));
    caller.client.close().await;
    callee.client.close().await;
    Ok(figures)
}
