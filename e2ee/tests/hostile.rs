//! A hostile node and a hostile member: what a device refuses although it verifies as MLS.
// Clippy spares only functions marked as tests, not their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use openmls::prelude::*;
use support::mallory::{self, Made, Mallory};
use support::*;
use support::{Commit, Node};
use wardline_directory::Refusal as Chain;
use wardline_directory::certificate;
use wardline_directory::key::{DeviceKey, EnrolmentKey, ProposerKey};
use wardline_e2ee::public::{PublicView, Refused};
use wardline_e2ee::{Change, Engine, EngineError, Floor, JoinError, ProcessError, Refusal, roster};
use wardline_protocol::wire::{DeviceChain, Roster};

/// Alice manages a group with Bob, Carol and Mallory.
struct Ward {
    world: World,
    node: Node,
    papers: [Papers; 3],
    alice: Engine,
    bob: Engine,
    carol: Engine,
    mallory: Mallory,
}

impl Ward {
    fn new() -> Self {
        let mut world = World::new();
        let papers = [world.person("alice"), world.person("bob"), world.person("carol")];
        let evil = world.person("mallory");
        let [mut alice, mut bob, mut carol] = papers.each_ref().map(Papers::engine);
        let [a, b, c] = papers.each_ref().map(|papers| papers.account);
        let accounts = roster::group([(a, true), (b, false), (c, false), (evil.account, false)]);
        let mut node = Node::create(&mut alice, accounts, &world);
        add(&mut node, &mut alice, &mut [&mut bob, &mut carol], None, &world);
        let mallory = Mallory::join(&mut node, &mut alice, &mut [&mut bob, &mut carol], evil, &world);
        Self { world, node, papers, alice, bob, carol, mallory }
    }

    fn roster(&self) -> Roster {
        self.node.view.roster().clone()
    }

    /// Everybody refuses the commit for this reason, and talks on as if nothing had happened.
    #[track_caller]
    fn refused(&mut self, made: &Made, why: Refusal) {
        for engine in [&mut self.alice, &mut self.bob, &mut self.carol] {
            assert_eq!(process(engine, &made.entry, &self.world).unwrap_err(), ProcessError::Forbidden(why.clone()));
        }
        self.mallory.drop_commit();
        talk(&mut self.alice, &mut [&mut self.bob, &mut self.carol], b"as before", &self.world);
        agree(&self.node, &[&self.alice, &self.bob, &self.carol]);
    }

    #[track_caller]
    fn adds(&mut self, key_package: KeyPackage, why: Refusal) {
        let made = self.mallory.commit(&[], |builder| builder.propose_adds([key_package.clone()]));
        self.refused(&made, why.clone());
        // Nor does an honest program add it.
        let change = Change { add_key_packages: vec![mallory::bytes(key_package)], ..Change::default() };
        let error = self.bob.commit(ID, change, self.world.directory(), NOW).unwrap_err();
        assert_eq!(error, EngineError::Forbidden(why));
    }
}

#[test]
fn an_account_that_is_not_on_the_roster_is_not_added() {
    let mut ward = Ward::new();
    let eve = ward.world.person("eve");
    ward.adds(mallory::honest(&eve), Refusal::NotOnRoster);
}

#[test]
fn a_device_of_another_root_is_not_added() {
    let mut ward = Ward::new();
    // Another hospital states an account with Bob's id: the same chain of ids under another root.
    let other = EnrolmentKey::from_seed([77; 32]);
    let seed = [78; 32];
    let device = wardline_protocol::DeviceId::from_bytes([78; 16]);
    let public = DeviceKey::from_seed(seed).public();
    let own = certificate::issue_by_enrolment(&other, ward.papers[1].account, device, public, NOW);
    let chain = DeviceChain { certificates: vec![own] };
    let forged = Papers { seed, chain, account: ward.papers[1].account, device };
    ward.adds(mallory::honest(&forged), Refusal::Chain(Chain::UnknownEnrolmentKey));
    let made = mallory::external_commit(&ward.node, &forged);
    ward.refused(&made, Refusal::Chain(Chain::UnknownEnrolmentKey));
}

