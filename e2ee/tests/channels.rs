//! Channels as a device sees them: nobody is in one, or an operator of it, whom the signed statements did not put there.
// Clippy spares only functions marked as tests, not their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use support::mallory::Mallory;
use support::*;
use wardline_e2ee::{Change, Engine, EngineError, JoinError, ProcessError, Refusal, roster};
use wardline_protocol::wire::statement_body::Content;
use wardline_protocol::wire::{self, Roster};
use wardline_protocol::{AccountId, GroupId};

/// Alice operates a channel that the ward reads: Bob, and Mallory. Eve is of another ward.
struct Ward {
    world: World,
    node: Node,
    alice: Engine,
    bob: Engine,
    mallory: Mallory,
    eve: Papers,
    group: GroupId,
}

impl Ward {
    fn new() -> Self {
        let mut world = World::new();
        let [alice, bob, evil, eve] = ["alice", "bob", "mallory", "eve"].map(|handle| world.person(handle));
        let group = world.hospital.add_group("Ward", NOW).unwrap();
        world.hospital.change_members(group, &[bob.account, evil.account], &[], NOW).unwrap();
        state(&mut world, group, &[alice.account]);
        let [mut a, mut b] = [&alice, &bob].map(Papers::engine);
        let mut node = Node::create(&mut a, roster::channel([(alice.account, true)]), &world);
        let all = roster::channel([(alice.account, true), (bob.account, false), (evil.account, false)]);
        add(&mut node, &mut a, &mut [&mut b], Some(all), &world);
        let mallory = Mallory::join(&mut node, &mut a, &mut [&mut b], evil, &world);
        Self { world, node, alice: a, bob: b, mallory, eve, group }
    }

    fn roster(&self) -> Roster {
        self.node.view.roster().clone()
    }

    /// Alice and Bob refuse what Mallory commits, and Bob's own program does not commit it.
    #[track_caller]
    fn refused(&mut self, roster: &Roster, why: Refusal) {
        let extensions = self.mallory.with_roster(roster);
        let made = self.mallory.commit(&[], |builder| builder.propose_group_context_extensions(extensions).unwrap());
        for engine in [&mut self.alice, &mut self.bob] {
            assert_eq!(process(engine, &made.entry, &self.world).unwrap_err(), ProcessError::Forbidden(why.clone()));
        }
        self.mallory.drop_commit();
        let change = Change { roster: Some(roster.clone()), ..Change::default() };
        let error = self.bob.commit(ID, change, self.world.directory(), NOW).unwrap_err();
        assert_eq!(error, EngineError::Forbidden(why));
        talk(&mut self.alice, &mut [&mut self.bob], b"as before", &self.world);
    }
}

fn state(world: &mut World, group: GroupId, operators: &[AccountId]) {
    let channel = wire::Channel {
        channel_id: ID.to_bytes(),
        name: "Ward news".into(),
        everyone: false,
        audience_group_ids: vec![group.to_bytes()],
        operator_account_ids: operators.iter().map(AccountId::to_bytes).collect(),
        deleted: false,
    };
    world.hospital.state(Content::Channel(channel), NOW).unwrap();
}

#[test]
fn nobody_comes_in_whom_no_statement_put_there() {
    let mut ward = Ward::new();
    let (eve, evil) = (ward.eve.account, ward.mallory.papers.account);
    let roster = ward.roster();
    ward.refused(&roster::with(&roster, eve, false), Refusal::NotInAudience);
    ward.refused(&roster::with(&roster, evil, true), Refusal::NotInAudience);
    // The operator manages nothing either.
    let change = Change { roster: Some(roster::with(&roster, eve, false)), ..Change::default() };
    let error = ward.alice.commit(ID, change, ward.world.directory(), NOW).unwrap_err();
    assert_eq!(error, EngineError::Forbidden(Refusal::NotInAudience));
    let bob =
        ward.node.view.members().iter().find(|member| member.account_id == ward.bob.account_id()).copied().unwrap();
    let change = Change { remove_devices: vec![bob.device_id], ..Change::default() };
    let error = ward.alice.commit(ID, change, ward.world.directory(), NOW).unwrap_err();
    assert_eq!(error, EngineError::Forbidden(Refusal::NotYours));
}

#[test]
fn any_member_brings_the_roster_up_to_the_statements() {
    let mut ward = Ward::new();
    let (eve, alice) = (ward.eve.clone(), ward.alice.account_id());
    ward.world.hospital.change_members(ward.group, &[eve.account], &[], NOW).unwrap();
    state(&mut ward.world, ward.group, &[alice, ward.bob.account_id()]);
    let wanted = roster::with(&roster::with(&ward.roster(), eve.account, false), ward.bob.account_id(), true);
    let mut eves = eve.engine();
    add(&mut ward.node, &mut ward.bob, &mut [&mut eves], Some(wanted.clone()), &ward.world);
    process(&mut ward.alice, ward.node.log.last().unwrap(), &ward.world).unwrap();
    assert_eq!(ward.alice.roster(ID), Some(wanted));
    talk(&mut ward.alice, &mut [&mut ward.bob, &mut eves], b"to all", &ward.world);
}

#[test]
fn a_commit_is_judged_by_what_once_held() {
    let mut ward = Ward::new();
    let eve = ward.eve.clone();
    ward.world.hospital.change_members(ward.group, &[eve.account], &[], NOW).unwrap();
    let wanted = roster::with(&ward.roster(), eve.account, false);
    let change = Change { roster: Some(wanted.clone()), ..Change::default() };
    let pending = ward.bob.commit(ID, change, ward.world.directory(), NOW).unwrap();
    ward.node.submit(&pending);
    // Alice fetches the statements first and the log then.
    ward.world.hospital.change_members(ward.group, &[], &[eve.account], NOW).unwrap();
    process(&mut ward.alice, ward.node.log.last().unwrap(), &ward.world).unwrap();
    assert_eq!(ward.alice.roster(ID), Some(wanted));
}

#[test]
fn no_device_opens_or_joins_a_channel_that_is_none() {
    let mut ward = Ward::new();
    let eve = ward.eve.clone();
    let mut engine = eve.engine();
    let own = roster::channel([(eve.account, true)]);
    let error = engine.create(ID, own.clone(), ward.world.directory()).unwrap_err();
    assert_eq!(error, EngineError::Forbidden(Refusal::NotInAudience));
    // Mallory makes a group of her own under the channel's id, as its operator, and takes Carol in.
    let (evil, carol) = (ward.mallory.papers.account, ward.world.person("carol"));
    let forged = roster::channel([(evil, true), (carol.account, false)]);
    let mut evil = Mallory::create(ward.mallory.papers.clone(), support::mallory::context(&forged));
    let mut carol = carol.engine();
    let package = support::mallory::valid(&carol.key_packages(1).unwrap()[0]);
    let made = evil.commit(&[], |builder| builder.propose_adds([package]));
    evil.merge();
    let error = carol.join_welcome(ID, &made.welcome.unwrap(), &evil.tree(), ward.world.directory()).unwrap_err();
    assert_eq!(error, JoinError::Forbidden(Refusal::NotInAudience));
}
