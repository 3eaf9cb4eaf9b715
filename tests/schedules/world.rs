//! Eight devices, one node, and a network that loses lines: the shipped plane and the shipped client core, moved step by step by a seed.
use crate::times::Times;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use wardline_client::core::{
    Body, Changes, Command, Core, Event, Identity, Input as In, Notice, Output as Out, Reply, Saved, Token,
};
use wardline_directory::NodeRecord;
use wardline_directory::hospital::{Hospital, Person};
use wardline_directory::key::{DeviceKey, OperationalKey, ProposerKey, RootKey};
use wardline_directory::{certificate, session as proof};
use wardline_e2ee::Suite;
use wardline_protocol::wire::{self, client_frame::Body as Ask, response::Result as Said, server_frame::Body as Push};
use wardline_protocol::{AccountId, Code, ConversationId, DeviceId, Incarnation, MessageId, NodeId};
use wardline_signaling::memory::MemoryStore;
use wardline_signaling::{BatchId, Input, Limits, NodeIdentity, Output, Plane, SessionId, WelcomeRow, Write};

const START_MS: u64 = 1_800_000_000_000;
const EXPORTER: [u8; 32] = [5; 32];

/// SplitMix64 (Steele et al. 2014): small, seeded, the same everywhere.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

/// A device: its core, what it has stored, and its line to the node.
pub struct Device {
    pub core: Core,
    pub account: AccountId,
    pub id: DeviceId,
    seed: [u8; 32],
    chain: wire::DeviceChain,
    saved: Saved,
    pub line: Option<SessionId>,
    pub up: VecDeque<wire::ClientFrame>,
    pub down: VecDeque<wire::ServerFrame>,
    /// What its person has seen: message id, by conversation and seq.
    pub shown: BTreeMap<(ConversationId, u64), (MessageId, String)>,
    /// Own messages the node has acknowledged.
    pub acknowledged: BTreeMap<MessageId, (ConversationId, u64)>,
    /// Messages it could not decrypt although they were for it.
    pub undecryptable: u64,
    /// Messages it missed because it had to join again.
    pub missed: u64,
    /// Own messages it was told were not sent.
    pub given_up: u64,
    healed: bool,
    pub complaints: Vec<String>,
    pub replies: BTreeMap<Token, Result<Reply, String>>,
    asked: BTreeMap<Token, String>,
}

pub struct World {
    pub dice: Dice,
    pub now_ms: u64,
    pub devices: Vec<Device>,
    /// The text of every message ever sent.
    pub texts: BTreeMap<MessageId, String>,
    pub store: MemoryStore,
    plane: Plane,
    node: NodeIdentity,
    hospital: Hospital,
    unsynced: VecDeque<(BatchId, Vec<Write>)>,
    next_session: u64,
    next_token: u64,
    sessions: BTreeMap<SessionId, usize>,
    replies_to_world: BTreeMap<SessionId, Vec<wire::ServerFrame>>,
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
        store.apply_now(
            (1..).zip(statements).map(|(version, statement)| Write::Statement { version, statement }).collect(),
        );
        let plane = open_plane(&store, &hospital, &node, START_MS);
        let mut world = World {
            dice: Dice(seed),
            now_ms: START_MS,
            devices: Vec::new(),
            texts: BTreeMap::new(),
            store,
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
        seed.chunks_mut(8).for_each(|part| part.copy_from_slice(&self.dice.next().to_le_bytes()));
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
        self.devices.push(Device {
            core,
            account,
            id,
            seed,
            chain,
            saved: Saved::default(),
            line: None,
            up: VecDeque::new(),
            down: VecDeque::new(),
            shown: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            undecryptable: 0,
            missed: 0,
            given_up: 0,
            healed: false,
            complaints: Vec::new(),
            replies: BTreeMap::new(),
            asked: BTreeMap::new(),
        });
    }

    // ---- the node ----

    pub fn node_input(&mut self, input: Input) {
        let mut out = Vec::new();
        self.plane.handle(self.now_ms, input, &mut out);
        for output in out {
            match output {
                Output::Send { session, frame, .. } => match self.sessions.get(&session) {
                    Some(device) => self.devices[*device].down.push_back(frame),
                    None => self.replies_to_world.entry(session).or_default().push(frame),
                },
                Output::Close { session, .. } => {
                    if let Some(device) = self.sessions.remove(&session) {
                        self.cut(device);
                    }
                    self.node_input(Input::Closed { session });
                }
                Output::Write { batch, writes } => self.unsynced.push_back((batch, writes)),
                Output::Read { session, request_id, query } => {
                    let answer = Ok(self.store.read_now(&query));
                    self.node_input(Input::Answered { session, request_id, answer });
                }
                Output::Authenticated { .. } | Output::Media(_) => {}
            }
        }
    }

