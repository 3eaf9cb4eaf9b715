//! The node's side: the plane, its disk, and the world's own sessions with it.
use super::World;
use super::line::nonce;
use super::world::EXPORTER;
use wardline_client::core::Input as In;
use wardline_directory::hospital::Hospital;
use wardline_directory::key::OperationalKey;
use wardline_directory::session as proof;
use wardline_protocol::wire::{self, client_frame::Body as Ask, response::Result as Said, server_frame::Body as Push};
use wardline_protocol::{AccountId, Incarnation};
use wardline_signaling::memory::MemoryStore;
use wardline_signaling::{
    Input, Limits, MediaCommand, MediaEvent, NodeIdentity, Output, Plane, SessionId, WelcomeRow, Write,
};

/// How far the node's disk had got when it was copied.
pub struct Backup(usize);

impl World {
    /// Something happens to the node. What it asks of its disk waits for [`World::sync`]; reads and media are answered at once.
    pub fn node_input(&mut self, input: Input) {
        let mut out = Vec::new();
        self.plane.handle(self.now_ms, input, &mut out);
        for output in out {
            match output {
                Output::Send { session, frame, .. } => self.say(session, frame),
                Output::FanOut { sessions, frame, .. } => {
                    for session in sessions {
                        self.say(session, frame.clone());
                    }
                }
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
                Output::Media(MediaCommand::Connect { session, request_id, .. }) => {
                    let answer = Ok("answer".into());
                    self.node_input(Input::Media(MediaEvent::Answered { session, request_id, answer }));
                }
                // Nobody sends files in these schedules.
                Output::OpenTransfer(_) | Output::DropAttachment { .. } | Output::Push(_) => {}
                Output::Authenticated { .. } | Output::Media(_) => {}
            }
        }
    }

    fn say(&mut self, session: SessionId, frame: wire::ServerFrame) {
        match self.sessions.get(&session) {
            Some(device) => self.devices[*device].down.push_back(frame),
            None => self.replies_to_world.entry(session).or_default().push(frame),
        }
    }

    /// The disk gets to the oldest batches.
    pub fn sync(&mut self, batches: usize) {
        let mut newest = None;
        for _ in 0..batches {
            let Some((batch, writes)) = self.unsynced.pop_front() else { break };
            self.journal.extend(writes.iter().cloned());
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
            let device = self.devices.iter().find(|device| device.id == *device_id);
            let cursor = device.and_then(|device| Some(device.saved.conversations.get(conversation_id)?.cursor));
            let waiting = |row: &WelcomeRow| (row.conversation_id, row.device_id) == (*conversation_id, *device_id);
            let welcome_waits = self.store.load_now().welcomes.iter().any(waiting);
            self.times.left(*conversation_id, *device_id, welcome_waits, cursor.unwrap_or(0));
        } else {
            self.times.follow(write);
        }
    }

    /// kill -9: what was not synced is gone, and so is every line.
    pub fn kill_node(&mut self) {
        self.stop_node();
        self.plane = open_plane(&self.store, &self.hospital, &self.node, self.now_ms);
    }

    /// A copy of the database as it is on the disk.
    pub fn backup(&self) -> Backup {
        Backup(self.journal.len())
    }

    /// The node is started from a backup: what came after is gone, and the incarnation is another one.
    pub fn restore(&mut self, backup: &Backup) {
        self.stop_node();
        self.journal.truncate(backup.0);
        self.store = MemoryStore::new();
        self.store.apply_now(self.journal.clone());
        let mut incarnation = *self.node.incarnation.as_bytes();
        incarnation[0] = incarnation[0].wrapping_add(1);
        self.node.incarnation = Incarnation::from_bytes(incarnation);
        self.plane = open_plane(&self.store, &self.hospital, &self.node, self.now_ms);
    }

    fn stop_node(&mut self) {
        self.unsynced.clear();
        self.sessions.clear();
        for device in 0..self.devices.len() {
            self.cut(device);
        }
    }

    /// Time passes, for the node and then for the devices.
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

    /// The IT admin locks or unlocks an account.
    pub fn lock(&mut self, account: AccountId, locked: bool) {
        if locked {
            self.taken_out.insert(account);
        }
        let session = self.admin_session();
        let lock = wire::LockAccount { account_id: account.to_bytes(), locked };
        self.ask(session, Ask::LockAccount(lock));
        self.node_input(Input::Closed { session });
    }

    /// The IT admin publishes what the hospital has signed and the node does not have.
    pub fn publish(&mut self) {
        let session = self.admin_session();
        let known = self.store.load_now().statements.len();
        let statements = self.hospital.statements().get(known..).unwrap_or_default().to_vec();
        let said = self.ask(session, Ask::PublishStatements(wire::PublishStatements { statements }));
        assert!(matches!(said, Said::Done(_)));
        self.node_input(Input::Closed { session });
    }

    fn admin_session(&mut self) -> SessionId {
        let session = self.open_session();
        let key = OperationalKey::from_seed([2; 32]);
        let signature = proof::sign_admin(&key, &nonce(session), &EXPORTER).to_vec().into();
        self.ask(session, Ask::AuthenticateAdmin(wire::AuthenticateAdmin { signature }));
        session
    }

    pub(crate) fn open_session(&mut self) -> SessionId {
        let session = SessionId(self.next_session);
        self.next_session += 1;
        self.node_input(Input::Opened { session, nonce: nonce(session), exporter: EXPORTER });
        let hello = wire::Hello { protocol_version: 1, client: "schedules".into() };
        assert!(matches!(self.ask(session, Ask::Hello(hello)), Said::Challenge(_)));
        session
    }

    /// A request of the world's own sessions, answered at once (the disk keeps up).
    pub(crate) fn ask(&mut self, session: SessionId, body: Ask) -> Said {
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
}

pub(crate) fn open_plane(store: &MemoryStore, hospital: &Hospital, node: &NodeIdentity, now_ms: u64) -> Plane {
    let limits = Limits {
        creations_per_hour: 1_000_000,
        external_joins_per_hour: 1_000_000,
        key_packages_per_hour: 1_000_000,
        ..Limits::default()
    };
    Plane::open(store.load_now(), hospital.directory().root(), node.clone(), limits, now_ms).unwrap()
}
