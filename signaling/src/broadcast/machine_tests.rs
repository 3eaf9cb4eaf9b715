use super::*;
use proptest::prelude::*;

const SENDER: DeviceId = DeviceId::from_bytes([1; 16]);

fn viewer(number: u8) -> DeviceId {
    DeviceId::from_bytes([number; 16])
}

fn live() -> Broadcast {
    let ids = (CallId::from_bytes([9; 16]), ConversationId::from_bytes([8; 16]));
    Broadcast::start(ids.0, ids.1, (SENDER, AccountId::from_bytes([7; 16])), 0)
}

#[test]
fn a_lost_sender_has_its_time_to_return() {
    let mut broadcast = live();
    assert_eq!(broadcast.media_changed(SENDER, false, 10), []);
    assert_eq!(broadcast.media_changed(SENDER, true, 1_000), [Effect::TellChannel]);
    assert_eq!(broadcast.media_changed(SENDER, true, 2_000), [], "told once");
    assert_eq!(broadcast.deadline_ms(), Some(1_000 + HOLD_MS), "from when it was lost first");
    assert_eq!(broadcast.expire(1_000 + HOLD_MS - 1), []);
    assert_eq!(broadcast.media_changed(SENDER, false, 20_000), [Effect::TellChannel]);
    assert_eq!(broadcast.deadline_ms(), None);
    broadcast.media_changed(SENDER, true, 50_000);
    assert_eq!(broadcast.expire(50_000 + HOLD_MS), [Effect::Over(EndReason::SenderLost)]);
}

#[test]
fn how_many_watch_is_told_once_a_second_however_many_come() {
    let mut broadcast = live();
    let mut told = 0;
    for number in 2..102 {
        broadcast.join(viewer(number));
        let effects = broadcast.media_changed(viewer(number), false, 2_000 + u64::from(number));
        told += effects.iter().filter(|effect| **effect == Effect::TellViewers).count();
    }
    assert_eq!((told, broadcast.connected()), (1, 100));
    let due_ms = broadcast.deadline_ms().unwrap();
    assert!(due_ms <= 2_000 + 102 + VIEWERS_TOLD_EVERY_MS);
    assert_eq!(broadcast.expire(due_ms), [Effect::TellViewers]);
    assert_eq!(broadcast.deadline_ms(), None);
}

#[test]
fn a_silent_viewer_is_not_counted_and_its_place_is_given_up_later() {
    let mut broadcast = live();
    broadcast.join(viewer(2));
    broadcast.media_changed(viewer(2), false, 5_000);
    broadcast.media_changed(viewer(2), true, 10_000);
    assert_eq!(broadcast.connected(), 0);
    broadcast.media_changed(viewer(2), false, 11_000);
    assert_eq!((broadcast.connected(), broadcast.deadline_ms()), (1, None), "its place is no longer to be given up");
    broadcast.media_changed(viewer(2), true, 13_000);
    assert!(broadcast.expire(13_000 + HOLD_MS).contains(&Effect::Disconnect(viewer(2))));
    assert_eq!(broadcast.viewers().count(), 0);
    assert_eq!(broadcast.media_changed(viewer(2), false, 60_000), [], "a straggler of a place that is gone");
}

proptest! {
    #[test]
    fn the_count_is_that_of_the_connected(steps in prop::collection::vec((0u8..4, 2u8..8, 1u64..20_000), 0..200)) {
        let (mut broadcast, mut now_ms) = (live(), 0);
        for (step, number, passed_ms) in steps {
            now_ms += passed_ms;
            let device = viewer(number);
            match step {
                0 => broadcast.join(device),
                1 => drop(broadcast.leave(device, now_ms)),
                2 => drop(broadcast.media_changed(device, false, now_ms)),
                _ => drop(broadcast.media_changed(device, true, now_ms)),
            }
            prop_assert_eq!(broadcast.connected(), broadcast.viewers.values().filter(|v| v.connected).count());
            prop_assert_eq!(broadcast.silent.len(), broadcast.viewers.values().filter(|v| v.silent_until_ms.is_some()).count());
            broadcast.expire(now_ms);
            prop_assert!(broadcast.deadline_ms().is_none_or(|due_ms| due_ms > now_ms), "nothing due is left");
        }
    }
}
