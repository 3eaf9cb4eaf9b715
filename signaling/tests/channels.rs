//! Channels through the plane: who opens one, who speaks, and how its roster follows the signed statements.
mod world;

use wardline_e2ee::{Change, roster};
use wardline_protocol::Code;
use wardline_protocol::wire::{self, client_frame::Body as Ask, response::Result as Said};
use wardline_signaling::limit::LEASE_MS;
use world::ward::{Ward, plan};
use world::{Phone, World};

/// One takes note of the newest message, the other learns it, and an outsider learns nothing.
fn confirms(ward: &mut Ward, asks: &Phone, confirms: &Phone, outsider: &Phone) {
    let (conversation_id, seq) = (ward.channel.to_bytes(), 2);
    let confirm = |seq| Ask::Confirm(wire::Confirm { conversation_id: conversation_id.clone(), seq });
    let fetch = || Ask::FetchConfirmations(wire::FetchConfirmations { conversation_id: conversation_id.clone(), seq });
    let first_ms = ward.world.now_ms;
    for _ in 0..2 {
        ward.world.ask(confirms.session, confirm(seq)).unwrap();
        ward.world.pass_ms(5);
    }
    let Said::Confirmations(found) = ward.world.ask(asks.session, fetch()).unwrap() else { panic!() };
    let expected = wire::Confirmation { account_id: confirms.account.to_bytes(), confirmed_at_ms: first_ms };
    assert_eq!(found.confirmations, [expected]);
    // A reader learns of himself alone.
    ward.world.ask(asks.session, confirm(seq)).unwrap();
    let Said::Confirmations(own) = ward.world.ask(confirms.session, fetch()).unwrap() else { panic!() };
    assert_eq!(own.confirmations, found.confirmations);
    assert_eq!(ward.world.refused(confirms.session, confirm(seq + 1)), Code::Forbidden, "there is no such message");
    assert_eq!(ward.world.refused(outsider.session, confirm(seq)), Code::UnknownConversation);
    assert_eq!(ward.world.refused(outsider.session, fetch()), Code::UnknownConversation);
}

#[test]
fn the_roster_follows_the_statements() {
    let mut world = World::new();
    let (mut anna, mut boris, mut carla) = (world.person("anna"), world.person("boris"), world.person("carla"));
    let mut ward = Ward::new(world, &anna, &[&boris]);
    ward.open(&mut anna, |own| roster::channel([(own, true)])).unwrap();
    let lease = ward.lease(&anna).expect("the ward is to be taken in");
    assert_eq!(lease.due_account_ids, [boris.account.to_bytes()]);
    assert_eq!(lease.directory_version, ward.world.directory().version());
    ward.follow(&mut anna, lease);
    let id = ward.channel;
    ward.world.catch_up(&mut anna, id);
    ward.world.join(&mut boris, id);
    ward.world.pushes(boris.session);
    assert!(ward.lease(&anna).is_none(), "there is nothing more to do");

    // Only the operator is heard.
    ward.world.say(&mut anna, id, "Visite um 10").unwrap();
    assert_eq!(ward.world.catch_up(&mut boris, id), ["Visite um 10"]);
    assert_eq!(ward.world.say(&mut boris, id, "Danke").unwrap_err().code, Code::Forbidden);
    confirms(&mut ward, &anna, &boris, &carla);
    let leave = Ask::LeaveConversation(wire::LeaveConversation { conversation_id: id.to_bytes() });
    assert_eq!(ward.world.refused(boris.session, leave), Code::Forbidden);

    // Carla comes to the ward and Boris goes, while Anna is away: Boris takes Carla in before he is taken out.
    ward.world.catch_up(&mut anna, id);
    ward.world.hang_up_line(&anna);
    ward.world.hospital.change_members(ward.group, &[carla.account], &[], ward.world.now_ms).unwrap();
    ward.world.publish();
    let lease = ward.lease(&boris).expect("he is the one who is there");
    assert_eq!(lease.due_account_ids, [carla.account.to_bytes()]);
    ward.follow(&mut boris, lease);
    ward.world.catch_up(&mut boris, id);
    ward.world.join(&mut carla, id);
    ward.world.pushes(carla.session);
    ward.world.hospital.change_members(ward.group, &[], &[boris.account], ward.world.now_ms).unwrap();
    ward.world.publish();
    let lease = ward.lease(&carla).expect("she is the one who stays");
    assert_eq!((lease.proposals.len(), &lease.departed_account_ids), (1, &vec![boris.account.to_bytes()]));
    ward.follow(&mut carla, lease);
    ward.world.catch_up(&mut carla, id);
    assert!(!carla.engine.members(id).iter().any(|member| member.account_id == boris.account));

    // The operator changes: the old one is not heard from that moment on, whatever the roster says.
    ward.world.sign_in(&mut anna);
    ward.world.hospital.change_channel(id, &plan(ward.group, &[&carla]), ward.world.now_ms).unwrap();
    ward.world.publish();
    assert_eq!(ward.world.say(&mut carla, id, "too early").unwrap_err().code, Code::Forbidden, "not marked yet");
    for _ in 0..4 {
        if let Some(lease) = ward.lease(&carla) {
            ward.follow(&mut carla, lease);
            ward.world.catch_up(&mut carla, id);
        }
        ward.world.pass_ms(LEASE_MS);
    }
    ward.world.say(&mut carla, id, "Ich übernehme").unwrap();

    // Deleted: it stays as it is, and nobody writes any more.
    ward.world.hospital.delete_channel(id, ward.world.now_ms).unwrap();
    ward.world.publish();
    assert!(ward.lease(&carla).is_none());
    assert_eq!(ward.world.say(&mut carla, id, "noch da?").unwrap_err().code, Code::Forbidden);
}