#[test]
fn a_device_of_one_account_is_not_passed_off_as_anothers() {
    let mut ward = Ward::new();
    // Mallory's device certifies a device of Bob's account.
    let seed = [79; 32];
    let device = wardline_protocol::DeviceId::from_bytes([79; 16]);
    let evil = ward.mallory.papers.clone();
    let key = DeviceKey::from_seed(evil.seed);
    let public = DeviceKey::from_seed(seed).public();
    let own = certificate::issue_by_device(&key, evil.device, ward.papers[1].account, device, public, NOW);
    let certificates = vec![own, evil.chain.certificates[0].clone()];
    let chain = DeviceChain { certificates };
    let key_package = mallory::key_package(&ward.mallory.provider, &seed, &chain, mallory::forever());
    let made = ward.mallory.commit(&[], |builder| builder.propose_adds([key_package]));
    let error = process(&mut ward.bob, &made.entry, &ward.world).unwrap_err();
    assert!(matches!(error, ProcessError::Forbidden(Refusal::Chain(Chain::BrokenChain(_)))), "{error:?}");
}

#[test]
fn a_chain_that_is_not_of_the_leafs_key_is_not_added() {
    let mut ward = Ward::new();
    let eve = ward.world.person("eve");
    // Eve shows Bob's chain with her own key.
    let stolen = ward.papers[1].chain.clone();
    let key_package = mallory::key_package(&ward.mallory.provider, &eve.seed, &stolen, mallory::forever());
    ward.adds(key_package, Refusal::BadCredential);
}

#[test]
fn a_device_is_not_in_the_group_twice() {
    let mut ward = Ward::new();
    // Mallory certifies her own device's id again for a second key.
    let evil = ward.mallory.papers.clone();
    let seed = [80; 32];
    let public = DeviceKey::from_seed(seed).public();
    let key = DeviceKey::from_seed(evil.seed);
    let own = certificate::issue_by_device(&key, evil.device, evil.account, evil.device, public, NOW);
    let chain = DeviceChain { certificates: vec![own, evil.chain.certificates[0].clone()] };
    let key_package = mallory::key_package(&ward.mallory.provider, &seed, &chain, mallory::forever());
    let made = ward.mallory.commit(&[], |builder| builder.propose_adds([key_package]));
    ward.refused(&made, Refusal::DeviceTwice);
}

#[test]
fn a_key_package_that_expires_is_not_added() {
    let mut ward = Ward::new();
    let further = ward.world.further(&ward.papers[1]);
    let provider = openmls_rust_crypto::OpenMlsRustCrypto::default();
    let key_package = mallory::key_package(&provider, &further.seed, &further.chain, Lifetime::init(0, 1 << 40));
    ward.adds(key_package, Refusal::Lifetime);
}

#[test]
fn a_deleted_or_expired_account_is_not_added_and_is_reported_when_it_is_a_member() {
    let mut ward = Ward::new();
    let further = ward.world.further(&ward.papers[2]);
    ward.world.hospital.delete_account(ward.papers[2].account, NOW).unwrap();
    let change = Change { add_key_packages: vec![mallory::bytes(mallory::honest(&further))], ..Change::default() };
    let error = ward.bob.commit(ID, change, ward.world.directory(), NOW).unwrap_err();
    assert_eq!(error, EngineError::Forbidden(Refusal::AccountEnded));
    let pending = ward.bob.commit(ID, Change::default(), ward.world.directory(), NOW).unwrap();
    ward.node.submit(&pending);
    let applied = process(&mut ward.alice, ward.node.log.last().unwrap(), &ward.world).unwrap();
    assert_eq!(applied.ended, vec![ward.carol.device()]);
    // Anybody may remove it then, without the node.
    process(&mut ward.bob, ward.node.log.last().unwrap(), &ward.world).unwrap();
    let smaller = roster::without(&ward.roster(), ward.papers[2].account);
    let change = Change { remove_devices: vec![ward.papers[2].device], roster: Some(smaller), ..Change::default() };
    let pending = ward.bob.commit(ID, change, ward.world.directory(), NOW).unwrap();
    ward.node.submit(&pending);
    assert!(process(&mut ward.alice, ward.node.log.last().unwrap(), &ward.world).unwrap().ended.is_empty());
}

