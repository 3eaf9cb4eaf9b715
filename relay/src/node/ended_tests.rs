//! A part of the node that ends by itself ends the node.
use crate::dev;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use wardline_sfu::{ParticipantId, RoomId};

/// Everything that is waited for comes within this, or the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_panics_ends_the_node_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let options =
        dev::Options { dir: dir.path().to_owned(), listen: any, web: any, ops: any, ready_file: None, channel: false };
    let (running, _) = dev::start(&options).await.unwrap();
    let (room, participant) = (RoomId::from_bytes([1; 16]), ParticipantId::from_bytes([2; 16]));
    // The answer is given on the shard's thread: this is a defect there.
    let asked = running.sfu.connect(room, participant, String::new(), |_| panic!("a defect in a shard"));
    assert!(asked.is_ok());
    tokio::time::timeout(PATIENCE, running.ended()).await.expect("the node goes on with a dead shard");
    let again = running.sfu.connect(room, participant, String::new(), |_| ());
    assert!(again.is_err(), "a dead shard takes no room");
    tokio::time::timeout(PATIENCE, running.shutdown()).await.expect("the rest ends in order");
}
