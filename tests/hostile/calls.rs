//! The sound of a call is heard in that call, once.
use crate::owner::{ALICE, BOB, BOB_2, Owner};
use wardline_client::core::{Command, Event, Misbehaviour, Reply};
use wardline_e2ee::SPENT_CALLS_MAX;
use wardline_e2ee::media::{MediaEpoch, MediaError, Receiver, Sender};
use wardline_protocol::wire::{self, server_frame::Body as Push};
use wardline_protocol::{CallId, ConversationId};

fn reply(owner: &mut Owner, device: usize, command: Command) -> Result<Reply, String> {
    let token = owner.world.command(device, command);
    owner.world.settle();
    owner.world.devices[device].replies.remove(&token).unwrap()
}

/// Alice calls; it rings at Bob's.
fn ring(owner: &mut Owner, conversation: ConversationId) -> CallId {
    let start = Command::StartCall { conversation, offer_sdp: "offer".into(), video: false };
    let Ok(Reply::Call { call, answer_sdp: Some(_) }) = reply(owner, ALICE, start) else { panic!("no call") };
    assert!(rings(owner, BOB, call));
    call
}

fn rings(owner: &mut Owner, device: usize, call: CallId) -> bool {
    let incoming = |event: &Event| matches!(event, Event::IncomingCall { call: id, .. } if *id == call);
    owner.events(device).iter().any(incoming)
}

fn keys(owner: &mut Owner, device: usize, call: CallId) -> (MediaEpoch, u32) {
    match reply(owner, device, Command::MediaKeys { call }) {
        Ok(Reply::MediaKeys { epoch, context_id }) => (epoch, context_id),
        _ => panic!("no keys"),
    }
}

/// Bob answers, and Alice says something. Gives what the owner recorded, and Bob's receiver.
fn talk(owner: &mut Owner, call: CallId) -> (Vec<Vec<u8>>, Receiver) {
    assert!(reply(owner, BOB, Command::AcceptCall { call }).is_ok());
    let (epoch, context_id) = keys(owner, ALICE, call);
    let mut sender = Sender::new(epoch, context_id).unwrap();
    let recorded: Vec<_> = (0..50).map(|_| sender.seal(b"the dose is ten", 0).unwrap()).collect();
    let mut receiver = Receiver::new(owner.account(ALICE));
    receiver.update(keys(owner, BOB, call).0, 0);
    for frame in &recorded {
        assert_eq!(receiver.open(frame, 0, 0).unwrap().payload, b"the dose is ten");
    }
    (recorded, receiver)
}

fn invite(owner: &Owner, call: CallId, conversation: ConversationId) -> Push {
    Push::IncomingCall(wire::IncomingCall {
        call_id: call.to_bytes(),
        conversation_id: conversation.to_bytes(),
        caller_account_id: owner.account(ALICE).to_bytes(),
        caller_device_id: owner.world.devices[ALICE].id.to_bytes(),
        started_at_ms: owner.world.now_ms,
        video: false,
    })
}

#[test]
fn the_sound_of_an_earlier_call_is_not_heard_in_a_later_one() {
    let mut owner = Owner::new();
    let direct = owner.direct();
    let call = ring(&mut owner, direct);
    let (recorded, mut receiver) = talk(&mut owner, call);
    // In the same call, by the receiver that lives as long as it.
    assert!(recorded.iter().all(|frame| receiver.open(frame, 0, 0).unwrap_err() == MediaError::Replayed));
    assert!(reply(&mut owner, ALICE, Command::HangUp { call }).is_ok());
    let epoch = owner.state(BOB, direct).0;

    let later = ring(&mut owner, direct);
    let (now, _) = talk(&mut owner, later);
    assert_eq!(owner.state(BOB, direct).0, epoch, "the epoch is the same; only the call is another");
    let mut receiver = Receiver::new(owner.account(ALICE));
    receiver.update(keys(&mut owner, BOB, later).0, 0);
    assert!(recorded.iter().all(|frame| receiver.open(frame, 0, 0).unwrap_err() == MediaError::Forged));
    assert!(now.iter().all(|frame| receiver.open(frame, 0, 0).is_ok()), "what is said now is heard");
}

