use super::*;

const CALLER: DeviceId = DeviceId::from_bytes([1; 16]);
const PHONE: DeviceId = DeviceId::from_bytes([2; 16]);
const DESK: DeviceId = DeviceId::from_bytes([3; 16]);
const STRANGER: DeviceId = DeviceId::from_bytes([9; 16]);
const ANNA: AccountId = AccountId::from_bytes([1; 16]);
const BORIS: AccountId = AccountId::from_bytes([2; 16]);

fn ringing() -> Call {
    let (call, effects) = Call::start(
        CallId::from_bytes([7; 16]),
        ConversationId::from_bytes([8; 16]),
        (CALLER, ANNA),
        BORIS,
        BTreeSet::from([PHONE, DESK]),
        1_000,
        false,
    );
    assert_eq!(effects, [tell(PHONE, News::Incoming), tell(DESK, News::Incoming)]);
    call
}

fn talking() -> Call {
    let mut call = ringing();
    call.accept(PHONE, 2_000).unwrap();
    call
}

fn ended(effects: &[Effect], device: DeviceId) -> Option<EndReason> {
    effects.iter().find_map(|effect| match effect {
        Effect::Tell { device_id, news: News::Ended { reason, .. } } if *device_id == device => Some(*reason),
        _ => None,
    })
}

#[test]
fn the_first_device_to_answer_stops_the_others() {
    let mut call = ringing();
    assert!(!call.may_send(CALLER) && !call.may_send(PHONE), "nothing is heard before somebody accepts");
    let effects = call.accept(DESK, 2_000).unwrap();
    assert_eq!(ended(&effects, PHONE), Some(EndReason::AcceptedElsewhere));
    assert!(effects.contains(&Effect::Disconnect(PHONE)));
    assert!(effects.contains(&tell(CALLER, News::Accepted { answering: DESK })));
    assert!(call.may_send(CALLER) && call.may_send(DESK) && !call.may_send(PHONE));
    assert_eq!(call.accept(PHONE, 2_001), Err(Refusal::NotYours));
}

#[test]
fn the_caller_hears_of_ringing_once() {
    let mut call = ringing();
    assert_eq!(call.rings(PHONE).unwrap(), [tell(CALLER, News::Ringing)]);
    assert_eq!(call.rings(DESK).unwrap(), []);
    assert_eq!(call.rings(STRANGER), Err(Refusal::NotYours));
}

#[test]
fn declining_decides_for_all_devices() {
    let mut call = ringing();
    let effects = call.decline(PHONE, 2_000).unwrap();
    assert_eq!(ended(&effects, CALLER), Some(EndReason::Declined));
    assert_eq!(ended(&effects, DESK), Some(EndReason::DeclinedElsewhere));
    assert_eq!(effects.last(), Some(&Effect::Over));
}

#[test]
fn nobody_answers_for_45_seconds() {
    let mut call = ringing();
    assert_eq!(call.deadline_ms(), 46_000);
    assert_eq!(call.expire(45_999), []);
    let effects = call.expire(46_000);
    for device in [CALLER, PHONE, DESK] {
        assert_eq!(ended(&effects, device), Some(EndReason::NoAnswer));
    }
}

#[test]
fn the_caller_cancels() {
    let effects = ringing().hang_up(CALLER, 3_000).unwrap();
    assert_eq!(ended(&effects, PHONE), Some(EndReason::Cancelled));
    assert_eq!(ended(&effects, DESK), Some(EndReason::Cancelled));
}

#[test]
fn a_stranger_changes_nothing() {
    for mut call in [ringing(), talking()] {
        assert_eq!(call.accept(STRANGER, 2_000), Err(Refusal::NotYours));
        assert_eq!(call.hang_up(STRANGER, 2_000), Err(Refusal::NotYours));
        assert_eq!(call.decline(STRANGER, 2_000), Err(Refusal::NotYours));
    }
    assert_eq!(ringing().accept(CALLER, 2_000), Err(Refusal::WrongState));
}

#[test]
fn a_lost_side_is_held_for_30_seconds_and_may_resume() {
    let mut call = talking();
    assert_eq!(call.session_changed(PHONE, true, 5_000), [tell(CALLER, News::PeerLost)]);
    assert_eq!(call.media_changed(PHONE, true, 6_000), [], "lost once is lost");
    assert_eq!(call.session_changed(PHONE, false, 7_000), [], "its media is still gone");
    assert_eq!(call.media_changed(PHONE, false, 8_000), [tell(CALLER, News::PeerResumed)]);
    assert_eq!(call.deadline_ms(), u64::MAX);

    call.media_changed(CALLER, true, 10_000);
    assert_eq!(call.expire(39_999), []);
    let effects = call.expire(40_000);
    assert_eq!(ended(&effects, PHONE), Some(EndReason::PeerLost));
    assert_eq!(effects.last(), Some(&Effect::Over));
}

#[test]
fn hanging_up_says_how_long_it_was() {
    let effects = talking().hang_up(CALLER, 62_000).unwrap();
    assert!(
        effects.contains(&tell(PHONE, News::Ended { reason: EndReason::HungUp, answering: None, talked_ms: 60_000 }))
    );
}

#[test]
fn a_device_that_comes_online_rings_too_and_one_that_comes_back_is_told() {
    let mut call = ringing();
    assert_eq!(call.callee_device_online(STRANGER), [tell(STRANGER, News::Incoming)]);
    let mut call = talking();
    assert_eq!(call.callee_device_online(DESK), []);
    assert_eq!(call.news_for(PHONE), Some(News::Accepted { answering: PHONE }));
    assert_eq!(call.news_for(DESK), None);
}
