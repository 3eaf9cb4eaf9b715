//! A small hospital with the same keys in every run, and a conversation in it.
#![allow(clippy::expect_used)] // a world that cannot be made must stop the run: nothing would be tested

use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use wardline_directory::hospital::Hospital;
use wardline_directory::key::{DeviceKey, EnrolmentKey, OperationalKey, ProposerKey, PublicKey, RootKey};
use wardline_directory::{Directory, NodeRecord, certificate};
use wardline_e2ee::media::MediaEpoch;
use wardline_e2ee::{Change, DeviceIdentity, Engine, Suite};
use wardline_protocol::wire::statement_body::Content;
use wardline_protocol::wire::{self, ConversationKind, DeviceChain, LinkGrant, Roster, RosterEntry};
use wardline_protocol::{AccountId, CallId, ConversationId, DeviceId, NodeId};

/// The time in this world.
pub const NOW_MS: u64 = 1_800_000_000_000;
/// The conversation of its two people.
pub const CONVERSATION: ConversationId = ConversationId::from_bytes([0xC0; 16]);

const SECRET: [u8; 16] = [0x5E; 16];

/// The hospital and the people's devices.
pub struct Ward {
    /// With its signing key.
    pub hospital: Hospital,
    /// Two, the first with a device that the other device of the account certified.
    pub people: Vec<Person>,
}

/// A device and its papers.
pub struct Person {
    /// Whose.
    pub account: AccountId,
    /// From the device up to an enrolment key.
    pub chain: DeviceChain,
    seed: [u8; 32],
}

/// The ward, made once.
pub fn ward() -> &'static Ward {
    static WARD: OnceLock<Ward> = OnceLock::new();
    WARD.get_or_init(|| make().expect("the ward"))
}

fn make() -> Result<Ward, wardline_directory::Refusal> {
    let root = RootKey::from_seed([1; 32]);
    let mut hospital = Hospital::found(&root, OperationalKey::from_seed([2; 32]), NOW_MS)?;
    let node = NodeRecord {
        node_id: NodeId::from_bytes([9; 16]),
        name: "node".into(),
        addresses: vec!["127.0.0.1:4433".into()],
        certificate_sha256: [0; 32],
        proposer_public_key: ProposerKey::from_seed([3; 32]).public(),
        deleted: false,
    };
    hospital.add_node(&node, NOW_MS)?;
    let mut people = Vec::new();
    for (number, handle) in [(0x10, "alice"), (0x20, "bob")] {
        let account = AccountId::from_bytes([number; 16]);
        let enrolment = EnrolmentKey::from_code_seed(&[number + 1; 16]);
        let body = wire::Account {
            account_id: account.to_bytes(),
            handle: handle.into(),
            display_name: handle.into(),
            role: "test".into(),
            level: wire::Level::Internal.into(),
            enrolment_public_key: enrolment.public().to_bytes(),
            enrolment_expires_at_ms: NOW_MS + 1000,
            ..Default::default()
        };
        hospital.state(Content::Account(body), NOW_MS)?;
        people.push(person(account, &enrolment, number));
    }
    Ok(Ward { hospital, people })
}

/// A first device, and one that it certified: the latter is the one used.
fn person(account: AccountId, enrolment: &EnrolmentKey, number: u8) -> Person {
    let (first_key, seed) = (DeviceKey::from_seed([number + 2; 32]), [number + 3; 32]);
    let (first, second) = (DeviceId::from_bytes([number + 2; 16]), DeviceId::from_bytes([number + 3; 16]));
    let public = DeviceKey::from_seed(seed).public();
    let certificates = vec![
        certificate::issue_by_device(&first_key, first, account, second, public, NOW_MS),
        certificate::issue_by_enrolment(enrolment, account, first, first_key.public(), NOW_MS),
    ];
    Person { account, chain: DeviceChain { certificates }, seed }
}

/// The directory after its first `count` statements.
pub fn directory_at(count: usize) -> Directory {
    let hospital = &ward().hospital;
    let mut directory = Directory::new(hospital.directory().root());
    let known = hospital.statements().get(..count).unwrap_or_default();
    directory.apply_all(known).expect("the ward's own statements");
    directory
}

