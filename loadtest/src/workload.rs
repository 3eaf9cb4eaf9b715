//! What a workload file says.
mod broadcast;

pub use broadcast::{Broadcast, Fault, LAYERS_MAX, Layer};

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// One named workload.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
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
    /// Connections that do nothing.
    pub idle: Option<Idle>,
    /// Devices that are cut at once and come back at once.
    pub storm: Option<Storm>,
    /// A group whose members and connections change all the time.
    pub churn: Option<Churn>,
    /// Video from one sender to many receivers.
    pub video: Option<Video>,
    /// A live broadcast in a channel.
    pub broadcast: Option<Broadcast>,
}

/// Voice calls between two native clients, one after the other.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Chat {
    /// Full members: each holds the group's MLS state and decrypts everything.
    pub members: usize,
    /// Further members that sign in, receive and acknowledge the same ciphertext without opening it.
    #[serde(default)]
    pub witnesses: usize,
    /// Members that send; the first of them.
    pub senders: usize,
    /// Groups of these members; each sender goes round.
    #[serde(default = "one")]
    pub groups: usize,
    /// Messages that are there before anything is measured. With any, the node is started again at the end, and that is timed as well.
    #[serde(default)]
    pub history: usize,
    /// Messages a second from all senders together, at fixed times whatever the answers do. 0: each sender keeps `window` messages on the way.
    #[serde(default)]
    pub rate_per_s: f64,
    /// Messages that a sender has on the way at most, where no rate is given, and while the history is written.
    #[serde(default)]
    pub window: usize,
    /// Bytes of each text.
    pub text_bytes: usize,
    /// How long is measured, in seconds.
    pub seconds: u64,
    /// How long is sent before it is measured, in seconds.
    pub warm_up_seconds: u64,
    /// How long the last messages may take to arrive, in seconds; what has not by then is lost.
    #[serde(default = "drain_seconds")]
    pub drain_seconds: u64,
}

fn one() -> usize {
    1
}

fn drain_seconds() -> u64 {
    20
}

/// Signed-in connections that do nothing.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Idle {
    /// How many, each of a device and an account of its own.
    pub connections: usize,
    /// How many sign in at the same time.
    pub at_once: usize,
    /// How long the node may settle before each look at its memory, in seconds.
    pub settle_seconds: u64,
    /// How long it is measured what they cost, in seconds.
    pub seconds: u64,
}

/// Devices in groups that are cut at once, miss messages, and come back at once.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Storm {
    /// Devices that are cut.
    pub devices: usize,
    /// Groups that they are in, each device in one.
    pub groups: usize,
    /// Of each group's devices, how many are full members: they decrypt what they missed. The others are witnesses.
    pub full_members: usize,
    /// Messages that are written into each group meanwhile, by a full member that stays connected.
    pub messages: usize,
    /// Bytes of each text.
    pub text_bytes: usize,
    /// How long the devices are away at least, in seconds.
    pub away_seconds: u64,
    /// How long they may take to come back and have everything, in seconds; who is not there then is an error.
    pub bound_seconds: u64,
}

/// A group that is written into while members come and go and devices lose their connections.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Churn {
    /// Full members that stay and stay connected. The first of them makes the group and adds and removes; the second only watches.
    pub members: usize,
    /// Full members that stay, but lose their connection.
    pub flapping_members: usize,
    /// Witnesses that stay and stay connected.
    pub witnesses: usize,
    /// Witnesses that stay, but lose their connection.
    pub flapping_witnesses: usize,
    /// Full members that are added and removed in turn.
    pub joiners: usize,
    /// Staying members that send.
    pub senders: usize,
    /// Messages a second from all senders together, at fixed times whatever the answers do.
    pub rate_per_s: f64,
    /// Bytes of each text.
    pub text_bytes: usize,
    /// How far apart the changes of the group are, in milliseconds.
    pub change_every_ms: u64,
    /// How far apart the cuts are, in milliseconds: one device each.
    pub cut_every_ms: u64,
    /// How long a cut device is away, in milliseconds.
    pub away_ms: u64,
    /// How long is sent before it is measured, in seconds.
    pub warm_up_seconds: u64,
    /// How long is measured without changes, for comparison, in seconds.
    pub quiet_seconds: u64,
    /// How long is measured with them, in seconds.
    pub seconds: u64,
}

