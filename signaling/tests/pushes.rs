//! Waking devices: for what, how often, and until when.
mod world;

use wardline_protocol::wire::call_state::{EndReason, State};
use wardline_protocol::wire::{self, client_frame::Body as Ask, server_frame::Body as Push};
use wardline_protocol::{CallId, Code, ConversationId};
use wardline_signaling::{Input, Limits, PushKind, PushServices};
use world::{Phone, World};

const PLACE: &str = "https://push.example/wpush/v2/phone";

fn world() -> World {
    let services = PushServices { hosts: vec!["push.example".into()], insecure_loopback: false };
    World::with_limits(Limits { push: Some(services), ..Limits::default() })
}

fn register(endpoint: &str) -> Ask {
    Ask::RegisterPush(wire::RegisterPush {
        endpoint: endpoint.into(),
        p256dh: vec![4; 65].into(),
        auth: vec![7; 16].into(),
    })
}

/// Anna talks with Boris, whose phone is registered and closed.
fn closed() -> (World, Phone, Phone, ConversationId) {
    let mut world = world();
    let (mut anna, mut boris) = (world.person("anna"), world.person("boris"));
    let direct = world.direct(&mut anna, &mut boris);
    world.ask(boris.session, register(PLACE)).unwrap();
    world.hang_up_line(&boris);
    (world, anna, boris, direct)
}

fn kinds(world: &mut World) -> Vec<PushKind> {
    std::mem::take(&mut world.woken).into_iter().map(|push| push.kind).collect()
}

fn call(world: &mut World, caller: &Phone, conversation: ConversationId, number: u8) -> CallId {
    let call_id = CallId::from_bytes([number; 16]);
    let offer_sdp = "offer".into();
    let request = wire::StartCall {
        call_id: call_id.to_bytes(),
        conversation_id: conversation.to_bytes(),
        offer_sdp,
        video: false,
    };
    world.ask(caller.session, Ask::StartCall(request)).unwrap();
    call_id
}

fn end(world: &mut World, phone: &Phone) -> Option<EndReason> {
    world.pushes(phone.session).into_iter().find_map(|push| match push {
        Push::CallState(state) if state.state() == State::Ended => Some(state.reason()),
        _ => None,
    })
}

#[test]
fn a_closed_device_is_woken_once_until_it_has_connected_again() {
    let (mut world, mut anna, mut boris, direct) = closed();
    world.say(&mut anna, direct, "one").unwrap();
    world.say(&mut anna, direct, "two").unwrap();
    let woken = std::mem::take(&mut world.woken);
    assert_eq!(woken.len(), 1);
    assert_eq!((woken[0].device_id, woken[0].kind), (boris.device, PushKind::Message));
    assert_eq!(woken[0].subscription.endpoint, PLACE);

    world.sign_in(&mut boris);
    world.say(&mut anna, direct, "three").unwrap();
    assert_eq!(kinds(&mut world), [], "it is connected");
    world.hang_up_line(&boris);
    world.say(&mut anna, direct, "four").unwrap();
    assert_eq!(kinds(&mut world), [PushKind::Message]);
}

#[test]
fn what_was_sent_to_a_connection_that_was_dead_already_wakes_when_that_is_noticed() {
    let (mut world, mut anna, mut boris, direct) = closed();
    world.sign_in(&mut boris);
    let first = world.say(&mut anna, direct, "heard").unwrap();
    let acknowledge = wire::Acknowledge { conversation_id: direct.to_bytes(), delivered_seq: first, read_seq: 0 };
    world.ask(boris.session, Ask::Acknowledge(acknowledge)).unwrap();
    world.hang_up_line(&boris);
    assert_eq!(kinds(&mut world), [], "it has everything");

    world.sign_in(&mut boris);
    world.say(&mut anna, direct, "into the void").unwrap();
    let rings = call(&mut world, &anna, direct, 1);
    assert_eq!(kinds(&mut world), [], "it seems to be connected");
    world.hang_up_line(&boris);
    assert_eq!(kinds(&mut world), [PushKind::Call, PushKind::Message]);
    world.say(&mut anna, direct, "more").unwrap();
    assert_eq!(kinds(&mut world), [], "it was told");
    world.sign_in(&mut boris);
    world.ask(boris.session, Ask::AcceptCall(wire::AcceptCall { call_id: rings.to_bytes() })).unwrap();
    world.hang_up_line(&boris);
    assert_eq!(kinds(&mut world), [], "a call that is talked in does not ring");
}

