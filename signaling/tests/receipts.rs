//! Receipts in large conversations, and acknowledgements that nobody answers.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod world;

use wardline_protocol::wire::client_frame::Body as Ask;
use wardline_protocol::wire::response::Result as Said;
use wardline_protocol::wire::server_frame::Body as Push;
use wardline_protocol::wire::{self, ClientFrame};
use wardline_protocol::{Code, NO_RESPONSE};
use wardline_signaling::Input;
use wardline_signaling::limit::RECEIPT_PUSH_ACCOUNTS_MAX;
use world::{Phone, World};

fn receipts(pushes: &[Push]) -> usize {
    pushes.iter().filter(|push| matches!(push, Push::Receipt(_))).count()
}

#[test]
fn in_a_large_conversation_receipts_are_told_to_who_asks() {
    let mut world = World::new();
    let mut anna = world.person("anna");
    let mut others: Vec<Phone> = (0..RECEIPT_PUSH_ACCOUNTS_MAX).map(|n| world.person(&format!("person{n}"))).collect();
    let id = world.group(&mut anna, &mut others.iter_mut().collect::<Vec<_>>());
    let seq = world.say(&mut anna, id, "an alle").unwrap();
    world.pushes(anna.session);
    for phone in &others[..5] {
        let read = wire::Acknowledge { conversation_id: id.to_bytes(), delivered_seq: seq, read_seq: seq };
        world.ask(phone.session, Ask::Acknowledge(read)).unwrap();
    }
    assert_eq!(receipts(&world.pushes(anna.session)), 0, "the traffic would grow with the square");
    let fetch = wire::FetchReceipts { conversation_id: id.to_bytes() };
    let Said::Receipts(told) = world.ask(anna.session, Ask::FetchReceipts(fetch.clone())).unwrap() else {
        panic!("no receipts");
    };
    let read = told.receipts.iter().filter(|receipt| receipt.read_seq == seq).count();
    assert_eq!(read, 5);
    // Who signs in again is told only how far its own account is.
    world.sign_in(&mut others[0]);
    let heads = world.pushes(others[0].session).into_iter().find_map(|push| match push {
        Push::Heads(heads) => heads.conversations.into_iter().next(),
        _ => None,
    });
    let own = heads.unwrap().receipts;
    assert_eq!(own.len(), 1);
    assert_eq!((own[0].account_id.clone(), own[0].read_seq), (others[0].account.to_bytes(), seq));
    let stranger = world.person("stranger");
    assert_eq!(world.refused(stranger.session, Ask::FetchReceipts(fetch)), Code::UnknownConversation);
}

#[test]
fn an_acknowledgement_may_want_no_response_and_nothing_else_may() {
    let mut world = World::new();
    let (mut anna, mut boris) = (world.person("anna"), world.person("boris"));
    let id = world.direct(&mut anna, &mut boris);
    let seq = world.say(&mut anna, id, "seen?").unwrap();
    world.pushes(anna.session);
    world.pushes(boris.session);
    let mut silently = |session, body| {
        let frame = ClientFrame { request_id: NO_RESPONSE, body: Some(body) };
        world.input(Input::Frame { session, frame });
        (world.pushes(anna.session), world.pushes(boris.session))
    };
    let read = wire::Acknowledge { conversation_id: id.to_bytes(), delivered_seq: seq, read_seq: seq };
    let (anna_hears, boris_hears) = silently(boris.session, Ask::Acknowledge(read));
    assert_eq!((receipts(&anna_hears), boris_hears.len()), (1, 0));
    let (_, boris_hears) = silently(boris.session, Ask::FetchWelcomes(wire::FetchWelcomes {}));
    let [Push::Response(response)] = boris_hears.as_slice() else { panic!("no response") };
    let Some(Said::Error(error)) = &response.result else { panic!("no error") };
    assert_eq!(error.code, Code::Malformed.number());
}
