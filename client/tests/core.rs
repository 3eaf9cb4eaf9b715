//! The core against a scripted node: the order of outputs, what is sent again, and what a dishonest node is refused for.
//! Honest histories of many devices are played in tests/schedules.
#[path = "core/broadcasts.rs"]
mod broadcasts;
#[path = "core/joining.rs"]
mod joining;
#[path = "core/uploads.rs"]
mod uploads;

use prost::Message as _;
use std::collections::VecDeque;
use wardline_client::core::{
    Body as MessageBody, Changes, Command, Core, Event, Failure, Identity, Input, Message, Misbehaviour, Output,
    PushSubscription, Reply, Saved, Token, UploadOrder,
};
use wardline_directory::NodeRecord;
use wardline_directory::certificate;
use wardline_directory::hospital::{Hospital, Person};
use wardline_directory::key::{DeviceKey, OperationalKey, ProposerKey, RootKey};
use wardline_e2ee::Suite;
use wardline_protocol::wire::{self, ServerFrame, client_frame::Body, response, server_frame};
use wardline_protocol::{AccountId, Code, ConversationId, DeviceId, Incarnation, MessageId, NodeId, WireError};

const NOW_MS: u64 = 1_800_000_000_000;
const INCARNATION: Incarnation = Incarnation::from_bytes([1; 16]);

/// One device, its outputs so far, and a hospital of two.
struct Alice {
    core: Core,
    hospital: Hospital,
    account: AccountId,
    bob: AccountId,
    /// Requests that were sent and not answered.
    sent: VecDeque<(u64, Body)>,
    events: Vec<Event>,
    done: Vec<(Token, Result<Reply, Failure>)>,
    /// "persist", "send" in the order in which they came.
    order: Vec<&'static str>,
    saved: Changes,
    uploads: Vec<UploadOrder>,
    now_ms: u64,
}

fn hospital() -> (Hospital, AccountId, AccountId, Identity) {
    let root = RootKey::from_seed([1; 32]);
    let mut hospital = Hospital::found(&root, OperationalKey::from_seed([2; 32]), NOW_MS).unwrap();
    let node = NodeRecord {
        node_id: NodeId::from_bytes([4; 16]),
        name: "node".into(),
        addresses: vec!["127.0.0.1:4433".into()],
        certificate_sha256: [6; 32],
        proposer_public_key: ProposerKey::from_seed([3; 32]).public(),
        deleted: false,
    };
    hospital.add_node(&node, NOW_MS).unwrap();
    let alice = hospital.add_account(&Person::internal("alice", "Alice", ""), NOW_MS).unwrap();
    let bob = hospital.add_account(&Person::internal("bob", "Bob", ""), NOW_MS).unwrap();
    let key = DeviceKey::from_seed([7; 32]);
    let device = DeviceId::from_bytes([8; 16]);
    let by = alice.enrolment_key();
    let own = certificate::issue_by_enrolment(&by, alice.account_id, device, key.public(), NOW_MS);
    let chain = wire::DeviceChain { certificates: vec![own] };
    let identity = Identity { root: root.public(), account: alice.account_id, device, key, chain };
    (hospital, alice.account_id, bob.account_id, identity)
}

impl Alice {
    fn new(saved: Saved) -> Self {
        let (hospital, account, bob, identity) = hospital();
        Self {
            core: Core::new(identity, Suite::default(), saved, [9; 32]).unwrap(),
            hospital,
            account,
            bob,
            sent: VecDeque::new(),
            events: Vec::new(),
            done: Vec::new(),
            order: Vec::new(),
            saved: Changes::default(),
            uploads: Vec::new(),
            now_ms: NOW_MS,
        }
    }

    /// Signed in, the directory fetched, no conversation yet.
    fn ready() -> Self {
        let mut alice = Self::new(Saved::default());
        alice.connect(alice.hospital.directory().version());
        alice.answer_statements(alice.hospital.statements().to_vec());
        alice.settle_sign_in(Vec::new());
        assert!(alice.events.contains(&Event::Ready));
        alice
    }

