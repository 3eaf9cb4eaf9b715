//! A publisher's connection to the node: a line of sound and a line of video, both only to send, the video with up to three
//! simulcast layers.
//!
//! What is lost is sent again from the stack's own buffer: of a single layer as a stream of its own (RFC 4588), without which the node
//! would not ask; of several layers as the packets that they were, because the stack cannot name the layer of such a stream
//! (RFC 8852), and there the node asks all the same. Only simulcast needs header extensions, by which the node tells
//! the layers apart. There is no bandwidth estimate: a file's bit rate is what it is.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use rtc::interceptor::{NackResponderBuilder, Slot};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RTCRtpHeaderExtensionCapability,
    RTCRtpRtxParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use rtc::sdp::extmap::{SDES_MID_URI, SDES_RTP_STREAM_ID_URI};
use tokio::sync::watch;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{PeerConnection, Registry, configure_rtcp_reports};
use webrtc::rtp_transceiver::RtpTransceiver;

use super::super::connection::{self, Connection};
use super::super::{MediaConfig, MediaError};
use super::feedback::{Asked, Feedback};
use super::{Layer, Programme};

/// Packets of each source that can be sent again: about a second of the largest layer. A power of two, by the stack's wish.
const RESEND_PACKETS: u16 = 1_024;
/// Where feedback is counted: before anything takes it away.
const FEEDBACK_SLOT: usize = 3_500;

/// One connection.
pub(super) struct Outlet {
    connection: Connection,
    sound: Option<Line>,
    video: Option<Line>,
    layers: Vec<Layer>,
}

/// One line of the offer.
struct Line {
    track: Arc<TrackLocalStaticRTP>,
    transceiver: Arc<dyn RtpTransceiver>,
    /// One for each layer.
    sources: Vec<u32>,
    /// How packets say their layer, known from the answer on.
    label: OnceLock<Label>,
}

/// RFC 8843 section 15 and RFC 8852 section 3.1: which header extensions name the line and the layer.
struct Label {
    mid: Bytes,
    mid_id: u8,
    rid_id: u8,
}

impl Outlet {
    /// Opens sockets and makes an offer with all candidates. `connected` is told whenever packets can or cannot pass.
    pub(super) async fn offer(
        config: &MediaConfig,
        programme: &Programme,
        connected: watch::Sender<bool>,
        asked: Arc<Asked>,
    ) -> Result<(Self, String), MediaError> {
        let layers: Vec<_> = programme.layers().collect();
        let mut codecs = MediaEngine::default();
        connection::with_opus(&mut codecs)?;
        connection::with_vp8(&mut codecs)?;
        if layers.len() > 1 {
            for uri in [SDES_MID_URI, SDES_RTP_STREAM_ID_URI] {
                let extension = RTCRtpHeaderExtensionCapability { uri: uri.to_owned() };
                codecs.register_header_extension(extension, RtpCodecKind::Video, None)?;
            }
        }
        let interceptors = configure_rtcp_reports(Registry::new())
            .with(Slot::NackResponder, NackResponderBuilder::new().with_size(RESEND_PACKETS).build())
            .with(Slot::from(FEEDBACK_SLOT), Feedback::new(asked));
        // Both lines only send.
        let nothing = Arc::new(|_, _| ());
        let connection = Connection::open(config, codecs, interceptors, connected, nothing).await?;
        let sound = match programme.has_sound() {
            true => Some(Line::add(connection.lines(), RtpCodecKind::Audio, connection::opus(), &[""]).await?),
            false => None,
        };
        let rids: Vec<_> = match layers.as_slice() {
            [_] => vec![""],
            layers => layers.iter().map(|layer| layer.rid()).collect(),
        };
        let video = match rids.is_empty() {
            false => Some(Line::add(connection.lines(), RtpCodecKind::Video, connection::vp8(), &rids).await?),
            true => None,
        };
        let sdp = connection.offer().await?;
        Ok((Self { connection, sound, video, layers }, sdp))
    }

