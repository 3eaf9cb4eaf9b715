//! What the node counts. Names end in their unit; labels hold causes and directions, never ids or names.
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use wardline_sfu::{DropCause, Stats};
use wardline_signaling::{Class, Counts};

/// A label with one value out of a fixed few.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Cause {
    cause: &'static str,
}

/// The way that a connection came.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Road {
    road: &'static str,
}

/// Ways that connections come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoadLabel {
    /// A native client.
    Quic,
    /// A browser over HTTP/3.
    WebTransport,
    /// A browser over TCP.
    WebSocket,
    /// A browser that fetches the page.
    Http,
}

impl RoadLabel {
    const fn label(self) -> &'static str {
        match self {
            RoadLabel::Quic => "quic",
            RoadLabel::WebTransport => "webtransport",
            RoadLabel::WebSocket => "websocket",
            RoadLabel::Http => "http",
        }
    }
}

/// A connection that is counted as open until this is dropped.
pub struct Counted(Gauge);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// In or out.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Direction {
    direction: &'static str,
}

/// A call's state.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CallState {
    state: &'static str,
}

/// A wire error's number.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ErrorCode {
    code: u32,
}

/// What became of a push.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// What becomes of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushOutcome {
    /// The service has it.
    Sent,
    /// The service did not take it now: it is sent again.
    Retried,
    /// It was tried often enough, or it says nothing of worth any more.
    GivenUp,
    /// The service does not know the subscription any more.
    Gone,
    /// The service does not want it.
    Refused,
    /// Too many waited.
    Dropped,
}

impl PushOutcome {
    const fn label(self) -> &'static str {
        match self {
            PushOutcome::Sent => "sent",
            PushOutcome::Retried => "retried",
            PushOutcome::GivenUp => "given_up",
            PushOutcome::Gone => "gone",
            PushOutcome::Refused => "refused",
            PushOutcome::Dropped => "dropped",
        }
    }
}

/// All metrics of a node. Cheap to update from anywhere.
pub struct Metrics {
    registry: Registry,
    connections_open: Family<Road, Gauge>,
    connections_refused: Family<Cause, Counter>,
    frames_received: Counter,
    frames_refused: Family<ErrorCode, Counter>,
    entries_pushed: Counter,
    pushes_dropped: Family<Cause, Counter>,
    sessions_overflowed: Counter,
    sessions: Gauge,
    accounts_online: Gauge,
    devices: Gauge,
    conversations: Gauge,
    calls: Family<CallState, Gauge>,
    broadcasts: Gauge,
    broadcast_viewers: Gauge,
    plane_queue: Gauge,
    plane_handle: Histogram,
    messages_accepted: Counter,
    store_writes: Counter,
    store_batches: Histogram,
    store_transaction: Histogram,
    store_failures: Counter,
    uploads_open: Gauge,
    attachment_bytes: Gauge,
    transferred: Family<Direction, Counter>,
    transfers_refused: Family<ErrorCode, Counter>,
    push_sent: Family<Outcome, Counter>,
    media_packets: Family<Direction, Counter>,
    media_bytes: Family<Direction, Counter>,
    media_forwarded: Counter,
    media_dropped: Family<Cause, Counter>,
    media_events_dropped: Counter,
    media_rooms: Gauge,
    media_participants: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let micros = || Histogram::new(exponential_buckets(0.000_02, 2.0, 16)); // 20 us to 0.65 s
        let metrics = Self {
            registry: Registry::with_prefix("wardline"),
            connections_open: Family::default(),
            connections_refused: Family::default(),
            frames_received: Counter::default(),
            frames_refused: Family::default(),
            entries_pushed: Counter::default(),
            pushes_dropped: Family::default(),
            sessions_overflowed: Counter::default(),
            sessions: Gauge::default(),
            accounts_online: Gauge::default(),
            devices: Gauge::default(),
            conversations: Gauge::default(),
            calls: Family::default(),
            broadcasts: Gauge::default(),
            broadcast_viewers: Gauge::default(),
            plane_queue: Gauge::default(),
            plane_handle: micros(),
            messages_accepted: Counter::default(),
            store_writes: Counter::default(),
            store_batches: Histogram::new(exponential_buckets(1.0, 2.0, 13)),
            store_transaction: Histogram::new(exponential_buckets(0.000_1, 2.0, 16)),
            store_failures: Counter::default(),
            uploads_open: Gauge::default(),
            attachment_bytes: Gauge::default(),
            transferred: Family::default(),
            transfers_refused: Family::default(),
            push_sent: Family::default(),
            media_packets: Family::default(),
            media_bytes: Family::default(),
            media_forwarded: Counter::default(),
            media_dropped: Family::default(),
            media_events_dropped: Counter::default(),
            media_rooms: Gauge::default(),
            media_participants: Gauge::default(),
        };
        metrics.registered()
    }
}