#[test]
fn a_device_that_signs_in_anew_before_its_old_connection_is_missed_is_not_woken() {
    let (mut world, mut anna, mut boris, direct) = closed();
    world.sign_in(&mut boris);
    world.say(&mut anna, direct, "into the void").unwrap();
    let old = boris.session;
    world.sign_in(&mut boris);
    world.input(Input::Closed { session: old });
    assert_eq!(kinds(&mut world), []);
}

#[test]
fn it_is_woken_only_for_what_is_durable() {
    let (mut world, mut anna, _boris, direct) = closed();
    world.stalled = true;
    let message = world.message(&mut anna, direct, "one");
    assert!(world.try_ask(anna.session, Ask::SendMessage(message)).is_none());
    assert_eq!(kinds(&mut world), []);
    world.make_durable();
    assert_eq!(kinds(&mut world), [PushKind::Message]);
}

#[test]
fn neither_own_messages_nor_commits_wake() {
    let mut world = world();
    let (mut anna, mut boris, carla) = (world.person("anna"), world.person("boris"), world.person("carla"));
    let chain = world.chain_of(&anna, anna.device, anna.account);
    let desk = world.further_device(&anna, &chain);
    let group = world.group(&mut anna, &mut [&mut boris]);
    world.ask(desk.session, register("https://push.example/desk")).unwrap();
    world.ask(boris.session, register(PLACE)).unwrap();
    world.hang_up_line(&desk);
    world.hang_up_line(&boris);

    world.submit(&mut anna, group, wardline_e2ee::Change::default()).unwrap();
    world.catch_up(&mut anna, group);
    assert_eq!(kinds(&mut world), [], "a commit is nothing to read");
    world.say(&mut anna, group, "text").unwrap();
    let woken: Vec<_> = std::mem::take(&mut world.woken).into_iter().map(|push| push.device_id).collect();
    assert_eq!(woken, [boris.device], "not the writer's own desk");
    drop(carla);
}

#[test]
fn every_call_wakes_and_rings_a_device_that_comes() {
    let (mut world, mut anna, mut boris, direct) = closed();
    world.say(&mut anna, direct, "text").unwrap();
    assert_eq!(kinds(&mut world), [PushKind::Message]);
    let first = call(&mut world, &anna, direct, 1);
    assert_eq!(kinds(&mut world), [PushKind::Call], "whatever was pushed before");
    assert_eq!(end(&mut world, &anna), None, "it waits for the device to come");
    world.sign_in(&mut boris);
    let rings = |push: &Push| matches!(push, Push::IncomingCall(call) if call.call_id == first.to_bytes());
    assert!(world.pushes(boris.session).iter().any(rings));
    world.ask(boris.session, Ask::AcceptCall(wire::AcceptCall { call_id: first.to_bytes() })).unwrap();
    world.ask(anna.session, Ask::HangUp(wire::HangUp { call_id: first.to_bytes() })).unwrap();

    world.hang_up_line(&boris);
    world.pushes(anna.session);
    call(&mut world, &anna, direct, 2);
    assert_eq!(kinds(&mut world), [PushKind::Call]);
    world.pass_ms(45_000);
    assert_eq!(end(&mut world, &anna), Some(EndReason::NoAnswer), "it did not come");
}

#[test]
fn who_cannot_be_woken_is_unreachable_as_before() {
    let (mut world, anna, mut boris, direct) = closed();
    world.sign_in(&mut boris);
    world.ask(boris.session, Ask::UnregisterPush(wire::UnregisterPush {})).unwrap();
    world.hang_up_line(&boris);
    call(&mut world, &anna, direct, 1);
    assert_eq!(end(&mut world, &anna), Some(EndReason::Unreachable));
    assert_eq!(kinds(&mut world), []);
}

