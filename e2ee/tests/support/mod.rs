//! A hospital, its people's devices, and a node that does what it should, for the stories.
#![allow(dead_code, missing_docs)]

pub mod mallory;

use std::collections::BTreeMap;
use wardline_directory::hospital::{Hospital, Person};
use wardline_directory::key::{DeviceKey, OperationalKey, ProposerKey, RootKey};
use wardline_directory::{Directory, NodeRecord, certificate};
use wardline_e2ee::public::{PublicView, Staged};
use wardline_e2ee::{
    Cell, Change, Changes, CommitApplied, DeviceIdentity, Engine, PendingCommit, PendingJoin, ProcessError, Suite,
};
use wardline_protocol::wire::{DeviceChain, Level, Roster};
use wardline_protocol::{AccountId, ConversationId, DeviceId, NodeId};

pub const NOW: u64 = 1_800_000_000_000;
pub const ID: ConversationId = ConversationId::from_bytes([0xC0; 16]);

pub struct World {
    pub hospital: Hospital,
    pub proposer: ProposerKey,
    next_device: u8,
}

/// A device's seed and chain: enough to make its engine again.
#[derive(Clone)]
pub struct Papers {
    pub seed: [u8; 32],
    pub chain: DeviceChain,
    pub account: AccountId,
    pub device: DeviceId,
}

impl Papers {
    pub fn identity(&self) -> DeviceIdentity {
        DeviceIdentity::new(DeviceKey::from_seed(self.seed), &self.chain).unwrap()
    }

    pub fn engine(&self) -> Engine {
        Engine::new(self.identity(), Suite::default()).unwrap()
    }
}

impl World {
    pub fn new() -> Self {
        Self::of(1)
    }

    /// Another seed is another hospital.
    pub fn of(seed: u8) -> Self {
        let root = RootKey::from_seed([seed; 32]);
        let mut hospital = Hospital::found(&root, OperationalKey::from_seed([seed + 1; 32]), NOW).unwrap();
        let proposer = ProposerKey::from_seed([seed + 2; 32]);
        let node = NodeRecord {
            node_id: NodeId::from_bytes([9; 16]),
            name: "node".into(),
            addresses: vec!["127.0.0.1:1".into()],
            certificate_sha256: [0; 32],
            proposer_public_key: proposer.public(),
            deleted: false,
        };
        hospital.add_node(&node, NOW).unwrap();
        Self { hospital, proposer, next_device: 0 }
    }

    pub fn directory(&self) -> &Directory {
        self.hospital.directory()
    }

    /// The first device of a new person.
    pub fn person(&mut self, handle: &str) -> Papers {
        self.account(Person::internal(handle, handle, "test"))
    }

    pub fn archive(&mut self) -> Papers {
        self.account(Person { level: Level::Archive, ..Person::internal("archive", "Archive", "") })
    }

    pub fn account(&mut self, person: Person) -> Papers {
        let invitation = self.hospital.add_account(&person, NOW).unwrap();
        let (seed, device) = self.fresh();
        let public = DeviceKey::from_seed(seed).public();
        let own =
            certificate::issue_by_enrolment(&invitation.enrolment_key(), invitation.account_id, device, public, NOW);
        Papers { seed, chain: DeviceChain { certificates: vec![own] }, account: invitation.account_id, device }
    }

    /// A further device, certified by an existing one.
    pub fn further(&mut self, by: &Papers) -> Papers {
        let (seed, device) = self.fresh();
        let public = DeviceKey::from_seed(seed).public();
        let own =
            certificate::issue_by_device(&DeviceKey::from_seed(by.seed), by.device, by.account, device, public, NOW);
        let mut certificates = vec![own];
        certificates.extend(by.chain.certificates.iter().cloned());
        Papers { seed, chain: DeviceChain { certificates }, account: by.account, device }
    }

    fn fresh(&mut self) -> ([u8; 32], DeviceId) {
        self.next_device += 1;
        let mut seed = [self.next_device; 32];
        seed[0] = 0xD0;
        (seed, DeviceId::from_bytes([self.next_device; 16]))
    }
}

/// One entry of the log: what members get.
#[derive(Clone)]
pub struct Commit {
    pub proposals: Vec<Vec<u8>>,
    pub commit: Vec<u8>,
}

/// A node that checks what it should.
pub struct Node {
    pub view: PublicView,
    pub log: Vec<Commit>,
}

