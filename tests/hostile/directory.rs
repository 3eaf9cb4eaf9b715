//! Who people are is what the IT admin signed, as far as it was signed.
use crate::owner::{ALICE, BOB, DAVE, MEMBERS, Owner, altered};
use wardline_client::core::{Event, Misbehaviour, Notice};
use wardline_directory::hospital::Person;
use wardline_protocol::wire::{self, response::Result as Said, statement_body::Content};

/// The IT admin gives Bob another role; the node knows, and its devices have been told that there is something new.
fn promote_bob(owner: &mut Owner) {
    let bob = owner.account(BOB);
    let now_ms = owner.world.now_ms;
    let mut person = Person::from(owner.world.hospital.directory().account(&bob).unwrap());
    person.role = "Chefarzt".into();
    owner.world.hospital.change_account(bob, &person, now_ms).unwrap();
    owner.world.publish();
    owner.forget_events();
}

fn statements(result: &mut Said) -> Option<&mut wire::Statements> {
    if let Said::Statements(page) = result { Some(page) } else { None }
}

fn role_of_bob(owner: &Owner, device: usize) -> String {
    owner.world.devices[device].core.directory().account(&owner.account(BOB)).unwrap().role.clone()
}

/// Plays a lie to Alice about the statement that changes Bob's role. Gives what she makes of it, and that nothing of it stays.
#[track_caller]
fn lie_to_alice(lie: impl FnOnce(&Owner, &mut wire::Statements), why: Misbehaviour) {
    let mut owner = Owner::new();
    promote_bob(&mut owner);
    let before = owner.world.devices[ALICE].core.directory().version();
    while owner.world.carry_down(ALICE) {}
    let mut page = None;
    owner.alter(ALICE, statements, |found| page = Some(found.clone()));
    let mut told = page.unwrap();
    lie(&owner, &mut told);
    owner.alter(ALICE, statements, |found| *found = told);
    while owner.world.carry_down(ALICE) {}
    let (_, text) = owner.write(ALICE, owner.group);
    assert_eq!(owner.refusals(ALICE), vec![why]);
    assert_eq!(
        (owner.world.devices[ALICE].core.directory().version(), role_of_bob(&owner, ALICE)),
        (before, "".into())
    );
    owner.be_honest();
    assert!(owner.has_read(BOB, &text));
    assert_eq!(role_of_bob(&owner, ALICE), "Chefarzt");
    owner.all_talk();
}

#[test]
fn a_change_that_was_signed_is_shown() {
    let mut owner = Owner::new();
    promote_bob(&mut owner);
    while owner.world.carry_down(ALICE) {}
    owner.alter(ALICE, statements, |_| {});
    owner.world.settle();
    assert_eq!(role_of_bob(&owner, ALICE), "Chefarzt");
    let renamed = Event::SecurityNotice(Notice::AccountRenamed(owner.account(BOB)));
    assert!(owner.events(ALICE).contains(&renamed));
}

#[test]
fn a_name_or_a_role_is_not_changed_by_the_node() {
    let change = |content: &mut Option<Content>, name: &str, role: &str| {
        if let Some(Content::Account(account)) = content {
            (account.display_name, account.role) = (name.into(), role.into());
        }
    };
    lie_to_alice(
        |_, page| {
            page.statements[0] = altered(&page.statements[0], |body| change(&mut body.content, "P 1", "Pfleger"));
        },
        Misbehaviour::ForgedStatement,
    );
    // Signed, but by the only key that the node has.
    lie_to_alice(
        |owner, page| {
            let mut forged = altered(&page.statements[0], |body| change(&mut body.content, "Dr. No", "Chefarzt"));
            let signed = [b"wardline statement v1\0".as_slice(), &forged.body].concat();
            forged.signature = owner.world.node.proposer.sign(&signed).to_vec().into();
            page.statements[0] = forged;
        },
        Misbehaviour::ForgedStatement,
    );
}

#[test]
fn an_old_statement_does_not_count_again() {
    // What was once said of Bob, as if it were the newest word.
    lie_to_alice(
        |owner, page| {
            let bob = owner.account(BOB).to_bytes();
            let all = owner.world.hospital.statements();
            let first = all.iter().find(|statement| {
                let mut of_bob = false;
                altered(statement, |body| {
                    of_bob = matches!(&body.content, Some(Content::Account(account)) if account.account_id == bob);
                });
                of_bob
            });
            page.statements[0] = first.unwrap().clone();
        },
        Misbehaviour::ForgedStatement,
    );
    // Nothing at all, though there is something.
    lie_to_alice(|_, page| page.statements.clear(), Misbehaviour::WithheldStatements);
}

#[test]
fn a_directory_that_went_back_is_refused() {
    for lie in [false, true] {
        let mut owner = Owner::new();
        let incarnation = owner.world.node.incarnation;
        let backup = owner.world.backup();
        promote_bob(&mut owner);
        owner.world.settle();
        if lie {
            owner.world.restore(&backup);
            owner.world.node.incarnation = incarnation;
        } else {
            owner.world.kill_node();
        }
        owner.forget_events();
        for device in MEMBERS {
            owner.world.connect(device);
            let told = owner.refusals(device);
            assert_eq!(told, if lie { vec![Misbehaviour::OldDirectory] } else { vec![] }, "device {device}");
            assert_eq!(role_of_bob(&owner, device), "Chefarzt");
        }
    }
}

#[test]
fn what_one_member_knows_is_not_withheld_from_another() {
    for lie in [false, true] {
        let mut owner = Owner::new();
        promote_bob(&mut owner);
        // Alice is not told. Everybody else is.
        owner.world.devices[ALICE].down.clear();
        let (_, text) = {
            for device in 1..owner.world.devices.len() {
                while owner.world.carry_down(device) {}
                while owner.world.carry_up(device) {}
                while owner.world.carry_down(device) {}
            }
            owner.write(BOB, owner.group)
        };
        assert_eq!(role_of_bob(&owner, BOB), "Chefarzt");
        while owner.world.carry_up(BOB) {}
        owner.world.sync(usize::MAX);
        while owner.world.carry_down(ALICE) {}
        owner.alter(ALICE, statements, |page| {
            if lie {
                page.head_version -= page.statements.len() as u64;
                page.statements.clear();
            }
        });
        while owner.world.carry_down(ALICE) {}
        let told = owner.refusals(ALICE);
        assert_eq!(told.contains(&Misbehaviour::WithheldStatements), lie, "{told:?}");
        owner.be_honest();
        assert!(owner.has_read(ALICE, &text));
        assert_eq!(role_of_bob(&owner, ALICE), "Chefarzt");
        owner.all_talk();
        assert!(owner.world.devices[DAVE].core.members(&owner.group).is_empty());
    }
}