#[test]
fn the_node_proposes_nothing_but_removals() {
    let mut ward = Ward::new();
    let further = ward.world.further(&ward.papers[1]);
    let (id, epoch) = (ward.mallory.group.group_id().clone(), ward.mallory.group.epoch());
    let add = ExternalProposal::new_add::<openmls_rust_crypto::OpenMlsRustCrypto>(
        mallory::honest(&further),
        id.clone(),
        epoch,
        &mallory::Proposer(&ward.world.proposer),
        SenderExtensionIndex::new(0),
    );
    let add = mallory::out(&add.unwrap());
    let larger = ward.mallory.with_roster(&roster::with(&ward.roster(), further.account, true));
    let context = ExternalProposal::new_group_context_extensions::<openmls_rust_crypto::OpenMlsRustCrypto>(
        larger,
        id.clone(),
        epoch,
        &mallory::Proposer(&ward.world.proposer),
        SenderExtensionIndex::new(0),
    );
    let context = mallory::out(&context.unwrap());
    let join = JoinProposal::new::<
        <openmls_rust_crypto::OpenMlsRustCrypto as openmls_traits::OpenMlsProvider>::StorageProvider,
    >(mallory::honest(&further), id, epoch, &mallory::Key(&further.seed));
    let join = mallory::out(&join.unwrap());
    for proposal in [add, context] {
        let change = Change { proposals: vec![proposal.clone()], ..Change::default() };
        let error = ward.bob.commit(ID, change, ward.world.directory(), NOW).unwrap_err();
        assert_eq!(error, EngineError::Forbidden(Refusal::ExternalProposal));
        let made = ward.mallory.commit(&[proposal], |builder| builder);
        assert!(matches!(
            ward.node.view.check(&made.entry.proposals, &made.entry.commit, &made.group_info),
            Err(Refused::Invalid(_))
        ));
        ward.refused(&made, Refusal::ExternalProposal);
    }
    let change = Change { proposals: vec![join], ..Change::default() };
    let error = ward.bob.commit(ID, change, ward.world.directory(), NOW).unwrap_err();
    assert_eq!(error, EngineError::Forbidden(Refusal::ExternalProposal));
}

#[test]
fn only_the_groups_node_proposes_and_only_for_its_epoch() {
    let mut ward = Ward::new();
    let leaf = ward.mallory.leaf_of(&ward.papers[2]);
    let propose = |epoch: GroupEpoch, key: &ProposerKey| {
        let id = GroupId::from_slice(ID.as_bytes());
        let proposal = ExternalProposal::new_remove::<openmls_rust_crypto::OpenMlsRustCrypto>(
            leaf,
            id,
            epoch,
            &mallory::Proposer(key),
            SenderExtensionIndex::new(0),
        );
        mallory::out(&proposal.unwrap())
    };
    let epoch = ward.mallory.group.epoch();
    let foreign = propose(epoch, &ProposerKey::from_seed([99; 32]));
    let change = Change { proposals: vec![foreign], ..Change::default() };
    assert!(ward.bob.commit(ID, change, ward.world.directory(), NOW).is_err());
    let old = propose(GroupEpoch::from(epoch.as_u64() - 1), &ward.world.proposer);
    let change = Change { proposals: vec![old.clone()], ..Change::default() };
    assert!(ward.bob.commit(ID, change, ward.world.directory(), NOW).is_err());
    let entry = Commit { proposals: vec![old], commit: vec![] };
    assert_eq!(process(&mut ward.bob, &entry, &ward.world).unwrap_err(), ProcessError::Malformed);
    talk(&mut ward.bob, &mut [&mut ward.alice], b"goes on", &ward.world);
    let right = propose(epoch, &ward.world.proposer);
    let change = Change { proposals: vec![right], ..Change::default() };
    ward.bob.commit(ID, change, ward.world.directory(), NOW).unwrap();
}

