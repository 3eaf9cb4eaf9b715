//! Random histories: devices and node agree after every step, over restarts; and random bytes never make a decoder panic.
// Clippy spares only functions marked as tests, not their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use proptest::prelude::*;
use support::*;
use wardline_e2ee::media::Receiver;
use wardline_e2ee::public::PublicView;
use wardline_e2ee::{Change, DeviceRef, Engine, Floor, roster};
use wardline_protocol::AccountId;

/// Few by default; `PROPTEST_CASES` asks for more.
fn cases(default: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default)
}

#[derive(Clone, Debug)]
enum Step {
    Add(usize, usize),
    Remove(usize, usize),
    ProposeRemoval(usize, usize),
    Update(usize),
    JoinFurther(usize),
    Heal(usize),
    Race(usize, usize),
    Restart(usize),
    ReopenView,
    Talk(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let n = 0usize..64;
    prop_oneof![
        3 => (n.clone(), n.clone()).prop_map(|(by, count)| Step::Add(by, count % 4 + 1)),
        2 => (n.clone(), n.clone()).prop_map(|(by, who)| Step::Remove(by, who)),
        2 => (n.clone(), n.clone()).prop_map(|(by, who)| Step::ProposeRemoval(by, who)),
        2 => n.clone().prop_map(Step::Update),
        2 => n.clone().prop_map(Step::JoinFurther),
        1 => n.clone().prop_map(Step::Heal),
        2 => (n.clone(), n.clone()).prop_map(|(one, other)| Step::Race(one, other)),
        1 => n.clone().prop_map(Step::Restart),
        1 => Just(Step::ReopenView),
        2 => n.prop_map(Step::Talk),
    ]
}

struct Someone {
    papers: Papers,
    engine: Engine,
    disk: Disk,
}

impl Someone {
    fn new(papers: Papers) -> Self {
        Self { engine: papers.engine(), papers, disk: Disk::default() }
    }
}

/// Every account is a manager, so that any step is permitted.
struct History {
    world: World,
    node: Node,
    inside: Vec<Someone>,
    names: usize,
}

impl History {
    fn new() -> Self {
        let mut world = World::new();
        let mut first = Someone::new(world.person("p0"));
        let node = Node::create(&mut first.engine, roster::group([(first.papers.account, true)]), &world);
        Self { world, node, inside: vec![first], names: 1 }
    }

    fn at(&self, pick: usize) -> usize {
        pick % self.inside.len()
    }

    /// Everybody inside applies the newest entry; those it removed leave.
    fn apply(&mut self) {
        let entry = self.node.log.last().unwrap().clone();
        let Self { inside, world, .. } = self;
        inside.retain_mut(|someone| {
            if someone.engine.epoch(ID) == Some(self.node.view.epoch()) {
                return true;
            }
            !process(&mut someone.engine, &entry, world).unwrap().removed_self
        });
    }

    fn commit(&mut self, by: usize, change: Change) -> Option<Vec<u8>> {
        let pending = self.inside[by].engine.commit(ID, change, self.world.directory(), NOW).unwrap();
        self.node.submit(&pending);
        self.apply();
        pending.welcome
    }

