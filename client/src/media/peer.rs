//! A call's connection to the node: a voice line out and in.
//!
//! No header extension is offered: the audio level of RFC 6464 would tell the node who speaks when, and nothing here needs
//! the others. No RED and no NACK: Opus brings its own FEC, and a packet sent again would come too late.

use std::sync::Arc;
use std::time::Instant;

use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind};
use tokio::sync::watch;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{Registry, configure_rtcp_reports};

use super::connection::{self, Connection};
use super::listener::SealedPacket;
use super::{MediaConfig, MediaError};

/// Takes packets as they arrive. Called on the connection's tasks; must not wait.
pub type OnPacket = Arc<dyn Fn(Instant, SealedPacket) + Send + Sync>;

/// One connection.
pub struct Peer {
    connection: Connection,
    voice: Arc<TrackLocalStaticRTP>,
    source: u32,
}

impl Peer {
    /// Opens sockets and makes an offer with all candidates. `connected` is told whenever packets can or cannot pass.
    pub async fn offer(
        config: &MediaConfig,
        connected: watch::Sender<bool>,
        on_packet: OnPacket,
    ) -> Result<(Self, String), MediaError> {
        let mut codecs = MediaEngine::default();
        connection::with_opus(&mut codecs)?;
        let interceptors = configure_rtcp_reports(Registry::new());
        let sealed = Arc::new(move |now, packet: rtp::Packet| on_packet(now, packet.into()));
        let connection = Connection::open(config, codecs, interceptors, connected, sealed).await?;
        let source = connection::random_u32()?;
        let voice = Arc::new(TrackLocalStaticRTP::new(voice_track(source)));
        connection.lines().add_track(voice.clone() as Arc<dyn TrackLocal>).await?;
        let sdp = connection.offer().await?;
        Ok((Self { connection, voice, source }, sdp))
    }

    /// Takes the answer; ICE and DTLS start.
    pub async fn answer(&self, sdp: &str) -> Result<(), MediaError> {
        self.connection.answer(sdp).await
    }

    /// Sends one packet of the voice line. Before the connection is up it goes nowhere.
    pub async fn send(&self, mut packet: rtp::Packet) -> Result<(), MediaError> {
        packet.header.ssrc = self.source;
        Ok(self.voice.write_rtp(packet).await?)
    }

    /// Another connection has taken over.
    pub fn retire(&self) {
        self.connection.retire();
    }

    /// Ends the connection and its tasks.
    pub async fn close(&self) {
        self.connection.close().await;
    }
}

impl From<rtp::Packet> for SealedPacket {
    fn from(packet: rtp::Packet) -> Self {
        Self {
            source: packet.header.ssrc,
            number: packet.header.sequence_number,
            timestamp: packet.header.timestamp,
            payload: packet.payload.to_vec(),
        }
    }
}

fn voice_track(source: u32) -> MediaStreamTrack {
    let coding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(source), ..Default::default() },
        codec: connection::opus(),
        ..Default::default()
    };
    MediaStreamTrack::new("voice".into(), "voice".into(), "voice".into(), RtpCodecKind::Audio, vec![coding])
}
