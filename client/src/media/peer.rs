//! One WebRTC connection to the node: a voice line out and in, host candidates only, everything offered at once.
//!
//! No header extension is offered: the audio level of RFC 6464 would tell the node who speaks when, and nothing here needs
//! the others. No RED and no NACK: Opus brings its own FEC, and a packet sent again would come too late.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MediaEngine};
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use tokio::sync::watch;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState, RTCPeerConnectionState,
    RTCSessionDescription, Registry, SettingEngineBuilder, SrtpProtectionProfile, configure_rtcp_reports,
};

use super::listener::SealedPacket;
use super::talker::PAYLOAD_TYPE;
use super::{MediaConfig, MediaError, SAMPLE_RATE};

/// Gathering host candidates is reading the interfaces; longer than this means that something is broken.
const GATHERING_MAX: Duration = Duration::from_secs(5);
/// Nothing received for so long: not connected. Between two keep-alives and the call's 30 s to resume.
const DISCONNECTED_AFTER: Duration = Duration::from_secs(4);
/// ...and for so much longer: given up. The call is over by then.
const FAILED_AFTER: Duration = Duration::from_secs(40);
/// Distance of keep-alives.
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// Distance and number of connectivity checks: a lost first check must not cost the default of 200 ms.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);
const CHECKS_MAX: u16 = 250;

/// Takes packets as they arrive. Called on the connection's tasks; must not wait.
pub type OnPacket = Arc<dyn Fn(Instant, SealedPacket) + Send + Sync>;

/// One connection.
pub struct Peer {
    connection: Arc<dyn PeerConnection>,
    voice: Arc<TrackLocalStaticRTP>,
    source: u32,
    /// Set when another connection has taken over: nothing of this one counts any more.
    retired: Arc<AtomicBool>,
}

struct Handler {
    gathered: watch::Sender<bool>,
    connected: watch::Sender<bool>,
    retired: Arc<AtomicBool>,
    on_packet: OnPacket,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.send_replace(true);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        tracing::debug!(%state, "media connection");
        if !self.retired.load(Ordering::Acquire) {
            self.connected.send_replace(state == RTCPeerConnectionState::Connected);
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let (retired, on_packet) = (self.retired.clone(), self.on_packet.clone());
        // Ends with the connection: the stack closes the track's queue.
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event
                    && !retired.load(Ordering::Acquire)
                {
                    let now = Instant::now();
                    on_packet(
                        now,
                        SealedPacket {
                            source: packet.header.ssrc,
                            number: packet.header.sequence_number,
                            timestamp: packet.header.timestamp,
                            payload: packet.payload.to_vec(),
                        },
                    );
                }
            }
        });
    }
}

impl Peer {
    /// Opens sockets and makes an offer with all candidates. `connected` is told whenever packets can or cannot pass.
    pub async fn offer(
        config: &MediaConfig,
        connected: watch::Sender<bool>,
        on_packet: OnPacket,
    ) -> Result<(Self, String), MediaError> {
        let (gathered, mut is_gathered) = watch::channel(false);
        let retired = Arc::new(AtomicBool::new(false));
        let handler = Handler { gathered, connected, retired: retired.clone(), on_packet };
        let loopback = config.local.iter().any(|address| address.ip().is_loopback());
        let settings = SettingEngineBuilder::new()
            .with_srtp_protection_profiles(vec![
                SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
                SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
            ])
            .with_multicast_dns_mode(rtc::ice::mdns::MulticastDnsMode::Disabled)
            .with_include_loopback_candidate(loopback)
            .with_ice_timeouts(Some(DISCONNECTED_AFTER), Some(FAILED_AFTER), Some(KEEP_ALIVE))
            .with_ice_connection_attempts(Some(CHECK_INTERVAL), Some(CHECKS_MAX))
            .build();
        let mut codecs = MediaEngine::default();
        codecs.register_codec(
            RTCRtpCodecParameters { rtp_codec: opus(), payload_type: PAYLOAD_TYPE },
            RtpCodecKind::Audio,
        )?;
        let connection: Arc<dyn PeerConnection> = Arc::new(
            PeerConnectionBuilder::new()
                .with_configuration(RTCConfigurationBuilder::new().build())
                .with_media_engine(codecs)
                .with_setting_engine(settings)
                .with_interceptor_registry(configure_rtcp_reports(Registry::new()))
                .with_handler(Arc::new(handler))
                .with_udp_addrs(config.local.clone())
                .build()
                .await?,
        );
        let source = random_u32()?;
        let voice = Arc::new(TrackLocalStaticRTP::new(voice_track(source)));
        let peer = Self { connection, voice, source, retired };
        peer.connection.add_track(peer.voice.clone() as Arc<dyn TrackLocal>).await?;

        let offer = peer.connection.create_offer(None).await?;
        peer.connection.set_local_description(offer).await?;
        let gathering = is_gathered.wait_for(|gathered| *gathered);
        let complete = matches!(tokio::time::timeout(GATHERING_MAX, gathering).await, Ok(Ok(_)));
        if !complete {
            return Err(MediaError::GatheringTimedOut);
        }
        let sdp = peer.connection.local_description().await.map(|description| description.sdp).unwrap_or_default();
        if !sdp.contains("a=candidate:") {
            return Err(MediaError::NoLocalAddress);
        }
        Ok((peer, sdp))
    }

    /// Takes the answer; ICE and DTLS start.
    pub async fn answer(&self, sdp: &str) -> Result<(), MediaError> {
        let bad = |error: webrtc::error::Error| MediaError::BadAnswer(error.to_string());
        let answer = RTCSessionDescription::answer(sdp.to_owned()).map_err(bad)?;
        self.connection.set_remote_description(answer).await.map_err(bad)
    }

    /// Sends one packet of the voice line. Before the connection is up it goes nowhere.
    pub async fn send(&self, mut packet: rtp::Packet) -> Result<(), MediaError> {
        packet.header.ssrc = self.source;
        Ok(self.voice.write_rtp(packet).await?)
    }

    /// Another connection has taken over.
    pub fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// Ends the connection and its tasks.
    pub async fn close(&self) {
        self.retire();
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "closing media");
        }
    }
}

impl Drop for Peer {
    /// The stack's own task would run on without its owner.
    fn drop(&mut self) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let connection = self.connection.clone();
            runtime.spawn(async move { connection.close().await });
        }
    }
}

/// RFC 7587. Stereo and DTX stay off; `useinbandfec` asks the other side for FEC, `cbr` for sizes that reveal nothing.
fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.to_owned(),
        clock_rate: SAMPLE_RATE,
        channels: 2,
        sdp_fmtp_line: "minptime=20;useinbandfec=1;cbr=1;usedtx=0".to_owned(),
        rtcp_feedback: vec![],
    }
}

fn voice_track(source: u32) -> MediaStreamTrack {
    let coding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(source), ..Default::default() },
        codec: opus(),
        ..Default::default()
    };
    MediaStreamTrack::new("voice".into(), "voice".into(), "voice".into(), RtpCodecKind::Audio, vec![coding])
}

fn random_u32() -> Result<u32, MediaError> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|error| MediaError::Connection(error.to_string()))?;
    Ok(u32::from_be_bytes(bytes))
}