impl Metrics {
    fn registered(mut self) -> Self {
        let mut registry = std::mem::take(&mut self.registry);
        let r = &mut registry;
        // Counters get the suffix `_total` from the encoder.
        r.register("connections", "Connections that are open, by road", self.connections_open.clone());
        r.register("connections_refused", "Connections refused, by cause", self.connections_refused.clone());
        r.register("frames_received", "Frames received and handed to the plane", self.frames_received.clone());
        r.register("frames_refused", "Frames that ended their session, by error number", self.frames_refused.clone());
        r.register("entries_pushed", "Log entries queued for sessions", self.entries_pushed.clone());
        r.register("pushes_dropped", "Pushes dropped because a session's queue was full", self.pushes_dropped.clone());
        r.register(
            "sessions_overflowed",
            "Sessions closed because their queue was full",
            self.sessions_overflowed.clone(),
        );
        r.register("sessions", "Sessions signed in or signing in", self.sessions.clone());
        r.register("accounts_online", "Accounts with a session", self.accounts_online.clone());
        r.register("devices", "Devices enrolled", self.devices.clone());
        r.register("conversations", "Conversations", self.conversations.clone());
        r.register("calls", "Calls, by state", self.calls.clone());
        r.register("broadcasts", "Live broadcasts", self.broadcasts.clone());
        r.register("broadcast_viewers", "Viewers of all live broadcasts", self.broadcast_viewers.clone());
        r.register("plane_queue_inputs", "Inputs waiting for the plane", self.plane_queue.clone());
        r.register("plane_handle_seconds", "Time the plane took for one input", self.plane_handle.clone());
        r.register("messages_accepted", "Messages made durable", self.messages_accepted.clone());
        r.register("store_writes", "Writes made durable", self.store_writes.clone());
        r.register("store_transaction_batches", "Batches that shared a transaction", self.store_batches.clone());
        r.register("store_transaction_seconds", "Time of a transaction with its sync", self.store_transaction.clone());
        r.register("store_failures", "Transactions that failed", self.store_failures.clone());
        r.register("uploads_open", "Attachments that are not complete", self.uploads_open.clone());
        r.register(
            "attachment_bytes",
            "Bytes of all attachments, announced ones included",
            self.attachment_bytes.clone(),
        );
        r.register("transfer_bytes", "Bytes of attachments moved, by direction", self.transferred.clone());
        r.register("transfers_refused", "Transfers that ended early, by error number", self.transfers_refused.clone());
        r.register("push_sent", "Pushes to browsers' push services, by outcome of an attempt", self.push_sent.clone());
        r.register("media_packets", "Datagrams of the media plane", self.media_packets.clone());
        r.register("media_bytes", "Bytes of the media plane (UDP payload)", self.media_bytes.clone());
        r.register("media_forwarded_packets", "RTP packets forwarded, for each receiver", self.media_forwarded.clone());
        r.register("media_dropped_packets", "Packets dropped by the media plane, by cause", self.media_dropped.clone());
        r.register(
            "media_events_dropped",
            "Media events dropped because the plane's lane was full",
            self.media_events_dropped.clone(),
        );
        r.register("media_rooms", "Rooms", self.media_rooms.clone());
        r.register("media_participants", "Participants in rooms", self.media_participants.clone());
        self.registry = registry;
        self
    }

    /// A connection was refused.
    pub fn connection_refused(&self, cause: &'static str) {
        self.connections_refused.get_or_create(&Cause { cause }).inc();
    }

    /// A connection is open.
    #[must_use]
    pub fn connection(&self, road: RoadLabel) -> Counted {
        let gauge = self.connections_open.get_or_create(&Road { road: road.label() }).clone();
        gauge.inc();
        Counted(gauge)
    }

    /// Bytes of an upload.
    pub fn transferred_in(&self, bytes: usize) {
        self.transferred.get_or_create(&Direction { direction: "in" }).inc_by(bytes as u64);
    }

    /// Bytes of a download.
    pub fn transferred_out(&self, bytes: usize) {
        self.transferred.get_or_create(&Direction { direction: "out" }).inc_by(bytes as u64);
    }

