//! A hospital in a test: the real plane on a store in memory, devices with real MLS engines, and a clock that only the test moves.
#![allow(dead_code, missing_docs)]

#[allow(dead_code, reason = "each test file uses its own part")]
pub mod ward;

use std::collections::BTreeMap;
use std::sync::Arc;
use wardline_directory::NodeRecord;
use wardline_directory::hospital::{Hospital, Person};
use wardline_directory::key::{DeviceKey, OperationalKey, ProposerKey, PublicKey, RootKey};
use wardline_directory::{Directory, certificate, session as proof};
use wardline_e2ee::{Change, DeviceIdentity, Engine, Suite, roster};
use wardline_protocol::wire::{self, client_frame::Body as Ask, response::Result as Said, server_frame::Body as Push};
use wardline_protocol::{
    AccountId, AttachmentId, Code, ConversationId, DeviceId, Incarnation, MessageId, NodeId, WireError,
};
use wardline_signaling::memory::MemoryStore;
use wardline_signaling::{
    Input, Limits, MediaCommand, MediaEvent, NodeIdentity, Output, Plane, Push as Wake, Query, SessionId, Transfer,
    Write,
};

pub const START_MS: u64 = 1_800_000_000_000;
const EXPORTER: [u8; 32] = [5; 32];

pub struct World {
    pub plane: Plane,
    pub store: MemoryStore,
    pub hospital: Hospital,
    pub now_ms: u64,
    pub media: Vec<MediaCommand>,
    /// Bulk streams that the shell was to open, and attachments that it was to delete.
    pub transfers: Vec<Transfer>,
    pub dropped: Vec<AttachmentId>,
    /// Devices that the shell was to wake.
    pub woken: Vec<Wake>,
    pub closed: BTreeMap<SessionId, WireError>,
    /// While true, writes are held back: nothing becomes durable.
    pub stalled: bool,
    /// When set, queries are kept here instead of being answered.
    pub held_reads: Option<Vec<(SessionId, u64, Query)>>,
    held: Vec<(wardline_signaling::BatchId, Vec<Write>)>,
    heard: BTreeMap<SessionId, Vec<wire::ServerFrame>>,
    node: NodeIdentity,
    limits: Limits,
    next_session: u64,
    next_request: u64,
}

/// A person's device with its session and engine.
pub struct Phone {
    pub account: AccountId,
    pub device: DeviceId,
    pub session: SessionId,
    pub engine: Engine,
    seed: [u8; 32],
}

impl World {
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    pub fn with_limits(limits: Limits) -> Self {
        let root = RootKey::from_seed([1; 32]);
        let mut hospital = Hospital::found(&root, OperationalKey::from_seed([2; 32]), START_MS).unwrap();
        let proposer = ProposerKey::from_seed([3; 32]);
        let node_id = NodeId::from_bytes([4; 16]);
        hospital
            .add_node(
                &NodeRecord {
                    node_id,
                    name: "node".into(),
                    addresses: vec!["127.0.0.1:4433".into()],
                    certificate_sha256: [6; 32],
                    proposer_public_key: proposer.public(),
                    deleted: false,
                },
                START_MS,
            )
            .unwrap();
        let node =
            NodeIdentity { node_id, incarnation: Incarnation::from_bytes([7; 16]), proposer: Arc::new(proposer) };
        let store = MemoryStore::new();
        let plane = Plane::open(store.load_now(), root.public(), node.clone(), limits.clone(), START_MS).unwrap();
        let mut world = World {
            plane,
            store,
            hospital,
            now_ms: START_MS,
            media: Vec::new(),
            transfers: Vec::new(),
            dropped: Vec::new(),
            woken: Vec::new(),
            closed: BTreeMap::new(),
            stalled: false,
            held_reads: None,
            held: Vec::new(),
            heard: BTreeMap::new(),
            node,
            limits,
            next_session: 1,
            next_request: 1,
        };
        world.publish();
        world
    }

    /// The node is killed and started again: only what was durable is left.
    pub fn restart(&mut self) {
        self.held.clear();
        self.stalled = false;
        let root = self.hospital.directory().root();
        self.plane =
            Plane::open(self.store.load_now(), root, self.node.clone(), self.limits.clone(), self.now_ms).unwrap();
        self.heard.clear();
    }