#[test]
fn a_media_restart_opens_nothing_twice() {
    let mut owner = Owner::new();
    let direct = owner.direct();
    let call = ring(&mut owner, direct);
    let (recorded, mut receiver) = talk(&mut owner, call);
    // Alice's media begins anew under a later context; Bob's receiver goes on, as the client's listener does.
    let (epoch, context_id) = keys(&mut owner, ALICE, call);
    let mut sender = Sender::new(epoch, context_id).unwrap();
    let later = sender.seal(b"ten, not a hundred", 0).unwrap();
    receiver.update(keys(&mut owner, BOB, call).0, 0);
    assert_eq!(receiver.open(&later, 0, 0).unwrap().context_id, context_id);
    assert!(recorded.iter().all(|frame| receiver.open(frame, 0, 0).unwrap_err() == MediaError::Replayed));
    // A receiver that knew nothing would hear it all again, so a program that was started again gets no keys for one.
    let mut fresh = Receiver::new(owner.account(ALICE));
    fresh.update(keys(&mut owner, BOB, call).0, 0);
    assert!(fresh.open(&recorded[0], 0, 0).is_ok());
    owner.world.crash(BOB);
    owner.world.settle();
    let invitation = invite(&owner, call, direct);
    owner.push(BOB, invitation);
    assert_eq!(owner.refusals(BOB), vec![Misbehaviour::ReplayedCall]);
    assert!(reply(&mut owner, BOB, Command::MediaKeys { call }).is_err());
}

#[test]
fn a_call_that_was_does_not_ring_again() {
    let mut owner = Owner::new();
    let direct = owner.direct();
    // What the plane makes of Alice's call, the owner can make without her: it rings, as long as the call is a new one.
    let invented = CallId::from_bytes([0x11; 16]);
    let invitation = invite(&owner, invented, direct);
    owner.push(BOB, invitation);
    assert!(rings(&mut owner, BOB, invented));

    let call = ring(&mut owner, direct);
    talk(&mut owner, call);
    assert!(reply(&mut owner, ALICE, Command::HangUp { call }).is_ok());
    owner.world.crash(BOB);
    owner.world.settle();
    // Bob answered it, Bob's other device heard it ring, and Alice placed it. None is fooled, started anew or not.
    for device in [BOB, BOB_2, ALICE] {
        owner.forget_events();
        let invitation = invite(&owner, call, direct);
        owner.push(device, invitation);
        let told = owner.refusals(device);
        assert_eq!(told, vec![Misbehaviour::ReplayedCall], "device {device}");
        assert!(owner.world.devices[device].core.calls().is_empty() || device == BOB, "device {device}");
        assert!(reply(&mut owner, device, Command::MediaKeys { call }).is_err());
    }
    // In the next epoch the keys are others: it may ring, and what was recorded does not open.
    reply(&mut owner, ALICE, Command::Refresh { conversation: direct }).unwrap();
    let later = ring(&mut owner, direct);
    talk(&mut owner, later);
}

#[test]
fn so_many_calls_that_no_more_can_be_noted_renew_the_keys() {
    let mut owner = Owner::new();
    let direct = owner.direct();
    let epoch = owner.state(BOB, direct).0.unwrap();
    for number in 0..SPENT_CALLS_MAX as u128 / 2 {
        assert_eq!(owner.commits_on_line(BOB), 0);
        let call = CallId::from_bytes(number.to_be_bytes());
        let invitation = invite(&owner, call, direct);
        owner.push(BOB, invitation);
        assert!(rings(&mut owner, BOB, call));
        let state = wire::call_state::State::Ended.into();
        owner.push(BOB, Push::CallState(wire::CallState { call_id: call.to_bytes(), state, ..Default::default() }));
    }
    owner.world.settle();
    assert_eq!(owner.state(BOB, direct).0, Some(epoch + 1));
    ring(&mut owner, direct);
}