#[test]
fn the_archive_is_not_removed_by_the_node() {
    let mut world = World::new();
    let papers = [world.person("alice"), world.person("bob"), world.archive()];
    let [mut alice, mut bob, mut archive] = papers.each_ref().map(Papers::engine);
    let [a, b, c] = papers.each_ref().map(|papers| papers.account);
    let mut node = Node::create(&mut alice, roster::group([(a, true), (b, false), (c, false)]), &world);
    add(&mut node, &mut alice, &mut [&mut bob, &mut archive], None, &world);
    let leaf = node.view.members().iter().find(|member| member.account_id == c).unwrap().leaf;
    let proposals = vec![node.view.propose_removal(leaf, &world.proposer).unwrap()];
    for engine in [&mut alice, &mut bob] {
        let change = Change { proposals: proposals.clone(), ..Change::default() };
        let error = engine.commit(ID, change, world.directory(), NOW).unwrap_err();
        assert_eq!(error, EngineError::Forbidden(Refusal::ArchiveRemoval));
    }
    // Nor does a member who manages nothing take it off the roster before its device has joined.
    let mut alice = papers[0].engine();
    let mut node = Node::create(&mut alice, roster::group([(a, true), (b, false), (c, false)]), &world);
    let mut bob = papers[1].engine();
    add(&mut node, &mut alice, &mut [&mut bob], None, &world);
    let change = Change { roster: Some(roster::without(node.view.roster(), c)), ..Change::default() };
    let error = bob.commit(ID, change.clone(), world.directory(), NOW).unwrap_err();
    assert_eq!(error, EngineError::Forbidden(Refusal::ArchiveRemoval));
    alice.commit(ID, change, world.directory(), NOW).unwrap();
}

#[test]
fn the_roster_is_the_managers() {
    let mut ward = Ward::new();
    let eve = ward.world.person("eve");
    let [a, b, _] = ward.papers.each_ref().map(|papers| papers.account);
    let evil = ward.mallory.papers.account;
    let roster = ward.roster();
    let changes = [
        (roster::with(&roster, eve.account, false), Refusal::NotManager),
        (roster::with(&roster, evil, true), Refusal::NotManager),
        (roster::with(&roster, a, false), Refusal::NotManager),
        // Taking an account off whose devices stay.
        (roster::without(&roster, b), Refusal::NotOnRoster),
        // Another kind of conversation.
        (Roster { kind: 1, ..roster::direct(a, evil) }, Refusal::NotOnRoster),
    ];
    for (changed, why) in changes {
        let extensions = ward.mallory.with_roster(&changed);
        let made = ward.mallory.commit(&[], |builder| builder.propose_group_context_extensions(extensions).unwrap());
        ward.refused(&made, why);
    }
    let mut unsorted = roster;
    unsorted.entries.reverse();
    let extensions = ward.mallory.with_roster(&unsorted);
    let made = ward.mallory.commit(&[], |builder| builder.propose_group_context_extensions(extensions).unwrap());
    ward.refused(&made, Refusal::BadRoster);
}

#[test]
fn a_member_does_not_remove_others() {
    let mut ward = Ward::new();
    let leaf = ward.mallory.leaf_of(&ward.papers[1]);
    let made = ward.mallory.commit(&[], |builder| builder.propose_removals([leaf]));
    for engine in [&mut ward.alice, &mut ward.bob, &mut ward.carol] {
        let error = process(engine, &made.entry, &ward.world).unwrap_err();
        assert_eq!(error, ProcessError::Forbidden(Refusal::NotYours));
    }
    assert!(ward.bob.is_member(ID));
    let change = Change { remove_devices: vec![ward.papers[1].device], ..Change::default() };
    let error = ward.carol.commit(ID, change, ward.world.directory(), NOW).unwrap_err();
    assert_eq!(error, EngineError::Forbidden(Refusal::NotYours));
}

#[test]
fn a_direct_conversation_never_changes_its_two() {
    let mut world = World::new();
    let (a, evil, eve) = (world.person("alice"), world.person("mallory"), world.person("eve"));
    let mut alice = a.engine();
    let mut node = Node::create(&mut alice, roster::direct(a.account, evil.account), &world);
    let mut mallory = Mallory::join(&mut node, &mut alice, &mut [], evil.clone(), &world);
    let mut three = roster::direct(a.account, evil.account);
    three.entries.push(roster::group([(eve.account, true)]).entries[0].clone());
    three.entries.sort_by(|one, other| one.account_id.cmp(&other.account_id));
    let grown = Roster { kind: 2, ..three.clone() };
    let swapped = roster::direct(eve.account, evil.account);
    for (roster, why) in [(three, Refusal::BadRoster), (grown, Refusal::DirectRoster), (swapped, Refusal::NotOnRoster)]
    {
        let extensions = mallory.with_roster(&roster);
        let made = mallory.commit(&[], |builder| builder.propose_group_context_extensions(extensions).unwrap());
        assert_eq!(process(&mut alice, &made.entry, &world).unwrap_err(), ProcessError::Forbidden(why));
        mallory.drop_commit();
    }
    // Nor for an account that has no device in it yet.
    let mut other = a.engine();
    other.create(ID, roster::direct(a.account, eve.account), world.directory()).unwrap();
    let change = Change { roster: Some(roster::direct(a.account, evil.account)), ..Change::default() };
    let error = other.commit(ID, change, world.directory(), NOW).unwrap_err();
    assert_eq!(error, EngineError::Forbidden(Refusal::DirectRoster));
}