    /// The hospital as it was when it had made so many statements.
    pub fn hospital_at(&self, statements: usize) -> Hospital {
        let statements = self.hospital.statements()[..statements].to_vec();
        Hospital::open(self.directory().root(), OperationalKey::from_seed([2; 32]), statements).unwrap()
    }

    pub fn directory(&self) -> &Directory {
        self.hospital.directory()
    }

    // ---- driving the plane as the node's shell does ----

    pub fn input(&mut self, input: Input) {
        let mut out = Vec::new();
        self.plane.handle(self.now_ms, input, &mut out);
        for output in out {
            match output {
                Output::Send { session, frame, .. } => self.heard.entry(session).or_default().push(frame),
                Output::FanOut { sessions, frame, .. } => {
                    for session in sessions {
                        self.heard.entry(session).or_default().push(frame.clone());
                    }
                }
                Output::Authenticated { .. } => {}
                Output::Close { session, error } => {
                    self.closed.insert(session, error);
                    self.input(Input::Closed { session });
                }
                Output::Write { batch, writes } => self.held.push((batch, writes)),
                Output::Read { session, request_id, query } => {
                    if let Some(held) = &mut self.held_reads {
                        held.push((session, request_id, query));
                        continue;
                    }
                    let answer = self.store.read_now(&query);
                    self.input(Input::Answered { session, request_id, answer: Ok(answer) });
                }
                Output::OpenTransfer(transfer) => self.open_transfer(transfer),
                Output::DropAttachment { attachment_id } => self.dropped.push(attachment_id),
                Output::Push(push) => self.woken.push(push),
                Output::Media(command) => self.media_command(command),
            }
        }
        if !self.stalled {
            self.make_durable();
        }
    }

    /// Batches on their way to a stalled disk.
    pub fn batches_waiting(&self) -> usize {
        self.held.len()
    }

    pub fn make_durable(&mut self) {
        let held = std::mem::take(&mut self.held);
        if let Some((newest, _)) = held.last() {
            let newest = *newest;
            held.into_iter().for_each(|(_, writes)| self.store.apply_now(writes));
            self.input(Input::Durable { batch: newest });
        }
    }

    fn open_transfer(&mut self, transfer: Transfer) {
        let (session, request_id) = (transfer.session, transfer.request_id);
        let ticket = vec![self.transfers.len() as u8; 16].into();
        let opened = Ok(wire::TransferOpened { ticket, from_byte: 0, sealed_bytes: transfer.sealed_bytes });
        self.transfers.push(transfer);
        self.input(Input::TransferOpened { session, request_id, opened });
    }

    fn media_command(&mut self, command: MediaCommand) {
        if let MediaCommand::Connect { session, request_id, .. } = &command {
            let (session, request_id) = (*session, *request_id);
            let answer = Ok("the media plane's answer".to_string());
            self.media.push(command);
            self.input(Input::Media(MediaEvent::Answered { session, request_id, answer }));
        } else {
            self.media.push(command);
        }
    }

    pub fn pass_ms(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        while let Some(wake) = self.plane.next_wake_ms().filter(|at| *at <= until) {
            self.now_ms = self.now_ms.max(wake);
            self.input(Input::Tick);
        }
        self.now_ms = until;
    }

    pub fn open_session(&mut self) -> SessionId {
        let session = SessionId(self.next_session);
        self.next_session += 1;
        self.input(Input::Opened { session, nonce: nonce(session), exporter: EXPORTER });
        self.ask(session, Ask::Hello(wire::Hello { protocol_version: 1, client: "test".into() })).unwrap();
        session
    }

    /// Sends a request and gives its response, if there is one yet. Pushes stay to be taken by [`World::pushes`].
    pub fn try_ask(&mut self, session: SessionId, body: Ask) -> Option<Result<Said, WireError>> {
        let request_id = self.next_request;
        self.next_request += 1;
        self.input(Input::Frame { session, frame: wire::ClientFrame { request_id, body: Some(body) } });
        self.response(session, request_id)
    }

    fn response(&mut self, session: SessionId, request_id: u64) -> Option<Result<Said, WireError>> {
        let heard = self.heard.get_mut(&session)?;
        let place = heard.iter().position(
            |frame| matches!(&frame.body, Some(Push::Response(response)) if response.request_id == request_id),
        )?;
        let Some(Push::Response(response)) = heard.remove(place).body else { return None };
        Some(match response.result? {
            Said::Error(error) => Err(error.into()),
            said => Ok(said),
        })
    }

