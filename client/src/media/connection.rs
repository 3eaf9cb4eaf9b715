//! One WebRTC connection to the node: host candidates only, everything offered at once. What its lines carry is its owner's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_RTX, MIME_TYPE_VP8, MediaEngine};
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RtpCodecKind};
use tokio::sync::watch;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState, RTCPeerConnectionState,
    RTCSessionDescription, Registry, SettingEngineBuilder, SrtpProtectionProfile,
};

use super::lock::lock;
use super::{MediaConfig, MediaError, SAMPLE_RATE};

/// RTP payload types of our offers.
pub const OPUS_PAYLOAD_TYPE: u8 = 111;
/// VP8's.
pub const VP8_PAYLOAD_TYPE: u8 = 96;
/// VP8 sent again (RFC 4588).
const RTX_PAYLOAD_TYPE: u8 = 97;

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
/// Tracks of the other side that are kept to ask them for key frames: one for each line of any offer here.
const TRACKS_MAX: usize = 4;

/// Takes packets as they arrive. Called on the connection's tasks; must not wait.
pub type OnPacket = Arc<dyn Fn(Instant, rtp::Packet) + Send + Sync>;

/// One connection.
pub struct Connection {
    inner: Arc<dyn PeerConnection>,
    gathered: watch::Receiver<bool>,
    /// Set when another connection has taken over: nothing of this one counts any more.
    retired: Arc<AtomicBool>,
    tracks: Tracks,
}

type Tracks = Arc<Mutex<Vec<Arc<dyn TrackRemote>>>>;

struct Handler {
    gathered: watch::Sender<bool>,
    connected: watch::Sender<bool>,
    retired: Arc<AtomicBool>,
    on_packet: OnPacket,
    tracks: Tracks,
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
        {
            let mut tracks = lock(&self.tracks);
            if tracks.len() < TRACKS_MAX {
                tracks.push(track.clone());
            }
        }
        let (retired, on_packet) = (self.retired.clone(), self.on_packet.clone());
        // Ends with the connection: the stack closes the track's queue.
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event
                    && !retired.load(Ordering::Acquire)
                {
                    on_packet(Instant::now(), packet);
                }
            }
        });
    }
}

impl Connection {
    /// Opens sockets. `connected` is told whenever packets can or cannot pass. Lines are added to it next, then comes
    /// [`offer`](Self::offer).
    pub async fn open(
        config: &MediaConfig,
        codecs: MediaEngine,
        interceptors: Registry,
        connected: watch::Sender<bool>,
        on_packet: OnPacket,
    ) -> Result<Self, MediaError> {
        let (gathered, is_gathered) = watch::channel(false);
        let (retired, tracks) = (Arc::new(AtomicBool::new(false)), Tracks::default());
        let handler = Handler { gathered, connected, retired: retired.clone(), on_packet, tracks: tracks.clone() };
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
        let inner: Arc<dyn PeerConnection> = Arc::new(
            PeerConnectionBuilder::new()
                .with_configuration(RTCConfigurationBuilder::new().build())
                .with_media_engine(codecs)
                .with_setting_engine(settings)
                .with_interceptor_registry(interceptors)
                .with_handler(Arc::new(handler))
                .with_udp_addrs(config.local.clone())
                .build()
                .await?,
        );
        Ok(Self { inner, gathered: is_gathered, retired, tracks })
    }

    /// The stack's own connection, to add lines to.
    pub fn lines(&self) -> &dyn PeerConnection {
        self.inner.as_ref()
    }

    /// An offer of all lines, with all candidates.
    pub async fn offer(&self) -> Result<String, MediaError> {
        let offer = self.inner.create_offer(None).await?;
        self.inner.set_local_description(offer).await?;
        let mut gathered = self.gathered.clone();
        let gathering = gathered.wait_for(|gathered| *gathered);
        let complete = matches!(tokio::time::timeout(GATHERING_MAX, gathering).await, Ok(Ok(_)));
        if !complete {
            return Err(MediaError::GatheringTimedOut);
        }
        let sdp = self.inner.local_description().await.map(|description| description.sdp).unwrap_or_default();
        if !sdp.contains("a=candidate:") {
            return Err(MediaError::NoLocalAddress);
        }
        Ok(sdp)
    }

