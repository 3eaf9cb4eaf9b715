//! A viewer's connection to the node: a line of sound and a line of video, both only to receive.
//!
//! Receiver reports, requests to send lost video again (as a stream of its own, RFC 4588), and requests for key frames. No bandwidth
//! feedback: the stack has none but transport-wide sequence numbers, which the node's hot path would pay for with each
//! packet.

use rtc::interceptor::{NackGeneratorBuilder, Slot};
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use std::time::Duration;
use tokio::sync::watch;
use webrtc::peer_connection::{Registry, configure_rtcp_reports};

use super::super::connection::{self, Connection, OnPacket};
use super::super::{MediaConfig, MediaError};
use super::restorer::Restorer;

/// Packets that are watched for gaps. A power of two, by the stack's wish.
const WATCHED_PACKETS: u16 = 1_024;
/// How often lost packets are asked for...
const ASK_EVERY: Duration = Duration::from_millis(50);
/// ...and how many times each: until it is given up.
const ASK_TIMES: u16 = 10;
/// Before the part that looks for gaps.
const RESTORER_SLOT: usize = 6_500;

/// One connection.
pub(super) struct Inlet(Connection);

impl Inlet {
    /// Opens sockets and makes an offer with all candidates. `connected` is told whenever packets can or cannot pass.
    pub(super) async fn offer(
        config: &MediaConfig,
        connected: watch::Sender<bool>,
        on_packet: OnPacket,
    ) -> Result<(Self, String), MediaError> {
        let mut codecs = MediaEngine::default();
        connection::with_opus(&mut codecs)?;
        connection::with_vp8(&mut codecs)?;
        let asking = NackGeneratorBuilder::new()
            .with_size(WATCHED_PACKETS)
            .with_interval(ASK_EVERY)
            .with_max_nacks_per_packet(ASK_TIMES);
        let interceptors = configure_rtcp_reports(Registry::new())
            .with(Slot::from(RESTORER_SLOT), Restorer::default())
            .with(Slot::NackGenerator, asking.build());
        let connection = Connection::open(config, codecs, interceptors, connected, on_packet).await?;
        for kind in [RtpCodecKind::Audio, RtpCodecKind::Video] {
            let direction = RTCRtpTransceiverDirection::Recvonly;
            let receive_only = RTCRtpTransceiverInit { direction, ..Default::default() };
            connection.lines().add_transceiver_from_kind(kind, Some(receive_only)).await?;
        }
        let sdp = connection.offer().await?;
        Ok((Self(connection), sdp))
    }

    /// Takes the answer; ICE and DTLS start.
    pub(super) async fn answer(&self, sdp: &str) -> Result<(), MediaError> {
        self.0.answer(sdp).await
    }

    /// Asks for a key frame of this source.
    pub(super) async fn ask_for_key_frame(&self, source: u32) -> Result<(), MediaError> {
        self.0.ask_for_key_frame(source).await
    }

    /// Another connection has taken over.
    pub(super) fn retire(&self) {
        self.0.retire();
    }

    /// Ends the connection and its tasks.
    pub(super) async fn close(&self) {
        self.0.close().await;
    }
}
