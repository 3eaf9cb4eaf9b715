//! Nobody gets in who was not let in by a member.
use crate::outsider::{Outsider, Papers, Proposals};
use crate::owner::{ALICE, BOB, BOB_2, CAROL, DAVE, MEMBERS, Owner};
use wardline_client::core::{Command, Event, Misbehaviour, Reply};
use wardline_protocol::ConversationId;
use wardline_protocol::wire::{self, response::Result as Said, server_frame::Body as Push};

/// The owner joins with these papers and tells everybody so.
fn join(owner: &mut Owner, papers: &Papers, id: ConversationId, devices: &[usize]) -> Outsider {
    let outsider = Outsider::join(papers, &owner.row(id));
    owner.forget_events();
    owner.invent(id, devices, outsider.entry());
    outsider
}

/// With papers that are true the same means bring a device in: the members show it, and it reads what they say.
fn is_accepted(papers: impl Fn(&Owner) -> Papers, direct: bool) {
    let mut owner = Owner::new();
    let id = if direct { owner.direct() } else { owner.group };
    let before = owner.state(ALICE, id);
    let papers = papers(&owner);
    let mut outsider = join(&mut owner, &papers, id, &[ALICE]);
    let shown = |event: &Event| matches!(event, Event::MembersChanged { added, .. } if added.len() == 1);
    assert!(owner.events(ALICE).iter().any(shown), "a new device is shown");
    assert_eq!(owner.state(ALICE, id).1.len(), before.1.len() + 1);
    owner.write(ALICE, id);
    let sent = owner.ciphertexts_on_line(ALICE);
    assert!(outsider.reads(&sent.last().unwrap().ciphertext), "it is in the group");
}

/// With these papers it stays outside: everybody says why, sends it nothing, and goes on beside an honest node.
#[track_caller]
fn is_refused(papers: impl Fn(&Owner) -> Papers, direct: bool) {
    let mut owner = Owner::new();
    let id = if direct { owner.direct() } else { owner.group };
    let members: Vec<usize> = if direct { vec![ALICE, BOB, BOB_2] } else { MEMBERS.to_vec() };
    let before = owner.state(ALICE, id);
    let papers = papers(&owner);
    let mut outsider = join(&mut owner, &papers, id, &members);
    // Whoever is in doubt asks for newer statements; the plane has none.
    for device in &members {
        while owner.world.carry_up(*device) {}
        while owner.world.carry_down(*device) {}
    }
    let (_, text) = owner.write(ALICE, id);
    for device in &members {
        assert_eq!(owner.refusals(*device), vec![Misbehaviour::ForgedMember], "device {device}");
        assert_eq!(owner.state(*device, id), before, "device {device}");
        assert!(owner.ciphertexts_on_line(*device).is_empty(), "device {device} says something to who listens");
    }
    owner.be_honest();
    assert!(owner.has_read(BOB, &text), "what was written meanwhile arrives");
    assert!(!outsider.reads(&owner.newest_ciphertext(id)));
    for device in &members {
        assert_eq!(owner.state(*device, id), before, "device {device}");
    }
    owner.talk(BOB, &[ALICE], id);
    assert!(!outsider.reads(&owner.newest_ciphertext(id)));
}

#[test]
fn a_device_enrolled_for_somebody_by_the_node_stays_outside() {
    for direct in [false, true] {
        is_accepted(|owner| Papers::linked_by(&owner.world.devices[BOB], owner.world.now_ms), direct);
        is_refused(|owner| Papers::enrolled_by_owner(owner.account(BOB), owner.world.now_ms), direct);
        is_refused(|owner| Papers::as_if_linked_by(&owner.world.devices[BOB], owner.world.now_ms), direct);
    }
}

#[test]
fn a_listener_who_is_nobodys_guest_stays_outside() {
    // Dave's device is a true one. He is on no roster here.
    for direct in [false, true] {
        is_refused(|owner| Papers::of(&owner.world.devices[DAVE]), direct);
    }
}

#[test]
fn a_key_package_put_in_anothers_place_is_not_added() {
    for (lie, joined) in [(false, true), (true, false)] {
        let mut owner = Owner::new();
        let (group, dave) = (owner.group, owner.account(DAVE));
        let forged = Papers::enrolled_by_owner(dave, owner.world.now_ms);
        let before = owner.state(ALICE, group);
        let add = Command::AddAccounts { conversation: group, accounts: vec![dave] };
        let token = owner.world.command(ALICE, add);
        let commits = owner.carry_altered(ALICE, |result| {
            if let (true, Said::KeyPackages(packages)) = (lie, result) {
                packages.key_packages[0].key_package = forged.key_package().into();
            }
        });
        assert_eq!(commits, usize::from(joined), "she makes no commit of it");
        if lie {
            assert_eq!(owner.state(ALICE, group), before);
        }
        owner.world.settle();
        let reply = owner.world.devices[ALICE].replies.remove(&token);
        assert_eq!(matches!(reply, Some(Ok(Reply::Done))), joined, "{:?}", reply.map(|reply| reply.err()));
        assert_eq!(owner.state(ALICE, group).2.contains(&dave), joined);
        owner.all_talk();
    }
}

#[test]
fn an_add_by_the_node_is_not_committed() {
    for lie in [false, true] {
        let mut owner = Owner::new();
        let group = owner.group;
        let before = owner.state(ALICE, group);
        let proposals =
            Proposals { key: &owner.world.node.proposer.clone(), conversation: group, epoch: before.0.unwrap() };
        let carol = before.1.iter().position(|(account, _)| *account == owner.account(CAROL)).unwrap();
        // Nobody has left this group, so a member's place is its leaf.
        let proposal = if lie {
            proposals.add(&Papers::linked_by(&owner.world.devices[BOB], owner.world.now_ms))
        } else {
            proposals.remove(carol as u32)
        };
        owner.forget_events();
        owner.push(
            ALICE,
            Push::CommitLease(wire::CommitLease {
                conversation_id: group.to_bytes(),
                epoch: before.0.unwrap(),
                proposals: vec![proposal.into()],
                lease_ms: 2_000,
                departed_account_ids: Vec::new(),
                due_account_ids: Vec::new(),
                directory_version: 0,
            }),
        );
        assert_eq!(owner.commits_on_line(ALICE), usize::from(!lie), "what the node may propose is committed");
        let told = owner.refusals(ALICE);
        assert_eq!(told, if lie { vec![Misbehaviour::ForbiddenCommit] } else { vec![] });
        if lie {
            assert_eq!(owner.state(ALICE, group), before);
            owner.all_talk();
            assert_eq!(owner.state(BOB, group), before);
        }
    }
}