    /// A bulk stream was refused or ended early.
    pub fn transfer_refused(&self, code: u32) {
        self.transfers_refused.get_or_create(&ErrorCode { code }).inc();
    }

    /// A frame arrived.
    pub fn frame_received(&self) {
        self.frames_received.inc();
    }

    /// A frame ended its session.
    pub fn frame_refused(&self, code: u32) {
        self.frames_refused.get_or_create(&ErrorCode { code }).inc();
    }

    /// An entry was queued for a session.
    pub fn entry_pushed(&self) {
        self.entries_pushed.inc();
    }

    /// A push was dropped.
    pub fn push_dropped(&self, class: Class) {
        let cause = if class == Class::Entry { "entry" } else { "ephemeral" };
        self.pushes_dropped.get_or_create(&Cause { cause }).inc();
    }

    /// A session was closed because its queue was full.
    pub fn session_overflowed(&self) {
        self.sessions_overflowed.inc();
    }

    /// The plane took one input; so many wait.
    pub fn plane_handled(&self, elapsed: Duration, waiting: usize) {
        self.plane_handle.observe(elapsed.as_secs_f64());
        self.plane_queue.set(signed(waiting));
    }

    /// A transaction is durable.
    pub fn committed(&self, batches: usize, writes: usize, messages: usize, elapsed: Duration) {
        self.store_batches.observe(batches as f64);
        self.store_transaction.observe(elapsed.as_secs_f64());
        self.store_writes.inc_by(writes as u64);
        self.messages_accepted.inc_by(messages as u64);
    }

    /// A transaction failed.
    pub fn store_failed(&self) {
        self.store_failures.inc();
    }

    /// An attempt to send a push ended so.
    pub fn push_ended(&self, outcome: PushOutcome) {
        self.push_sent.get_or_create(&Outcome { outcome: outcome.label() }).inc();
    }

    /// A media event could not be handed to the plane.
    pub fn media_event_dropped(&self) {
        self.media_events_dropped.inc();
    }

    /// The plane's present numbers.
    pub fn plane_counts(&self, counts: &Counts) {
        self.sessions.set(signed(counts.sessions));
        self.accounts_online.set(signed(counts.accounts_online));
        self.devices.set(signed(counts.devices));
        self.conversations.set(signed(counts.conversations));
        self.calls.get_or_create(&CallState { state: "ringing" }).set(signed(counts.calls_ringing));
        self.calls.get_or_create(&CallState { state: "talking" }).set(signed(counts.calls_talking));
        self.broadcasts.set(signed(counts.broadcasts));
        self.broadcast_viewers.set(signed(counts.broadcast_viewers));
        self.uploads_open.set(signed(counts.uploads_open));
        self.attachment_bytes.set(i64::try_from(counts.attachment_bytes).unwrap_or(i64::MAX));
    }

    /// The media plane's present numbers.
    pub fn media_stats(&self, stats: &Stats) {
        for (direction, packets, bytes) in
            [("in", stats.packets_in, stats.bytes_in), ("out", stats.packets_out, stats.bytes_out)]
        {
            raise(&self.media_packets.get_or_create(&Direction { direction }), packets);
            raise(&self.media_bytes.get_or_create(&Direction { direction }), bytes);
        }
        raise(&self.media_forwarded, stats.forwarded);
        for cause in DropCause::ALL {
            raise(&self.media_dropped.get_or_create(&Cause { cause: cause.label() }), stats.dropped_by(cause));
        }
        self.media_rooms.set(i64::try_from(stats.rooms).unwrap_or(i64::MAX));
        self.media_participants.set(i64::try_from(stats.participants).unwrap_or(i64::MAX));
    }

    /// The Prometheus text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail; an empty answer would show it if it did.
        if encode(&mut text, &self.registry).is_err() {
            text.clear();
        }
        text
    }
}