#[test]
fn nothing_else_of_the_context_changes() {
    let mut ward = Ward::new();
    let mut senders = ward.mallory.group.extensions().clone();
    let own = ExternalSender::new(
        ProposerKey::from_seed([66; 32]).public().as_bytes().to_vec().into(),
        BasicCredential::new(b"wardline node".to_vec()).into(),
    );
    senders.add_or_replace(Extension::ExternalSenders(vec![own])).unwrap();
    let mut bare = ward.mallory.group.extensions().clone();
    bare.remove(ExtensionType::ExternalSenders);
    let mut wider = ward.mallory.group.extensions().clone();
    let kinds = [ExtensionType::Unknown(roster::EXTENSION_TYPE), ExtensionType::LastResort];
    let required = RequiredCapabilitiesExtension::new(&kinds, &[], &[CredentialType::Basic]);
    wider.add_or_replace(Extension::RequiredCapabilities(required)).unwrap();
    for extensions in [senders, bare, wider] {
        let made = ward.mallory.commit(&[], |builder| builder.propose_group_context_extensions(extensions).unwrap());
        assert!(matches!(ward.node.view.check(&[], &made.entry.commit, &made.group_info), Err(Refused::Invalid(_))));
        ward.refused(&made, Refusal::ContextChanged);
    }
}

#[test]
fn a_member_does_not_become_somebody_else() {
    let mut ward = Ward::new();
    let further = ward.world.further(&ward.mallory.papers);
    let other = mallory::credential(&further.seed, &further.chain);
    let key = mallory::Key(&further.seed);
    let Mallory { provider, papers, group } = &mut ward.mallory;
    let bundle = {
        use openmls_traits::OpenMlsProvider;
        group
            .commit_builder()
            .load_psks(provider.storage())
            .unwrap()
            .create_group_info(true)
            .build_with_new_signer(
                provider.rand(),
                provider.crypto(),
                &mallory::Key(&papers.seed),
                NewSignerBundle { signer: &key, credential_with_key: other },
                |_| true,
            )
            .unwrap()
            .stage_commit(provider)
            .unwrap()
    };
    let made = mallory::made(bundle, &[]);
    ward.refused(&made, Refusal::IdentityChanged);
    // Nor with her own key and another chain.
    let mut chain = ward.mallory.papers.chain.clone();
    chain.certificates.push(chain.certificates[0].clone());
    let other = mallory::credential(&ward.mallory.papers.seed, &chain);
    let leaf = LeafNodeParameters::builder().with_credential_with_key(other).build();
    let made = ward.mallory.commit(&[], |builder| builder.leaf_node_parameters(leaf));
    ward.refused(&made, Refusal::IdentityChanged);
}

#[test]
fn nobody_joins_from_outside_who_is_not_on_the_roster() {
    let mut ward = Ward::new();
    let eve = ward.world.person("eve");
    let made = mallory::external_commit(&ward.node, &eve);
    // The view reports it as a fact; the plane refuses it. Devices refuse it by themselves.
    let staged = ward.node.view.check(&[], &made.entry.commit, &made.group_info).unwrap();
    assert_eq!(staged.added[0].account_id, eve.account);
    ward.refused(&made, Refusal::NotOnRoster);
    let refused = eve.engine().join_external(
        ID,
        ward.node.view.group_info(),
        &ward.node.tree(),
        None,
        ward.world.directory(),
        NOW,
    );
    assert_eq!(refused.unwrap_err(), JoinError::Forbidden(Refusal::NotOnRoster));
}

