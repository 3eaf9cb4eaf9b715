//! A participant's media lines, and whose track goes out on which.
use super::driver::Driver;
use super::rewrite::Rewriter;
use super::room::{Source, Track};
use std::time::Instant;
use str0m::format::PayloadParams;
use str0m::media::{MediaKind, Mid, Pt};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite, SeqNo};

/// One `m=` line.
pub(super) struct Line {
    pub(super) mid: Mid,
    pub(super) kind: MediaKind,
    /// The participant sends on it.
    pub(super) sends: bool,
    /// The participant receives on it.
    pub(super) receives: bool,
    source: Option<Source>,
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
            egress: Egress { rewriter: Rewriter::new(clock_rate_hz), payload: None },
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
        self.egress.rewriter.detach();
        self.egress.payload = None;
    }
}

/// The line on which `source` goes out to a participant with these lines: the one it has, else a free one of its kind, of which
/// those in both directions come first and then the spare ones, each in the order of the offer.
pub(super) fn assign(lines: &mut [Line], source: Source, kind: MediaKind) -> Option<Assigned<'_>> {
    let index = match lines.iter().position(|line| line.source == Some(source) && line.receives) {
        Some(index) => return lines.get_mut(index).map(|line| Assigned { line, fresh: false }),
        None => {
            let free = |line: &&(usize, &Line)| line.1.receives && line.1.kind == kind && line.1.source.is_none();
            let candidates: Vec<_> = lines.iter().enumerate().collect();
            let both = candidates.iter().filter(free).find(|(_, line)| line.sends);
            both.or_else(|| candidates.iter().find(free)).map(|(index, _)| *index)?
        }
    };
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
    pub(super) fn outgoing(
        &mut self,
        now: Instant,
        track: &Track,
        packet: &RtpPacket,
        receiver: &Driver,
    ) -> Result<RtpWrite, Refused> {
        let pt = self.payload_type(track, receiver).ok_or(Refused::NoCodec)?;
        let rewritten = self
            .egress
            .rewriter
            .rewrite(now, track.serial, *packet.seq_no, packet.header.timestamp)
            .ok_or(Refused::Stale)?;
        let audio = self.kind.is_audio();
        // The marker begins a talk spurt in audio (RFC 3551 section 4.1): a new source does. In video it ends a frame.
        let marker = packet.header.marker || (audio && rewritten.switched);
        // Only what describes the media goes on; the other extensions belong to the hop.
        let extensions = ExtensionValues {
            audio_level: packet.header.ext_vals.audio_level,
            voice_activity: packet.header.ext_vals.voice_activity,
            video_orientation: packet.header.ext_vals.video_orientation,
            ..Default::default()
        };
        let seq = SeqNo::from(rewritten.seq);
        Ok(RtpWrite::new(pt, seq, rewritten.time, packet.timestamp, packet.payload.clone())
            .marker(marker)
            .ext_vals(extensions)
            .nackable(!audio))
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