    /// Takes the answer; ICE and DTLS start.
    pub async fn answer(&self, sdp: &str) -> Result<(), MediaError> {
        let bad = |error: webrtc::error::Error| MediaError::BadAnswer(error.to_string());
        let answer = RTCSessionDescription::answer(sdp.to_owned()).map_err(bad)?;
        self.inner.set_remote_description(answer).await.map_err(bad)
    }

    /// Asks the other side for a key frame of a video that comes from it (RFC 4585 section 6.3.1).
    pub async fn ask_for_key_frame(&self, source: u32) -> Result<(), MediaError> {
        let tracks = lock(&self.tracks).clone();
        for track in tracks {
            if track.ssrcs().await.contains(&source) {
                let request = PictureLossIndication { sender_ssrc: 0, media_ssrc: source };
                return Ok(track.write_rtcp(vec![Box::new(request)]).await?);
            }
        }
        Ok(())
    }

    /// Another connection has taken over.
    pub fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// Ends the connection and its tasks.
    pub async fn close(&self) {
        self.retire();
        lock(&self.tracks).clear();
        if let Err(error) = self.inner.close().await {
            tracing::debug!(%error, "closing media");
        }
    }
}

impl Drop for Connection {
    /// The stack's own task would run on without its owner.
    fn drop(&mut self) {
        lock(&self.tracks).clear();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let connection = self.inner.clone();
            runtime.spawn(async move { connection.close().await });
        }
    }
}

/// RFC 7587. Stereo and DTX stay off; `useinbandfec` asks the other side for FEC, `cbr` for sizes that reveal nothing.
pub fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.to_owned(),
        clock_rate: SAMPLE_RATE,
        channels: 2,
        sdp_fmtp_line: "minptime=20;useinbandfec=1;cbr=1;usedtx=0".to_owned(),
        rtcp_feedback: vec![],
    }
}

/// RFC 7741. What is lost is asked for again, and a key frame when that does not help.
pub fn vp8() -> RTCRtpCodec {
    let feedback = |parameter: &str| RTCPFeedback { typ: "nack".to_owned(), parameter: parameter.to_owned() };
    RTCRtpCodec {
        mime_type: MIME_TYPE_VP8.to_owned(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: String::new(),
        rtcp_feedback: vec![feedback(""), feedback("pli")],
    }
}

/// Codecs of an offer with a voice line.
pub fn with_opus(codecs: &mut MediaEngine) -> Result<(), MediaError> {
    let codec = RTCRtpCodecParameters { rtp_codec: opus(), payload_type: OPUS_PAYLOAD_TYPE };
    Ok(codecs.register_codec(codec, RtpCodecKind::Audio)?)
}

/// Codecs of an offer with a video line. What is sent again may come as a stream of its own (RFC 4588).
pub fn with_vp8(codecs: &mut MediaEngine) -> Result<(), MediaError> {
    let again = RTCRtpCodec {
        mime_type: MIME_TYPE_RTX.to_owned(),
        sdp_fmtp_line: format!("apt={VP8_PAYLOAD_TYPE}"),
        rtcp_feedback: vec![],
        ..vp8()
    };
    for (rtp_codec, payload_type) in [(vp8(), VP8_PAYLOAD_TYPE), (again, RTX_PAYLOAD_TYPE)] {
        codecs.register_codec(RTCRtpCodecParameters { rtp_codec, payload_type }, RtpCodecKind::Video)?;
    }
    Ok(())
}

/// Random, e.g. for an SSRC.
pub fn random_u32() -> Result<u32, MediaError> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|error| MediaError::Connection(error.to_string()))?;
    Ok(u32::from_be_bytes(bytes))
}
