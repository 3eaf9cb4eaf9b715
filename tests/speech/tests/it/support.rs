//! Real keys of a real conversation, for sound that is really encrypted.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use wardline_directory::hospital::{Hospital, Person};
use wardline_directory::key::{DeviceKey, OperationalKey, ProposerKey, RootKey};
use wardline_directory::{NodeRecord, certificate};
use wardline_e2ee::media::MediaEpoch;
use wardline_e2ee::public::PublicView;
use wardline_e2ee::{Change, DeviceIdentity, Engine, Suite, roster};
use wardline_protocol::wire::DeviceChain;
use wardline_protocol::{AccountId, CallId, ConversationId, DeviceId, NodeId};
use wardline_sfu::ParticipantId;

/// Where everything of a test listens.
pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Everything that is waited for comes within this, or the test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

const NOW_MS: u64 = 1_800_000_000_000;
const CONVERSATION: ConversationId = ConversationId::from_bytes([0xC0; 16]);

/// A device in a room of the media plane.
pub fn participant(who: u8) -> ParticipantId {
    ParticipantId::from(DeviceId::from_bytes([who; 16]))
}

/// Alice and Bob in a direct conversation.
pub struct Pair {
    hospital: Hospital,
    devices: [Engine; 2],
}

impl Pair {
    pub fn new() -> Self {
        let root = RootKey::from_seed([1; 32]);
        let mut hospital = Hospital::found(&root, OperationalKey::from_seed([2; 32]), NOW_MS).unwrap();
        let node = NodeRecord {
            node_id: NodeId::from_bytes([9; 16]),
            name: "node".into(),
            addresses: vec!["127.0.0.1:1".into()],
            certificate_sha256: [0; 32],
            proposer_public_key: ProposerKey::from_seed([3; 32]).public(),
            deleted: false,
        };
        hospital.add_node(&node, NOW_MS).unwrap();
        let mut devices = ["alice", "bob"].map(|handle| device(&mut hospital, handle));
        let [alice, bob] = &mut devices;
        let members = roster::direct(alice.account_id(), bob.account_id());
        let created = alice.create(CONVERSATION, members, hospital.directory()).unwrap();
        let mut view = PublicView::open(CONVERSATION, &created.group_info, &created.ratchet_tree).unwrap();
        let change = Change { add_key_packages: bob.key_packages(1).unwrap(), ..Change::default() };
        let commit = alice.commit(CONVERSATION, change, hospital.directory(), NOW_MS).unwrap();
        alice.process_commit(CONVERSATION, &commit.proposals, &commit.commit, hospital.directory(), NOW_MS).unwrap();
        let staged = view.check(&commit.proposals, &commit.commit, &commit.group_info).unwrap();
        view.apply(staged).unwrap();
        let tree = view.ratchet_tree().unwrap();
        bob.join_welcome(CONVERSATION, &commit.welcome.unwrap(), &tree, hospital.directory()).unwrap();
        Self { hospital, devices }
    }

    pub fn accounts(&self) -> [AccountId; 2] {
        self.devices.each_ref().map(Engine::account_id)
    }

    /// What each of them seals and opens a call's frames with, now.
    pub fn keys(&self, call: u8) -> [MediaEpoch; 2] {
        self.devices.each_ref().map(|device| device.media_epoch(CONVERSATION, &CallId::from_bytes([call; 16])).unwrap())
    }

    /// Alice renews her keys; both go on to the next epoch.
    pub fn next_epoch(&mut self) {
        let directory = self.hospital.directory();
        let [alice, bob] = &mut self.devices;
        let commit = alice.commit(CONVERSATION, Change::default(), directory, NOW_MS).unwrap();
        for device in [alice, bob] {
            device.process_commit(CONVERSATION, &commit.proposals, &commit.commit, directory, NOW_MS).unwrap();
        }
    }
}

fn device(hospital: &mut Hospital, handle: &str) -> Engine {
    let invitation = hospital.add_account(&Person::internal(handle, handle, "test"), NOW_MS).unwrap();
    let seed = [handle.len() as u8; 32];
    let id = DeviceId::from_bytes([handle.len() as u8; 16]);
    let public = DeviceKey::from_seed(seed).public();
    let enrolment = invitation.enrolment_key();
    let certificate = certificate::issue_by_enrolment(&enrolment, invitation.account_id, id, public, NOW_MS);
    let chain = DeviceChain { certificates: vec![certificate] };
    let identity = DeviceIdentity::new(DeviceKey::from_seed(seed), &chain).unwrap();
    Engine::new(identity, Suite::default()).unwrap()
}