    pub fn last_request(&self) -> u64 {
        self.next_request - 1
    }

    pub fn late_response(&mut self, session: SessionId, request_id: u64) -> Option<Result<Said, WireError>> {
        self.response(session, request_id)
    }

    pub fn ask(&mut self, session: SessionId, body: Ask) -> Result<Said, WireError> {
        self.try_ask(session, body).expect("no response")
    }

    /// The error code of a request that must fail.
    pub fn refused(&mut self, session: SessionId, body: Ask) -> Code {
        match self.ask(session, body) {
            Ok(_) => panic!("accepted what must be refused"),
            Err(error) => error.code,
        }
    }

    pub fn pushes(&mut self, session: SessionId) -> Vec<Push> {
        self.heard.remove(&session).unwrap_or_default().into_iter().filter_map(|frame| frame.body).collect()
    }

    // ---- people ----

    pub fn publish(&mut self) {
        let admin = self.open_session();
        let key = OperationalKey::from_seed([2; 32]);
        let root = RootKey::from_seed([1; 32]);
        let message = proof::session_message(wardline_protocol::ADMIN_SIGNATURE_PREFIX, &nonce(admin), &EXPORTER);
        let signature = if self.plane.counts().accounts == 0 && self.store.load_now().statements.is_empty() {
            root.sign(&message)
        } else {
            key.sign(&message)
        };
        let signature = signature.to_vec().into();
        self.ask(admin, Ask::AuthenticateAdmin(wire::AuthenticateAdmin { signature })).unwrap();
        let known = self.store.load_now().statements.len() as u64;
        let statements = self.hospital.statements_after(known).to_vec();
        self.ask(admin, Ask::PublishStatements(wire::PublishStatements { statements })).unwrap();
        self.input(Input::Closed { session: admin });
    }

    pub fn admin(&mut self) -> SessionId {
        let admin = self.open_session();
        let key = OperationalKey::from_seed([2; 32]);
        let signature = proof::sign_admin(&key, &nonce(admin), &EXPORTER).to_vec().into();
        self.ask(admin, Ask::AuthenticateAdmin(wire::AuthenticateAdmin { signature })).unwrap();
        admin
    }

    /// A new person with one enrolled, signed-in device that has uploaded key packages.
    pub fn person(&mut self, handle: &str) -> Phone {
        let mut phone = self.newcomer(handle);
        self.upload_key_packages(&mut phone);
        phone
    }

    /// A new person whose device is enrolled and signed in, and has uploaded nothing.
    pub fn newcomer(&mut self, handle: &str) -> Phone {
        let person = Person::internal(handle, handle, "Pflege");
        let invitation = self.hospital.add_account(&person, self.now_ms).unwrap();
        self.publish();
        let key = DeviceKey::generate().unwrap();
        let device = DeviceId::from_bytes(key.public().as_bytes()[..16].try_into().unwrap());
        let certificate = certificate::issue_by_enrolment(
            &invitation.enrolment_key(),
            invitation.account_id,
            device,
            key.public(),
            self.now_ms,
        );
        self.enrol(invitation.account_id, key, wire::DeviceChain { certificates: vec![certificate] })
    }

    /// A further device of the same person, certified by the first.
    pub fn further_device(&mut self, of: &Phone, chain: &wire::DeviceChain) -> Phone {
        let key = DeviceKey::generate().unwrap();
        let device = DeviceId::from_bytes(key.public().as_bytes()[..16].try_into().unwrap());
        let issuer = DeviceKey::from_seed(of.seed);
        let certificate =
            certificate::issue_by_device(&issuer, of.device, of.account, device, key.public(), self.now_ms);
        let certificates = [vec![certificate], chain.certificates.clone()].concat();
        let mut phone = self.enrol(of.account, key, wire::DeviceChain { certificates });
        self.upload_key_packages(&mut phone);
        phone
    }

    pub fn chain_of(&mut self, asker: &Phone, device: DeviceId, account: AccountId) -> wire::DeviceChain {
        let request = wire::FetchDevices { account_ids: vec![account.to_bytes()] };
        let Said::Devices(devices) = self.ask(asker.session, Ask::FetchDevices(request)).unwrap() else { panic!() };
        devices
            .devices
            .into_iter()
            .filter_map(|found| found.chain)
            .find(|chain| self.directory().verify_chain(chain).is_ok_and(|verified| verified.device_id == device))
            .unwrap()
    }

