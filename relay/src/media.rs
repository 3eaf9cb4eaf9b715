//! Between the plane's words and the media plane's: a call is a room, a device is a participant.
use crate::metrics::Metrics;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use wardline_protocol::{CallId, Code, WireError, wire};
use wardline_sfu::{Event, LayerStats, ParticipantId, RoomId, RoomStats, Sfu, StartError};
use wardline_signaling::{MediaCommand, MediaEvent, SdpOffer};

/// Media events that wait for the plane. Beyond them they are dropped and counted: the shard's thread never waits.
pub const MEDIA_EVENTS_QUEUE: usize = 16_384;

/// The plane's side of the media plane.
pub(crate) struct Media {
    sfu: Sfu,
    events: mpsc::Sender<MediaEvent>,
    metrics: Arc<Metrics>,
    rooms: HashSet<CallId>,
}

/// Settings as the media plane wants them.
pub(crate) fn settings(config: &crate::config::Media) -> wardline_sfu::Config {
    let shards = config.shard_count();
    let port = |shard: usize| match config.address.port() {
        0 => 0,
        first => first.saturating_add(u16::try_from(shard).unwrap_or(u16::MAX)),
    };
    wardline_sfu::Config {
        shards,
        bind: (0..shards).map(|shard| SocketAddr::new(config.address.ip(), port(shard))).collect(),
        advertised: config.advertise.clone(),
        tcp: config.tcp,
        pin_cores: config.pin_cores,
        room_participants_max: config.room_participants_max,
        ..wardline_sfu::Config::default()
    }
}

/// Starts the shards; their events go to `events`. `failed` is set once a shard has ended by itself.
pub(crate) fn start(
    config: &crate::config::Media,
    events: mpsc::Sender<MediaEvent>,
    metrics: Arc<Metrics>,
    failed: watch::Sender<bool>,
) -> Result<Sfu, StartError> {
    Sfu::start(settings(config), move |event| {
        if let Event::ShardEnded { .. } = event {
            failed.send_replace(true);
        }
        if let Some(event) = translate(event) {
            hand_on(&events, &metrics, event);
        }
    })
}

fn translate(event: Event) -> Option<MediaEvent> {
    match event {
        Event::Connected { room, participant } | Event::Resumed { room, participant } => {
            Some(MediaEvent::Connected { call: room.into(), device: participant.into() })
        }
        Event::Lost { room, participant } => Some(MediaEvent::Lost { call: room.into(), device: participant.into() }),
        Event::FirstPacket { room, after_allowed, .. } => {
            tracing::debug!(call = %room, after_allowed_ms = after_allowed.as_millis(), "first packet forwarded");
            None
        }
        _ => None,
    }
}

/// A room's numbers as they travel. A part of the viewers is in permille.
fn report(stats: RoomStats) -> wire::BroadcastReport {
    let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    let permille = |part: f32| (part * 1_000.0).round() as u32;
    let sum = |of: fn(&LayerStats) -> u64| stats.layers.iter().map(of).sum();
    wire::BroadcastReport {
        viewers: count(stats.viewers),
        viewers_without_video: count(stats.viewers_paused + stats.viewers_audio_only),
        key_frames_asked: sum(|layer| layer.key_frames_wanted),
        key_frames_requested: sum(|layer| layer.key_frames_asked),
        packets_forwarded: stats.forwarded,
        packets_dropped: stats.dropped + stats.dropped_between_shards,
        outgoing_bps: stats.out_bit_s,
        mean_loss_permille: permille(stats.loss_mean),
        worst_loss_permille: permille(stats.loss_worst),
        layers: stats
            .layers
            .into_iter()
            .map(|layer| wire::BroadcastLayer {
                rid: layer.rid.unwrap_or_default(),
                bitrate_bps: layer.bit_s,
                packets: layer.packets,
                packets_lost: layer.lost,
                viewers: count(layer.viewers),
            })
            .collect(),
    }
}

fn hand_on(events: &mpsc::Sender<MediaEvent>, metrics: &Metrics, event: MediaEvent) {
    if events.try_send(event).is_err() {
        metrics.media_event_dropped();
    }
}

impl Media {
    pub(crate) fn new(sfu: Sfu, events: mpsc::Sender<MediaEvent>, metrics: Arc<Metrics>) -> Self {
        Self { sfu, events, metrics, rooms: HashSet::new() }
    }

    /// Performs an order. Never waits.
    pub(crate) fn perform(&mut self, command: MediaCommand) {
        match command {
            MediaCommand::Connect { session, request_id, call, device, offer: SdpOffer(offer) } => {
                self.rooms.insert(call);
                let (events, metrics) = (self.events.clone(), self.metrics.clone());
                let reply = move |answer: Result<String, wardline_sfu::ConnectError>| {
                    let answer = answer.map_err(|error| WireError::new(Code::MediaRefused, error.to_string()));
                    hand_on(&events, &metrics, MediaEvent::Answered { session, request_id, answer });
                };
                if self.sfu.connect(RoomId::from(call), ParticipantId::from(device), offer, reply).is_err() {
                    let answer = Err(WireError::new(Code::MediaRefused, "the media plane is busy: try again"));
                    hand_on(&self.events, &self.metrics, MediaEvent::Answered { session, request_id, answer });
                }
            }
            MediaCommand::AllowSending { call, device } => {
                self.sfu.set_sending(RoomId::from(call), ParticipantId::from(device), true);
            }
            MediaCommand::Report { session, request_id, call } => {
                let (events, metrics) = (self.events.clone(), self.metrics.clone());
                self.sfu.room_stats(RoomId::from(call), move |stats| {
                    let report = report(stats);
                    hand_on(&events, &metrics, MediaEvent::Reported { session, request_id, report });
                });
            }
            MediaCommand::Disconnect { call, device } => {
                self.sfu.disconnect(RoomId::from(call), ParticipantId::from(device));
            }
            MediaCommand::CloseRoom { call } => {
                self.rooms.remove(&call);
                self.sfu.close_room(RoomId::from(call));
            }
        }
    }

    /// The plane that knew the calls is gone.
    pub(crate) fn close_all_rooms(&mut self) {
        for call in self.rooms.drain() {
            self.sfu.close_room(RoomId::from(call));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_take_the_ports_that_follow() {
        let config = crate::config::Media {
            shards: 3,
            address: "127.0.0.1:5000".parse().unwrap(),
            ..crate::config::Media::default()
        };
        let ports: Vec<u16> = settings(&config).bind.iter().map(SocketAddr::port).collect();
        assert_eq!(ports, [5000, 5001, 5002]);
        let any = crate::config::Media { address: "127.0.0.1:0".parse().unwrap(), ..config };
        assert!(settings(&any).bind.iter().all(|address| address.port() == 0));
    }

    #[test]
    fn events_keep_their_ids() {
        let (room, participant) = (RoomId::from_bytes([1; 16]), ParticipantId::from_bytes([2; 16]));
        for event in [Event::Connected { room, participant }, Event::Resumed { room, participant }] {
            let Some(MediaEvent::Connected { call, device }) = translate(event) else { panic!("not connected") };
            assert!(call == CallId::from_bytes([1; 16]) && device.as_bytes() == &[2; 16]);
        }
        assert!(matches!(translate(Event::Lost { room, participant }), Some(MediaEvent::Lost { .. })));
    }
}