#[test]
fn an_old_group_info_is_refused_below_the_floor() {
    let mut ward = Ward::new();
    let (old_info, old_tree) = (ward.node.view.group_info().to_vec(), ward.node.tree());
    let pending = ward.alice.commit(ID, Change::default(), ward.world.directory(), NOW).unwrap();
    ward.node.submit(&pending);
    for engine in [&mut ward.alice, &mut ward.bob, &mut ward.carol] {
        process(engine, ward.node.log.last().unwrap(), &ward.world).unwrap();
    }
    let mut phone = ward.world.further(&ward.papers[1]).engine();
    let floor = Floor { epoch: ward.bob.epoch(ID).unwrap(), authenticator: ward.bob.epoch_authenticator(ID).unwrap() };
    let directory = ward.world.directory();
    let refused = phone.join_external(ID, &old_info, &old_tree, Some(floor.clone()), directory, NOW);
    assert_eq!(refused.unwrap_err(), JoinError::BelowFloor);
    let info = ward.node.view.group_info();
    phone.join_external(ID, info, &ward.node.tree(), Some(floor.clone()), directory, NOW).unwrap();
    // Bob, who holds the epoch himself, sees that another history of the same epoch is not his.
    let mut fork = PublicView::open(ID, &old_info, &old_tree).unwrap();
    let other = mallory_fork(&mut ward.mallory, &mut fork);
    let refused =
        ward.bob.join_external(ID, &other, &fork.ratchet_tree().unwrap(), Some(floor.clone()), directory, NOW);
    assert_eq!(refused.unwrap_err(), JoinError::BelowFloor);
    // A tree that is not of the GroupInfo.
    let refused = ward.bob.join_external(ID, ward.node.view.group_info(), &old_tree, Some(floor), directory, NOW);
    assert!(matches!(refused.unwrap_err(), JoinError::Invalid(_)));
}

fn mallory_fork(mallory: &mut Mallory, view: &mut PublicView) -> Vec<u8> {
    let made = mallory.commit(&[], |builder| builder.force_self_update(true));
    let staged = view.check(&[], &made.entry.commit, &made.group_info).unwrap();
    view.apply(staged).unwrap();
    made.group_info
}

#[test]
fn replayed_and_reordered_commits_are_told_apart() {
    let mut ward = Ward::new();
    for _ in 0..2 {
        let pending = ward.alice.commit(ID, Change::default(), ward.world.directory(), NOW).unwrap();
        ward.node.submit(&pending);
        process(&mut ward.alice, ward.node.log.last().unwrap(), &ward.world).unwrap();
    }
    let [first, second] = &ward.node.log[ward.node.log.len() - 2..] else { panic!() };
    let (first, second) = (first.clone(), second.clone());
    assert_eq!(process(&mut ward.bob, &second, &ward.world).unwrap_err(), ProcessError::Future);
    process(&mut ward.bob, &first, &ward.world).unwrap();
    assert_eq!(process(&mut ward.bob, &first, &ward.world).unwrap_err(), ProcessError::Stale);
    process(&mut ward.bob, &second, &ward.world).unwrap();
    assert_eq!(process(&mut ward.bob, &first, &ward.world).unwrap_err(), ProcessError::Stale);
    agree(&ward.node, &[&ward.alice, &ward.bob]);
    // Carol is never given the first: she heals.
    assert_eq!(process(&mut ward.carol, &second, &ward.world).unwrap_err(), ProcessError::Future);
    let (info, tree) = (ward.node.view.group_info().to_vec(), ward.node.tree());
    let pending = ward.carol.join_external(ID, &info, &tree, None, ward.world.directory(), NOW).unwrap();
    ward.node.submit_join(&pending);
    for engine in [&mut ward.alice, &mut ward.bob, &mut ward.carol] {
        process(engine, ward.node.log.last().unwrap(), &ward.world).unwrap();
    }
    agree(&ward.node, &[&ward.alice, &ward.bob, &ward.carol]);
    talk(&mut ward.carol, &mut [&mut ward.alice, &mut ward.bob], b"here again", &ward.world);
}