    /// The disk gets to the oldest batches.
    pub fn sync(&mut self, batches: usize) {
        let mut newest = None;
        for _ in 0..batches {
            let Some((batch, writes)) = self.unsynced.pop_front() else { break };
            for write in &writes {
                self.follow_times(write);
            }
            self.store.apply_now(writes);
            newest = Some(batch);
        }
        if let Some(batch) = newest {
            self.node_input(Input::Durable { batch });
        }
    }

    fn follow_times(&mut self, write: &Write) {
        if let Write::MemberLeft { conversation_id, device_id } = write {
            let device = self.devices.iter().find(|device| device.id == *device_id).unwrap();
            let cursor = device.saved.conversations.get(conversation_id).map_or(0, |record| record.cursor);
            let waiting = |row: &WelcomeRow| (row.conversation_id, row.device_id) == (*conversation_id, *device_id);
            let welcome_waits = self.store.load_now().welcomes.iter().any(waiting);
            self.times.left(*conversation_id, *device_id, welcome_waits, cursor);
        } else {
            self.times.follow(write);
        }
    }

    /// kill -9: what was not synced is gone, and so is every line.
    pub fn kill_node(&mut self) {
        self.unsynced.clear();
        self.sessions.clear();
        for device in 0..self.devices.len() {
            self.cut(device);
        }
        self.plane = open_plane(&self.store, &self.hospital, &self.node, self.now_ms);
    }

    pub fn pass_ms(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        while let Some(wake) = self.plane.next_wake_ms().filter(|at| *at <= until) {
            self.now_ms = self.now_ms.max(wake);
            self.node_input(Input::Tick);
        }
        self.now_ms = until;
        for device in 0..self.devices.len() {
            self.core_input(device, In::Tick);
        }
    }

    pub fn lock(&mut self, account: AccountId, locked: bool) {
        if locked {
            self.taken_out.insert(account);
        }
        let session = self.open_session();
        let key = OperationalKey::from_seed([2; 32]);
        let signature = proof::sign_admin(&key, &nonce(session), &EXPORTER).to_vec().into();
        self.ask(session, Ask::AuthenticateAdmin(wire::AuthenticateAdmin { signature }));
        let lock = wire::LockAccount { account_id: account.to_bytes(), locked };
        self.ask(session, Ask::LockAccount(lock));
        self.node_input(Input::Closed { session });
    }

    fn open_session(&mut self) -> SessionId {
        let session = SessionId(self.next_session);
        self.next_session += 1;
        self.node_input(Input::Opened { session, nonce: nonce(session), exporter: EXPORTER });
        let hello = wire::Hello { protocol_version: 1, client: "schedules".into() };
        assert!(matches!(self.ask(session, Ask::Hello(hello)), Said::Challenge(_)));
        session
    }

    /// A request of the world's own sessions, answered at once (the disk keeps up).
    fn ask(&mut self, session: SessionId, body: Ask) -> Said {
        let frame = wire::ClientFrame { request_id: 1, body: Some(body) };
        self.node_input(Input::Frame { session, frame });
        self.sync(usize::MAX);
        let said = self.replies_to_world.remove(&session).unwrap_or_default();
        let response = said.into_iter().find_map(|frame| match frame.body {
            Some(Push::Response(response)) => response.result,
            _ => None,
        });
        response.expect("the node answers")
    }

    // ---- lines ----

    /// Connects and signs in; a locked account stays out.
    pub fn connect(&mut self, device: usize) {
        if self.devices[device].line.is_some() || self.away.contains(&device) {
            return;
        }
        let session = self.open_session();
        let key = DeviceKey::from_seed(self.devices[device].seed);
        let signature = proof::sign_device(&key, &nonce(session), &EXPORTER).to_vec().into();
        let request = wire::Authenticate { device_id: self.devices[device].id.to_bytes(), signature };
        let frame = wire::ClientFrame { request_id: 2, body: Some(Ask::Authenticate(request)) };
        self.node_input(Input::Frame { session, frame });
        let mut frames: VecDeque<_> = self.replies_to_world.remove(&session).unwrap_or_default().into();
        let first = frames.pop_front().and_then(|frame| frame.body);
        let Some(Push::Response(wire::Response { result: Some(Said::Authenticated(hello)), .. })) = first else {
            return; // locked: the plane has closed the session
        };
        self.sessions.insert(session, device);
        self.devices[device].line = Some(session);
        self.devices[device].down = frames;
        let connected = In::Connected {
            account: self.devices[device].account,
            directory_version: hello.directory_version,
            incarnation: self.node.incarnation,
            key_packages: hello.key_packages,
        };
        self.core_input(device, connected);
    }

    /// Its line is cut, and it does not come again until [`World::come_back`].
    pub fn go_away(&mut self, device: usize) {
        self.away.insert(device);
        self.cut(device);
    }

    pub fn come_back(&mut self, device: usize) {
        self.away.remove(&device);
    }

