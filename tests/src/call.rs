//! One side of a call in a story: a device, the call it lives, and what was heard on it.
use crate::hospital::Device;
use anyhow::{Context as _, Result, bail};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::time::{MissedTickBehavior, interval, timeout};
use wardline_client::call::{Change, LiveCall, Sound};
use wardline_client::core::Event;
use wardline_client::media::{AudioSink, MediaError, MediaStatistics, SAMPLE_RATE, WavSource};
use wardline_protocol::wire::call_state::EndReason;
use wardline_protocol::{AccountId, CallId};

/// Bound of one step of a call: ringing, connecting, answering.
pub const STEP_MAX: Duration = Duration::from_secs(20);

/// How often it is looked how the sound stands.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A speaker whose sound the story reads: the n-th sample was heard n / 48,000 s after the call was accepted.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<f32>>>);

impl AudioSink for Heard {
    fn write(&mut self, samples: &[f32]) -> Result<(), MediaError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(samples);
        Ok(())
    }
}

impl Heard {
    /// Everything so far, silence included.
    pub fn samples(&self) -> Vec<f32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How much that is, in seconds.
    pub fn seconds(&self) -> f64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len() as f64 / f64::from(SAMPLE_RATE)
    }
}

/// One side.
pub struct Side<'d> {
    device: &'d Device,
    events: Receiver<Event>,
    call: LiveCall,
    heard: Heard,
}

/// A call that rings at a device: which, and who calls. Errors when none comes.
pub async fn incoming(device: &mut Device) -> Result<(CallId, AccountId)> {
    let wanted = |event| match event {
        Event::IncomingCall { call, caller, .. } => Some((call, caller)),
        _ => None,
    };
    device.until(STEP_MAX, wanted).await.context("an incoming call")
}

impl<'d> Side<'d> {
    /// Calls an account and says `says` (48 kHz mono) once it is accepted.
    pub async fn place(device: &'d Device, peer: AccountId, says: Vec<f32>) -> Result<Self> {
        let (events, (heard, sound)) = (device.client.events(), sound(says));
        let conversation = device.direct(peer).await?;
        let placing = LiveCall::place(&device.client, conversation, peer, sound);
        let call = timeout(STEP_MAX, placing).await.context("placing a call")??;
        Ok(Self { device, events, call, heard })
    }

    /// Rings for an [`incoming`] call and connects: all but the answer. Says `says` (48 kHz mono) once it is accepted.
    pub async fn ring(device: &'d Device, (id, caller): (CallId, AccountId), says: Vec<f32>) -> Result<Self> {
        let (events, (heard, sound)) = (device.client.events(), sound(says));
        let conversation = device.direct(caller).await?;
        let ringing = LiveCall::ring(&device.client, id, conversation, caller, sound);
        let call = timeout(STEP_MAX, ringing).await.context("ringing")??;
        Ok(Self { device, events, call, heard })
    }

    /// The person answers here.
    pub async fn accept(&self) -> Result<()> {
        Ok(self.call.accept(&self.device.client).await?)
    }

    /// The person hangs up, or gives up.
    pub async fn hang_up(&self) -> Result<()> {
        Ok(self.call.hang_up(&self.device.client).await?)
    }

    /// Lives the call, deaf to everything but `done`, which is asked after each event that meant something for the call and every few
    /// milliseconds. Errors at the bound.
    pub async fn live<T>(
        &mut self,
        bound: Duration,
        mut done: impl FnMut(&Self, Option<Change>) -> Option<T>,
    ) -> Result<T> {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let living = async {
            loop {
                let change = tokio::select! {
                    event = self.events.recv() => self.call.hear(&self.device.client, &event?).await?,
                    _ = look.tick() => None,
                };
                if let Some(done) = done(self, change) {
                    return Ok(done);
                }
            }
        };
        timeout(bound, living).await.with_context(|| format!("nothing in the call within {bound:?}"))?
    }

    /// Lives the call until this happens to it. Errors when anything else than ringing happens before.
    pub async fn until(&mut self, bound: Duration, wanted: Change) -> Result<()> {
        let found =
            self.live(bound, |_, change| change.filter(|change| *change != Change::Ringing || wanted == *change));
        let found = found.await.with_context(|| format!("{wanted:?}"))?;
        if found == wanted { Ok(()) } else { bail!("{found:?} instead of {wanted:?}") }
    }

    /// Lives the call until it is over, and gives why and how long was talked.
    pub async fn end(&mut self, bound: Duration) -> Result<(EndReason, Duration)> {
        let ended = |_: &Self, change| match change {
            Some(Change::Ended { reason, talked_ms }) => Some((reason, Duration::from_millis(talked_ms))),
            _ => None,
        };
        self.live(bound, ended).await.context("the end of a call")
    }

    /// Lives the call until packets can pass.
    pub async fn connect(&mut self) -> Result<()> {
        self.live(STEP_MAX, |side, _| side.call.is_connected().then_some(())).await.context("media while it rings")
    }

    /// Lives the call until so many seconds were played, silence included. Errors when it ends before.
    pub async fn listen(&mut self, seconds: f64) -> Result<()> {
        let bound = Duration::from_secs_f64(seconds) + STEP_MAX;
        let early = self.live(bound, |side, change| match change {
            Some(Change::Ended { reason, .. }) => Some(Some(reason)),
            _ => (side.heard.seconds() >= seconds).then_some(None),
        });
        match early.await? {
            None => Ok(()),
            Some(reason) => bail!("the call ended early: {reason:?}"),
        }
    }

    /// Lives the call until anything but silence of the other side is heard.
    pub async fn first_speech(&mut self) -> Result<()> {
        let heard = |side: &Self, _| side.call.statistics().first_speech_at.map(drop);
        self.live(STEP_MAX, heard).await.context("the other side's first speech")
    }

    /// The call's id.
    pub fn id(&self) -> CallId {
        self.call.id()
    }

    /// What was heard so far.
    pub fn heard(&self) -> Vec<f32> {
        self.heard.samples()
    }

    /// How much was heard so far, in seconds.
    pub fn heard_seconds(&self) -> f64 {
        self.heard.seconds()
    }

    /// Counts of the sound.
    pub fn statistics(&self) -> MediaStatistics {
        self.call.statistics()
    }

    /// Ends the sound; the call must be over.
    pub async fn close(self) {
        self.call.close().await;
    }
}

fn sound(says: Vec<f32>) -> (Heard, Sound) {
    let heard = Heard::default();
    let sound = Sound { source: Box::new(WavSource::from_samples(says)), sink: Box::new(heard.clone()) };
    (heard, sound)
}