    fn connect(&mut self, directory_version: u64) {
        let account = self.account;
        self.input(Input::Connected { account, directory_version, incarnation: INCARNATION, key_packages: 100 });
    }

    /// Answers welcomes with none and tells the heads.
    fn settle_sign_in(&mut self, conversations: Vec<wire::ConversationHead>) {
        self.push(server_frame::Body::Heads(wire::Heads { conversations, complete: true }));
        let request = self.take(|body| matches!(body, Body::FetchWelcomes(_)));
        self.answer(request, response::Result::Welcomes(wire::Welcomes::default()));
    }

    fn answer_statements(&mut self, statements: Vec<wire::Statement>) {
        let request = self.take(|body| matches!(body, Body::FetchStatements(_)));
        let head_version = self.hospital.directory().version();
        self.answer(request, response::Result::Statements(wire::Statements { statements, head_version }));
    }

    fn input(&mut self, input: Input) {
        self.core.handle(self.now_ms, input);
        while let Some(output) = self.core.poll() {
            match output {
                Output::Persist(changes) => {
                    self.order.push("persist");
                    self.saved = changes;
                }
                Output::Send(frame) => {
                    self.order.push("send");
                    self.sent.push_back((frame.request_id, frame.body.unwrap()));
                }
                Output::Event(event) => self.events.push(event),
                Output::Done(token, result) => self.done.push((token, result)),
                Output::Upload(order) => self.uploads.push(order),
                Output::WakeAt(at_ms) => assert!(at_ms > self.now_ms),
            }
        }
    }

    fn push(&mut self, body: server_frame::Body) {
        self.input(Input::Frame(ServerFrame { body: Some(body) }));
    }

    fn answer(&mut self, request_id: u64, result: response::Result) {
        self.push(server_frame::Body::Response(wire::Response { request_id, result: Some(result) }));
    }

    fn take(&mut self, wanted: impl Fn(&Body) -> bool) -> u64 {
        let at = self.sent.iter().position(|(_, body)| wanted(body)).expect("the request was not sent");
        self.sent.remove(at).unwrap().0
    }

    fn take_message(&mut self) -> (u64, wire::SendMessage) {
        let at = self.sent.iter().position(|(_, body)| matches!(body, Body::SendMessage(_))).expect("no message");
        match self.sent.remove(at).unwrap() {
            (request_id, Body::SendMessage(send)) => (request_id, send),
            _ => unreachable!(),
        }
    }

    /// A direct conversation with Bob, who has no device yet.
    fn direct(&mut self) -> ConversationId {
        self.input(Input::Command(Command::OpenDirect { account: self.bob }, Token(1)));
        let request = self.take(|body| matches!(body, Body::CreateConversation(_)));
        self.answer(request, response::Result::Done(wire::Done {}));
        let request = self.take(|body| matches!(body, Body::FetchKeyPackages(_)));
        self.answer(request, response::Result::KeyPackages(wire::KeyPackages::default()));
        match self.done.pop() {
            Some((Token(1), Ok(Reply::Conversation(id)))) => id,
            _ => panic!("no conversation"),
        }
    }

    fn head(&self, id: ConversationId, head_seq: u64, epoch: u64) -> wire::ConversationHead {
        wire::ConversationHead {
            conversation_id: id.to_bytes(),
            kind: wire::ConversationKind::Direct.into(),
            head_seq,
            epoch,
            joined: true,
            first_seq: 1,
            receipts: Vec::new(),
            confirmed_transcript_hash: Default::default(),
            left_seq: 0,
            former: false,
        }
    }

    fn refused(&self, why: Misbehaviour) -> bool {
        self.events.contains(&Event::NodeRefused(why))
    }
}