    fn roster_without(&self, gone: DeviceRef) -> wardline_protocol::wire::Roster {
        let members = self.node.view.members();
        let others = members.iter().any(|m| m.account_id == gone.account_id && m.device_id != gone.device_id);
        let roster = self.node.view.roster();
        if others { roster.clone() } else { roster::without(roster, gone.account_id) }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Add(by, count) => {
                let by = self.at(by);
                let mut fresh: Vec<_> = (0..count)
                    .map(|_| {
                        self.names += 1;
                        Someone::new(self.world.person(&format!("p{}", self.names)))
                    })
                    .collect();
                let mut roster = self.node.view.roster().clone();
                for someone in &fresh {
                    roster = roster::with(&roster, someone.papers.account, true);
                }
                let mut engines: Vec<_> = fresh.iter_mut().map(|someone| &mut someone.engine).collect();
                let change = Change { roster: Some(roster), ..adding(&mut engines) };
                let welcome = self.commit(by, change).unwrap();
                for someone in &mut fresh {
                    someone.engine.join_welcome(ID, &welcome, &self.node.tree(), self.world.directory()).unwrap();
                }
                self.inside.extend(fresh);
            }
            Step::Remove(by, who) => {
                let (by, who) = (self.at(by), self.at(who));
                if by != who {
                    let gone = self.inside[who].engine.device();
                    let roster = Some(self.roster_without(gone));
                    let change = Change { remove_devices: vec![gone.device_id], roster, ..Change::default() };
                    self.commit(by, change);
                }
            }
            Step::ProposeRemoval(by, who) => {
                let (by, who) = (self.at(by), self.at(who));
                if by != who {
                    let gone = self.inside[who].engine.device();
                    let members = self.node.view.members();
                    let leaf = members.iter().find(|member| member.device() == gone).unwrap().leaf;
                    let proposals = vec![self.node.view.propose_removal(leaf, &self.world.proposer).unwrap()];
                    let change = Change { proposals, roster: Some(self.roster_without(gone)), ..Change::default() };
                    self.commit(by, change);
                }
            }
            Step::Update(by) => {
                self.commit(self.at(by), Change::default());
            }
            Step::JoinFurther(of) => {
                let by = self.inside[self.at(of)].papers.clone();
                if by.chain.certificates.len() < 8 {
                    self.inside.push(Someone::new(self.world.further(&by)));
                    self.join(self.inside.len() - 1);
                }
            }
            Step::Heal(who) => self.join(self.at(who)),
            Step::Race(one, other) => {
                let (one, other) = (self.at(one), self.at(other));
                if one != other {
                    let lost = self.inside[other].engine.commit(ID, Change::default(), self.world.directory(), NOW);
                    self.commit(one, Change::default());
                    assert!(!self.inside[other].engine.has_pending_commit(ID));
                    drop(lost.unwrap());
                }
            }
            Step::Restart(who) => {
                let who = self.at(who);
                let Someone { papers, engine, disk } = &mut self.inside[who];
                disk.restart(engine, papers);
            }
            Step::ReopenView => {
                let (info, tree) = (self.node.view.group_info().to_vec(), self.node.tree());
                self.node.view = PublicView::open(ID, &info, &tree).unwrap();
            }
            Step::Talk(from) => {
                let from = self.at(from);
                let sent = self.inside[from].engine.encrypt(ID, b"to all").unwrap();
                for (index, someone) in self.inside.iter_mut().enumerate() {
                    let received = someone.engine.process_message(ID, &sent.ciphertext, self.world.directory());
                    assert_eq!(received.is_ok(), index != from, "{received:?}");
                }
            }
        }
    }