    fn enrol(&mut self, account: AccountId, key: DeviceKey, chain: wire::DeviceChain) -> Phone {
        let session = self.open_session();
        let signature = proof::sign_device(&key, &nonce(session), &EXPORTER).to_vec().into();
        self.ask(session, Ask::Enrol(wire::Enrol { chain: Some(chain.clone()), signature })).unwrap();
        self.input(Input::Closed { session });
        let device = self.directory().verify_chain(&chain).unwrap().device_id;
        let seed = *key.seed();
        let engine = Engine::new(DeviceIdentity::new(key, &chain).unwrap(), Suite::default()).unwrap();
        let mut phone = Phone { account, device, session, engine, seed };
        self.sign_in(&mut phone);
        phone
    }

    /// The first key packages of a device that was only enrolled.
    pub fn upload_key_packages(&mut self, phone: &mut Phone) {
        let key_packages = phone.engine.key_packages(5).unwrap().into_iter().map(Into::into).collect();
        let last_resort_key_package = phone.engine.last_resort_key_package().unwrap().into();
        let upload = wire::UploadKeyPackages { key_packages, last_resort_key_package };
        self.ask(phone.session, Ask::UploadKeyPackages(upload)).unwrap();
    }

    pub fn sign_in(&mut self, phone: &mut Phone) {
        let (session, said) = self.try_sign_in(phone);
        said.unwrap();
        phone.session = session;
    }

    pub fn try_sign_in(&mut self, phone: &Phone) -> (SessionId, Result<Said, WireError>) {
        let session = self.open_session();
        let key = DeviceKey::from_seed(phone.seed);
        let signature = proof::sign_device(&key, &nonce(session), &EXPORTER).to_vec().into();
        let request = wire::Authenticate { device_id: phone.device.to_bytes(), signature };
        let said = self.ask(session, Ask::Authenticate(request));
        (session, said)
    }

    pub fn hang_up_line(&mut self, phone: &Phone) {
        self.input(Input::Closed { session: phone.session });
    }

    // ---- conversations ----

    pub fn create_direct(&mut self, one: &mut Phone, other: &Phone) -> ConversationId {
        self.create(one, roster::direct(one.account, other.account)).unwrap()
    }

