//! Joining again is a help, not a handle.
use crate::owner::{ALICE, BOB, Owner};
use wardline_client::core::{Event, HEAL_WINDOW_MS, HEALS_MAX, Notice};
use wardline_protocol::wire::client_frame::Body as Ask;

/// What Bob's device sends is damaged, by himself or on the way: it names the group and the present epoch, so no node can tell, and
/// nobody can decrypt it.
fn send_garbage(owner: &mut Owner) {
    let before = owner.row(owner.group).head_seq;
    owner.write(BOB, owner.group);
    let sent = owner.world.devices[BOB].up.iter_mut().find_map(|frame| match &mut frame.body {
        Some(Ask::SendMessage(send)) => Some(send),
        _ => None,
    });
    let sent = sent.unwrap();
    let mut ciphertext = sent.ciphertext.to_vec();
    *ciphertext.last_mut().unwrap() ^= 1;
    sent.ciphertext = ciphertext.into();
    while owner.world.carry_up(BOB) {}
    owner.world.sync(usize::MAX);
    assert_eq!(owner.row(owner.group).head_seq, before + 1, "the node takes it");
    owner.world.settle();
}

#[test]
fn messages_that_do_not_decrypt_do_not_make_a_device_join_in_a_loop() {
    let mut owner = Owner::new();
    let group = owner.group;
    let began_ms = owner.world.now_ms;
    let mut healed = 0;
    for number in 0..HEALS_MAX + 2 {
        owner.talk(BOB, &[ALICE], group);
        owner.forget_events();
        send_garbage(&mut owner);
        let events = owner.events(ALICE);
        healed += events.iter().filter(|event| **event == Event::SecurityNotice(Notice::Healed(group))).count();
        if number >= HEALS_MAX {
            let unreadable = |event: &Event| matches!(event, Event::Unreadable { count: 1, .. });
            assert!(events.iter().any(unreadable), "it is told instead");
        }
    }
    assert!(owner.world.now_ms < began_ms + HEAL_WINDOW_MS);
    assert_eq!(healed, HEALS_MAX);
    owner.all_talk();
    // Later it is a help again.
    owner.world.pass_ms(HEAL_WINDOW_MS);
    owner.talk(BOB, &[ALICE], group);
    owner.forget_events();
    send_garbage(&mut owner);
    assert_eq!(owner.healed(ALICE, group), 1);
    owner.all_talk();
}
