//! Sessions, enrolment, devices and key packages through the plane.
mod world;

use wardline_directory::invitation::Invitation;
use wardline_protocol::wire::{self, client_frame::Body as Ask, response::Result as Said, server_frame::Body as Push};
use wardline_protocol::{Code, DeviceId};
use wardline_signaling::Input;
use world::World;

#[test]
fn nothing_works_before_signing_in() {
    let mut world = World::new();
    let session = world.open_session();
    let fetch = Ask::FetchWelcomes(wire::FetchWelcomes {});
    assert_eq!(world.refused(session, fetch), Code::Unauthenticated);
    let publish = Ask::PublishStatements(wire::PublishStatements { statements: vec![] });
    assert_eq!(world.refused(session, publish), Code::Unauthenticated);
}

#[test]
fn a_wrong_signature_ends_the_session_and_disturbs_nobody() {
    let mut world = World::new();
    let mut anna = world.person("anna");
    let mallory = world.open_session();
    let request = wire::Authenticate { device_id: anna.device.to_bytes(), signature: vec![0; 64].into() };
    assert_eq!(world.refused(mallory, Ask::Authenticate(request)), Code::BadSignature);
    assert!(world.closed.contains_key(&mallory));
    assert!(!world.closed.contains_key(&anna.session));
    let roster = wardline_e2ee::roster::group([(anna.account, true)]);
    world.create(&mut anna, roster).unwrap();
}

#[test]
fn a_device_has_one_session() {
    let mut world = World::new();
    let mut anna = world.person("anna");
    let old = anna.session;
    world.sign_in(&mut anna);
    assert_eq!(world.closed[&old].code, Code::Replaced);
    assert_eq!(world.plane.counts().accounts_online, 1);
    world.hang_up_line(&anna);
    assert_eq!(world.plane.counts().accounts_online, 0, "no ghost stays");
}

#[test]
fn a_code_lets_one_device_in_and_a_second_use_is_refused_and_shown() {
    let mut world = World::new();
    let anna = world.person("anna");
    let chain = world.chain_of(&anna, anna.device, anna.account);
    let person = wardline_directory::hospital::Person::internal("boris", "boris", "Arzt");
    let now_ms = world.now_ms;
    let invitation = world.hospital.add_account(&person, now_ms).unwrap();
    world.publish();
    let enrol = |world: &mut World, number: u8| {
        let key = wardline_directory::key::DeviceKey::from_seed([number; 32]);
        let certificate = wardline_directory::certificate::issue_by_enrolment(
            &invitation.enrolment_key(),
            invitation.account_id,
            DeviceId::from_bytes([number; 16]),
            key.public(),
            now_ms,
        );
        let session = world.open_session();
        let signature = wardline_directory::session::sign_device(&key, &world::nonce(session), &[5; 32]);
        let chain = Some(wire::DeviceChain { certificates: vec![certificate] });
        world.ask(session, Ask::Enrol(wire::Enrol { chain, signature: signature.to_vec().into() }))
    };
    assert!(enrol(&mut world, 50).is_ok());
    assert!(enrol(&mut world, 50).is_ok(), "the same device again: the first answer may have been lost");
    assert_eq!(enrol(&mut world, 51).err().unwrap().code, Code::CodeUsed);
    let admin = world.admin();
    let Said::Accounts(accounts) = world.ask(admin, Ask::ListAccounts(wire::ListAccounts {})).unwrap() else {
        panic!()
    };
    let boris = accounts.accounts.iter().find(|a| a.account_id == invitation.account_id.as_bytes().as_slice()).unwrap();
    assert_eq!((boris.devices, boris.refused_second_uses), (1, 1));
    assert_eq!(chain.certificates.len(), 1);
}

/// Asks for a first device of a code; `number` makes its key and id.
fn enrol(world: &mut World, invitation: &Invitation, number: u8) -> Result<Said, wardline_protocol::WireError> {
    let key = wardline_directory::key::DeviceKey::from_seed([number; 32]);
    let certificate = wardline_directory::certificate::issue_by_enrolment(
        &invitation.enrolment_key(),
        invitation.account_id,
        DeviceId::from_bytes([number; 16]),
        key.public(),
        world.now_ms, // may be back-dated: the node looks at its own clock
    );
    let session = world.open_session();
    let signature = wardline_directory::session::sign_device(&key, &world::nonce(session), &[5; 32]);
    let chain = Some(wire::DeviceChain { certificates: vec![certificate] });
    world.ask(session, Ask::Enrol(wire::Enrol { chain, signature: signature.to_vec().into() }))
}

#[test]
fn a_new_code_ends_the_older_ones_and_codes_issued_together_are_all_good() {
    let mut world = World::new();
    let person = wardline_directory::hospital::Person::internal("late", "late", "");
    let now_ms = world.now_ms;
    let lost = world.hospital.add_account(&person, now_ms).unwrap();
    let mut invite = |expires_at_ms| world.hospital.invite(lost.account_id, expires_at_ms, now_ms).unwrap();
    let [phone, browser, unused] = [0, 0, 0].map(|_| invite(lost.expires_at_ms + 1));
    world.publish();
    assert_eq!(enrol(&mut world, &lost, 50).err().unwrap().code, Code::CodeExpired);
    assert!(enrol(&mut world, &phone, 51).is_ok() && enrol(&mut world, &browser, 52).is_ok());
    assert_eq!(enrol(&mut world, &browser, 53).err().unwrap().code, Code::CodeUsed);
    let later = world.hospital.invite(lost.account_id, lost.expires_at_ms + 2, now_ms).unwrap();
    world.publish();
    assert_eq!(enrol(&mut world, &unused, 54).err().unwrap().code, Code::CodeExpired);
    assert!(enrol(&mut world, &later, 55).is_ok());
}