    pub fn create(&mut self, creator: &mut Phone, roster: wire::Roster) -> Result<ConversationId, WireError> {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.next_request.to_be_bytes());
        let id = ConversationId::from_bytes(id);
        let created = creator.engine.create(id, roster, self.hospital.directory()).unwrap();
        let request = wire::CreateConversation {
            conversation_id: id.to_bytes(),
            group_info: created.group_info.into(),
            ratchet_tree: created.ratchet_tree.into(),
        };
        self.ask(creator.session, Ask::CreateConversation(request)).map(|_| id)
    }

    pub fn key_packages(&mut self, asker: &Phone, accounts: &[AccountId]) -> Vec<Vec<u8>> {
        let request = wire::FetchKeyPackages {
            account_ids: accounts.iter().map(|id| id.to_bytes()).collect(),
            device_ids: Vec::new(),
        };
        let Said::KeyPackages(found) = self.ask(asker.session, Ask::FetchKeyPackages(request)).unwrap() else {
            panic!("not key packages")
        };
        found.key_packages.into_iter().map(|package| package.key_package.to_vec()).collect()
    }

    pub fn submit(&mut self, by: &mut Phone, id: ConversationId, change: Change) -> Result<Said, WireError> {
        let pending = by.engine.commit(id, change, self.hospital.directory(), self.now_ms).unwrap();
        let request = wire::SubmitCommit {
            conversation_id: id.to_bytes(),
            proposals: pending.proposals.into_iter().map(Into::into).collect(),
            commit: pending.commit.into(),
            welcome: pending.welcome.unwrap_or_default().into(),
            group_info: pending.group_info.into(),
        };
        let said = self.ask(by.session, Ask::SubmitCommit(request));
        if said.is_err() {
            by.engine.discard_pending(id).unwrap();
        }
        said
    }

    /// Applies every pushed commit of `id` that waits for `phone`.
    pub fn catch_up(&mut self, phone: &mut Phone, id: ConversationId) -> Vec<String> {
        let entries = self.pushes(phone.session).into_iter().filter_map(|push| match push {
            Push::Entry(entry) => Some(entry),
            _ => None,
        });
        self.apply(phone, id, entries.collect())
    }

    /// Applies entries of `id`; gives the texts of others.
    pub fn apply(&mut self, phone: &mut Phone, id: ConversationId, entries: Vec<wire::Entry>) -> Vec<String> {
        let mut texts = Vec::new();
        for entry in entries {
            if entry.conversation_id != id.as_bytes().as_slice() {
                continue;
            }
            match entry.content.unwrap() {
                wire::entry::Content::Commit(commit) => {
                    let proposals: Vec<Vec<u8>> = commit.proposals.iter().map(|p| p.to_vec()).collect();
                    phone
                        .engine
                        .process_commit(id, &proposals, &commit.commit, self.hospital.directory(), self.now_ms)
                        .unwrap();
                }
                wire::entry::Content::Message(message)
                    if entry.sender_device_id != phone.device.as_bytes().as_slice() =>
                {
                    let received =
                        phone.engine.process_message(id, &message.ciphertext, self.hospital.directory()).unwrap();
                    texts.push(String::from_utf8(received.plaintext.to_vec()).unwrap());
                }
                wire::entry::Content::Message(_) => {}
            }
        }
        texts
    }

    pub fn join(&mut self, phone: &mut Phone, id: ConversationId) {
        let said = self.ask(phone.session, Ask::FetchWelcomes(wire::FetchWelcomes {})).unwrap();
        let Said::Welcomes(welcomes) = said else { panic!("not welcomes") };
        let welcome = welcomes
            .welcomes
            .into_iter()
            .find(|welcome| welcome.conversation_id == id.as_bytes().as_slice())
            .expect("no welcome");
        phone.engine.join_welcome(id, &welcome.welcome, &welcome.ratchet_tree, self.hospital.directory()).unwrap();
        self.ask(phone.session, Ask::DropWelcome(wire::DropWelcome { conversation_id: id.to_bytes() })).unwrap();
    }

    /// A direct conversation in which both devices are.
    pub fn direct(&mut self, one: &mut Phone, other: &mut Phone) -> ConversationId {
        let id = self.create_direct(one, other);
        let add_key_packages = self.key_packages(one, &[other.account]);
        self.submit(one, id, Change { add_key_packages, ..Default::default() }).unwrap();
        self.catch_up(one, id);
        self.join(other, id);
        self.pushes(other.session);
        id
    }

    /// A group of the creator (its manager) and others, all joined.
    pub fn group(&mut self, creator: &mut Phone, others: &mut [&mut Phone]) -> ConversationId {
        let accounts = [(creator.account, true)].into_iter().chain(others.iter().map(|phone| (phone.account, false)));
        let id = self.create(creator, roster::group(accounts)).unwrap();
        let accounts: Vec<AccountId> = others.iter().map(|phone| phone.account).collect();
        let add_key_packages = self.key_packages(creator, &accounts);
        self.submit(creator, id, Change { add_key_packages, ..Default::default() }).unwrap();
        self.catch_up(creator, id);
        for phone in others {
            self.join(phone, id);
            self.pushes(phone.session);
        }
        id
    }

    pub fn message(&mut self, by: &mut Phone, id: ConversationId, text: &str) -> wire::SendMessage {
        let encrypted = by.engine.encrypt(id, text.as_bytes()).unwrap();
        let mut message_id = [0; 16];
        message_id[..8].copy_from_slice(&self.next_request.to_be_bytes());
        wire::SendMessage {
            conversation_id: id.to_bytes(),
            message_id: MessageId::from_bytes(message_id).to_bytes(),
            ciphertext: encrypted.ciphertext.into(),
            again: false,
        }
    }

    pub fn say(&mut self, by: &mut Phone, id: ConversationId, text: &str) -> Result<u64, WireError> {
        let message = self.message(by, id, text);
        match self.ask(by.session, Ask::SendMessage(message))? {
            Said::Sent(sent) => Ok(sent.seq),
            _ => panic!("not Sent"),
        }
    }

    pub fn proposer(&self) -> PublicKey {
        self.node.proposer.public()
    }
}

pub fn nonce(session: SessionId) -> [u8; 32] {
    let mut nonce = [9; 32];
    nonce[..8].copy_from_slice(&session.0.to_be_bytes());
    nonce
}