    /// The line is cut: what is on its way in either direction is lost. The node learns of it now or when the device is back.
    pub fn cut(&mut self, device: usize) {
        let Some(session) = self.devices[device].line.take() else { return };
        self.devices[device].up.clear();
        self.devices[device].down.clear();
        self.core_input(device, In::Disconnected);
        if self.sessions.remove(&session).is_some() {
            self.node_input(Input::Closed { session });
        }
    }

    /// One frame goes up.
    pub fn carry_up(&mut self, device: usize) -> bool {
        let Some(session) = self.devices[device].line else { return false };
        let Some(frame) = self.devices[device].up.pop_front() else { return false };
        self.node_input(Input::Frame { session, frame });
        true
    }

    /// One frame comes down; pushed entries sometimes come twice, or in the wrong order.
    pub fn carry_down(&mut self, device: usize) -> bool {
        let twice = self.dice.chance(5);
        let swapped = self.dice.chance(5);
        let down = &mut self.devices[device].down;
        if swapped && down.len() >= 2 && is_entry(&down[0]) && is_entry(&down[1]) {
            down.swap(0, 1);
        }
        let Some(frame) = down.pop_front() else { return false };
        if twice && is_entry(&frame) {
            down.push_front(frame.clone());
        }
        self.core_input(device, In::Frame(frame));
        true
    }

    // ---- devices ----

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
                Out::WakeAt(_) => {}
            }
        }
    }
}

impl Device {
    fn hear(&mut self, event: Event) {
        // The core says first that it joined again, then what it missed by that.
        let healed = std::mem::replace(&mut self.healed, matches!(event, Event::SecurityNotice(Notice::Healed(_))));
        match event {
            Event::MessageReceived(message) => {
                if let Body::Text(text) = message.body {
                    let key = (message.conversation, message.seq);
                    if self.shown.insert(key, (message.message, text)).is_some() {
                        self.complaints.push(format!("seq {} shown twice", message.seq));
                    }
                }
            }
            Event::MessageSent { conversation, message, seq } => {
                self.acknowledged.insert(message, (conversation, seq));
            }
            // Written while being removed: the person is told that it was not sent.
            Event::MessageFailed { error, .. } if error.code == Code::UnknownConversation => self.given_up += 1,
            Event::MessageFailed { error, .. } => self.complaints.push(format!("a message failed: {error}")),
            Event::Unreadable { count, .. } if healed => self.missed += count,
            Event::Unreadable { count, .. } => self.undecryptable += count,
            Event::NodeRefused(_) => self.complaints.push("an honest node was refused".into()),
            _ => {}
        }
    }
}

/// What the device's database does with a transaction.
fn store(saved: &mut Saved, changes: Changes) {
    for key in &changes.deleted_cells {
        saved.cells.retain(|(known, _)| known != key);
    }
    for (key, value) in changes.cells {
        saved.cells.retain(|(known, _)| *known != key);
        saved.cells.push((key, value));
    }
    saved.statements.extend(changes.statements.into_iter().map(|(_, statement)| statement));
    saved.conversations.extend(changes.conversations);
    for id in &changes.forgotten {
        saved.conversations.remove(id);
    }
    saved.seen.extend(changes.history.iter().map(|message| (message.conversation, message.message)));
    for record in changes.outbox {
        saved.outbox.retain(|known| known.message.message != record.message.message);
        saved.outbox.push(record);
    }
    saved.outbox.retain(|record| !changes.outbox_done.contains(&record.message.message));
    saved.outbox.sort_by_key(|record| record.place);
    saved.counters.extend(changes.counters);
    saved.incarnation = changes.incarnation.or(saved.incarnation);
}

fn open_core(
    root: wardline_directory::key::PublicKey,
    account: AccountId,
    device: DeviceId,
    seed: [u8; 32],
    chain: &wire::DeviceChain,
    saved: Saved,
    boot: u8,
) -> Core {
    let identity = Identity { root, account, device, key: DeviceKey::from_seed(seed), chain: chain.clone() };
    let mut ids = seed;
    ids[0] ^= boot;
    Core::new(identity, Suite::default(), saved, ids).unwrap()
}

fn open_plane(store: &MemoryStore, hospital: &Hospital, node: &NodeIdentity, now_ms: u64) -> Plane {
    let limits =
        Limits { creations_per_hour: 1_000_000, external_joins_per_hour: 1_000_000, key_packages_per_hour: 1_000_000 };
    Plane::open(store.load_now(), hospital.directory().root(), node.clone(), limits, now_ms).unwrap()
}

fn is_entry(frame: &wire::ServerFrame) -> bool {
    matches!(frame.body, Some(Push::Entry(_)))
}

fn nonce(session: SessionId) -> [u8; 32] {
    let mut nonce = [9; 32];
    nonce[..8].copy_from_slice(&session.0.to_be_bytes());
    nonce
}
