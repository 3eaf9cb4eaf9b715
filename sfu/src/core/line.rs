//! A participant's media lines, and whose track goes out on which.
use super::driver::Driver;
use super::packet::Packet;
use super::pictures::Pictures;
use super::rewrite::Rewriter;
use super::room::{Source, Track};
use super::view::View;
use std::time::Instant;
use str0m::format::PayloadParams;
use str0m::media::{MediaKind, Mid, Pt};
use str0m::rtp::{RtpWrite, SeqNo};

/// One `m=` line.
pub(super) struct Line {
    pub(super) mid: Mid,
    pub(super) kind: MediaKind,
    /// The participant sends on it.
    pub(super) sends: bool,
    /// The participant receives on it.
    pub(super) receives: bool,
    source: Option<Source>,
    /// What is shown of the source, where that is not everything.
    pub(super) view: Option<View>,
    egress: Egress,
}

impl Line {
    /// The line as negotiated; `None` when the answer rejected it.
    pub(super) fn new(driver: &Driver, mid: Mid) -> Option<Self> {
        let media = driver.media(mid)?;
        let usable = driver.payloads().iter().any(|p| media.remote_pts().contains(&p.pt()));
        if media.stopped() || !usable {
            return None;
        }
        let clock_rate_hz = if media.kind().is_audio() { 48_000 } else { 90_000 };
        Some(Self {
            mid,
            kind: media.kind(),
            sends: media.direction().is_receiving(),
            receives: media.direction().is_sending(),
            source: None,
            view: None,
            egress: Egress {
                rewriter: Rewriter::new(clock_rate_hz),
                payload: None,
                stream: None,
                serial: 0,
                pictures: Pictures::default(),
            },
        })
    }

    /// Takes over what can change in a further negotiation.
    pub(super) fn update(&mut self, negotiated: Line) {
        self.sends = negotiated.sends;
        self.receives = negotiated.receives;
        self.egress.payload = None;
    }

    pub(super) fn source(&self) -> Option<Source> {
        self.source
    }

    /// Frees the line of a source that went.
    pub(super) fn detach(&mut self) {
        self.source = None;
        self.view = None;
        self.egress.rewriter.detach();
        self.egress.payload = None;
        self.egress.stream = None;
    }

    /// The next packet begins another stream, though it may be of the same layer: what is between is left out.
    pub(super) fn skip(&mut self) {
        self.egress.stream = None;
    }
}

/// The line on which `source` goes out to a participant with these lines: the one it has, else a free one of its kind, of which
/// those in both directions come first and then the spare ones, each in the order of the offer.
pub(super) fn assign(lines: &mut [Line], source: Source, kind: MediaKind) -> Option<Assigned<'_>> {
    if let Some(index) = lines.iter().position(|line| line.source == Some(source) && line.receives) {
        return lines.get_mut(index).map(|line| Assigned { line, fresh: false });
    }
    let free = |line: &Line| line.receives && line.kind == kind && line.source.is_none();
    let both = lines.iter().position(|line| free(line) && line.sends);
    let index = both.or_else(|| lines.iter().position(free))?;
    let line = lines.get_mut(index)?;
    line.source = Some(source);
    Some(Assigned { line, fresh: true })
}

/// The outcome of [`assign`].
pub(super) struct Assigned<'a> {
    pub(super) line: &'a mut Line,
    /// The source was not on this line before.
    pub(super) fresh: bool,
}

/// What makes the outgoing packet. Behind this type, so that it can be replaced by one that seals packets itself.
struct Egress {
    rewriter: Rewriter,
    // (stream, incoming payload type, outgoing one), as last looked up.
    payload: Option<(u64, Pt, Pt)>,
    // Whose packets go out: the stream's serial and its layer.
    stream: Option<(u64, usize)>,
    // Grows with each change of it: layers alternate, and the rewriter wants numbers that grow.
    serial: u64,
    pictures: Pictures,
}

/// Why a packet does not go out on a line.
pub(super) enum Refused {
    /// The receiver has no payload type for the codec.
    NoCodec,
    /// The rewriter refused it.
    Stale,
}

impl Line {
    /// The packet as it goes out on this line.
    pub(super) fn outgoing(&mut self, now: Instant, packet: &Packet, receiver: &Driver) -> Result<RtpWrite, Refused> {
        self.outgoing_at(now, packet, (packet.time, packet.arrived), receiver)
    }

    /// The packet as it goes out on this line, with a time of its own: RTP timestamp and wall clock.
    pub(super) fn outgoing_at(
        &mut self,
        now: Instant,
        packet: &Packet,
        (time, wall_clock): (u32, Instant),
        receiver: &Driver,
    ) -> Result<RtpWrite, Refused> {
        let pt = self.payload_type(&packet.track, receiver).ok_or(Refused::NoCodec)?;
        let stream = (packet.track.serial, packet.track.layer);
        let egress = &mut self.egress;
        let switches = egress.stream != Some(stream);
        if switches {
            // Of the stream before, by the same sender's same layer.
            if egress.stream.is_some_and(|(serial, layer)| layer == stream.1 && serial > stream.0) {
                return Err(Refused::Stale);
            }
            egress.stream = Some(stream);
            egress.serial += 1;
        }
        let rewritten = egress.rewriter.rewrite(now, egress.serial, packet.seq, time).ok_or(Refused::Stale)?;
        let audio = self.kind.is_audio();
        // The marker begins a talk spurt in audio (RFC 3551 section 4.1): a new source does. In video it ends a frame.
        let marker = packet.marker || (audio && rewritten.switched);
        let seq = SeqNo::from(rewritten.seq);
        let write = RtpWrite::new(pt, seq, rewritten.time, wall_clock, packet.payload.clone())
            .marker(marker)
            .ext_vals(packet.extensions())
            .nackable(!audio);
        let patch = packet.descriptor.and_then(|descriptor| egress.pictures.rewrite(&descriptor, switches));
        Ok(match patch {
            Some(patch) => write.vp8_patch(patch),
            None => write,
        })
    }

    fn payload_type(&mut self, track: &Track, receiver: &Driver) -> Option<Pt> {
        let incoming = track.payload.pt();
        if let Some((serial, from, to)) = self.egress.payload
            && serial == track.serial
            && from == incoming
        {
            return Some(to);
        }
        let to = receiver.matching_payload(track.payload)?.pt();
        if !receiver.media(self.mid)?.remote_pts().contains(&to) {
            return None;
        }
        self.egress.payload = Some((track.serial, incoming, to));
        Some(to)
    }
}

/// The parameters of an incoming payload type.
pub(super) fn payload(driver: &Driver, pt: Pt) -> Option<PayloadParams> {
    driver.payloads().iter().find(|p| p.pt() == pt).copied()
}
