//! What the core must know of an offer before str0m sees it.
use crate::ConnectError;
use str0m::change::SdpOffer;
use str0m::media::Mid;
use wardline_protocol::limit::SDP_BYTES_MAX;

/// Media lines in one offer.
pub(super) const LINES_MAX: usize = 128;

/// A parsed offer, and what tells whether it continues a session that is already there.
pub(super) struct Offer {
    pub(super) sdp: SdpOffer,
    pub(super) session: SessionMark,
    /// Nothing is sent on any of its lines.
    pub(super) receives_only: bool,
}

/// An offer with the same mark as the one before comes from the same peer connection: the same DTLS certificate (RFC 8842
/// section 4) and the same `o=` line but for its version (RFC 3264 section 8).
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SessionMark {
    fingerprint: String,
    origin: String,
}

impl Offer {
    /// Parses an offer. The participant's own candidates are left out: an ICE-lite agent learns addresses from the checks that
    /// it gets, and the node has no business knowing a person's private addresses.
    pub(super) fn parse(text: &str) -> Result<Self, ConnectError> {
        if text.len() > SDP_BYTES_MAX {
            return Err(ConnectError::Offer);
        }
        let (mut kept, mut lines) = (String::with_capacity(text.len()), 0);
        let (mut fingerprint, mut origin) = (None, None);
        for line in text.lines() {
            if let Some(media) = line.strip_prefix("m=") {
                lines += 1;
                if media.starts_with("application") {
                    return Err(ConnectError::Offer);
                }
            } else if line.starts_with("a=candidate:") || line.starts_with("a=end-of-candidates") {
                continue;
            } else if let Some(value) = line.strip_prefix("a=fingerprint:") {
                fingerprint.get_or_insert_with(|| value.trim().to_ascii_lowercase());
            } else if let Some(value) = line.strip_prefix("o=") {
                origin.get_or_insert_with(|| value.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
            }
            kept.push_str(line);
            kept.push_str("\r\n");
        }
        if lines > LINES_MAX {
            return Err(ConnectError::TooManyLines);
        }
        let (Some(fingerprint), Some(origin)) = (fingerprint, origin) else { return Err(ConnectError::Offer) };
        let sdp = SdpOffer::from_sdp_string(&kept).map_err(|_| ConnectError::Offer)?;
        Ok(Self { sdp, session: SessionMark { fingerprint, origin }, receives_only: receives_only(text) })
    }
}

/// Whether somebody who makes this offer only receives.
pub(crate) fn receives_only(offer: &str) -> bool {
    let is = |line: &&str, what: &str| line.trim_end().starts_with(what);
    let lines = offer.lines().filter(|line| is(line, "m=")).count();
    lines > 0 && offer.lines().filter(|line| line.trim_end() == "a=recvonly").count() == lines
}

/// The lines of an SDP by their `a=mid`, in order.
pub(super) fn mids(sdp: &str) -> impl Iterator<Item = Mid> + '_ {
    sdp.lines().filter_map(|line| line.strip_prefix("a=mid:")).map(|mid| Mid::from(mid.trim()))
}
