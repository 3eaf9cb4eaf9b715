//! A write that fails: everybody is told, nothing half-done stays, and the node serves again when the storage does.
use crate::client::{Client, PATIENCE, node, signed_in};
use crate::monitoring::get;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor};
use wardline_protocol::Code;
use wardline_protocol::wire::response::Result as Answer;
use wardline_relay::node::Readiness;
use wardline_relay::store::database_path;

#[tokio::test(flavor = "multi_thread")]
async fn the_node_survives_a_storage_that_cannot_be_written_for_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let (running, ready) = node(dir.path()).await;
    let (mut anna, device) = signed_in(&ready, "anna").await;
    let mut newcomer = Client::greeted(&ready).await;

    // Another program holds the database's write lock for longer than the node waits.
    let database = database_path(&dir.path().join("node"));
    let mut blocker = SqliteConnectOptions::new().filename(&database).connect().await.unwrap();
    blocker.execute("BEGIN IMMEDIATE").await.unwrap();
    let enrol = newcomer.enrolment(&ready.enrolment["boris"]);
    newcomer.start(enrol.1).await;
    let (goodbye, close_code, errors) = newcomer.ended().await;
    assert_eq!((goodbye, errors), (Some(Code::Storage), Vec::new()), "nothing was acknowledged");
    assert_eq!(close_code, u64::from(Code::Storage.number()));
    assert_eq!(anna.ended().await.0, Some(Code::Storage));
    let (status, body) = get(ready.ops, "/readyz").await;
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("\"store\":false"), "{body}");
    assert_eq!(running.readiness(), Readiness::StoreFailed);
    assert_eq!(get(ready.ops, "/healthz").await.0, 200);

    blocker.execute("ROLLBACK").await.unwrap();
    tokio::time::timeout(PATIENCE, running.reached(Readiness::Ready)).await.expect("the node does not recover");
    assert_eq!(get(ready.ops, "/readyz").await.0, 200);
    let mut anna = Client::greeted(&ready).await;
    assert!(matches!(anna.authenticate(&device).await, Answer::Authenticated(_)));
    let mut newcomer = Client::greeted(&ready).await;
    let (_, answer) = newcomer.enrol(&ready.enrolment["boris"]).await;
    assert!(matches!(answer, Answer::Enrolled(_)), "the code counted as used: {answer:?}");
    running.shutdown().await;
}
