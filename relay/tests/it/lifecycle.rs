//! Start, restart, end.
use crate::client::{Client, node, options, signed_in};
use wardline_protocol::Code;
use wardline_protocol::wire::client_frame::Body as Request;
use wardline_protocol::wire::{FetchStatements, response::Result as Answer};
use wardline_relay::config::Config;
use wardline_relay::identity::DataDirError;
use wardline_relay::node::{Node, StartError};
use wardline_relay::{dev, init};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_all_and_sessions_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let (running, ready) = node(dir.path()).await;
    let (mut client, device) = signed_in(&ready, "anna").await;
    let shutdown = tokio::spawn(running.shutdown());
    let (goodbye, close_code, _) = client.ended().await;
    assert_eq!(goodbye, Some(Code::ShuttingDown));
    assert_eq!(close_code, u64::from(Code::ShuttingDown.number()));
    shutdown.await.unwrap();

    let used = ready.enrolment["anna"].clone();
    let (running, ready) = node(dir.path()).await;
    let mut client = Client::greeted(&ready).await;
    let Answer::Authenticated(authenticated) = client.authenticate(&device).await else { panic!("not signed in") };
    let Answer::Statements(statements) =
        client.request(Request::FetchStatements(FetchStatements { after_version: 0 })).await
    else {
        panic!("no statements")
    };
    assert_eq!(statements.statements.len() as u64, authenticated.directory_version);
    // One operational key, then twice: node and five accounts with two codes each; three groups and their members once.
    assert_eq!(authenticated.directory_version, 1 + 2 * (1 + 2 * 5) + 3 * 2);
    let mut second = Client::greeted(&ready).await;
    let (_, answer) = second.enrol(&used).await;
    assert!(matches!(answer, Answer::Error(error) if Code::from_number(error.code) == Code::CodeUsed));
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_never_share_a_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (running, _) = node(dir.path()).await;
    let options = options(dir.path());
    let refused = dev::start(&options).await.err().unwrap().to_string();
    assert!(refused.contains("another wardline runs"), "{refused}");
    let second = Node::start(&dev::config(&options)).await.err().unwrap();
    assert!(matches!(second, StartError::DataDir(DataDirError::Locked(_))), "{second}");
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_with_the_setting() {
    let dir = tempfile::tempdir().unwrap();
    let options = dev::Options { ready_file: Some(dir.path().join("ready")), ..options(dir.path()) };
    let missing = Node::start(&dev::config(&options)).await.err().unwrap();
    assert!(missing.to_string().contains("wardline init"), "{missing}");

    let (running, ready) = dev::start(&options).await.unwrap();
    let written: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.path().join("ready")).unwrap()).unwrap();
    assert_eq!(written["address"], ready.address.to_string());
    assert_eq!(written["enrolment"].as_object().unwrap().len(), 5);
    let taken = Config {
        data_dir: dir.path().join("other"),
        ops: wardline_relay::config::Ops { address: ready.ops },
        ..dev::config(&options)
    };
    init::init(&taken.data_dir, init::parse_root(&ready.root).unwrap(), "n", Vec::new()).await.unwrap();
    let error = Node::start(&taken).await.err().unwrap().to_string();
    assert!(error.contains("ops.address"), "{error}");
    running.shutdown().await;
}

#[tokio::test]
async fn init_overwrites_nothing_and_leaves_no_half_made_directory() {
    let base = tempfile::tempdir().unwrap();
    let root = wardline_directory::key::RootKey::generate().unwrap().public();
    let path = base.path().join("node");
    let made = init::init(&path, root, "node", vec!["192.0.2.1:4433".into()]).await.unwrap();
    let card: serde_json::Value = serde_json::from_slice(&std::fs::read(path.join("node.json")).unwrap()).unwrap();
    assert_eq!(card["node_id"], made.node_id.to_string());
    assert_eq!(card["addresses"][0], "192.0.2.1:4433");
    assert!(init::init(&path, root, "node", Vec::new()).await.is_err());
    assert!(path.join("wardline.db").exists());

    std::fs::write(base.path().join("hospital.pub"), format!("{}\n", root.to_hex())).unwrap();
    let file = base.path().join("hospital.pub");
    assert!(init::parse_root(file.to_str().unwrap()).unwrap() == root);
    assert!(init::parse_root("00").is_err());
}