impl Node {
    pub fn create(engine: &mut Engine, roster: Roster, world: &World) -> Self {
        let created = engine.create(ID, roster, world.directory()).unwrap();
        Self { view: PublicView::open(ID, &created.group_info, &created.ratchet_tree).unwrap(), log: Vec::new() }
    }

    /// Takes a commit in; the log has it then.
    pub fn submit(&mut self, pending: &PendingCommit) -> Staged2 {
        let staged = self.view.check(&pending.proposals, &pending.commit, &pending.group_info).unwrap();
        self.take(staged, Commit { proposals: pending.proposals.clone(), commit: pending.commit.clone() })
    }

    pub fn submit_join(&mut self, pending: &PendingJoin) -> Staged2 {
        let staged = self.view.check(&[], &pending.commit, &pending.group_info).unwrap();
        self.take(staged, Commit { proposals: vec![], commit: pending.commit.clone() })
    }

    fn take(&mut self, staged: Staged, commit: Commit) -> Staged2 {
        let seen = Staged2 { added: staged.added.len(), removed: staged.removed.len(), epoch: staged.epoch };
        self.view.apply(staged).unwrap();
        self.log.push(commit);
        seen
    }

    pub fn tree(&self) -> Vec<u8> {
        self.view.ratchet_tree().unwrap()
    }
}

/// What a commit did, without its secretless insides.
#[derive(Debug, PartialEq, Eq)]
pub struct Staged2 {
    pub added: usize,
    pub removed: usize,
    pub epoch: u64,
}

pub fn process(engine: &mut Engine, entry: &Commit, world: &World) -> Result<CommitApplied, ProcessError> {
    engine.process_commit(ID, &entry.proposals, &entry.commit, world.directory(), NOW)
}

/// A commit that adds each device by a fresh key package.
pub fn adding(devices: &mut [&mut Engine]) -> Change {
    let add_key_packages = devices.iter_mut().map(|engine| engine.key_packages(1).unwrap().remove(0)).collect();
    Change { add_key_packages, ..Change::default() }
}

/// Has `by` add `others`: node, committer and joiners end up in the same epoch. Members in between are the caller's.
pub fn add(node: &mut Node, by: &mut Engine, others: &mut [&mut Engine], roster: Option<Roster>, world: &World) {
    let change = Change { roster, ..adding(others) };
    let pending = by.commit(ID, change, world.directory(), NOW).unwrap();
    node.submit(&pending);
    let applied = process(by, node.log.last().unwrap(), world).unwrap();
    assert!(applied.own);
    let welcome = pending.welcome.unwrap();
    for other in others.iter_mut() {
        other.join_welcome(ID, &welcome, &node.tree(), world.directory()).unwrap();
    }
}

/// Sends from one and reads at the others.
pub fn talk(from: &mut Engine, to: &mut [&mut Engine], text: &[u8], world: &World) {
    let sent = from.encrypt(ID, text).unwrap();
    for reader in to.iter_mut() {
        let received = reader.process_message(ID, &sent.ciphertext, world.directory()).unwrap();
        assert_eq!((received.plaintext.as_slice(), received.sender, received.epoch), (text, from.device(), sent.epoch));
    }
}

/// Everybody is in the same epoch of the same group, the node included.
pub fn agree(node: &Node, engines: &[&Engine]) {
    for engine in engines {
        assert_eq!(engine.epoch(ID), Some(node.view.epoch()));
        assert_eq!(engine.tree_hash(ID).as_deref(), Some(node.view.tree_hash()));
        assert_eq!(engine.members(ID), node.view.members());
        assert_eq!(engine.roster(ID).as_ref(), Some(node.view.roster()));
        assert_eq!(engine.epoch_authenticator(ID), engines[0].epoch_authenticator(ID));
    }
}

/// A device's durable storage.
#[derive(Default, Clone)]
pub struct Disk(pub BTreeMap<Vec<u8>, Vec<u8>>);

impl Disk {
    pub fn write(&mut self, changes: Changes) {
        self.0.extend(changes.put);
        for key in changes.deleted {
            self.0.remove(&key);
        }
    }

    pub fn cells(&self) -> Vec<Cell> {
        self.0.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Saves, and starts the engine again from what was saved.
    pub fn restart(&mut self, engine: &mut Engine, papers: &Papers) {
        self.write(engine.take_changes());
        *engine = Engine::load(papers.identity(), Suite::default(), self.cells()).unwrap();
    }
}
