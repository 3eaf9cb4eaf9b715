//! The hospital: who there is, and what a device's program does.
use super::device::{open_core, store};
use super::line::nonce;
use super::node::open_plane;
use super::{Device, Dice, Times};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use wardline_client::core::{Command, Input as In, Output as Out, Reply, Saved, Token};
use wardline_directory::NodeRecord;
use wardline_directory::hospital::{Hospital, Person};
use wardline_directory::key::{DeviceKey, OperationalKey, ProposerKey, RootKey};
use wardline_directory::{certificate, session as proof};
use wardline_protocol::wire::{self, client_frame::Body as Ask, response::Result as Said};
use wardline_protocol::{AccountId, DeviceId, Incarnation, MessageId, NodeId};
use wardline_signaling::memory::MemoryStore;
use wardline_signaling::{BatchId, Input, NodeIdentity, Plane, SessionId, Write};

pub(crate) const START_MS: u64 = 1_800_000_000_000;
pub(crate) const EXPORTER: [u8; 32] = [5; 32];

/// Everything there is. See the crate.
pub struct World {
    /// Decides what happens next.
    pub dice: Dice,
    /// Unix time, for everybody.
    pub now_ms: u64,
    /// The first devices of all accounts, then the second ones of the first two.
    pub devices: Vec<Device>,
    /// Whether pushed entries may come twice or in the wrong order.
    pub noise: bool,
    /// The text of every message ever sent.
    pub texts: BTreeMap<MessageId, String>,
    /// The node's database.
    pub store: MemoryStore,
    /// Everything ever written to it, in order.
    pub(crate) journal: Vec<Write>,
    pub(crate) plane: Plane,
    /// The node's id, incarnation and proposer key.
    pub node: NodeIdentity,
    /// The IT admin's side: signs the directory.
    pub hospital: Hospital,
    pub(crate) unsynced: VecDeque<(BatchId, Vec<Write>)>,
    pub(crate) next_session: u64,
    next_token: u64,
    pub(crate) sessions: BTreeMap<SessionId, usize>,
    pub(crate) replies_to_world: BTreeMap<SessionId, Vec<wire::ServerFrame>>,
    boots: u8,
    /// Accounts that were locked, removed or left at some time. What such a person wrote while being taken out may not be sent.
    pub taken_out: BTreeSet<AccountId>,
    /// Devices that do not connect now.
    pub away: BTreeSet<usize>,
    /// When each device was in which group, as what became durable says.
    pub times: Times,
}

impl World {
    /// `accounts` people; the first two have two devices each.
    pub fn new(seed: u64, accounts: usize) -> Self {
        let root = RootKey::from_seed([1; 32]);
        let mut hospital = Hospital::found(&root, OperationalKey::from_seed([2; 32]), START_MS).unwrap();
        let proposer = ProposerKey::from_seed([3; 32]);
        let node_id = NodeId::from_bytes([4; 16]);
        let record = NodeRecord {
            node_id,
            name: "node".into(),
            addresses: vec!["127.0.0.1:4433".into()],
            certificate_sha256: [6; 32],
            proposer_public_key: proposer.public(),
            deleted: false,
        };
        hospital.add_node(&record, START_MS).unwrap();
        let invitations: Vec<_> = (0..accounts)
            .map(|n| hospital.add_account(&Person::internal(format!("p{n}"), format!("P {n}"), ""), START_MS).unwrap())
            .collect();
        let incarnation = Incarnation::from_bytes([7; 16]);
        let node = NodeIdentity { node_id, incarnation, proposer: Arc::new(proposer) };
        let store = MemoryStore::new();
        let statements = hospital.statements().iter().cloned();
        let journal: Vec<Write> =
            (1..).zip(statements).map(|(version, statement)| Write::Statement { version, statement }).collect();
        store.apply_now(journal.clone());
        let plane = open_plane(&store, &hospital, &node, START_MS);
        let mut world = World {
            dice: Dice(seed),
            now_ms: START_MS,
            devices: Vec::new(),
            noise: true,
            texts: BTreeMap::new(),
            store,
            journal,
            plane,
            node,
            hospital,
            unsynced: VecDeque::new(),
            next_session: 1,
            next_token: 1,
            sessions: BTreeMap::new(),
            replies_to_world: BTreeMap::new(),
            boots: 0,
            taken_out: BTreeSet::new(),
            away: BTreeSet::new(),
            times: Times::default(),
        };
        for invitation in &invitations {
            let key = world.device_key();
            let id = DeviceId::from_bytes(key.public().as_bytes()[..16].try_into().unwrap());
            let by = invitation.enrolment_key();
            let own = certificate::issue_by_enrolment(&by, invitation.account_id, id, key.public(), START_MS);
            world.enrol(invitation.account_id, id, key, vec![own]);
        }
        for n in 0..2 {
            let (account, first, seed) = (world.devices[n].account, world.devices[n].id, world.devices[n].seed);
            let key = world.device_key();
            let id = DeviceId::from_bytes(key.public().as_bytes()[..16].try_into().unwrap());
            let by = DeviceKey::from_seed(seed);
            let own = certificate::issue_by_device(&by, first, account, id, key.public(), START_MS);
            let chain = [vec![own], world.devices[n].chain.certificates.clone()].concat();
            world.enrol(account, id, key, chain);
        }
        world
    }