#[test]
fn a_device_on_another_history_of_the_same_epoch_knows_it() {
    let mut ward = Ward::new();
    let pending = ward.alice.commit(ID, Change::default(), ward.world.directory(), NOW).unwrap();
    let fork = ward.bob.commit(ID, Change::default(), ward.world.directory(), NOW).unwrap();
    let entry = Commit { proposals: vec![], commit: pending.commit.clone() };
    let other = Commit { proposals: vec![], commit: fork.commit };
    process(&mut ward.alice, &entry, &ward.world).unwrap();
    process(&mut ward.carol, &other, &ward.world).unwrap();
    let next = ward.alice.commit(ID, Change::default(), ward.world.directory(), NOW).unwrap();
    let next = Commit { proposals: vec![], commit: next.commit };
    assert_eq!(process(&mut ward.carol, &next, &ward.world).unwrap_err(), ProcessError::Orphaned);
    let sent = ward.alice.encrypt(ID, b"in mine").unwrap();
    let error = ward.carol.process_message(ID, &sent.ciphertext, ward.world.directory()).unwrap_err();
    assert_eq!(error, ProcessError::Orphaned);
}

#[test]
fn a_welcome_into_a_forged_group_is_refused_and_uses_nothing_up() {
    let mut ward = Ward::new();
    let evil = ward.mallory.papers.clone();
    let dora = ward.world.person("dora");
    let eve = ward.world.person("eve");
    let mut engine = dora.engine();
    let theirs = engine.key_packages(1).unwrap().remove(0);
    let roster = roster::group([(evil.account, true), (dora.account, false)]);
    let cases: [(Vec<Extension>, Option<Refusal>); 4] = [
        (mallory::context(&roster::group([(evil.account, true)])), Some(Refusal::NotOnRoster)),
        (mallory::context(&roster).into_iter().take(1).collect(), Some(Refusal::BadRoster)),
        (mallory::context(&roster).into_iter().skip(1).collect(), Some(Refusal::ContextChanged)),
        (mallory::context(&roster), None),
    ];
    for (extensions, why) in cases {
        let mut group = Mallory::create(evil.clone(), extensions);
        let key_package = mallory::valid(&theirs);
        // Eve is in the group too in the last case: she is not on the roster.
        let eve = why.is_none().then(|| mallory::honest(&eve));
        let made = group.commit(&[], |builder| builder.propose_adds(eve.into_iter().chain([key_package])));
        group.merge();
        let tree = group.tree();
        let refused = engine.join_welcome(ID, &made.welcome.unwrap(), &tree, ward.world.directory()).unwrap_err();
        assert_eq!(refused, JoinError::Forbidden(why.unwrap_or(Refusal::NotOnRoster)));
        assert_eq!(engine.epoch(ID), None);
    }
    // The key package is still good for the real group.
    let change = Change {
        add_key_packages: vec![theirs],
        roster: Some(roster::with(&ward.roster(), dora.account, false)),
        ..Change::default()
    };
    let pending = ward.alice.commit(ID, change, ward.world.directory(), NOW).unwrap();
    ward.node.submit(&pending);
    let welcome = pending.welcome.unwrap();
    engine.join_welcome(ID, &welcome, &ward.node.tree(), ward.world.directory()).unwrap();
    let again = engine.join_welcome(ID, &welcome, &ward.node.tree(), ward.world.directory());
    assert_eq!(again.unwrap_err(), JoinError::NoKeyPackage);
}

