//! Broadcasts as a device takes them: what it is called leaves encrypted, and what the node says is not simply believed.
use super::*;
use wardline_client::core::Broadcast;
use wardline_directory::hospital::ChannelPlan;
use wardline_protocol::CallId;
use wardline_protocol::wire::broadcast_state::{EndReason, State};

impl Alice {
    /// A channel in which Alice is the operator and Bob reads, opened by her.
    fn channel(&mut self) -> ConversationId {
        let operators = [self.account].into();
        let plan = ChannelPlan { name: "News".into(), everyone: true, groups: Default::default(), operators };
        let known = self.hospital.statements().len();
        let id = self.hospital.add_channel(&plan, NOW_MS).unwrap();
        let version = self.hospital.directory().version();
        self.push(server_frame::Body::DirectoryChanged(wire::DirectoryChanged { version }));
        self.answer_statements(self.hospital.statements()[known..].to_vec());
        let request = self.take(|body| matches!(body, Body::CreateConversation(_)));
        self.answer(request, response::Result::Done(wire::Done {}));
        id
    }

    fn tell(&mut self, channel: ConversationId, sender: AccountId, state: State) {
        self.push(server_frame::Body::BroadcastState(told(channel, sender, state)));
    }

    fn broadcasts(&self) -> Vec<(State, EndReason)> {
        let told = self.events.iter().filter_map(|event| match event {
            Event::Broadcast(Broadcast { state, reason, .. }) => Some((*state, *reason)),
            _ => None,
        });
        told.collect()
    }
}

const ID: CallId = CallId::from_bytes([5; 16]);

fn told(channel: ConversationId, sender: AccountId, state: State) -> wire::BroadcastState {
    wire::BroadcastState {
        broadcast_id: ID.to_bytes(),
        conversation_id: channel.to_bytes(),
        sender_account_id: sender.to_bytes(),
        sender_device_id: vec![6; 16].into(),
        started_at_ms: NOW_MS,
        viewers: 3,
        state: state.into(),
        reason: if state == State::Ended { EndReason::Stopped } else { EndReason::Unspecified }.into(),
    }
}

#[test]
fn going_live_tells_the_channel_what_it_is_called() {
    let mut alice = Alice::ready();
    let id = alice.channel();
    let title = "Brandschutz: was sich ändert".to_string();
    let start = |conversation, title| Command::StartBroadcast { conversation, title, offer_sdp: "offer".into() };
    alice.input(Input::Command(start(id, "x".repeat(256)), Token(1)));
    assert!(matches!(alice.done.pop(), Some((Token(1), Err(Failure::TooLong)))));
    alice.input(Input::Command(start(id, title.clone()), Token(2)));
    let request = alice.take(|body| matches!(body, Body::StartBroadcast(_)));
    assert!(!alice.sent.iter().any(|(_, body)| matches!(body, Body::SendMessage(_))), "not before the node has it");
    alice.answer(request, response::Result::MediaAnswer(wire::MediaAnswer { answer_sdp: "answer".into() }));
    let Some((Token(2), Ok(Reply::Call { call, answer_sdp: Some(_) }))) = alice.done.pop() else { panic!("not live") };
    let (_, notice) = alice.take_message();
    assert!(!notice.ciphertext.windows(11).any(|part| part == b"Brandschutz"));
    let is_notice = |message: &Message| matches!(&message.body, MessageBody::Broadcast { broadcast, title: told, .. } if *broadcast == call && *told == title);
    assert!(alice.saved.outbox.iter().any(|record| is_notice(&record.message)));

    // Each of its senders has a context id of its own.
    let mut contexts = Vec::new();
    for _ in 0..2 {
        alice.input(Input::Command(Command::MediaKeys { call }, Token(3)));
        let Some((_, Ok(Reply::MediaKeys { context_id, .. }))) = alice.done.pop() else { panic!("no keys") };
        contexts.push(context_id);
    }
    assert_eq!(contexts, [1, 2]);
}

#[test]
fn a_start_that_was_refused_is_taken_back() {
    let mut alice = Alice::ready();
    let conversation = alice.channel();
    let start = Command::StartBroadcast { conversation, title: "x".into(), offer_sdp: "offer".into() };
    alice.input(Input::Command(start, Token(2)));
    let request = alice.take(|body| matches!(body, Body::StartBroadcast(_)));
    alice.answer(request, response::Result::Error(WireError::new(Code::MediaRefused, "no").into()));
    assert!(matches!(alice.done.pop(), Some((Token(2), Err(Failure::Refused(_))))));
    alice.take(|body| matches!(body, Body::StopBroadcast(_)));
    assert!(alice.core.broadcasts().is_empty());
}

#[test]
fn only_who_speaks_in_the_channel_is_shown_live() {
    let mut alice = Alice::ready();
    let id = alice.channel();
    alice.tell(id, alice.bob, State::Live);
    assert!(alice.broadcasts().is_empty(), "Bob reads there");
    alice.input(Input::Command(Command::JoinBroadcast { broadcast: ID, offer_sdp: "offer".into() }, Token(2)));
    assert!(matches!(alice.done.pop(), Some((_, Err(Failure::UnknownCall)))));
    alice.tell(id, alice.account, State::Live);
    assert_eq!(alice.broadcasts(), [(State::Live, EndReason::Unspecified)]);
    alice.tell(id, alice.account, State::Live);
    assert_eq!(alice.broadcasts().len(), 1, "nothing new, nothing told");
    // Whose it is does not change on the way.
    let mut moved = told(id, alice.account, State::Live);
    moved.sender_device_id = vec![7; 16].into();
    alice.push(server_frame::Body::BroadcastState(moved));
    assert_eq!(alice.core.broadcasts()[&ID].device, DeviceId::from_bytes([6; 16]));
}

#[test]
fn one_that_is_over_does_not_come_again() {
    let mut alice = Alice::ready();
    let id = alice.channel();
    alice.tell(id, alice.account, State::Live);
    alice.tell(id, alice.account, State::Ended);
    assert_eq!(alice.broadcasts().last(), Some(&(State::Ended, EndReason::Stopped)));
    alice.tell(id, alice.account, State::Live);
    assert!(alice.refused(Misbehaviour::ReplayedCall));
    assert_eq!(alice.broadcasts().len(), 2);
}

#[test]
fn what_the_node_does_not_name_at_sign_in_is_over() {
    for named in [true, false] {
        let mut alice = Alice::ready();
        let id = alice.channel();
        alice.tell(id, alice.account, State::Live);
        alice.input(Input::Disconnected);
        assert_eq!(alice.broadcasts().len(), 1, "the line says nothing of the broadcast");
        alice.connect(alice.hospital.directory().version());
        if named {
            alice.tell(id, alice.account, State::Live);
        }
        let head = wire::ConversationHead { kind: wire::ConversationKind::Channel.into(), ..alice.head(id, 0, 0) };
        alice.settle_sign_in(vec![head]);
        let over = alice.broadcasts().last() == Some(&(State::Ended, EndReason::Unspecified));
        assert_eq!((over, alice.core.broadcasts().is_empty()), (!named, !named));
    }
}