/// Video from one sender to many receivers, in one room or several.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
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
        let given = [
            self.calls.as_ref().map(Calls::check),
            self.chat.as_ref().map(Chat::check),
            self.idle.as_ref().map(Idle::check),
            self.storm.as_ref().map(Storm::check),
            self.churn.as_ref().map(Churn::check),
            self.video.as_ref().map(Video::check),
            self.broadcast.as_ref().map(Broadcast::check),
        ];
        let mut given = given.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(checked), None) => checked,
            _ => bail!("give exactly one of [calls], [chat], [idle], [storm], [churn], [video], [broadcast]"),
        }
    }

    /// How many accounts it takes.
    pub fn accounts(&self) -> usize {
        match self {
            Self { chat: Some(chat), .. } => chat.members + chat.witnesses,
            Self { idle: Some(idle), .. } => idle.connections,
            Self { storm: Some(storm), .. } => storm.devices + storm.groups,
            Self { churn: Some(churn), .. } => churn.devices(),
            Self { video: Some(_), .. } => 0,
            Self { broadcast: Some(broadcast), .. } => broadcast.accounts(),
            _ => 2,
        }
    }

    /// What is set, as a workload file says it, without name and reason.
    pub fn settings(&self) -> String {
        let mut table = toml::Table::try_from(self).unwrap_or_default();
        table.retain(|_, value| value.is_table());
        toml::to_string(&table).unwrap_or_default()
    }
}

impl Calls {
    fn check(&self) -> Result<()> {
        ensure!(self.count > 0, "calls.count must be at least 1");
        Ok(())
    }
}

impl Chat {
    fn check(&self) -> Result<()> {
        ensure!((1..=self.members).contains(&self.senders), "chat.senders must be from 1 to chat.members");
        ensure!(self.members >= 2, "chat.members must be at least 2");
        ensure!(self.rate_per_s > 0.0 || self.window > 0, "give chat.rate_per_s or chat.window");
        ensure!(self.history == 0 || self.window > 0, "give chat.window: it is how chat.history is written");
        ensure!(self.groups > 0, "chat.groups must be at least 1");
        ensure!(self.seconds > 0, "chat.seconds must be at least 1");
        Ok(())
    }
}

impl Idle {
    fn check(&self) -> Result<()> {
        ensure!(self.connections > 0 && self.at_once > 0, "idle.connections and idle.at_once must be at least 1");
        ensure!(self.seconds > 0, "idle.seconds must be at least 1");
        Ok(())
    }
}

impl Storm {
    fn check(&self) -> Result<()> {
        ensure!((1..=self.devices).contains(&self.groups), "storm.groups must be from 1 to storm.devices");
        ensure!(
            self.full_members <= self.devices / self.groups,
            "storm.full_members must not be more than a group has: {}",
            self.devices / self.groups
        );
        ensure!(self.messages > 0, "storm.messages must be at least 1");
        Ok(())
    }
}

impl Churn {
    /// All devices of the workload.
    pub fn devices(&self) -> usize {
        self.members + self.flapping_members + self.witnesses + self.flapping_witnesses + self.joiners
    }

    fn check(&self) -> Result<()> {
        // The first makes changes, the second watches; who sends is after them.
        ensure!(
            self.senders > 0 && self.senders + 2 <= self.members,
            "churn.senders must be at least 1, and churn.members two more"
        );
        ensure!(self.rate_per_s > 0.0, "churn.rate_per_s must be above 0");
        ensure!(
            self.change_every_ms > 0 && self.cut_every_ms > 0,
            "churn.change_every_ms and cut_every_ms: at least 1"
        );
        ensure!(self.seconds > 0 && self.quiet_seconds > 0, "churn.seconds and quiet_seconds must be at least 1");
        Ok(())
    }
}

impl Video {
    fn check(&self) -> Result<()> {
        ensure!(self.rooms > 0 && self.viewers > 0, "video.rooms and video.viewers must be at least 1");
        ensure!(self.frames_per_s > 0 && self.seconds > 0, "video.frames_per_s and video.seconds must be at least 1");
        ensure!(self.packets_per_frame > 0, "video.packets_per_frame must be at least 1");
        ensure!((60..=1_200).contains(&self.payload_bytes), "video.payload_bytes must be from 60 to 1200");
        ensure!((0.0..=50.0).contains(&self.drop_percent), "video.drop_percent must be from 0 to 50");
        Ok(())
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
        assert!(names.len() >= 7, "{names:?}");
    }
}
