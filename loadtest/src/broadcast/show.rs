//! The broadcast from its beginning to its end, in parts that are measured one after the other.
use super::House;
use super::audience::{AHEAD, Audience, Received};
use super::footage::Footage;
use super::house::{Full, Light};
use super::ledger::Kind;
use super::pictures::{self, Compared};
use super::stage::Stage;
use super::watcher::Watcher;
use crate::live::{Count, Live};
use crate::machine;
use crate::node::Node;
use crate::report::{Metric, Times};
use crate::run::Figures;
use crate::video::device::Device;
use crate::video::peer::Line;
use crate::video::{ADDRESS, profile};
use crate::workload::{Broadcast, Fault, LAYERS_MAX};
use anyhow::{Result, bail, ensure};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use str0m::media::{Direction, MediaKind};
use tokio::sync::watch;
use wardline_client::media::ViewerStatistics;
use wardline_protocol::wire::{self, client_frame::Body, response};
use wardline_protocol::{CallId, GroupId};

/// How long viewers may take to be connected.
const CONNECT_MAX: Duration = Duration::from_secs(30);

/// How long it is waited after viewers came in.
const SETTLE: Duration = Duration::from_millis(500);

/// How long after a span what was sent in it is still received: time for a loss to be noticed and repaired.
const DRAIN: Duration = Duration::from_millis(800);

/// Media lost on the way to everybody, in percent, where that is the fault.
const FAULT_PERCENT: f64 = 1.0;

/// The broadcast while it is live.
pub(super) struct Show {
    settings: Broadcast,
    pub(super) live: Arc<Live>,
    footage: Footage,
    pub(super) stage: Stage,
    pub(super) audience: Audience,
    pub(super) sample: Vec<Watcher>,
    late: Vec<Full>,
    pub(super) keyed: Vec<Full>,
    pub(super) lights: Vec<Light>,
    pub(super) bystanders: Vec<Light>,
    _light_switch: watch::Sender<bool>,
    pub(super) ward: GroupId,
    /// Light viewers that watch: the first so many.
    pub(super) seated: usize,
    joins: Times,
    wrong: Wrong,
}

/// What light viewers got that they should not have.
#[derive(Default)]
struct Wrong {
    altered: u64,
    duplicates: u64,
}

/// One measured span.
pub(super) struct Span {
    pub(super) received: Received,
    /// The node's CPU time.
    cpu: Option<Duration>,
}

impl Show {
    /// How many leave the ward at the end.
    pub(super) fn removals(&self) -> usize {
        self.settings.removals
    }

    /// Goes live, and the sample begins to watch.
    pub(super) async fn begin(
        settings: &Broadcast,
        node: &Node,
        live: &Arc<Live>,
        house: House,
        footage: Footage,
    ) -> Result<Self> {
        live.phase("going live");
        profile::take();
        let fault = settings.fault;
        let stage = Stage::go_live(house.operator, house.channel, &footage, fault).await?;
        let mut sample = Vec::new();
        for (n, full) in house.sample.into_iter().enumerate() {
            let recording: Option<PathBuf> =
                (n < settings.decoders).then(|| node.folder().join(format!("seen-{n}.ivf")));
            sample.push(match fault {
                Some(Fault::WrongKey) => Watcher::start_blind(full, stage.id).await?,
                _ => Watcher::start(full, stage.id, recording).await?,
            });
        }
        let lost_percent = if fault == Some(Fault::Loss) { FAULT_PERCENT } else { 0.0 };
        let audience = Audience::start(stage.sending.ledger.clone(), lost_percent)?;
        Ok(Self {
            settings: settings.clone(),
            live: live.clone(),
            footage,
            stage,
            audience,
            sample,
            late: house.late,
            keyed: house.keyed,
            lights: house.viewers,
            bystanders: house.bystanders,
            _light_switch: house.light_switch,
            ward: house.ward,
            seated: 0,
            joins: Times::default(),
            wrong: Wrong::default(),
        })
    }

