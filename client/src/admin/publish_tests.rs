//! Publishing, against a node behind real QUIC.
use super::test_node::Node;
use super::vault::{Cost, Passphrase};
use super::*;
use crate::connection::ConnectionError;
use std::path::Path;
use wardline_directory::Refusal;
use wardline_directory::hospital::{Hospital, Person};
use wardline_directory::key::OperationalKey;
use wardline_protocol::{AccountId, Code};

const NOW_MS: u64 = 1_790_000_000_000;
const QUICK: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

fn office(dir: &Path) -> Office {
    Office::found(dir, Passphrase::new("correct horse battery"), QUICK, NOW_MS).unwrap().0
}

/// The same hospital on a second machine.
fn elsewhere(office: &Office) -> Hospital {
    let key = OperationalKey::from_seed(*office.hospital().operational().seed());
    Hospital::open(office.directory().root(), key, office.hospital().statements().to_vec()).unwrap()
}

fn anna() -> Person {
    Person::internal("anna", "Anna Meier", "")
}

fn add(person: &Person) -> impl FnOnce(&mut Hospital) -> Result<AccountId, AdminError> {
    |hospital| Ok(hospital.add_account(person, NOW_MS)?.account_id)
}

async fn add_node(office: &mut Office, record: &NodeRecord) -> Publication {
    sign_and_publish(office, false, |hospital| Ok(hospital.add_node(record, NOW_MS)?)).await.unwrap().1
}

#[tokio::test]
async fn the_first_publication_opens_with_the_root_and_the_next_with_the_operational_key() {
    let base = tempfile::tempdir().unwrap();
    let mut office = office(base.path());
    let node = Node::start(office.directory().root());
    assert_eq!(
        sign_and_publish(&mut office, false, add(&anna())).await.unwrap().1,
        Publication::NotAsked,
        "no node yet"
    );
    assert_eq!(
        add_node(&mut office, &node.record).await,
        Publication::Done(Published { sent: 3, version: 3 }),
        "the act named the node"
    );
    std::fs::remove_file(base.path().join(ROOT_FILE)).unwrap();
    let boris = Person::internal("boris", "Boris", "");
    let (_, publication) = sign_and_publish(&mut office, false, add(&boris)).await.unwrap();
    assert_eq!(publication, Publication::Done(Published { sent: 1, version: 4 }));
    assert_eq!(node.state.lock().unwrap().directory.head_hash(), office.directory().head_hash());
}

#[tokio::test]
async fn without_the_root_a_fresh_node_cannot_be_told() {
    let base = tempfile::tempdir().unwrap();
    let mut office = office(base.path());
    let node = Node::start(office.directory().root());
    std::fs::remove_file(base.path().join(ROOT_FILE)).unwrap();
    let Publication::Failed(reason) = add_node(&mut office, &node.record).await else { panic!("it was told") };
    assert!(reason.contains("root.key"), "{reason}");
    assert_eq!((office.directory().version(), node.version()), (2, 0), "signed here all the same");
}

#[tokio::test]
async fn offline_acts_are_published_later() {
    let base = tempfile::tempdir().unwrap();
    let mut office = office(base.path());
    let node = Node::start(office.directory().root());
    add_node(&mut office, &node.record).await;
    let (_, publication) = sign_and_publish(&mut office, true, add(&anna())).await.unwrap();
    assert_eq!((publication, node.version()), (Publication::NotAsked, 2));
    let mut session = NodeSession::open(&office).await.unwrap();
    assert_eq!(session.publish(&office).await.unwrap(), Published { sent: 1, version: 3 });
    assert_eq!(session.publish(&office).await.unwrap(), Published { sent: 0, version: 3 });
}

#[tokio::test]
async fn what_a_second_machine_published_comes_first() {
    let base = tempfile::tempdir().unwrap();
    let mut office = office(base.path());
    let node = Node::start(office.directory().root());
    add_node(&mut office, &node.record).await;
    let mut other = elsewhere(&office);
    for n in 0..5 {
        other.add_account(&Person::internal(format!("u{n}"), "U", ""), NOW_MS).unwrap();
    }
    node.state.lock().unwrap().take(other.statements_after(2));
    // The handle is taken there: the act sees it and signs nothing.
    let outcome = sign_and_publish(&mut office, false, add(&Person::internal("u3", "Another", ""))).await;
    assert!(matches!(outcome, Err(AdminError::Refused(Refusal::HandleTaken))));
    assert_eq!(office.directory().version(), 7);
    let (_, publication) = sign_and_publish(&mut office, false, add(&anna())).await.unwrap();
    assert_eq!(publication, Publication::Done(Published { sent: 1, version: 8 }));
}

#[tokio::test]
async fn a_fork_is_found_before_anything_is_signed() {
    let base = tempfile::tempdir().unwrap();
    let mut office = office(base.path());
    let node = Node::start(office.directory().root());
    add_node(&mut office, &node.record).await;
    let mut other = elsewhere(&office);
    other.add_account(&anna(), NOW_MS).unwrap();
    node.state.lock().unwrap().take(other.statements_after(2));
    // Signed here without a look at the node: two statements hold version 3 now.
    sign_and_publish(&mut office, true, add(&Person::internal("boris", "Boris", ""))).await.unwrap();
    for _ in 0..2 {
        let outcome = sign_and_publish(&mut office, false, add(&Person::internal("carla", "Carla", ""))).await;
        assert!(matches!(outcome, Err(AdminError::Forked { version: 3 })), "{:?}", outcome.map(|(_, p)| p));
        assert_eq!((office.directory().version(), node.version()), (3, 3));
    }
}

#[tokio::test]
async fn another_certificate_is_not_spoken_to() {
    let base = tempfile::tempdir().unwrap();
    let mut office = office(base.path());
    let node = Node::start(office.directory().root());
    let record = NodeRecord { certificate_sha256: [9; 32], ..node.record.clone() };
    let Publication::Failed(reason) = add_node(&mut office, &record).await else { panic!("it was told") };
    assert!(reason.contains("certificate"), "{reason}");
    assert_eq!(node.version(), 0);
    // Corrected: the new statement names the road.
    assert_eq!(add_node(&mut office, &node.record).await, Publication::Done(Published { sent: 3, version: 3 }));
}

#[tokio::test]
async fn a_foreign_hospital_does_not_get_in() {
    let base = tempfile::tempdir().unwrap();
    let mut ours = office(&base.path().join("ours"));
    let theirs = office(&base.path().join("theirs"));
    let node = Node::start(theirs.directory().root());
    let Publication::Failed(reason) = add_node(&mut ours, &node.record).await else { panic!("it was told") };
    assert!(reason.contains("signature"), "{reason}");
    assert_eq!(node.version(), 0);
}

#[tokio::test]
async fn locks_and_reports() {
    let base = tempfile::tempdir().unwrap();
    let mut office = office(base.path());
    let node = Node::start(office.directory().root());
    add_node(&mut office, &node.record).await;
    let (id, _) = sign_and_publish(&mut office, false, add(&anna())).await.unwrap();
    let mut session = NodeSession::open(&office).await.unwrap();
    for locked in [true, false] {
        session.lock(id, locked).await.unwrap();
        assert_eq!(session.reports().await.unwrap().get(&id).unwrap().locked, locked);
    }
    let unknown = session.lock(AccountId::from_bytes([9; 16]), true).await;
    assert!(
        matches!(unknown, Err(AdminError::Connection(ConnectionError::Refused(e))) if e.code == Code::UnknownAccount)
    );
}
