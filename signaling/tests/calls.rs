//! Calls through the plane: who is rung, who is busy, what the media plane is told.
mod world;

use wardline_protocol::wire::call_state::{EndReason, State};
use wardline_protocol::wire::{self, client_frame::Body as Ask, server_frame::Body as Push};
use wardline_protocol::{CallId, Code, ConversationId};
use wardline_signaling::MediaCommand;
use world::{Phone, World};

const CALL: CallId = CallId::from_bytes([77; 16]);

fn start(world: &mut World, caller: &Phone, id: ConversationId) -> Result<(), Code> {
    start_with(world, caller, id, false)
}

fn start_with(world: &mut World, caller: &Phone, id: ConversationId, video: bool) -> Result<(), Code> {
    let (call_id, conversation_id) = (CALL.to_bytes(), id.to_bytes());
    let request = wire::StartCall { call_id, conversation_id, offer_sdp: "offer".into(), video };
    world.ask(caller.session, Ask::StartCall(request)).map(|_| ()).map_err(|error| error.code)
}

fn states(world: &mut World, phone: &Phone) -> Vec<(State, EndReason)> {
    world
        .pushes(phone.session)
        .into_iter()
        .filter_map(|push| match push {
            Push::CallState(state) => Some((state.state(), state.reason())),
            _ => None,
        })
        .collect()
}

fn two() -> (World, Phone, Phone, ConversationId) {
    let mut world = World::new();
    let (mut anna, mut boris) = (world.person("anna"), world.person("boris"));
    let id = world.direct(&mut anna, &mut boris);
    world.pushes(anna.session);
    world.pushes(boris.session);
    (world, anna, boris, id)
}

#[test]
fn a_call_rings_is_answered_and_ends() {
    let (mut world, anna, boris, id) = two();
    start(&mut world, &anna, id).unwrap();
    assert!(world.pushes(boris.session).iter().any(|push| matches!(push, Push::IncomingCall(_))));
    let call_id = CALL.to_bytes();
    world.ask(boris.session, Ask::ReportRinging(wire::ReportRinging { call_id: call_id.clone() })).unwrap();
    let connect = wire::ConnectMedia { call_id: call_id.clone(), offer_sdp: "offer".into() };
    world.ask(boris.session, Ask::ConnectMedia(connect)).unwrap();
    assert!(!world.media.iter().any(|command| matches!(command, MediaCommand::AllowSending { .. })));

    world.ask(boris.session, Ask::AcceptCall(wire::AcceptCall { call_id: call_id.clone() })).unwrap();
    let allowed = world.media.iter().filter(|command| matches!(command, MediaCommand::AllowSending { .. })).count();
    assert_eq!(allowed, 2);
    assert_eq!(
        states(&mut world, &anna),
        [(State::Ringing, EndReason::Unspecified), (State::Accepted, EndReason::Unspecified)]
    );
    world.ask(anna.session, Ask::HangUp(wire::HangUp { call_id })).unwrap();
    assert_eq!(states(&mut world, &boris).last(), Some(&(State::Ended, EndReason::HungUp)));
    assert!(world.media.iter().any(|command| matches!(command, MediaCommand::CloseRoom { .. })));
    assert_eq!(world.plane.counts().calls_talking, 0);
}

#[test]
fn nobody_online_is_said_at_once() {
    let (mut world, anna, boris, id) = two();
    world.hang_up_line(&boris);
    start(&mut world, &anna, id).unwrap();
    assert_eq!(states(&mut world, &anna), [(State::Ended, EndReason::Unreachable)]);
}

#[test]
fn a_video_call_rings_as_one() {
    for video in [false, true] {
        let (mut world, anna, boris, id) = two();
        start_with(&mut world, &anna, id, video).unwrap();
        let rings = world.pushes(boris.session).into_iter().find_map(|push| match push {
            Push::IncomingCall(call) => Some(call.video),
            _ => None,
        });
        assert_eq!(rings, Some(video));
    }
}

#[test]
fn a_busy_account_is_not_rung() {
    let (mut world, anna, boris, id) = two();
    let mut carla = world.person("carla");
    let mut anna = anna;
    let other = world.direct(&mut carla, &mut anna);
    start(&mut world, &boris, id).unwrap();
    world.pushes(anna.session);
    let request = wire::StartCall {
        call_id: CallId::from_bytes([78; 16]).to_bytes(),
        conversation_id: other.to_bytes(),
        offer_sdp: "offer".into(),
        video: false,
    };
    world.pushes(carla.session);
    world.ask(carla.session, Ask::StartCall(request)).unwrap();
    assert_eq!(states(&mut world, &carla), [(State::Ended, EndReason::Busy)]);
    assert!(!world.pushes(anna.session).iter().any(|push| matches!(push, Push::IncomingCall(_))));
    assert_eq!(start(&mut world, &anna, id), Err(Code::WrongCallState), "the same id again");
}

#[test]
fn calls_need_a_direct_conversation_one_is_in() {
    let (mut world, mut anna, mut boris, id) = two();
    let carla = world.person("carla");
    assert_eq!(start(&mut world, &carla, id), Err(Code::UnknownConversation));
    let group = world.group(&mut anna, &mut [&mut boris]);
    assert_eq!(start(&mut world, &anna, group), Err(Code::Forbidden));
}

#[test]
fn locking_ends_the_call_within_the_same_step() {
    let (mut world, anna, boris, id) = two();
    start(&mut world, &anna, id).unwrap();
    world.ask(boris.session, Ask::AcceptCall(wire::AcceptCall { call_id: CALL.to_bytes() })).unwrap();
    world.pushes(anna.session);
    let admin = world.admin();
    let lock = wire::LockAccount { account_id: boris.account.to_bytes(), locked: true };
    world.ask(admin, Ask::LockAccount(lock)).unwrap();
    assert_eq!(states(&mut world, &anna), [(State::Ended, EndReason::Revoked)]);
    assert!(
        world
            .media
            .iter()
            .any(|command| matches!(command, MediaCommand::Disconnect { device, .. } if *device == boris.device))
    );
}

#[test]
fn a_lost_side_may_come_back_for_30_seconds() {
    let (mut world, anna, mut boris, id) = two();
    start(&mut world, &anna, id).unwrap();
    world.ask(boris.session, Ask::AcceptCall(wire::AcceptCall { call_id: CALL.to_bytes() })).unwrap();
    world.pushes(anna.session);
    world.hang_up_line(&boris);
    assert_eq!(states(&mut world, &anna), [(State::PeerLost, EndReason::Unspecified)]);
    world.pass_ms(20_000);
    world.sign_in(&mut boris);
    assert_eq!(states(&mut world, &anna), [(State::PeerResumed, EndReason::Unspecified)]);
    let connect = wire::ConnectMedia { call_id: CALL.to_bytes(), offer_sdp: "offer".into() };
    world.media.clear();
    world.ask(boris.session, Ask::ConnectMedia(connect)).unwrap();
    assert!(world.media.iter().any(|command| matches!(command, MediaCommand::AllowSending { .. })));

    world.hang_up_line(&boris);
    world.pass_ms(30_000);
    assert_eq!(states(&mut world, &anna).last(), Some(&(State::Ended, EndReason::PeerLost)));
}

#[test]
fn a_stopping_node_tells_the_calls() {
    let (mut world, anna, _boris, id) = two();
    start(&mut world, &anna, id).unwrap();
    world.input(wardline_signaling::Input::Shutdown);
    assert_eq!(states(&mut world, &anna).last(), Some(&(State::Ended, EndReason::ShuttingDown)));
    assert_eq!(world.closed[&anna.session].code, Code::ShuttingDown);
}