/// Counters kept elsewhere are taken over as they stand.
fn raise(counter: &Counter<u64, AtomicU64>, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of a sample line, e.g. `wardline_calls{state="ringing"}`.
    fn sample(text: &str, name: &str) -> Option<f64> {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    #[test]
    fn every_metric_moves_and_nothing_is_left_out() {
        let metrics = Metrics::default();
        metrics.connection_refused("full");
        let open = [RoadLabel::Quic, RoadLabel::Quic, RoadLabel::WebSocket].map(|road| metrics.connection(road));
        drop(metrics.connection(RoadLabel::WebTransport));
        metrics.frame_received();
        metrics.frame_refused(100);
        metrics.entry_pushed();
        metrics.push_dropped(Class::Entry);
        metrics.push_dropped(Class::Ephemeral);
        metrics.session_overflowed();
        metrics.plane_handled(Duration::from_micros(50), 7);
        metrics.committed(2, 5, 4, Duration::from_millis(3));
        metrics.store_failed();
        metrics.media_event_dropped();
        metrics.push_ended(PushOutcome::Sent);
        metrics.push_ended(PushOutcome::GivenUp);
        let mut counts = Counts::default();
        (counts.sessions, counts.accounts_online, counts.devices, counts.conversations) = (1, 2, 3, 4);
        (counts.calls_ringing, counts.calls_talking) = (5, 6);
        (counts.uploads_open, counts.attachment_bytes) = (7, 8);
        (counts.broadcasts, counts.broadcast_viewers) = (11, 12);
        metrics.transferred_in(9);
        metrics.transferred_out(10);
        metrics.transfer_refused(412);
        metrics.plane_counts(&counts);
        let mut stats = Stats::default();
        (stats.packets_in, stats.packets_out, stats.bytes_in, stats.bytes_out) = (10, 20, 30, 40);
        (stats.forwarded, stats.participants, stats.rooms) = (50, 60, 70);
        stats.dropped = [1; DropCause::ALL.len()];
        metrics.media_stats(&stats);
        metrics.media_stats(&stats); // taken over, not added
        let text = metrics.render();
        for (name, value) in [
            ("wardline_connections_refused_total{cause=\"full\"}", 1.0),
            ("wardline_connections{road=\"quic\"}", 2.0),
            ("wardline_connections{road=\"websocket\"}", 1.0),
            ("wardline_connections{road=\"webtransport\"}", 0.0),
            ("wardline_frames_received_total", 1.0),
            ("wardline_frames_refused_total{code=\"100\"}", 1.0),
            ("wardline_entries_pushed_total", 1.0),
            ("wardline_pushes_dropped_total{cause=\"entry\"}", 1.0),
            ("wardline_pushes_dropped_total{cause=\"ephemeral\"}", 1.0),
            ("wardline_sessions_overflowed_total", 1.0),
            ("wardline_sessions", 1.0),
            ("wardline_accounts_online", 2.0),
            ("wardline_devices", 3.0),
            ("wardline_conversations", 4.0),
            ("wardline_calls{state=\"ringing\"}", 5.0),
            ("wardline_calls{state=\"talking\"}", 6.0),
            ("wardline_broadcasts", 11.0),
            ("wardline_broadcast_viewers", 12.0),
            ("wardline_uploads_open", 7.0),
            ("wardline_attachment_bytes", 8.0),
            ("wardline_transfer_bytes_total{direction=\"in\"}", 9.0),
            ("wardline_transfer_bytes_total{direction=\"out\"}", 10.0),
            ("wardline_transfers_refused_total{code=\"412\"}", 1.0),
            ("wardline_plane_queue_inputs", 7.0),
            ("wardline_plane_handle_seconds_count", 1.0),
            ("wardline_messages_accepted_total", 4.0),
            ("wardline_store_writes_total", 5.0),
            ("wardline_store_transaction_batches_sum", 2.0),
            ("wardline_store_transaction_seconds_count", 1.0),
            ("wardline_store_failures_total", 1.0),
            ("wardline_push_sent_total{outcome=\"sent\"}", 1.0),
            ("wardline_push_sent_total{outcome=\"given_up\"}", 1.0),
            ("wardline_media_packets_total{direction=\"in\"}", 10.0),
            ("wardline_media_packets_total{direction=\"out\"}", 20.0),
            ("wardline_media_bytes_total{direction=\"in\"}", 30.0),
            ("wardline_media_bytes_total{direction=\"out\"}", 40.0),
            ("wardline_media_forwarded_packets_total", 50.0),
            ("wardline_media_dropped_packets_total{cause=\"malformed\"}", 1.0),
            ("wardline_media_events_dropped_total", 1.0),
            ("wardline_media_rooms", 70.0),
            ("wardline_media_participants", 60.0),
        ] {
            assert_eq!(sample(&text, name), Some(value), "{name} in\n{text}");
        }
        // A metric that is registered and not in the list above would stand here unmoved.
        for family in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
            let moved = text.lines().any(|line| {
                line.starts_with(family) && line.rsplit(' ').next().is_some_and(|value| value.parse() != Ok(0.0))
            });
            assert!(moved, "{family} does not move");
        }
        drop(open);
        assert_eq!(sample(&metrics.render(), "wardline_connections{road=\"quic\"}"), Some(0.0));
    }
}
