//! Into a conversation by a Welcome, while its log goes on.
use super::*;
use wardline_e2ee::public::PublicView;
use wardline_e2ee::{Change, DeviceIdentity, Engine, roster};

#[test]
fn what_is_said_before_the_welcome_is_here_is_fetched_after_it() {
    let mut alice = Alice::new(Saved::default());
    let invitation = alice.hospital.invite(alice.bob, NOW_MS + 60_000, NOW_MS).unwrap();
    alice.connect(alice.hospital.directory().version());
    alice.answer_statements(alice.hospital.statements().to_vec());
    alice.settle_sign_in(Vec::new());
    let place = alice.sent.iter().position(|(_, body)| matches!(body, Body::UploadKeyPackages(_))).unwrap();
    let (_, Body::UploadKeyPackages(upload)) = alice.sent.remove(place).unwrap() else { unreachable!() };

    let key = DeviceKey::from_seed([11; 32]);
    let by = invitation.enrolment_key();
    let own = certificate::issue_by_enrolment(&by, alice.bob, DeviceId::from_bytes([12; 16]), key.public(), NOW_MS);
    let chain = wire::DeviceChain { certificates: vec![own] };
    let mut bob = Engine::new(DeviceIdentity::new(key, &chain).unwrap(), Suite::default()).unwrap();
    let id = ConversationId::from_bytes([13; 16]);
    let accounts = roster::group([(alice.bob, true), (alice.account, false)]);
    let created = bob.create(id, accounts, alice.hospital.directory()).unwrap();
    let mut node = PublicView::open(id, &created.group_info, &created.ratchet_tree).unwrap();
    let add_key_packages = vec![upload.last_resort_key_package.to_vec()];
    let change = Change { add_key_packages, ..Default::default() };
    let pending = bob.commit(id, change, alice.hospital.directory(), NOW_MS).unwrap();
    let staged = node.check(&pending.proposals, &pending.commit, &pending.group_info).unwrap();
    node.apply(staged).unwrap();

    alice.push(server_frame::Body::WelcomeWaiting(wire::WelcomeWaiting { conversation_id: id.to_bytes() }));
    let request = alice.take(|body| matches!(body, Body::FetchWelcomes(_)));
    // Bob speaks at once; the node pushes it while the Welcome is still on its way.
    let said = wire::Entry { conversation_id: id.to_bytes(), seq: 2, epoch: 1, ..Default::default() };
    alice.push(server_frame::Body::Entry(said));
    let welcome = wire::WelcomeFor {
        conversation_id: id.to_bytes(),
        seq: 1,
        epoch: 1,
        welcome: pending.welcome.unwrap().into(),
        ratchet_tree: node.ratchet_tree().unwrap().into(),
    };
    alice.answer(request, response::Result::Welcomes(wire::Welcomes { welcomes: vec![welcome] }));
    assert!(alice.events.iter().any(|event| matches!(event, Event::ConversationJoined { .. })));
    let asked = alice.sent.iter().find_map(|(_, body)| match body {
        Body::FetchLog(fetch) => Some(fetch.from_seq),
        _ => None,
    });
    assert_eq!(asked, Some(2), "nothing else would tell of it");
}
