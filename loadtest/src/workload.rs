//! What a workload file says.
use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use std::path::Path;

/// One named workload.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Its name, as in the report.
    pub name: String,
    /// Why it exists: what it tells a reader that no other workload does.
    pub reason: String,
    /// Calls one after the other.
    pub calls: Option<Calls>,
    /// Messages into groups.
    pub chat: Option<Chat>,
    /// Video from one sender to many receivers.
    pub video: Option<Video>,
}

/// Voice calls between two native clients, one after the other.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calls {
    /// Calls that are measured.
    pub count: usize,
    /// Calls before them that are not.
    pub warm_up: usize,
    /// How long is talked in each call, in milliseconds.
    pub talk_ms: u64,
}

/// Text messages into one group.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chat {
    /// Full members: each holds the group's MLS state and decrypts everything.
    pub members: usize,
    /// Further members that sign in, receive and acknowledge the same ciphertext without opening it.
    #[serde(default)]
    pub witnesses: usize,
    /// Members that send; the first of them.
    pub senders: usize,
    /// Messages a second from all senders together, at fixed times whatever the answers do. 0: each sender keeps `window` messages on the way.
    #[serde(default)]
    pub rate_per_s: f64,
    /// Messages that a sender has on the way at most, where no rate is given.
    #[serde(default)]
    pub window: usize,
    /// Bytes of each text.
    pub text_bytes: usize,
    /// How long is measured, in seconds.
    pub seconds: u64,
    /// How long is sent before it is measured, in seconds.
    pub warm_up_seconds: u64,
}

/// Video from one sender to many receivers, in one room or several.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Video {
    /// Rooms, each with one sender.
    pub rooms: u32,
    /// Receivers in each room.
    pub viewers: u32,
    /// What each frame is.
    pub frames: FrameSizes,
    /// Frames a second.
    pub frames_per_s: u32,
    /// Packets of each frame, where they are equal.
    pub packets_per_frame: usize,
    /// Bytes of each RTP payload; of the largest, where they differ.
    pub payload_bytes: usize,
    /// Receivers that open every frame. The others compare every packet with what was sent.
    pub openers: usize,
    /// Media packets lost on the way to each receiver, in percent, which are to be repaired.
    #[serde(default)]
    pub drop_percent: f64,
    /// How long is measured, in seconds.
    pub seconds: u64,
    /// How long is sent before it is measured, in seconds.
    pub warm_up_seconds: u64,
}

/// Where the sizes of frames come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FrameSizes {
    /// All are equal.
    Equal,
    /// A recorded VP8 encoder (`loadtest/traces/`).
    Vp8,
    /// Voice: one packet each.
    Voice,
}

impl Workload {
    /// Reads a workload, with some of its values changed (`"chat.members=20"`).
    ///
    /// # Errors
    /// Names the file, and what in it is not as it should be.
    pub fn read(path: &Path, changes: &[String]) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        Self::parse(&text, changes).with_context(|| path.display().to_string())
    }

    /// [`Workload::read`] from text.
    ///
    /// # Errors
    /// What is not as it should be.
    pub fn parse(text: &str, changes: &[String]) -> Result<Self> {
        let mut table: toml::Table = text.parse()?;
        for change in changes {
            apply(&mut table, change)?;
        }
        let workload: Self = table.try_into()?;
        workload.check()?;
        Ok(workload)
    }

    fn check(&self) -> Result<()> {
        if let (Some(video), None, None) = (&self.video, &self.calls, &self.chat) {
            return video.check();
        }
        match (&self.calls, &self.chat) {
            _ if self.video.is_some() => bail!("give exactly one of [calls], [chat] and [video]"),
            (Some(calls), None) if calls.count == 0 => bail!("calls.count must be at least 1"),
            (None, Some(chat)) if chat.senders == 0 || chat.senders > chat.members => {
                bail!("chat.senders must be from 1 to chat.members")
            }
            (None, Some(chat)) if chat.members < 2 => bail!("chat.members must be at least 2"),
            (None, Some(chat)) if (chat.rate_per_s > 0.0) == (chat.window > 0) => {
                bail!("give either chat.rate_per_s or chat.window")
            }
            (None, Some(chat)) if chat.seconds == 0 => bail!("chat.seconds must be at least 1"),
            (Some(_), None) | (None, Some(_)) => Ok(()),
            _ => bail!("give exactly one of [calls], [chat] and [video]"),
        }
    }
}

impl Video {
    fn check(&self) -> Result<()> {
        match self {
            _ if self.rooms == 0 || self.viewers == 0 => bail!("video.rooms and video.viewers must be at least 1"),
            _ if self.frames_per_s == 0 || self.seconds == 0 => {
                bail!("video.frames_per_s and video.seconds must be at least 1")
            }
            _ if self.packets_per_frame == 0 => bail!("video.packets_per_frame must be at least 1"),
            _ if !(60..=1_200).contains(&self.payload_bytes) => bail!("video.payload_bytes must be from 60 to 1200"),
            _ if !(0.0..=50.0).contains(&self.drop_percent) => bail!("video.drop_percent must be from 0 to 50"),
            _ => Ok(()),
        }
    }
}

/// `section.key=value`, the value as TOML writes it.
fn apply(table: &mut toml::Table, change: &str) -> Result<()> {
    let wrong = || format!("--set {change}: write it as section.key=value");
    let (path, value) = change.split_once('=').with_context(wrong)?;
    let (section, key) = path.split_once('.').with_context(wrong)?;
    let section = table.get_mut(section).and_then(toml::Value::as_table_mut);
    let section = section.with_context(|| format!("--set {change}: the workload has no such section"))?;
    let parsed: toml::Table = format!("value = {value}").parse().with_context(wrong)?;
    let value = parsed.get("value").cloned().with_context(wrong)?;
    section.insert(key.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLS: &str = "name = 'calls'\nreason = 'x'\n[calls]\ncount = 200\nwarm_up = 5\ntalk_ms = 400\n";

    #[test]
    fn values_can_be_changed_and_are_checked() {
        let set = |change: &str| Workload::parse(CALLS, &[change.to_owned()]);
        assert_eq!(set("calls.count=3").unwrap().calls.unwrap().count, 3);
        for wrong in ["calls.count=0", "calls.count=x", "calls.number=3", "chat.members=3", "calls.count", "count=3"] {
            assert!(set(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_committed_workloads_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("workloads");
        let mut names = Vec::new();
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let workload = Workload::read(&path, &[]).unwrap();
            assert_eq!(path.file_stem().unwrap().to_str().unwrap(), workload.name);
            assert!(workload.reason.len() > 40, "{}: say why", workload.name);
            names.push(workload.name);
        }
        assert!(names.len() >= 4, "{names:?}");
    }
}
