//! Backups are taken while the node writes, and live again.
use crate::client::{Client, node, signed_in};
use crate::group_commit::{create, message};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use wardline_directory::key::RootKey;
use wardline_protocol::wire::response::Result as Answer;
use wardline_protocol::wire::{Hello, client_frame::Body as Request};
use wardline_relay::backup::{BackupError, backup, restore};
use wardline_relay::init;
use wardline_relay::node::meta;
use wardline_relay::push::PUSH_KEY_FILE;
use wardline_relay::store::{SqliteStore, database_path};
use wardline_signaling::{Query, Store};

async fn incarnation(data: &Path) -> Vec<u8> {
    let store = SqliteStore::open(&database_path(data)).await.unwrap();
    let incarnation = store.meta(meta::INCARNATION).await.unwrap().unwrap();
    store.close().await.unwrap();
    incarnation
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_taken_while_writing_is_a_whole_earlier_moment() {
    let base = tempfile::tempdir().unwrap();
    let data = base.path().join("node");
    let root = RootKey::generate().unwrap().public();
    init::init(&data, root, "node", Vec::new()).await.unwrap();
    let store = Arc::new(SqliteStore::open(&database_path(&data)).await.unwrap());
    store.apply(vec![create()]).await.unwrap();
    let (stop, durable) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writing = tokio::spawn({
        let (store, stop, durable) = (store.clone(), stop.clone(), durable.clone());
        async move {
            while !stop.load(Ordering::Acquire) {
                let next = durable.load(Ordering::Acquire) + 1;
                store.apply((next..next + 10).map(message).collect()).await.unwrap();
                durable.store(next + 9, Ordering::Release);
            }
        }
    });
    while durable.load(Ordering::Acquire) < 200 {
        tokio::task::yield_now().await;
    }
    let before = durable.load(Ordering::Acquire);
    let push_key = data.join(PUSH_KEY_FILE);
    std::fs::write(&push_key, "07".repeat(32)).unwrap();
    let file = base.path().join("node.backup");
    backup(&data, &file).await.unwrap();
    let after = durable.load(Ordering::Acquire) + 10;
    stop.store(true, Ordering::Release);
    writing.await.unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(backup(&data, &file).await, Err(BackupError::Exists(_))));

    let restored = base.path().join("restored");
    restore(&file, &restored).await.unwrap();
    // Else no browser could be woken until its page was opened again.
    assert_eq!(std::fs::read(restored.join(PUSH_KEY_FILE)).unwrap(), std::fs::read(push_key).unwrap());
    let copy = SqliteStore::open(&database_path(&restored)).await.unwrap();
    let row = &copy.load().await.unwrap().conversations[0];
    assert!((before..=after).contains(&row.head_seq), "{before} <= {} <= {after}", row.head_seq);
    assert_eq!(row.head_seq % 10, 0, "half a transaction");
    let page = copy.read(Query::Log { conversation_id: row.conversation_id, from_seq: 1 }).await.unwrap();
    assert!(matches!(page, wardline_signaling::Answer::Log(page) if page.first().unwrap().seq == 1));
    copy.close().await.unwrap();
    for name in ["tls.crt", "tls.key", "proposer.key", "node.json"] {
        assert_eq!(std::fs::read(data.join(name)).unwrap(), std::fs::read(restored.join(name)).unwrap());
    }
    assert_ne!(incarnation(&data).await, incarnation(&restored).await);
    assert!(restore(&file, &restored).await.is_err(), "a restore overwrote a node");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_node_knows_its_devices_and_shows_that_it_was_restored() {
    let (dir, again) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (running, ready) = node(dir.path()).await;
    let (mut client, device) = signed_in(&ready, "carla").await;
    let file = dir.path().join("backup");
    backup(&dir.path().join("node"), &file).await.unwrap();
    let old = challenge(&mut Client::connect(&ready).await).await;
    client.line.leave().await;
    running.shutdown().await;

    std::fs::create_dir(again.path().join("hospital")).unwrap();
    for key in ["root.key", "operational.key"] {
        std::fs::copy(dir.path().join("hospital").join(key), again.path().join("hospital").join(key)).unwrap();
    }
    restore(&file, &again.path().join("node")).await.unwrap();
    let (running, ready) = node(again.path()).await;
    let new = challenge(&mut Client::connect(&ready).await).await;
    assert_eq!(old.0, new.0, "the node's id");
    assert_ne!(old.1, new.1, "the incarnation");
    client = Client::greeted(&ready).await;
    assert!(matches!(client.authenticate(&device).await, Answer::Authenticated(_)));
    running.shutdown().await;
}

async fn challenge(client: &mut Client) -> (Vec<u8>, Vec<u8>) {
    let hello = Hello { protocol_version: 1, client: "test".into() };
    let Answer::Challenge(challenge) = client.request(Request::Hello(hello)).await else { panic!("no challenge") };
    (challenge.node_id.to_vec(), challenge.node_incarnation.to_vec())
}

#[tokio::test]
async fn what_is_no_backup_is_refused_and_leaves_nothing() {
    let base = tempfile::tempdir().unwrap();
    let target = base.path().join("node");
    assert!(matches!(restore(&base.path().join("none"), &target).await, Err(BackupError::NotABackup { .. })));
    let file = base.path().join("rubbish");
    std::fs::write(&file, vec![7; 10_000]).unwrap();
    assert!(matches!(restore(&file, &target).await, Err(BackupError::NotABackup { .. })));
    assert!(!target.exists());
}