#[test]
fn a_message_is_durable_before_it_leaves_and_keeps_its_id() {
    let mut alice = Alice::ready();
    let id = alice.direct();
    alice.order.clear();
    alice.input(Input::Command(Command::Send { conversation: id, text: "good morning".into() }, Token(2)));
    assert_eq!(alice.order.first(), Some(&"persist"));
    assert!(!alice.saved.cells.is_empty(), "the ratchet moved before the ciphertext left");
    assert_eq!(alice.saved.outbox.len(), 1);
    let (_, first) = alice.take_message();
    assert!(!first.again);

    // The answer is lost with the line. The same message goes again, made anew, with a hint to look further back.
    alice.input(Input::Disconnected);
    alice.connect(alice.hospital.directory().version());
    let head = alice.head(id, 0, 0);
    alice.settle_sign_in(vec![head]);
    let (request, second) = alice.take_message();
    assert_eq!(first.message_id, second.message_id);
    assert_ne!(first.ciphertext, second.ciphertext, "a ciphertext is made for one attempt");
    assert!(second.again);
    alice.answer(request, response::Result::Sent(wire::Sent { seq: 1, accepted_at_ms: NOW_MS }));
    let message = MessageId::parse(&second.message_id).unwrap();
    assert!(alice.events.contains(&Event::MessageSent { conversation: id, message, seq: 1 }));
    assert_eq!(alice.core.waiting_messages(), 0);
    assert_eq!(alice.saved.outbox_done, vec![message]);
}

#[test]
fn own_entry_in_the_log_stands_for_a_lost_answer() {
    let mut alice = Alice::ready();
    let id = alice.direct();
    alice.input(Input::Command(Command::Send { conversation: id, text: "good morning".into() }, Token(2)));
    let (_, sent) = alice.take_message();
    alice.input(Input::Disconnected);
    alice.connect(alice.hospital.directory().version());
    let head = alice.head(id, 1, 0);
    alice.settle_sign_in(vec![head]);
    assert!(!alice.sent.iter().any(|(_, body)| matches!(body, Body::SendMessage(_))), "the log is read first");
    let request = alice.take(|body| matches!(body, Body::FetchLog(fetch) if fetch.from_seq == 1));
    let entry = wire::Entry {
        conversation_id: id.to_bytes(),
        seq: 1,
        sender_account_id: alice.account.to_bytes(),
        content: Some(wire::entry::Content::Message(wire::Message {
            message_id: sent.message_id.clone(),
            ciphertext: sent.ciphertext,
        })),
        ..Default::default()
    };
    alice.answer(request, response::Result::Log(wire::Log { entries: vec![entry], head_seq: 1 }));
    let message = MessageId::parse(&sent.message_id).unwrap();
    assert!(alice.events.contains(&Event::MessageSent { conversation: id, message, seq: 1 }));
    assert!(!alice.sent.iter().any(|(_, body)| matches!(body, Body::SendMessage(_))), "nothing goes twice");
    assert!(alice.sent.iter().any(|(_, body)| matches!(body, Body::Acknowledge(a) if a.delivered_seq == 1)));
}

#[test]
fn a_refusal_that_may_pass_is_tried_again_and_a_final_one_is_told() {
    let mut alice = Alice::ready();
    let id = alice.direct();
    alice.input(Input::Command(Command::Send { conversation: id, text: "one".into() }, Token(2)));
    let (request, first) = alice.take_message();
    let slower = WireError::retry(Code::RateLimited, "slower", 700);
    alice.answer(request, response::Result::Error(slower.into()));
    assert!(alice.sent.iter().all(|(_, body)| !matches!(body, Body::SendMessage(_))), "not before its time");
    alice.now_ms += 700;
    alice.input(Input::Tick);
    let (request, again) = alice.take_message();
    assert_eq!(first.message_id, again.message_id);
    let final_error = WireError::new(Code::TooLarge, "too large");
    alice.answer(request, response::Result::Error(final_error.clone().into()));
    let message = MessageId::parse(&first.message_id).unwrap();
    assert!(alice.events.contains(&Event::MessageFailed { conversation: id, message, error: final_error }));
    assert_eq!(alice.core.waiting_messages(), 0);
}