#[test]
fn a_busy_person_is_not_woken() {
    let (mut world, anna, boris, direct) = closed();
    let mut carla = world.person("carla");
    let mut desk_owner = boris;
    world.sign_in(&mut desk_owner);
    let other = world.direct(&mut carla, &mut desk_owner);
    world.hang_up_line(&desk_owner);
    call(&mut world, &anna, direct, 1);
    assert_eq!(kinds(&mut world), [PushKind::Call]);
    call(&mut world, &carla, other, 2);
    assert_eq!(end(&mut world, &carla), Some(EndReason::Busy));
    assert_eq!(kinds(&mut world), []);
}

#[test]
fn a_subscription_outlives_the_node_and_ends_with_its_device() {
    let (mut world, mut anna, mut boris, direct) = closed();
    world.restart();
    world.sign_in(&mut anna);
    world.say(&mut anna, direct, "one").unwrap();
    assert_eq!(kinds(&mut world), [PushKind::Message]);

    // Locking forgets it; the page registers again when it may sign in again.
    let admin = world.admin();
    let lock = |locked| Ask::LockAccount(wire::LockAccount { account_id: boris.account.to_bytes(), locked });
    world.ask(admin, lock(true)).unwrap();
    assert!(world.store.load_now().pushes.is_empty());
    world.ask(admin, lock(false)).unwrap();
    world.sign_in(&mut boris);
    world.ask(boris.session, register(PLACE)).unwrap();
    assert_eq!(world.store.load_now().pushes.len(), 1);
    let revoke = wire::RevokeDevice { device_id: boris.device.to_bytes() };
    world.ask(boris.session, Ask::RevokeDevice(revoke)).unwrap();
    assert!(world.store.load_now().pushes.is_empty());
    assert_eq!(kinds(&mut world), []);
}

#[test]
fn what_the_service_does_not_know_any_more_is_forgotten_but_not_what_came_after_it() {
    let (mut world, mut anna, mut boris, direct) = closed();
    world.sign_in(&mut boris);
    world.ask(boris.session, register("https://push.example/new")).unwrap();
    world.hang_up_line(&boris);
    world.input(Input::PushGone { device_id: boris.device, endpoint: PLACE.into() });
    assert_eq!(world.store.load_now().pushes[0].subscription.endpoint, "https://push.example/new");
    world.input(Input::PushGone { device_id: boris.device, endpoint: "https://push.example/new".into() });
    assert!(world.store.load_now().pushes.is_empty());
    world.say(&mut anna, direct, "one").unwrap();
    assert_eq!(kinds(&mut world), []);
}

#[test]
fn an_address_belongs_to_the_device_that_registered_it_last() {
    let (mut world, mut anna, _boris, direct) = closed();
    let carla = world.person("carla");
    world.ask(carla.session, register(PLACE)).unwrap();
    let pushes = world.store.load_now().pushes;
    assert_eq!(pushes.iter().map(|row| row.device_id).collect::<Vec<_>>(), [carla.device]);
    world.hang_up_line(&carla);
    world.say(&mut anna, direct, "for boris").unwrap();
    assert_eq!(kinds(&mut world), [], "not announced in carla's browser");
}

#[test]
fn only_services_that_the_node_speaks_to_are_registered() {
    let mut world = world();
    let anna = world.person("anna");
    for refused in
        ["https://evil.example/a", "http://push.example/a", "https://push.example:8443/a", "https://10.0.0.1/a"]
    {
        assert_eq!(world.refused(anna.session, register(refused)), Code::Forbidden, "{refused}");
    }
    world.ask(anna.session, register(PLACE)).unwrap();
    let short = wire::RegisterPush { endpoint: PLACE.into(), p256dh: vec![4; 64].into(), auth: vec![7; 16].into() };
    assert_eq!(world.refused(anna.session, Ask::RegisterPush(short)), Code::Malformed);

    let mut off = World::new();
    let anna = off.person("anna");
    assert_eq!(off.refused(anna.session, register(PLACE)), Code::Forbidden, "off by default");
    off.ask(anna.session, Ask::UnregisterPush(wire::UnregisterPush {})).unwrap();
}
