//! Channels: what a statement of one may say, and who is in its audience.
#[cfg(test)]
mod common;

use common::*;
use std::collections::BTreeMap;
use wardline_directory::{Change, Refusal};
use wardline_protocol::wire::statement_body::Content;
use wardline_protocol::wire::{self, Level};
use wardline_protocol::{AccountId, ConversationId, GroupId};

const HOUSE: ConversationId = ConversationId::from_bytes([0xc1; 16]);
const CAROL: AccountId = AccountId::from_bytes([0xca; 16]);

/// Read by Ward 3, written by Carol, who is not of the ward.
fn ward_channel() -> wire::Channel {
    wire::Channel {
        channel_id: HOUSE.to_bytes(),
        name: "Ward 3 news".into(),
        everyone: false,
        audience_group_ids: vec![WARD.to_bytes()],
        operator_account_ids: vec![CAROL.to_bytes()],
        deleted: false,
    }
}

fn hospital() -> Chain {
    let mut chain = Chain::small();
    chain.state(Content::Account(account(CAROL, "c.rossi", None))).unwrap();
    chain
}

fn audience(chain: &Chain) -> BTreeMap<AccountId, bool> {
    chain.directory.audience(chain.directory.channel(&HOUSE).unwrap())
}

#[test]
fn the_audience_follows_the_ward_and_the_record_does_not_forget() {
    let mut chain = hospital();
    assert_eq!(chain.state(Content::Channel(ward_channel())), Ok(Change::Channel(HOUSE)));
    assert_eq!(audience(&chain), BTreeMap::from([(ALICE, false), (BOB, false), (CAROL, true)]));
    chain.state(membership(&[CAROL], &[BOB])).unwrap();
    assert_eq!(audience(&chain), BTreeMap::from([(ALICE, false), (CAROL, true)]));
    let channel = chain.directory.channel(&HOUSE).unwrap();
    assert!(channel.was_in_audience(&BOB) && !channel.was_operator(&BOB));
    assert_eq!(chain.directory.part_in(channel, &BOB), None);

    // Another operator; who was one is a reader now, through the ward.
    let handed_over = wire::Channel { operator_account_ids: vec![ALICE.to_bytes()], ..ward_channel() };
    chain.state(Content::Channel(handed_over)).unwrap();
    assert_eq!(audience(&chain), BTreeMap::from([(ALICE, true), (CAROL, false)]));
    let channel = chain.directory.channel(&HOUSE).unwrap();
    assert!(channel.was_operator(&CAROL) && channel.was_operator(&ALICE) && channel.was_in_audience(&BOB));

    // Deleted for good: nobody is to be in it, and its name is free.
    let gone = wire::Channel { deleted: true, channel_id: HOUSE.to_bytes(), ..Default::default() };
    chain.state(Content::Channel(gone.clone())).unwrap();
    assert!(audience(&chain).is_empty() && chain.directory.channel_by_name("Ward 3 news").is_none());
    assert_eq!(chain.state(Content::Channel(ward_channel())), Err(Refusal::Deleted));
    let other = wire::Channel { channel_id: vec![0xc2; 16].into(), ..ward_channel() };
    chain.state(Content::Channel(other)).unwrap();
}

#[test]
fn everyone_is_the_staff_there_is_and_whoever_comes() {
    let mut chain = hospital();
    let everyone = wire::Channel { everyone: true, audience_group_ids: vec![], ..ward_channel() };
    chain.state(Content::Channel(everyone)).unwrap();
    let dave = AccountId::from_bytes([0xda; 16]);
    chain.state(Content::Account(account(dave, "d.new", None))).unwrap();
    for (id, level) in [(0xe1, Level::Guest), (0xe2, Level::Archive)] {
        let id = AccountId::from_bytes([id; 16]);
        let outsider = wire::Account { level: level.into(), ..account(id, &format!("x{}", level as i32), None) };
        chain.state(Content::Account(outsider)).unwrap();
        assert!(!chain.directory.channel(&HOUSE).unwrap().was_in_audience(&id), "{level:?}");
    }
    assert_eq!(audience(&chain).keys().copied().collect::<Vec<_>>(), [ALICE, BOB, CAROL, dave]);
    assert!(chain.directory.channel(&HOUSE).unwrap().was_in_audience(&dave), "noted when he came");
    chain.state(Content::Account(wire::Account { deleted: true, ..account(dave, "d.new", None) })).unwrap();
    assert!(!audience(&chain).contains_key(&dave));
}

#[test]
fn what_a_channel_cannot_be() {
    let mut chain = hospital();
    let nobody = AccountId::from_bytes([0xff; 16]).to_bytes();
    let nowhere = GroupId::from_bytes([0xff; 16]).to_bytes();
    let refused = [
        wire::Channel { channel_id: vec![1; 15].into(), ..ward_channel() },
        wire::Channel { name: String::new(), ..ward_channel() },
        wire::Channel { name: "Ward\u{202e}3".into(), ..ward_channel() },
        wire::Channel { audience_group_ids: vec![], ..ward_channel() },
        wire::Channel { audience_group_ids: vec![nowhere], ..ward_channel() },
        wire::Channel { audience_group_ids: vec![WARD.to_bytes(), WARD.to_bytes()], ..ward_channel() },
        wire::Channel { operator_account_ids: vec![], ..ward_channel() },
        wire::Channel { operator_account_ids: vec![nobody], ..ward_channel() },
        wire::Channel { deleted: true, ..ward_channel() },
    ];
    for channel in refused {
        chain.state(Content::Channel(channel.clone())).unwrap_err();
        assert!(chain.directory.channels().next().is_none(), "{channel:?}");
    }
    chain.state(Content::Channel(ward_channel())).unwrap();
    let same_name = wire::Channel { channel_id: vec![0xc2; 16].into(), ..ward_channel() };
    assert_eq!(chain.state(Content::Channel(same_name)), Err(Refusal::ChannelNameTaken));
}