#[test]
fn a_context_id_is_durable_before_it_is_given_out() {
    let mut alice = Alice::ready();
    let id = alice.direct();
    let start = Command::StartCall { conversation: id, offer_sdp: "offer".into(), video: true };
    alice.input(Input::Command(start, Token(2)));
    let request = alice.take(|body| matches!(body, Body::StartCall(_)));
    alice.answer(request, response::Result::MediaAnswer(wire::MediaAnswer { answer_sdp: "answer".into() }));
    let Some((_, Ok(Reply::Call { call, answer_sdp: Some(_) }))) = alice.done.pop() else { panic!("no call") };
    for expected in 1..4 {
        alice.saved = Changes::default();
        alice.input(Input::Command(Command::MediaKeys { call }, Token(3)));
        let Some((_, Ok(Reply::MediaKeys { context_id, .. }))) = alice.done.pop() else { panic!("no keys") };
        assert_eq!(context_id, expected);
        assert_eq!(alice.saved.counters.values().copied().collect::<Vec<_>>(), vec![u64::from(expected)]);
    }
    // When it is over the caller writes it down for everybody.
    let ended = wire::CallState {
        call_id: call.to_bytes(),
        state: wire::call_state::State::Ended.into(),
        reason: wire::call_state::EndReason::NoAnswer.into(),
        ..Default::default()
    };
    alice.push(server_frame::Body::CallState(ended));
    assert!(alice.sent.iter().any(|(_, body)| matches!(body, Body::SendMessage(_))));
    let video = |message: &Message| matches!(message.body, MessageBody::Call { video: true, .. });
    assert!(alice.saved.history.iter().any(video), "as the kind of call that was placed");
    assert!(alice.core.calls().is_empty());
}

#[test]
fn a_call_of_an_earlier_start_of_the_program_is_hung_up() {
    use wire::call_state::State;
    for (state, hangs_up) in
        [(State::Accepted, true), (State::Ringing, true), (State::PeerLost, false), (State::Ended, false)]
    {
        let mut alice = Alice::ready();
        let told = wire::CallState { call_id: vec![9; 16].into(), state: state.into(), ..Default::default() };
        alice.push(server_frame::Body::CallState(told));
        assert_eq!(alice.sent.iter().any(|(_, body)| matches!(body, Body::HangUp(_))), hangs_up, "{state:?}");
    }
}

// ---- a node that is not honest ----

#[test]
fn a_changed_statement_is_refused_and_the_node_not_listened_to() {
    let mut alice = Alice::new(Saved::default());
    alice.connect(alice.hospital.directory().version());
    let mut statements = alice.hospital.statements().to_vec();
    let last = statements.last_mut().unwrap();
    let mut body = wire::StatementBody::decode(last.body.clone()).unwrap();
    if let Some(wire::statement_body::Content::Account(account)) = &mut body.content {
        account.role = "Chefarzt".into();
    }
    last.body = body.encode_to_vec().into();
    alice.answer_statements(statements);
    assert!(alice.refused(Misbehaviour::ForgedStatement));
    let before = alice.events.len();
    alice.push(server_frame::Body::DirectoryChanged(wire::DirectoryChanged { version: 99 }));
    assert_eq!(alice.events.len(), before);
    assert!(!alice.sent.iter().any(|(_, body)| matches!(body, Body::FetchStatements(_))));
}

#[test]
fn an_older_directory_is_refused() {
    let mut alice = Alice::ready();
    alice.input(Input::Disconnected);
    alice.connect(alice.hospital.directory().version() - 1);
    assert!(alice.refused(Misbehaviour::OldDirectory));
}

#[test]
fn a_directory_older_than_the_grant_told_is_refused() {
    let mut saved = Saved::default();
    saved.directory_floor = Some((1_000, [0; 32]));
    let mut alice = Alice::new(saved);
    alice.connect(alice.hospital.directory().version());
    alice.answer_statements(alice.hospital.statements().to_vec());
    assert!(alice.refused(Misbehaviour::OldDirectory));
}

#[test]
fn statements_that_are_announced_and_withheld_are_noticed() {
    let mut alice = Alice::ready();
    let version = alice.hospital.directory().version() + 3;
    alice.push(server_frame::Body::DirectoryChanged(wire::DirectoryChanged { version }));
    alice.answer_statements(Vec::new());
    assert!(alice.refused(Misbehaviour::WithheldStatements));
}

