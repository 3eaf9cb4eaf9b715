//! What was true once is not true again.
use crate::owner::{ALICE, BOB, CAROL, Owner};
use wardline_client::core::{Command, Event, Misbehaviour};
use wardline_protocol::wire::{self, entry::Content, response::Result as Said, server_frame::Body as Push};

/// The group goes on by one commit of Bob.
fn refresh(owner: &mut Owner) {
    let conversation = owner.group;
    owner.world.command(BOB, Command::Refresh { conversation });
    owner.world.settle();
}

fn head(owner: &Owner, epoch: u64, joined: bool) -> Push {
    let row = owner.row(owner.group);
    Push::Heads(wire::Heads {
        conversations: vec![wire::ConversationHead {
            conversation_id: owner.group.to_bytes(),
            kind: wire::ConversationKind::Group.into(),
            head_seq: row.head_seq,
            epoch,
            joined,
            first_seq: 1,
            ..Default::default()
        }],
        complete: false,
    })
}

#[test]
fn an_old_group_state_brings_nobody_back() {
    for lie in [false, true] {
        let mut owner = Owner::new();
        let (group, old) = (owner.group, owner.row(owner.group));
        let carol = owner.account(CAROL);
        owner.world.command(ALICE, Command::RemoveAccounts { conversation: group, accounts: vec![carol] });
        owner.world.settle();
        let before = owner.state(BOB, group);
        assert!(!before.2.contains(&carol));
        owner.forget_events();
        // The node says that Bob has lost his place, so that he asks for the group's state.
        let head = head(&owner, before.0.unwrap(), false);
        owner.push(BOB, head);
        owner.alter(
            BOB,
            |result| if let Said::GroupInfo(info) = result { Some(info) } else { None },
            |info: &mut wire::GroupInfo| {
                if lie {
                    (info.group_info, info.ratchet_tree) = (old.group_info.clone(), old.ratchet_tree.clone());
                    info.epoch = before.0.unwrap() - 1;
                }
            },
        );
        while owner.world.carry_down(BOB) {}
        owner.write(BOB, group);
        assert_eq!(owner.commits_on_line(BOB), usize::from(!lie), "he joins what is not old");
        if lie {
            assert_eq!(owner.refusals(BOB), vec![Misbehaviour::OldGroupInfo]);
            assert_eq!(owner.state(BOB, group), before);
            assert!(owner.ciphertexts_on_line(BOB).is_empty());
            owner.be_honest();
        } else {
            owner.world.settle();
        }
        assert_eq!(owner.healed(BOB, group), 1);
        assert!(!owner.state(BOB, group).2.contains(&carol));
        owner.talk(ALICE, &[BOB], group);
        owner.talk(BOB, &[ALICE], group);
    }
}

#[test]
fn an_old_epoch_is_not_the_present_one() {
    for lie in [false, true] {
        let mut owner = Owner::new();
        refresh(&mut owner);
        owner.forget_events();
        let before = owner.state(ALICE, owner.group);
        let epoch = before.0.unwrap();
        let head = head(&owner, epoch - u64::from(lie), true);
        owner.push(ALICE, head);
        assert_eq!(owner.refusals(ALICE), if lie { vec![Misbehaviour::BrokenLog] } else { vec![] });
        assert_eq!(owner.state(ALICE, owner.group), before);
        owner.all_talk();
    }
}

#[test]
fn a_commit_of_an_old_epoch_takes_no_new_place() {
    let mut owner = Owner::new();
    let group = owner.group;
    refresh(&mut owner);
    let log = owner.log(group);
    let commits = log.iter().filter(|entry| matches!(entry.content, Some(Content::Commit(_))));
    let old: Vec<Content> = commits.filter_map(|entry| entry.content.clone()).collect();
    let before = owner.state(ALICE, group);
    for commit in old {
        owner.forget_events();
        owner.invent(group, &[ALICE], commit);
        assert_eq!(owner.refusals(ALICE), vec![Misbehaviour::BrokenLog]);
        assert_eq!(owner.state(ALICE, group), before);
        owner.be_honest();
        // What really comes at that place is read.
        owner.talk(BOB, &[ALICE], group);
    }
    // A new one, by the same means, is taken in.
    owner.world.command(BOB, Command::Refresh { conversation: group });
    let up = owner.world.devices[BOB].up.iter();
    let commit = up.filter_map(|frame| match &frame.body {
        Some(wire::client_frame::Body::SubmitCommit(submit)) => Some(submit.commit.clone()),
        _ => None,
    });
    let commit = commit.last().unwrap();
    let before = owner.state(ALICE, group).0;
    owner.invent(group, &[ALICE], Content::Commit(wire::CommitContent { proposals: Vec::new(), commit }));
    assert_eq!(owner.state(ALICE, group).0, before.map(|epoch| epoch + 1));
}

#[test]
fn a_message_is_not_said_twice() {
    let mut owner = Owner::new();
    let group = owner.group;
    // A new one, by the same means, is shown.
    let (_, text) = owner.write(BOB, group);
    let new = owner.ciphertexts_on_line(BOB).pop().unwrap();
    owner.forget_events();
    let content =
        Content::Message(wire::Message { message_id: new.message_id.clone(), ciphertext: new.ciphertext.clone() });
    owner.invent(group, &[ALICE], content.clone());
    assert!(owner.has_read(ALICE, &text));
    owner.be_honest();

    for commits in 0..5 {
        replay(commits);
    }
}

/// Everything that Bob has said is given to Alice again, after so many commits.
fn replay(commits: usize) {
    let mut owner = Owner::new();
    let group = owner.group;
    let log = owner.log(group);
    let by_bob = log.iter().filter(|entry| entry.sender_device_id == owner.world.devices[BOB].id.to_bytes());
    let old: Vec<Content> = by_bob.filter_map(|entry| entry.content.clone()).collect();
    for _ in 0..commits {
        refresh(&mut owner);
    }
    let before = owner.state(ALICE, group);
    let mut replayed = 0;
    for content in old {
        let Content::Message(message) = content else { continue };
        for message_id in [message.message_id.clone(), vec![0xAA; 16].into()] {
            owner.forget_events();
            let ciphertext = message.ciphertext.clone();
            owner.invent(group, &[ALICE], Content::Message(wire::Message { message_id, ciphertext }));
            let events = owner.events(ALICE);
            assert!(!events.iter().any(|event| matches!(event, Event::MessageReceived(_))), "after {commits} commits");
            assert!(events.iter().any(|event| matches!(event, Event::Unreadable { count: 1, .. })), "it is told");
            replayed += 1;
        }
    }
    assert!(replayed > 0);
    assert_eq!(owner.state(ALICE, group), before);
    owner.forget_events();
    owner.be_honest();
    assert_eq!(owner.refusals(ALICE), vec![Misbehaviour::BrokenLog], "the node's log is shorter than it was");
    // What the owner put in the place of what is said now is lost, and not more than that.
    for _ in 0..replayed {
        owner.talk(BOB, &[CAROL], group);
    }
    owner.all_talk();
}
