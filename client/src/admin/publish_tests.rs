//! Against a node that speaks real QUIC and keeps the real directory, with the plane's rules for an IT admin's session.
use super::vault::{Cost, Passphrase};
use super::*;
use crate::connection::ConnectionError;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use wardline_directory::hospital::{Hospital, Person};
use wardline_directory::key::{OperationalKey, ProposerKey, PublicKey};
use wardline_directory::{Refusal, session};
use wardline_protocol::wire::{self, ClientFrame, ServerFrame, client_frame::Body, response, server_frame};
use wardline_protocol::{ALPN, AccountId, Code, EXPORTER_LABEL, NodeId, WireError, frame, limit};

const NOW_MS: u64 = 1_790_000_000_000;
const QUICK: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };
const NONCE: [u8; 32] = [7; 32];

struct State {
    directory: Directory,
    statements: Vec<wire::Statement>,
    locked: BTreeSet<AccountId>,
}

/// A node that was initialised with the hospital's root.
struct Node {
    record: NodeRecord,
    state: Arc<Mutex<State>>,
}

impl Node {
    fn start(root: PublicKey) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["node".into()]).unwrap();
        let key = rustls_pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let tls = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
        let config = quinn::ServerConfig::with_crypto(Arc::new(tls));
        let endpoint = quinn::Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
        let record = NodeRecord {
            node_id: NodeId::from_bytes([1; 16]),
            name: "node-1".into(),
            addresses: vec![endpoint.local_addr().unwrap().to_string()],
            certificate_sha256: Sha256::digest(made.cert.der()).into(),
            proposer_public_key: ProposerKey::from_seed([4; 32]).public(),
            deleted: false,
        };
        let (directory, locked) = (Directory::new(root), BTreeSet::new());
        let state = Arc::new(Mutex::new(State { directory, statements: Vec::new(), locked }));
        let shared = state.clone();
        tokio::spawn(async move {
            while let Some(incoming) = endpoint.accept().await {
                tokio::spawn(serve(incoming, shared.clone()));
            }
        });
        Self { record, state }
    }

    fn version(&self) -> u64 {
        self.state.lock().unwrap().directory.version()
    }
}

async fn serve(incoming: quinn::Incoming, state: Arc<Mutex<State>>) -> Option<()> {
    let connection = incoming.await.ok()?;
    let mut exporter = [0; 32];
    connection.export_keying_material(&mut exporter, EXPORTER_LABEL, b"").ok()?;
    let (mut send, mut receive) = connection.accept_bi().await.ok()?;
    let mut decoder = frame::Decoder::new(limit::FRAME_BYTES_MAX);
    let mut signed_in = false;
    loop {
        while let Some(ClientFrame { request_id, body }) = decoder.next_message().unwrap() {
            let answer = state.lock().unwrap().answer(body.unwrap(), &exporter, &mut signed_in);
            let result = answer.unwrap_or_else(|error| response::Result::Error(error.into()));
            let response = wire::Response { request_id, result: Some(result) };
            let frame = ServerFrame { body: Some(server_frame::Body::Response(response)) };
            send.write_all(&frame::encode(&frame, limit::FRAME_BYTES_MAX).unwrap()).await.ok()?;
        }
        decoder.push(&receive.read_chunk(64 * 1024, true).await.ok()??.bytes);
    }
}

impl State {
    fn answer(&mut self, body: Body, exporter: &[u8; 32], signed_in: &mut bool) -> Result<response::Result, WireError> {
        let done = Ok(response::Result::Done(wire::Done {}));
        match body {
            Body::Hello(_) => {
                Ok(response::Result::Challenge(wire::Challenge { nonce: NONCE.to_vec().into(), ..Default::default() }))
            }
            Body::AuthenticateAdmin(request) => {
                let key = self.directory.operational_key().unwrap_or(self.directory.root());
                *signed_in = session::verify_admin(&key, &NONCE, exporter, &request.signature);
                let directory_version = self.directory.version();
                let authenticated = wire::Authenticated { directory_version, ..Default::default() };
                if *signed_in {
                    Ok(response::Result::Authenticated(authenticated))
                } else {
                    Err(WireError::new(Code::BadSignature, "the IT admin's signature does not verify"))
                }
            }
            _ if !*signed_in => Err(WireError::new(Code::Unauthenticated, "sign in first")),
            Body::FetchStatements(request) => {
                let after = usize::try_from(request.after_version).unwrap();
                // Pages of two, so that several are needed.
                let page = self.statements.iter().skip(after).take(2).cloned().collect();
                Ok(response::Result::Statements(wire::Statements {
                    statements: page,
                    head_version: self.directory.version(),
                }))
            }
            Body::PublishStatements(request) => {
                self.directory.apply_all(&request.statements).map_err(|(_, refusal)| WireError::from(refusal))?;
                self.statements.extend(request.statements);
                done
            }
            Body::LockAccount(request) => {
                let id = AccountId::parse(&request.account_id)?;
                if self.directory.account(&id).is_none() {
                    return Err(WireError::new(Code::UnknownAccount, "no such account"));
                }
                if request.locked {
                    self.locked.insert(id)
                } else {
                    self.locked.remove(&id)
                };
                done
            }
            Body::ListAccounts(_) => {
                let report = |account: &AccountRecord| wire::AccountReport {
                    account_id: account.account_id.to_bytes(),
                    locked: self.locked.contains(&account.account_id),
                    ..Default::default()
                };
                let accounts = self.directory.accounts().map(report).collect();
                Ok(response::Result::Accounts(wire::Accounts { accounts }))
            }
            _ => Err(WireError::new(Code::Forbidden, "not here")),
        }
    }
}

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
    {
        let mut state = node.state.lock().unwrap();
        let new = other.statements_after(2).to_vec();
        state.directory.apply_all(&new).unwrap();
        state.statements.extend(new);
    }
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
    {
        let mut state = node.state.lock().unwrap();
        let new = other.statements_after(2).to_vec();
        state.directory.apply_all(&new).unwrap();
        state.statements.extend(new);
    }
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