#[test]
fn a_welcome_or_group_info_with_a_forged_member_is_refused() {
    let mut ward = Ward::new();
    let evil = ward.mallory.papers.clone();
    let dora = ward.world.person("dora");
    let mut engine = dora.engine();
    // Bob is on the roster, but this "Bob" is of a key that no statement gave him.
    let bob = ward.papers[1].account;
    let other = EnrolmentKey::from_seed([77; 32]);
    let device = wardline_protocol::DeviceId::from_bytes([78; 16]);
    let public = DeviceKey::from_seed([78; 32]).public();
    let own = certificate::issue_by_enrolment(&other, bob, device, public, NOW);
    let forged = Papers { seed: [78; 32], chain: DeviceChain { certificates: vec![own] }, account: bob, device };
    let roster = roster::group([(evil.account, true), (dora.account, false), (bob, false)]);
    let mut group = Mallory::create(evil, mallory::context(&roster));
    let theirs = engine.key_packages(1).unwrap().remove(0);
    let adds = [mallory::honest(&forged), mallory::valid(&theirs)];
    let made = group.commit(&[], |builder| builder.propose_adds(adds));
    group.merge();
    let tree = group.tree();
    let why = JoinError::Forbidden(Refusal::Chain(Chain::UnknownEnrolmentKey));
    let refused = engine.join_welcome(ID, &made.welcome.unwrap(), &tree, ward.world.directory());
    assert_eq!(refused.unwrap_err(), why);
    let refused = engine.join_external(ID, &made.group_info, &tree, None, ward.world.directory(), NOW);
    assert_eq!(refused.unwrap_err(), why);
    assert!(engine.confirm_join(ID).is_err());
    // A member that would expire, and one device twice.
    let provider = openmls_rust_crypto::OpenMlsRustCrypto::default();
    let bob = ward.papers[1].clone();
    let short = mallory::key_package(&provider, &bob.seed, &bob.chain, Lifetime::init(0, 1 << 40));
    let twin =
        certificate::issue_by_device(&DeviceKey::from_seed(bob.seed), bob.device, bob.account, bob.device, public, NOW);
    let chain = DeviceChain { certificates: vec![twin, bob.chain.certificates[0].clone()] };
    let twin = Papers { chain, ..forged };
    let cases =
        [(vec![short], Refusal::Lifetime), (vec![mallory::honest(&bob), mallory::honest(&twin)], Refusal::DeviceTwice)];
    for (adds, why) in cases {
        let mut group = Mallory::create(ward.mallory.papers.clone(), mallory::context(&roster));
        let made = group.commit(&[], |builder| builder.propose_adds(adds.into_iter().chain([mallory::valid(&theirs)])));
        group.merge();
        let refused = engine.join_welcome(ID, &made.welcome.unwrap(), &group.tree(), ward.world.directory());
        assert_eq!(refused.unwrap_err(), JoinError::Forbidden(why));
    }
}

#[test]
fn an_active_conversation_is_not_replaced_by_an_older_one() {
    let mut ward = Ward::new();
    let evil = ward.mallory.papers.clone();
    let roster = roster::group([(evil.account, true), (ward.papers[1].account, false)]);
    let mut group = Mallory::create(evil, mallory::context(&roster));
    let theirs = ward.bob.key_packages(1).unwrap().remove(0);
    let key_package = mallory::valid(&theirs);
    let made = group.commit(&[], |builder| builder.propose_adds([key_package]));
    group.merge();
    let tree = group.tree();
    let refused = ward.bob.join_welcome(ID, &made.welcome.unwrap(), &tree, ward.world.directory());
    assert_eq!(refused.unwrap_err(), JoinError::AlreadyJoined);
    talk(&mut ward.bob, &mut [&mut ward.alice, &mut ward.carol], b"untouched", &ward.world);
}

#[test]
fn the_node_takes_no_commit_without_its_group_info() {
    let mut ward = Ward::new();
    let stale_info = ward.node.view.group_info().to_vec();
    let pending = ward.alice.commit(ID, Change::default(), ward.world.directory(), NOW).unwrap();
    let other = ward.mallory.commit(&[], |builder| builder.force_self_update(true));
    for info in [&stale_info, &other.group_info, &vec![], &pending.commit] {
        assert_eq!(ward.node.view.check(&[], &pending.commit, info).unwrap_err(), Refused::GroupInfo);
    }
    // Every byte of it counts.
    let mut accepted = 0;
    for at in 0..pending.group_info.len() {
        let mut changed = pending.group_info.clone();
        changed[at] ^= 1;
        accepted += usize::from(ward.node.view.check(&[], &pending.commit, &changed).is_ok());
    }
    assert_eq!(accepted, 0);
    let epoch = ward.node.view.epoch();
    let staged = ward.node.view.check(&[], &pending.commit, &pending.group_info).unwrap();
    let second = ward.node.view.check(&[], &other.entry.commit, &other.group_info).unwrap();
    assert_eq!(ward.node.view.epoch(), epoch, "a check changes nothing");
    ward.node.view.apply(staged).unwrap();
    assert_eq!(ward.node.view.apply(second).unwrap_err(), Refused::Stale);
    assert_eq!(ward.node.view.check(&[], &pending.commit, &pending.group_info).unwrap_err(), Refused::Stale);
}