    /// Lets light viewers in until so many watch, the sample included.
    pub(super) async fn fill(&mut self, viewers: usize) -> Result<()> {
        self.live.phase(format!("{viewers} viewers"));
        let wanted = viewers - self.sample.len();
        for light in self.lights.iter().take(wanted).skip(self.seated) {
            let asked = Instant::now();
            self.audience.add(join(light, self.stage.id).await?)?;
            self.joins.add(asked.elapsed());
        }
        self.seated = wanted;
        let until = Instant::now() + CONNECT_MAX;
        while self.audience.watching() < wanted {
            ensure!(Instant::now() < until, "{} of {wanted} light viewers see something", self.audience.watching());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // What was on its way while the last ones came in is not of what is measured next.
        tokio::time::sleep(SETTLE).await;
        Ok(())
    }

    /// Measures for so long.
    async fn span(&mut self, seconds: u64, node: Option<u32>, left_out: &BTreeSet<usize>) -> Result<Span> {
        let used = || node.and_then(|process| machine::cpu_time_exact(process).ok());
        self.audience.begin()?;
        tokio::time::sleep(AHEAD).await;
        let before = used();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let cpu = used().zip(before).map(|(now, before)| now.saturating_sub(before));
        Ok(Span { received: self.finish(left_out).await?, cpu })
    }

    /// What came of the span that ends now.
    pub(super) async fn finish(&mut self, left_out: &BTreeSet<usize>) -> Result<Received> {
        self.audience.finish()?;
        tokio::time::sleep(DRAIN).await;
        let received = self.audience.collect(left_out).await?;
        self.live.count_many(Count::Sent, received.expected);
        self.live.count_many(Count::Delivered, received.delivered);
        self.wrong.altered += received.altered;
        self.wrong.duplicates += received.duplicates;
        Ok(received)
    }

    /// CPU of the node for each packet to a viewer, in microseconds. The sample's packets are as many for each as those of the others.
    fn us_per_packet(&self, span: &Span) -> Option<f64> {
        let packets =
            span.received.delivered as f64 / self.seated.max(1) as f64 * (self.seated + self.sample.len()) as f64;
        span.cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / packets.max(1.0))
    }

    /// Measures what it costs with those who watch now.
    pub(super) async fn step(&mut self, seconds: u64, node: &Node, figures: &mut Figures) -> Result<()> {
        let viewers = self.seated + self.sample.len();
        let span = self.span(seconds, node.process(), &BTreeSet::new()).await?;
        figures.maybe(&format!("server_cpu_us_per_packet_{viewers}"), "us", self.us_per_packet(&span));
        figures.metric(&format!("delivered_ratio_{viewers}"), ratio(&span.received));
        figures.times(&format!("added_latency_{viewers}_ms"), &span.received.latency);
        figures.errors("packets_lost_on_the_way_up", span.received.expected.saturating_sub(span.received.delivered));
        Ok(())
    }

    /// The main part, with late viewers on the way.
    pub(super) async fn measure(&mut self, node: &Node, figures: &mut Figures) -> Result<()> {
        self.live.phase("warming up");
        tokio::time::sleep(Duration::from_secs(self.settings.warm_up_seconds)).await;
        self.live.phase("measuring");
        let wanted = self.stage.sending.key_frames_wanted.load(Relaxed);
        let late = std::mem::take(&mut self.late);
        let apart = Duration::from_secs(self.settings.seconds) / (late.len() as u32 + 1);
        let id = self.stage.id;
        let coming = tokio::spawn(async move {
            let (mut watchers, mut waits, mut missed) = (Vec::new(), Times::default(), 0);
            for full in late {
                tokio::time::sleep(apart).await;
                match Watcher::start(full, id, None).await {
                    Ok(watcher) => {
                        waits.add(watcher.first_frame_after);
                        watchers.push(watcher);
                    }
                    Err(error) => {
                        tracing::error!(error = format!("{error:#}"), "a late viewer saw nothing");
                        missed += 1;
                    }
                }
            }
            (watchers, waits, missed)
        });
        let load_before = machine::cpu_time_exact(std::process::id())?;
        let span = self.span(self.settings.seconds, node.process(), &BTreeSet::new()).await?;
        let load_cpu = machine::cpu_time_exact(std::process::id())?.saturating_sub(load_before);
        let (watchers, waits, missed) = coming.await?;
        if waits.count() > 0 {
            figures.times("late_first_frame_ms", &waits);
        }
        figures.errors("late_viewers_without_picture", missed);
        let wanted = self.stage.sending.key_frames_wanted.load(Relaxed) - wanted;
        figures.metric("key_frames_asked_of_sender", Metric::value("requests", wanted as f64));

        let received = &span.received;
        figures.metric("delivered_ratio", ratio(received));
        figures.metric("delivered_packets", Metric::value("packets", received.delivered as f64));
        figures.errors("packets_lost", received.expected.saturating_sub(received.delivered));
        figures.times("added_latency_ms", &received.latency);
        figures.maybe("server_cpu_us_per_packet", "us", self.us_per_packet(&span));
        figures.maybe(
            "server_cpu_share",
            "cores",
            span.cpu.map(|cpu| cpu.as_secs_f64() / self.settings.seconds as f64),
        );
        figures.metric("load_cpu_share", Metric::value("cores", load_cpu.as_secs_f64() / self.settings.seconds as f64));
        for (layer, viewers) in received.layers.iter().enumerate().take(self.settings.layers.len()) {
            figures.metric(&format!("viewers_of_layer_{layer}"), Metric::value("viewers", *viewers as f64));
        }
        figures.metric("viewers", Metric::value("viewers", (self.seated + self.sample.len()) as f64));
        let of_video = self.sent_kbps();
        figures.metric("sent_kbps", Metric::value("kbit/s", of_video));
        self.sample.extend(watchers);
        Ok(())
    }