#[test]
fn a_log_that_went_back_is_noticed() {
    let mut alice = Alice::ready();
    let id = alice.direct();
    alice.input(Input::Command(Command::Send { conversation: id, text: "one".into() }, Token(2)));
    let (_, sent) = alice.take_message();
    let entry = wire::Entry {
        conversation_id: id.to_bytes(),
        seq: 1,
        content: Some(wire::entry::Content::Message(wire::Message {
            message_id: sent.message_id,
            ciphertext: sent.ciphertext,
        })),
        ..Default::default()
    };
    alice.push(server_frame::Body::Entry(entry));
    alice.input(Input::Disconnected);
    alice.connect(alice.hospital.directory().version());
    let head = alice.head(id, 0, 0);
    alice.settle_sign_in(vec![head]);
    assert!(alice.refused(Misbehaviour::BrokenLog));
}

#[test]
fn a_device_that_nobody_proves_is_not_shown() {
    let mut alice = Alice::ready();
    alice.input(Input::Command(Command::Devices { accounts: vec![alice.bob] }, Token(2)));
    let key = DeviceKey::from_seed([66; 32]);
    let forged = certificate::issue_by_enrolment(
        &wardline_directory::key::EnrolmentKey::from_code_seed(&[6; 16]),
        alice.bob,
        DeviceId::from_bytes([66; 16]),
        key.public(),
        NOW_MS,
    );
    let chain = Some(wire::DeviceChain { certificates: vec![forged] });
    let request = alice.take(|body| matches!(body, Body::FetchDevices(_)));
    let devices = vec![wire::Device { chain, online: true, enrolled_at_ms: 1 }];
    alice.answer(request, response::Result::Devices(wire::Devices { devices }));
    assert!(matches!(alice.done.pop(), Some((_, Ok(Reply::Devices(shown)))) if shown.is_empty()));
    assert!(alice.refused(Misbehaviour::ForgedDevice));
}

#[test]
fn being_woken_is_asked_of_the_node_and_its_refusal_told() {
    let mut alice = Alice::ready();
    let wish = || {
        let subscription =
            PushSubscription { endpoint: "https://push.example/a".into(), p256dh: vec![4; 65], auth: vec![7; 16] };
        Command::RegisterPush { subscription: Box::new(subscription) }
    };
    alice.input(Input::Command(wish(), Token(1)));
    let is_wish = |body: &Body| matches!(body, Body::RegisterPush(asked) if asked.endpoint == "https://push.example/a" && asked.auth.len() == 16);
    let asked = alice.take(is_wish);
    alice.answer(asked, response::Result::Done(wire::Done {}));
    assert!(matches!(alice.done.pop(), Some((Token(1), Ok(Reply::Done)))));

    alice.input(Input::Command(wish(), Token(2)));
    let asked = alice.take(is_wish);
    alice.answer(asked, response::Result::Error(WireError::new(Code::Forbidden, "off").into()));
    assert!(
        matches!(alice.done.pop(), Some((Token(2), Err(Failure::Refused(error)))) if error.code == Code::Forbidden)
    );

    alice.input(Input::Command(Command::UnregisterPush, Token(3)));
    let asked = alice.take(|body| matches!(body, Body::UnregisterPush(_)));
    alice.answer(asked, response::Result::Done(wire::Done {}));
    assert!(matches!(alice.done.pop(), Some((Token(3), Ok(Reply::Done)))));
}

#[test]
fn commands_without_a_node_say_so() {
    let mut alice = Alice::new(Saved::default());
    alice.input(Input::Command(Command::Devices { accounts: Vec::new() }, Token(1)));
    assert!(matches!(alice.done.pop(), Some((Token(1), Err(Failure::Offline)))));
    alice.input(Input::Command(Command::OpenDirect { account: alice.bob }, Token(2)));
    assert!(matches!(alice.done.pop(), Some((Token(2), Err(Failure::UnknownAccount)))), "no directory yet");
}
