//! What a device stores is there again, all of it or nothing, and for its owner alone.
#![cfg(feature = "native")]
use std::os::unix::fs::PermissionsExt;
use wardline_client::connection::CertificatePin;
use wardline_client::core::{Body, Changes, ConversationRecord, Counter, Identity, Membership, Message, OutboxRecord};
use wardline_client::store::{DATABASE_FILE, Place, Store, StoreError};
use wardline_directory::certificate;
use wardline_directory::key::{DeviceKey, EnrolmentKey, RootKey};
use wardline_protocol::wire::{ConversationKind, DeviceChain, LinkGrant, Statement};
use wardline_protocol::{AccountId, ConversationId, DeviceId, Incarnation, MessageId};

const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);
const DEVICE: DeviceId = DeviceId::from_bytes([2; 16]);
const CONVERSATION: ConversationId = ConversationId::from_bytes([3; 16]);

fn identity() -> Identity {
    let key = DeviceKey::from_seed([4; 32]);
    let by = EnrolmentKey::from_code_seed(&[5; 16]);
    let own = certificate::issue_by_enrolment(&by, ACCOUNT, DEVICE, key.public(), 7);
    let chain = DeviceChain { certificates: vec![own] };
    Identity { root: RootKey::from_seed([6; 32]).public(), account: ACCOUNT, device: DEVICE, key, chain }
}

fn place() -> Place {
    Place { addresses: vec!["one:1".into(), "two:2".into()], pin: CertificatePin([8; 32]) }
}

fn message(id: u8, seq: u64, text: &str) -> Message {
    Message {
        conversation: CONVERSATION,
        message: MessageId::from_bytes([id; 16]),
        seq,
        sender: ACCOUNT,
        device: DEVICE,
        sent_at_ms: u64::from(id),
        body: Body::Text(text.into()),
    }
}

fn record(cursor: u64) -> ConversationRecord {
    ConversationRecord {
        kind: ConversationKind::Group,
        title: Some("Station 3".into()),
        cursor,
        read_seq: 2,
        state: Membership::Joined,
        needs_directory: 9,
        floor: Some((4, vec![5; 32])),
        receipts: [(ACCOUNT, (6, 5)), (AccountId::from_bytes([9; 16]), (1, 0))].into(),
    }
}

fn statement(n: u8) -> Statement {
    Statement { body: vec![n].into(), signature: vec![n; 64].into() }
}

#[tokio::test]
async fn what_was_applied_is_loaded_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), true).await.unwrap();
    let mut first = Changes::default();
    first.cells = vec![(b"a".to_vec(), vec![1]), (b"b".to_vec(), vec![2])];
    first.statements = vec![(1, statement(1)), (2, statement(2))];
    first.conversations = [(CONVERSATION, record(10))].into();
    first.history = vec![message(1, 11, "first"), message(2, 0, "waits"), message(3, 0, "waits too")];
    first.outbox = [2, 3].map(|n| OutboxRecord { place: n, message: message(n as u8, 0, "waits") }).into();
    first.counters = [(Counter::MediaContext, 41)].into();
    first.incarnation = Some(Incarnation::from_bytes([7; 16]));
    store.apply(&first).await.unwrap();
    let mut second = Changes::default();
    second.cells = vec![(b"a".to_vec(), vec![9])];
    second.deleted_cells = vec![b"b".to_vec()];
    second.conversations = [(CONVERSATION, record(12))].into();
    second.history = vec![message(2, 12, "waits")];
    second.outbox_done = vec![MessageId::from_bytes([2; 16])];
    second.counters = [(Counter::MediaContext, 42)].into();
    store.apply(&second).await.unwrap();
    store.close().await.unwrap();

    let store = Store::open(directory.path(), false).await.unwrap();
    let saved = store.load().await.unwrap();
    assert_eq!(saved.cells, vec![(b"a".to_vec(), vec![9])]);
    assert_eq!(saved.statements, vec![statement(1), statement(2)]);
    assert!(saved.conversations == [(CONVERSATION, record(12))].into());
    let places: Vec<_> = saved.outbox.iter().map(|record| (record.place, record.message.message)).collect();
    assert_eq!(places, vec![(3, MessageId::from_bytes([3; 16]))]);
    assert!(saved.outbox[0].message.body == Body::Text("waits too".into()));
    assert_eq!(saved.counters.get(&Counter::MediaContext), Some(&42));
    assert_eq!(saved.incarnation, Some(Incarnation::from_bytes([7; 16])));
    assert_eq!(saved.seen.len(), 3);
    let history = store.history(CONVERSATION, 10).await.unwrap();
    assert_eq!(history.iter().map(|message| message.seq).collect::<Vec<_>>(), vec![11, 12, 0]);
    assert_eq!(store.history(CONVERSATION, 2).await.unwrap().len(), 2);
    let after = store.history_after(CONVERSATION, 11).await.unwrap();
    assert_eq!(after.iter().map(|message| message.seq).collect::<Vec<_>>(), vec![12]);
}

#[tokio::test]
async fn a_transaction_that_fails_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), true).await.unwrap();
    let mut first = Changes::default();
    first.statements = vec![(1, statement(1))];
    store.apply(&first).await.unwrap();
    let mut twice = Changes::default();
    twice.cells = vec![(b"a".to_vec(), vec![1])];
    twice.statements = vec![(1, statement(2))];
    assert!(store.apply(&twice).await.is_err());
    let saved = store.load().await.unwrap();
    assert!(saved.cells.is_empty());
    assert_eq!(saved.statements, vec![statement(1)]);
}

#[tokio::test]
async fn an_identity_is_stored_once_with_what_the_grant_told() {
    let directory = tempfile::tempdir().unwrap();
    let missing = Store::open(directory.path(), false).await;
    assert!(matches!(missing, Err(StoreError::NotEnrolled)));
    let store = Store::open(directory.path(), true).await.unwrap();
    assert!(matches!(store.identity().await, Err(StoreError::NotEnrolled)));
    let floor = wardline_protocol::wire::ConversationFloor {
        conversation_id: CONVERSATION.to_bytes(),
        epoch: 17,
        epoch_authenticator: vec![3; 32].into(),
    };
    let grant = LinkGrant {
        directory_version: 5,
        directory_hash: vec![6; 32].into(),
        floors: vec![floor],
        ..Default::default()
    };
    store.enrol(&identity(), &place(), Some(&grant)).await.unwrap();
    assert!(matches!(store.enrol(&identity(), &place(), None).await, Err(StoreError::Enrolled)));
    let (loaded, node) = store.identity().await.unwrap();
    assert!(loaded.account == ACCOUNT && loaded.device == DEVICE && loaded.chain == identity().chain);
    assert!(loaded.root == identity().root && loaded.key.public() == identity().key.public());
    assert!(node.addresses == place().addresses && node.pin == place().pin);
    let saved = store.load().await.unwrap();
    assert_eq!(saved.directory_floor, Some((5, [6; 32])));
    let known = &saved.conversations[&CONVERSATION];
    assert!(known.state == Membership::Known && known.floor == Some((17, vec![3; 32])));
}

#[tokio::test]
async fn one_program_and_one_owner() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("device");
    let store = Store::open(&path, true).await.unwrap();
    let second = Store::open(&path, true).await;
    assert!(matches!(second, Err(StoreError::InUse)));
    store.enrol(&identity(), &place(), None).await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for entry in std::fs::read_dir(&path).unwrap() {
        let file = entry.unwrap().path();
        if file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(DATABASE_FILE)) {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
    }
    drop(store);
    Store::open(&path, false).await.unwrap();
}