#[test]
fn only_an_operator_opens_a_channel_and_alone() {
    let mut world = World::new();
    let (mut anna, mut boris) = (world.person("anna"), world.person("boris"));
    let mut ward = Ward::new(world, &anna, &[&boris]);
    assert_eq!(ward.open(&mut boris, |own| roster::channel([(own, false)])).unwrap_err(), Code::Forbidden);
    // Not as a group either: the id is the channel's.
    boris.engine.forget(ward.channel).unwrap();
    assert_eq!(ward.open(&mut boris, |own| roster::group([(own, true)])).unwrap_err(), Code::Forbidden);
    ward.open(&mut anna, |own| roster::channel([(own, true)])).unwrap();
    boris.engine.forget(ward.channel).unwrap();
    assert_eq!(ward.open(&mut boris, |own| roster::channel([(own, false)])).unwrap_err(), Code::AlreadyExists);
}

#[test]
fn nobody_changes_a_channel_but_towards_the_statements() {
    let mut world = World::new();
    // Boris has left no key packages: he is on the roster without a device, so that no rule about devices keeps him there.
    let (mut anna, boris, carla) = (world.person("anna"), world.newcomer("boris"), world.person("carla"));
    let mut ward = Ward::new(world, &anna, &[&boris]);
    ward.open(&mut anna, |own| roster::channel([(own, true)])).unwrap();
    let lease = ward.lease(&anna).unwrap();
    ward.follow(&mut anna, lease);
    let id = ward.channel;
    ward.world.catch_up(&mut anna, id);
    let now = anna.engine.roster(id).unwrap();
    assert!(roster::contains(&now, boris.account));
    // Anna's device believes another directory than the node's, in which Carla is of the ward and Boris is not.
    let mut hospital = ward.world.hospital_at(ward.world.hospital.statements().len());
    hospital.change_members(ward.group, &[carla.account], &[boris.account], ward.world.now_ms).unwrap();
    std::mem::swap(&mut hospital, &mut ward.world.hospital);
    for wrong in [roster::with(&now, carla.account, false), roster::without(&now, boris.account)] {
        let change = Change { roster: Some(wrong), ..Change::default() };
        assert_eq!(ward.world.submit(&mut anna, id, change).unwrap_err().code, Code::Forbidden);
    }
    std::mem::swap(&mut hospital, &mut ward.world.hospital);
    ward.world.say(&mut anna, id, "as before").unwrap();
}
