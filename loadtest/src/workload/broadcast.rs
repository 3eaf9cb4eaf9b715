//! What a workload file says about one broadcast to many.
use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// Layers of a simulcast, at most.
pub const LAYERS_MAX: usize = 3;

/// A live broadcast in a channel: one operator, many who watch.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Broadcast {
    /// Who watches while it is measured, the sample included.
    pub viewers: usize,
    /// Of these, full members with the shipped client: they open every frame.
    pub sample: usize,
    /// Of the sample, those whose recordings are decoded, picture by picture, and compared with what was sent.
    pub decoders: usize,
    /// Numbers of viewers at which the cost is measured on the way, rising, each below `viewers`.
    #[serde(default)]
    pub steps: Vec<usize>,
    /// How long each of these is measured, in seconds.
    #[serde(default)]
    pub step_seconds: u64,
    /// Full members that begin to watch one after the other while it is measured, beside `viewers`.
    #[serde(default)]
    pub late: usize,
    /// With more than 0: after the main part, so many percent of the media are lost on the way to one viewer.
    #[serde(default)]
    pub lossy_percent: f64,
    /// With more than 0: after that, one viewer's line carries so many kbit/s for a while, and then everything again.
    #[serde(default)]
    pub narrow_kbps: u32,
    /// How long each of these parts is, in seconds.
    #[serde(default)]
    pub part_seconds: u64,
    /// Further full members of the channel that do not watch; they follow every change of its keys.
    #[serde(default)]
    pub keyed: usize,
    /// Further members of the channel that do not watch and open nothing.
    #[serde(default)]
    pub bystanders: usize,
    /// Viewers that leave the ward at the end, one after the other: each time the channel gets new keys.
    #[serde(default)]
    pub removals: usize,
    /// The video's layers, the largest first: one, or up to three of a simulcast.
    pub layers: Vec<Layer>,
    /// Pictures a second.
    pub frames_per_s: u32,
    /// Pictures from one key frame to the next.
    pub key_frame_every: u32,
    /// Length of the programme in seconds; it begins again at its end.
    pub programme_seconds: u32,
    /// How long is measured, in seconds.
    pub seconds: u64,
    /// How long is sent before it is measured, in seconds.
    pub warm_up_seconds: u64,
    /// Something that is done wrong on purpose, to see that it is found.
    #[serde(default)]
    pub fault: Option<Fault>,
}

/// One layer of the video.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Bit rate of the encoder in kbit/s.
    pub kbps: u32,
}

/// Something that is done wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The operator seals with keys that are not the channel's.
    WrongKey,
    /// One of a hundred packets is lost on the way to every viewer that is not of the sample; sound is not sent again.
    Loss,
    /// Every picture is recorded as the one before it was sent.
    WrongPicture,
}

impl Broadcast {
    /// Full members beside the operator, in the order of their accounts: the sample, who comes late, who does not watch.
    pub fn full(&self) -> usize {
        self.sample + self.late + self.keyed
    }

    /// Viewers that are not of the sample.
    pub fn light(&self) -> usize {
        self.viewers - self.sample
    }

    /// Accounts that it takes.
    pub fn accounts(&self) -> usize {
        1 + self.full() + self.light() + self.bystanders
    }

    pub(super) fn check(&self) -> Result<()> {
        ensure!(self.sample < self.viewers, "broadcast.sample must be below broadcast.viewers");
        ensure!((1..=self.sample).contains(&self.decoders), "broadcast.decoders must be from 1 to broadcast.sample");
        let rising = self.steps.iter().chain([&self.viewers]).is_sorted_by(|one, next| one < next);
        ensure!(
            rising && self.steps.iter().all(|step| *step > self.sample),
            "broadcast.steps must rise, each above broadcast.sample and below broadcast.viewers"
        );
        ensure!(self.steps.is_empty() || self.step_seconds > 0, "give broadcast.step_seconds");
        let parts = self.lossy_percent > 0.0 || self.narrow_kbps > 0;
        ensure!(!parts || self.part_seconds > 0, "give broadcast.part_seconds");
        ensure!((0.0..=50.0).contains(&self.lossy_percent), "broadcast.lossy_percent must be from 0 to 50");
        ensure!(
            self.removals + 2 <= self.light() || self.removals == 0,
            "broadcast.removals: who leaves is not of the sample"
        );
        ensure!((1..=LAYERS_MAX).contains(&self.layers.len()), "broadcast.layers must be from 1 to {LAYERS_MAX}");
        ensure!(
            self.layers.iter().all(|layer| layer.width % 32 == 0 && layer.height >= 90 && layer.kbps > 0),
            "broadcast.layers: the width a multiple of 32, the height at least 90, kbps above 0"
        );
        ensure!((1..=60).contains(&self.frames_per_s), "broadcast.frames_per_s must be from 1 to 60");
        ensure!(
            self.key_frame_every > 0 && self.programme_seconds > 0,
            "broadcast.key_frame_every, programme_seconds: at least 1"
        );
        ensure!(
            self.frames_per_s * self.programme_seconds <= u32::from(u16::MAX),
            "broadcast.programme_seconds: the stamp counts to 65,535"
        );
        ensure!(self.seconds > 0, "broadcast.seconds must be at least 1");
        Ok(())
    }
}