#[test]
fn a_code_expires() {
    let mut world = World::new();
    let person = wardline_directory::hospital::Person::internal("late", "late", "");
    let now_ms = world.now_ms;
    let invitation = world.hospital.add_account(&person, now_ms).unwrap();
    world.publish();
    world.now_ms = invitation.expires_at_ms + 1;
    let key = wardline_directory::key::DeviceKey::from_seed([60; 32]);
    let certificate = wardline_directory::certificate::issue_by_enrolment(
        &invitation.enrolment_key(),
        invitation.account_id,
        DeviceId::from_bytes([60; 16]),
        key.public(),
        now_ms, // back-dated: the node looks at its own clock
    );
    let session = world.open_session();
    let signature = wardline_directory::session::sign_device(&key, &world::nonce(session), &[5; 32]);
    let enrol = wire::Enrol {
        chain: Some(wire::DeviceChain { certificates: vec![certificate] }),
        signature: signature.to_vec().into(),
    };
    assert_eq!(world.refused(session, Ask::Enrol(enrol)), Code::CodeExpired);
}

#[test]
fn a_revoked_device_is_out_and_its_owner_is_told() {
    let mut world = World::new();
    let phone = world.person("anna");
    let chain = world.chain_of(&phone, phone.device, phone.account);
    let tablet = world.further_device(&phone, &chain);
    assert!(world.pushes(phone.session).iter().any(|push| matches!(push, Push::DevicesChanged(_))));
    let revoke = wire::RevokeDevice { device_id: tablet.device.to_bytes() };
    world.ask(phone.session, Ask::RevokeDevice(revoke)).unwrap();
    assert_eq!(world.closed[&tablet.session].code, Code::DeviceRevoked);
    assert_eq!(world.try_sign_in(&tablet).1.err().unwrap().code, Code::DeviceRevoked);

    let boris = world.person("boris");
    let foreign = wire::RevokeDevice { device_id: phone.device.to_bytes() };
    assert_eq!(world.refused(boris.session, Ask::RevokeDevice(foreign)), Code::UnknownDevice);
}

#[test]
fn key_packages_are_given_once_and_the_last_resort_when_they_are_gone() {
    let mut world = World::new();
    let (anna, boris) = (world.person("anna"), world.person("boris"));
    let mut given = Vec::new();
    for _ in 0..7 {
        given.extend(world.key_packages(&anna, &[boris.account]));
    }
    assert_eq!(given.len(), 7);
    let unique: std::collections::BTreeSet<_> = given.iter().take(5).collect();
    assert_eq!(unique.len(), 5, "single-use ones are used once");
    assert_eq!(given[5], given[6], "then the last-resort one");
    assert!(world.pushes(boris.session).iter().any(|push| matches!(push, Push::KeyPackagesLow(_))));
    world.restart();
    assert_eq!(world.plane.counts().devices, 2);
}

#[test]
fn presence_is_told_to_who_watches() {
    let mut world = World::new();
    let (anna, mut boris) = (world.person("anna"), world.person("boris"));
    let watch = wire::WatchPresence { account_ids: vec![boris.account.to_bytes()] };
    world.ask(anna.session, Ask::WatchPresence(watch)).unwrap();
    world.hang_up_line(&boris);
    world.sign_in(&mut boris);
    let seen: Vec<bool> = world
        .pushes(anna.session)
        .into_iter()
        .filter_map(|push| match push {
            Push::Presence(presence) => Some(presence.online),
            _ => None,
        })
        .collect();
    assert_eq!(seen, [true, false, true]);
}

#[test]
fn malformed_requests_get_their_number() {
    let mut world = World::new();
    let anna = world.person("anna");
    let no_body = wire::ClientFrame { request_id: 9_999, body: None };
    world.input(Input::Frame { session: anna.session, frame: no_body });
    assert_eq!(world.closed[&anna.session].code, Code::Malformed);
}

#[test]
fn an_account_whose_time_is_over_is_closed_at_that_time() {
    let mut world = World::new();
    let guest = world.person("guest");
    let record = world.directory().account(&guest.account).unwrap().clone();
    let mut person = wardline_directory::hospital::Person::from(&record);
    let at_ms = world.now_ms + 60_000;
    person.expires_at_ms = Some(at_ms);
    let now_ms = world.now_ms;
    world.hospital.change_account(guest.account, &person, now_ms).unwrap();
    world.publish();
    assert!(!world.closed.contains_key(&guest.session));
    world.pass_ms(60_000);
    assert_eq!(world.closed[&guest.session].code, Code::AccountExpired);
}

#[test]
fn the_root_opens_an_admin_session_though_there_is_an_operational_key_and_nobody_else_does() {
    use wardline_directory::key::{OperationalKey, RootKey};
    let mut world = World::new();
    world.person("anna");
    let message = |session| {
        let prefix = wardline_protocol::ADMIN_SIGNATURE_PREFIX;
        wardline_directory::session::session_message(prefix, &world::nonce(session), &[5; 32])
    };
    let session = world.open_session();
    let signature = RootKey::from_seed([1; 32]).sign(&message(session)).to_vec().into();
    world.ask(session, Ask::AuthenticateAdmin(wire::AuthenticateAdmin { signature })).unwrap();
    world.ask(session, Ask::ListAccounts(wire::ListAccounts {})).unwrap();

    let session = world.open_session();
    let signature = OperationalKey::from_seed([99; 32]).sign(&message(session)).to_vec().into();
    let request = Ask::AuthenticateAdmin(wire::AuthenticateAdmin { signature });
    assert_eq!(world.refused(session, request), Code::BadSignature);
}