    /// Takes the answer; ICE and DTLS start.
    pub(super) async fn answer(&self, sdp: &str) -> Result<(), MediaError> {
        self.connection.answer(sdp).await?;
        if let Some(video) = self.video.as_ref().filter(|_| self.layers.len() > 1) {
            let label = video.negotiated().await?;
            let known = label.ok_or_else(|| MediaError::BadAnswer("it does not take simulcast".to_owned()))?;
            // A second answer to the same offer says the same.
            video.label.get_or_init(|| known);
        }
        Ok(())
    }

    /// Sends one packet of the sound.
    pub(super) async fn send_sound(&self, packet: rtp::Packet) -> Result<(), MediaError> {
        match &self.sound {
            Some(line) => line.send(0, "", packet).await,
            None => Ok(()),
        }
    }

    /// Sends one packet of a layer. Before the connection is up it goes nowhere.
    pub(super) async fn send_video(&self, layer: Layer, packet: rtp::Packet) -> Result<(), MediaError> {
        match (&self.video, self.layers.iter().position(|known| *known == layer)) {
            (Some(line), Some(index)) => line.send(index, layer.rid(), packet).await,
            _ => Ok(()),
        }
    }

    /// Another connection has taken over.
    pub(super) fn retire(&self) {
        self.connection.retire();
    }

    /// Ends the connection and its tasks.
    pub(super) async fn close(&self) {
        self.connection.close().await;
    }
}

impl Line {
    async fn add(
        lines: &dyn PeerConnection,
        kind: RtpCodecKind,
        codec: RTCRtpCodec,
        rids: &[&str],
    ) -> Result<Self, MediaError> {
        let sources = rids.iter().map(|_| connection::random_u32()).collect::<Result<Vec<_>, _>>()?;
        // Without layers, so that the source can be named in the offer.
        let apart = rids.len() == 1 && kind == RtpCodecKind::Video;
        let again = apart.then(connection::random_u32).transpose()?;
        let coding = |(rid, source): (&&str, &u32)| RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                rid: (*rid).to_owned(),
                ssrc: Some(*source),
                rtx: again.map(|ssrc| RTCRtpRtxParameters { ssrc }),
                ..Default::default()
            },
            active: true,
            codec: codec.clone(),
            ..Default::default()
        };
        let codings: Vec<_> = rids.iter().zip(&sources).map(coding).collect();
        let name = kind.to_string();
        let track = MediaStreamTrack::new("broadcast".into(), name.clone(), name, kind, codings.clone());
        let track = Arc::new(TrackLocalStaticRTP::new(track));
        let send_only = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Sendonly,
            streams: Vec::new(),
            send_encodings: codings,
        };
        let transceiver =
            lines.add_transceiver_from_track(track.clone() as Arc<dyn TrackLocal>, Some(send_only)).await?;
        Ok(Self { track, transceiver, sources, label: OnceLock::new() })
    }

    /// What the answer says about naming layers; `None` when it does not take it.
    async fn negotiated(&self) -> Result<Option<Label>, MediaError> {
        let (mid, sender) = (self.transceiver.mid().await?, self.transceiver.sender().await?);
        let (Some(mid), Some(sender)) = (mid, sender) else { return Ok(None) };
        let extensions = sender.get_parameters().await?.rtp_parameters.header_extensions;
        let id =
            |uri: &str| extensions.iter().find(|known| known.uri == uri).and_then(|known| known.id.try_into().ok());
        let ids = id(SDES_MID_URI).zip(id(SDES_RTP_STREAM_ID_URI));
        Ok(ids.map(|(mid_id, rid_id)| Label { mid: Bytes::from(mid), mid_id, rid_id }))
    }

    async fn send(&self, index: usize, rid: &'static str, mut packet: rtp::Packet) -> Result<(), MediaError> {
        let Some(source) = self.sources.get(index) else { return Ok(()) };
        packet.header.ssrc = *source;
        if let Some(label) = self.label.get() {
            let failed = |error: webrtc::error::Error| MediaError::Connection(error.to_string());
            packet.header.set_extension(label.mid_id, label.mid.clone()).map_err(failed)?;
            packet.header.set_extension(label.rid_id, Bytes::from_static(rid.as_bytes())).map_err(failed)?;
        }
        Ok(self.track.write_rtp(packet).await?)
    }
}