/// Makes the conversation anew: Alice's and Bob's engines in epoch 1, with what the node saw.
pub fn conversation() -> Scene {
    let ward = ward();
    let directory = ward.hospital.directory();
    let mut engines = ward.people.iter().map(|person| {
        let identity = DeviceIdentity::new(DeviceKey::from_seed(person.seed), &person.chain).expect("papers");
        Engine::new(identity, Suite::default()).expect("an engine")
    });
    let (mut alice, mut bob) = (engines.next().expect("Alice"), engines.next().expect("Bob"));
    let mut entries: Vec<_> = ward.people.iter().map(|person| person.account).collect();
    entries.sort();
    let entries = entries.iter().map(|id| RosterEntry { account_id: id.to_bytes(), manager: false }).collect();
    let roster = Roster { kind: ConversationKind::Direct.into(), entries };
    let created = alice.create(CONVERSATION, roster, directory).expect("a group");
    let packages = bob.key_packages(1).expect("a key package");
    let change = Change { add_key_packages: packages, ..Change::default() };
    let added = alice.commit(CONVERSATION, change, directory, NOW_MS).expect("a commit");
    alice.process_commit(CONVERSATION, &added.proposals, &added.commit, directory, NOW_MS).expect("its merge");
    let mut view = wardline_e2ee::public::PublicView::open(CONVERSATION, &created.group_info, &created.ratchet_tree)
        .expect("the node's view");
    let staged = view.check(&added.proposals, &added.commit, &added.group_info).expect("a good commit");
    view.apply(staged).expect("a checked commit");
    let tree = view.ratchet_tree().expect("a tree");
    bob.join_welcome(CONVERSATION, added.welcome.as_deref().unwrap_or_default(), &tree, directory).expect("a welcome");
    Scene { alice, bob, created, added }
}

/// Two members, and the commit that added the second.
pub struct Scene {
    /// Epoch 1.
    pub alice: Engine,
    /// Epoch 1.
    pub bob: Engine,
    /// Epoch 0 as the node got it.
    pub created: wardline_e2ee::Created,
    /// The commit to epoch 1.
    pub added: wardline_e2ee::PendingCommit,
}

/// Runs with Bob's engine, the same over the whole run.
pub fn with_member(work: impl FnOnce(&mut Engine, &Directory)) {
    thread_local! {
        static MEMBER: RefCell<Engine> = RefCell::new(conversation().bob);
    }
    MEMBER.with_borrow_mut(|engine| work(engine, ward().hospital.directory()));
}

/// Where the base key stands in [`MediaEpoch::to_bytes`]: behind the epoch and the own leaf.
const BASE_KEY_AT: usize = 8 + 4;

/// A call's keys, others at each call of this, and whose frames are listened for.
///
/// A fuzzer follows comparisons and puts what was compared into its next input. Under one key it reads the right tag of any frame out of the program
/// so, and then a frame opens that nobody sealed.
pub fn call() -> (MediaEpoch, AccountId) {
    static CALL: OnceLock<MediaEpoch> = OnceLock::new();
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let epoch = CALL.get_or_init(|| {
        let scene = conversation();
        scene.alice.media_epoch(CONVERSATION, &CallId::from_bytes([7; 16])).expect("media keys")
    });
    let mut bytes = epoch.to_bytes();
    let number = CALLS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    for (byte, number) in bytes.iter_mut().skip(BASE_KEY_AT).zip(number) {
        *byte ^= number;
    }
    let epoch = MediaEpoch::from_bytes(&bytes).expect("only its key is another one");
    (epoch, ward().people.first().expect("Alice").account)
}

/// The link code's secret, and the device that shows it.
pub fn link() -> (&'static [u8; 16], &'static DeviceId, &'static PublicKey) {
    static DEVICE: OnceLock<(DeviceId, PublicKey)> = OnceLock::new();
    let (id, key) =
        DEVICE.get_or_init(|| (DeviceId::from_bytes([0x44; 16]), DeviceKey::from_seed([0x45; 32]).public()));
    (&SECRET, id, key)
}

/// The one grant sealed under it.
pub fn grant() -> LinkGrant {
    let ward = ward();
    LinkGrant {
        root_public_key: ward.hospital.directory().root().to_bytes(),
        chain: ward.people.first().map(|person| person.chain.clone()),
        directory_version: 1,
        ..Default::default()
    }
}