    fn join(&mut self, who: usize) {
        let engine = &mut self.inside[who].engine;
        let floor = engine.epoch(ID).zip(engine.epoch_authenticator(ID));
        let floor = floor.map(|(epoch, authenticator)| Floor { epoch, authenticator });
        let (info, tree) = (self.node.view.group_info(), self.node.tree());
        let pending = engine.join_external(ID, info, &tree, floor, self.world.directory(), NOW).unwrap();
        self.node.submit_join(&pending);
        self.inside[who].engine.confirm_join(ID).unwrap();
        self.apply();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: cases(12), max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn devices_and_node_agree(steps in proptest::collection::vec(step(), 1..30)) {
        let mut history = History::new();
        for step in steps {
            history.take(step);
            let engines: Vec<_> = history.inside.iter().map(|someone| &someone.engine).collect();
            agree(&history.node, &engines);
        }
    }
}

/// Everything a decoder is given, real and then damaged.
fn samples() -> (World, Engine, PublicView, Vec<Vec<u8>>) {
    let mut world = World::new();
    let (a, b) = (world.person("alice"), world.person("bob"));
    let (mut alice, mut bob) = (a.engine(), b.engine());
    let mut node = Node::create(&mut alice, roster::direct(a.account, b.account), &world);
    let key_package = bob.key_packages(1).unwrap().remove(0);
    let change = Change { add_key_packages: vec![key_package.clone()], ..Change::default() };
    let pending = alice.commit(ID, change, world.directory(), NOW).unwrap();
    node.submit(&pending);
    process(&mut alice, node.log.last().unwrap(), &world).unwrap();
    let welcome = pending.welcome.unwrap();
    bob.join_welcome(ID, &welcome, &node.tree(), world.directory()).unwrap();
    let message = alice.encrypt(ID, b"text").unwrap().ciphertext;
    let proposal = node.view.propose_removal(0, &world.proposer).unwrap();
    let commit = alice.commit(ID, Change::default(), world.directory(), NOW).unwrap();
    let info = node.view.group_info().to_vec();
    let samples = vec![key_package, welcome, node.tree(), message, proposal, commit.commit, info, commit.group_info];
    (world, bob, node.view, samples)
}

/// Feeds bytes to every decoder. None may panic; whether one accepts is not the question.
fn feed(world: &World, engine: &mut Engine, view: &mut PublicView, bytes: &[u8], samples: &[Vec<u8>]) {
    let directory = world.directory();
    let _ = wardline_e2ee::header(bytes);
    let _ = engine.process_message(ID, bytes, directory);
    let _ = engine.process_commit(ID, &[], bytes, directory, NOW);
    let _ = engine.process_commit(ID, &[bytes.to_vec()], &samples[5], directory, NOW);
    let _ = engine.join_welcome(ID, bytes, &samples[2], directory);
    let _ = engine.join_welcome(ID, &samples[1], bytes, directory);
    let _ = engine.join_external(ID, bytes, &samples[2], None, directory, NOW);
    let _ = engine.join_external(ID, &samples[6], bytes, None, directory, NOW);
    let _ = engine.abandon_join(ID);
    let change = Change { add_key_packages: vec![bytes.to_vec()], ..Change::default() };
    let _ = engine.commit(ID, change, directory, NOW);
    let change = Change { proposals: vec![bytes.to_vec()], ..Change::default() };
    let _ = engine.commit(ID, change, directory, NOW);
    let _ = engine.discard_pending(ID);
    let _ = PublicView::open(ID, bytes, &samples[2]);
    let _ = PublicView::open(ID, &samples[6], bytes);
    let _ = view.check(&[], bytes, &samples[7]);
    let _ = view.check(&[bytes.to_vec()], &samples[5], &samples[7]);
    let _ = view.check(&[], &samples[5], bytes);
    let _ = Receiver::new(AccountId::from_bytes([1; 16])).open(bytes, bytes.len() / 2, NOW);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: cases(24), ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_a_decoder_panic(
        random in proptest::collection::vec(any::<u8>(), 0..300),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut: prop::sample::Index,
    ) {
        let (world, mut engine, mut view, samples) = samples();
        feed(&world, &mut engine, &mut view, &random, &samples);
        for sample in &samples {
            let mut damaged = sample.clone();
            for (at, value) in &damage {
                let at = at.index(damaged.len());
                damaged[at] = *value;
            }
            feed(&world, &mut engine, &mut view, &damaged, &samples);
            feed(&world, &mut engine, &mut view, &sample[..cut.index(sample.len())], &samples);
        }
        // Damaged state is refused, too.
        let mut disk = Disk::default();
        disk.write(engine.take_changes());
        for cell in disk.cells().iter().take(8) {
            let mut broken = disk.clone();
            broken.0.insert(cell.0.clone(), random.clone());
            let _ = Engine::load(World::new().person("somebody").identity(), wardline_e2ee::Suite::default(), broken.cells());
        }
    }
}