    /// The bit rate of what the operator sends, of one programme.
    fn sent_kbps(&self) -> f64 {
        let bytes =
            |frames: &[wardline_client::media::file::Frame]| frames.iter().map(|frame| frame.data.len()).sum::<usize>();
        let all: usize =
            self.footage.layers.iter().map(|layer| bytes(layer)).sum::<usize>() + bytes(&self.footage.sound);
        all as f64 * 8.0 / 1e3 / self.footage.length.as_secs_f64()
    }

    /// A bad line to one viewer.
    pub(super) async fn lossy(&mut self, figures: &mut Figures) -> Result<()> {
        if self.settings.lossy_percent == 0.0 {
            return Ok(());
        }
        self.live.phase("a lossy line");
        let lossy = BTreeSet::from([0]);
        self.audience.lose(0, self.settings.lossy_percent)?;
        let span = self.span(self.settings.part_seconds, None, &lossy).await?;
        self.audience.lose(0, 0.0)?;
        let (expected, delivered, _) = span.received.of_each.first().copied().unwrap_or_default();
        figures.metric("lossy_delivered_ratio", Metric::value("", delivered as f64 / expected.max(1) as f64));
        figures.metric("lossy_others_delivered_ratio", ratio(&span.received));
        figures.times("lossy_others_added_latency_ms", &span.received.latency);
        figures.errors("packets_lost_to_others", span.received.expected.saturating_sub(span.received.delivered));
        Ok(())
    }

    /// A narrow line to one viewer, and relief: when it gets the smallest layer, and when the largest again.
    pub(super) async fn narrow(&mut self, figures: &mut Figures) -> Result<()> {
        let smallest = self.settings.layers.len() - 1;
        if self.settings.narrow_kbps == 0 || smallest == 0 {
            return Ok(());
        }
        self.live.phase("a narrow line");
        let (part, left_out) = (self.settings.part_seconds, BTreeSet::from([0]));
        let narrowed = Instant::now();
        self.audience.narrow(0, Some(self.settings.narrow_kbps))?;
        let narrow = self.span(part, None, &left_out).await?;
        let relieved = Instant::now();
        self.audience.narrow(0, None)?;
        let relief = self.span(part, None, &left_out).await?;
        let layers = self.audience.layers(0).await?;
        for (name, layer, since, until) in [
            ("narrow_low_layer_after_ms", smallest, narrowed, relieved),
            ("relief_high_layer_after_ms", 0, relieved, Instant::now()),
        ] {
            let change = layers.iter().find(|(to, at)| *to == layer && (since..until).contains(at));
            figures.maybe(name, "ms", change.map(|(_, at)| (*at - since).as_secs_f64() * 1e3));
            figures.errors(&format!("{name}_never"), u64::from(change.is_none()));
        }
        figures.metric("narrow_others_delivered_ratio", ratio(&narrow.received));
        for span in [&narrow, &relief] {
            figures.errors("packets_lost_to_others", span.received.expected.saturating_sub(span.received.delivered));
        }
        Ok(())
    }