    fn device_key(&mut self) -> DeviceKey {
        let mut seed = [0; 32];
        seed.chunks_mut(8).for_each(|part| part.copy_from_slice(&self.dice.next_u64().to_le_bytes()));
        DeviceKey::from_seed(seed)
    }

    fn enrol(&mut self, account: AccountId, id: DeviceId, key: DeviceKey, certificates: Vec<wire::DeviceCertificate>) {
        let chain = wire::DeviceChain { certificates };
        let session = self.open_session();
        let signature = proof::sign_device(&key, &nonce(session), &EXPORTER).to_vec().into();
        let enrol = wire::Enrol { chain: Some(chain.clone()), signature };
        assert!(matches!(self.ask(session, Ask::Enrol(enrol)), Said::Enrolled(_)));
        self.node_input(Input::Closed { session });
        let seed = *key.seed();
        let core = open_core(self.hospital.directory().root(), account, id, seed, &chain, Saved::default(), 0);
        self.devices.push(Device::new(core, account, id, seed, chain));
    }

    /// The person wants something; the answer comes into `replies`.
    pub fn command(&mut self, device: usize, command: Command) -> Token {
        let token = Token(self.next_token);
        self.next_token += 1;
        if let Command::Send { text, .. } = &command {
            self.devices[device].asked.insert(token, text.clone());
        }
        self.core_input(device, In::Command(command, token));
        token
    }

    /// The program is killed between two transactions and started again.
    pub fn crash(&mut self, device: usize) {
        self.cut(device);
        self.boots = self.boots.wrapping_add(1);
        let root = self.hospital.directory().root();
        let it = &mut self.devices[device];
        it.core = open_core(root, it.account, it.id, it.seed, &it.chain, it.saved.clone(), self.boots);
    }

    /// Something happens to a device: its outputs are performed in their order.
    pub fn core_input(&mut self, device: usize, input: In) {
        let now_ms = self.now_ms;
        let it = &mut self.devices[device];
        it.core.handle(now_ms, input);
        while let Some(output) = it.core.poll() {
            match output {
                Out::Persist(changes) => store(&mut it.saved, changes),
                Out::Send(frame) => {
                    if it.line.is_some() {
                        it.up.push_back(frame);
                    }
                }
                Out::Event(event) => it.hear(event),
                Out::Done(token, result) => {
                    if let (Ok(Reply::Message(id)), Some(text)) = (&result, it.asked.remove(&token)) {
                        self.texts.insert(*id, text);
                    }
                    it.replies.insert(token, result.map_err(|failure| failure.to_string()));
                }
                Out::Upload(_) | Out::WakeAt(_) => {}
            }
        }
    }
}
