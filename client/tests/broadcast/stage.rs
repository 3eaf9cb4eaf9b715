//! A media plane on loopback, a publisher and viewers in one of its rooms, and their keys.
use std::sync::mpsc::channel;
use std::time::Duration;
use tokio::sync::watch;
use wardline_client::media::{MediaConfig, Programme, ProgrammeFiles, Publisher, Viewer};
use wardline_e2ee::media::MediaEpoch;
use wardline_protocol::AccountId;
use wardline_sfu::{Config, ParticipantId, RoomId, Sfu};

/// For whatever does not come: nothing here takes a tenth of it, but a machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const PUBLISHER: AccountId = AccountId::from_bytes([1; 16]);
const ROOM: RoomId = RoomId::from_bytes([1; 16]);

/// Keys of an epoch in which the publisher has leaf 0.
pub fn keys(epoch: u64, base_key: u8) -> MediaEpoch {
    let parts = [&epoch.to_be_bytes()[..], &[0; 4], &[base_key; 16], &[0; 4], PUBLISHER.as_bytes(), &[2; 16], &[0; 32]];
    MediaEpoch::from_bytes(&parts.concat()).unwrap()
}

pub fn programme(files: ProgrammeFiles) -> Programme {
    Programme::open(&files).unwrap()
}

pub fn loopback() -> MediaConfig {
    MediaConfig::on([127, 0, 0, 1].into())
}

pub fn participant(n: u8) -> ParticipantId {
    ParticipantId::from_bytes([n; 16])
}

pub struct Stage {
    pub sfu: Sfu,
}

impl Stage {
    pub fn new() -> Self {
        Self::with(Config { bind: vec!["127.0.0.1:0".parse().unwrap()], ..Config::default() })
    }

    pub fn with(config: Config) -> Self {
        Self { sfu: Sfu::start(config, |_| ()).unwrap() }
    }

    /// The node's part: hands an offer to the media plane and gives its answer.
    pub async fn answer(&self, n: u8, offer: String) -> String {
        let (reply, answer) = channel();
        self.sfu.connect(ROOM, participant(n), offer, move |result| reply.send(result).unwrap()).unwrap();
        let waited = tokio::task::spawn_blocking(move || answer.recv_timeout(PATIENCE)).await.unwrap();
        waited.unwrap().expect("an answer")
    }

    /// A publisher that is connected and may send.
    pub async fn publisher(&self, programme: Programme) -> Publisher {
        let (publisher, offer) = Publisher::offer(loopback(), programme).await.unwrap();
        publisher.answer(&self.answer(1, offer).await).await.unwrap();
        until(publisher.connected()).await;
        self.sfu.set_sending(ROOM, participant(1), true);
        publisher
    }

    /// A viewer that is connected.
    pub async fn viewer(&self, n: u8) -> Viewer {
        let (viewer, offer) = Viewer::offer(loopback()).await.unwrap();
        viewer.answer(&self.answer(n, offer).await).await.unwrap();
        until(viewer.connected()).await;
        viewer
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.sfu.clone().shutdown();
    }
}

/// Waits until it is so.
pub async fn until(mut told: watch::Receiver<bool>) {
    tokio::time::timeout(PATIENCE, told.wait_for(|told| *told)).await.expect("in time").expect("told");
}

/// Waits until `done`, looking again and again; false when it never is.
pub async fn soon(mut done: impl FnMut() -> bool) -> bool {
    let looking = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(20)).await; // bounded: by the timeout around it
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.is_ok()
}