    /// Ends it, and accounts for what everybody saw.
    pub(super) async fn end(self, figures: &mut Figures) -> Result<()> {
        self.live.phase("comparing pictures");
        let (mut seen, mut recordings) = (Vec::new(), Vec::new());
        for watcher in self.sample {
            recordings.extend(watcher.recording.clone());
            let (full, statistics) = watcher.end().await?;
            seen.push(statistics);
            full.client.close().await;
        }
        let late = self.stage.sending.late();
        let frames = self.stage.sending.ledger.frames(0, u64::MAX).1;
        let pictures = frames.iter().filter(|frame| frame.kind == Kind::Video(0)).count();
        figures.metric("pictures_sent", Metric::value("pictures", pictures as f64));
        figures.times("sent_late_ms", &late);
        figures.times("join_ms", &self.joins);
        self.stage.end().await?.client.close().await;
        tokio::task::spawn_blocking(move || self.audience.end()).await??;
        watched(&seen, figures);
        figures.errors("packets_altered", self.wrong.altered);
        figures.errors("packets_twice", self.wrong.duplicates);
        let (footage, fault) = (self.footage, self.settings.fault);
        let compared = tokio::task::spawn_blocking(move || {
            recordings.iter().try_fold(Compared::default(), |mut all, recording| {
                all.add(pictures::compare(recording, &footage, fault)?);
                anyhow::Ok(all)
            })
        });
        let compared = compared.await??;
        figures.metric("pictures_compared", Metric::value("pictures", compared.decoded as f64));
        figures.errors("pictures_wrong", compared.decoded - compared.right);
        figures.errors("pictures_unknown", compared.unknown);
        figures.errors("pictures_not_decoded", compared.missing);
        for (profile, connections) in profile::take() {
            figures
                .metric(&format!("srtp_{}", profile.to_lowercase()), Metric::value("connections", connections as f64));
        }
        for full in self.keyed {
            full.client.close().await;
        }
        for light in self.lights.into_iter().chain(self.bystanders) {
            figures.errors("light_members_ended_early", u64::from(light.witness.end().await.is_err()));
        }
        Ok(())
    }
}

/// Of the packets that were due.
pub(super) fn ratio(received: &Received) -> Metric {
    // Not rounded: one packet of a million lost must not read as none.
    Metric::Value { unit: "", value: received.delivered as f64 / received.expected.max(1) as f64 }
}

/// What the full members among the viewers saw.
fn watched(seen: &[ViewerStatistics], figures: &mut Figures) {
    let sum = |of: fn(&ViewerStatistics) -> u64| seen.iter().map(of).sum::<u64>();
    let opened = sum(|seen| seen.video.opened + seen.sound.opened);
    let undecryptable = sum(|seen| seen.video.undecryptable + seen.sound.undecryptable);
    figures.metric("frames_opened", Metric::value("frames", opened as f64));
    figures.metric("undecryptable_frames", Metric::value("frames", undecryptable as f64));
    figures.errors("frames_undecryptable", undecryptable);
    figures.errors("frames_incomplete", sum(|seen| seen.video.incomplete));
    figures.errors("sample_packets_lost", sum(|seen| seen.video.missing + seen.sound.missing));
    figures.metric("sample_key_frames_asked", Metric::value("requests", sum(|seen| seen.key_frames_asked_for) as f64));
}

/// A light viewer's media connection, negotiated over its session.
async fn join(light: &Light, id: CallId) -> Result<Device> {
    let mut device = Device::new(ADDRESS)?;
    let line = |kind| Line { kind, direction: Direction::RecvOnly, rids: Vec::new() };
    let offer_sdp = device.peer.offer_lines(Instant::now(), &[line(MediaKind::Audio), line(MediaKind::Video)])?;
    let join = wire::JoinBroadcast { broadcast_id: id.to_bytes(), offer_sdp };
    match light.witness.request(Body::JoinBroadcast(join)).await? {
        response::Result::MediaAnswer(answer) => device.peer.take_answer(Instant::now(), &answer.answer_sdp)?,
        _ => bail!("the node answers a viewer with something else"),
    }
    Ok(device)
}

const _: () = assert!(LAYERS_MAX == 3, "layers are named in the report by their places");
