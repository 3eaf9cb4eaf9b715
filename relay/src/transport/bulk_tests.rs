//! Bulk streams against clients that do it right, and clients that do not.
use super::*;
use crate::attachments::Attachments;
use crate::config::Listen;
use crate::metrics::Metrics;
use crate::node::Readiness;
use crate::transport::door::Door;
use crate::transport::road::Gone;
use crate::web::origin::Allowed;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use wardline_protocol::AttachmentId;
use wardline_signaling::SessionId;

const ID: AttachmentId = AttachmentId::from_bytes([7; 16]);
const SESSION: SessionId = SessionId(1);

struct FromClient(mpsc::UnboundedReceiver<Bytes>);
struct ToClient(mpsc::UnboundedSender<Bytes>);

impl Inlet for FromClient {
    async fn read(&mut self) -> Option<Bytes> {
        self.0.recv().await
    }
}

impl Outlet for ToClient {
    async fn write(&mut self, chunks: &mut Vec<Bytes>) -> Result<(), Gone> {
        chunks.drain(..).try_for_each(|chunk| self.0.send(chunk)).map_err(|_| Gone)
    }

    async fn finish(&mut self, _reason: &WireError) -> Result<(), Gone> {
        Ok(())
    }
}

struct Node {
    shared: Arc<Shared>,
    plane: mpsc::Receiver<FromSession>,
    _readiness: watch::Sender<Readiness>,
    dir: TempDir,
}

/// The client's end of a bulk stream.
struct Client {
    to_node: mpsc::UnboundedSender<Bytes>,
    from_node: mpsc::UnboundedReceiver<Bytes>,
    decoder: frame::Decoder,
    served: JoinHandle<()>,
}

impl Node {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (plane_in, plane) = mpsc::channel(16);
        let (readiness_in, readiness) = watch::channel(Readiness::Ready);
        let shared = Shared {
            plane: plane_in,
            readiness,
            metrics: Arc::new(Metrics::default()),
            door: Door::new(Listen::default()),
            allowed: Allowed::new(&[]),
            attachments: Attachments::open(dir.path(), 0).unwrap(),
            push_key: None,
            sessions: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared), plane, _readiness: readiness_in, dir }
    }

    /// A ticket as the plane would have it made, and where the transfer goes on.
    async fn ticket(&self, sealed_bytes: u64, direction: Direction) -> (Bytes, u64) {
        let transfer = Transfer { session: SESSION, request_id: 1, attachment_id: ID, sealed_bytes, direction };
        let opened = self.shared.attachments.grant(transfer).await.unwrap();
        (opened.ticket, opened.from_byte)
    }

    async fn upload_of(&self, content: &[u8]) -> (Client, u64) {
        let direction = Direction::Up { sealed_sha256: Sha256::digest(content).into() };
        let (ticket, from_byte) = self.ticket(content.len() as u64, direction).await;
        let client = self.client();
        client.say(Body::Ticket(ticket));
        (client, from_byte)
    }

    fn client(&self) -> Client {
        let (to_node, inlet) = mpsc::unbounded_channel();
        let (outlet, from_node) = mpsc::unbounded_channel();
        let shared = self.shared.clone();
        let served = tokio::spawn(async move { serve(FromClient(inlet), ToClient(outlet), &shared, || ()).await });
        Client { to_node, from_node, decoder: frame::Decoder::new(BULK_FRAME_BYTES_MAX), served }
    }

    fn kept(&self) -> Option<Vec<u8>> {
        let path = crate::attachments::path_of(&self.dir.path().join(crate::attachments::ATTACHMENTS_DIR), ID);
        std::fs::read(path).ok()
    }
}

impl Client {
    fn say(&self, body: Body) {
        // A node that has given up does not listen any more.
        let _ = self.to_node.send(frame::encode(&Bulk { body: Some(body) }, 1 << 24).unwrap());
    }

    async fn hear(&mut self) -> Option<Body> {
        loop {
            if let Some(frame) = self.decoder.next_message::<Bulk>().unwrap() {
                return frame.body;
            }
            let bytes = self.from_node.recv().await?;
            self.decoder.push(&bytes);
        }
    }

    async fn refused(mut self) -> Code {
        loop {
            match self.hear().await.expect("the node says why") {
                Body::Error(error) => return WireError::from(error).code,
                Body::Done(_) => panic!("accepted what must be refused"),
                _ => {}
            }
        }
    }

    /// Sends as the window allows; gives the node's last word.
    async fn send_all(&mut self, content: &[u8]) -> Body {
        let (mut sent, mut taken) = (0, 0);
        loop {
            while sent < content.len() && (sent - taken) < BULK_WINDOW_BYTES as usize {
                let end = content.len().min(sent + BULK_CHUNK_BYTES);
                self.say(Body::Chunk(Bytes::copy_from_slice(&content[sent..end])));
                sent = end;
            }
            match self.hear().await.unwrap() {
                Body::Taken(bytes) => taken = bytes as usize,
                last => return last,
            }
        }
    }
}

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n % 251) as u8).collect()
}

#[tokio::test]
async fn an_upload_arrives_whole_and_the_plane_hears_of_it() {
    let mut node = Node::new();
    let content = content(300_001);
    let (mut client, from_byte) = node.upload_of(&content).await;
    assert_eq!(from_byte, 0);
    assert!(matches!(client.send_all(&content).await, Body::Done(_)));
    assert_eq!(node.kept().unwrap(), content);
    assert!(matches!(node.plane.recv().await, Some(FromSession::Uploaded { session: SESSION, attachment_id: ID })));
}

#[tokio::test]
async fn an_interrupted_upload_goes_on_where_it_was() {
    let node = Node::new();
    let content = content(200_000);
    let (client, _) = node.upload_of(&content).await;
    client.say(Body::Chunk(Bytes::copy_from_slice(&content[..10_000])));
    let Client { to_node, served, .. } = client;
    drop(to_node); // the connection is lost
    served.await.unwrap();
    let (mut client, from_byte) = node.upload_of(&content).await;
    assert_eq!(from_byte, 10_000);
    assert!(matches!(client.send_all(&content[10_000..]).await, Body::Done(_)));
    assert_eq!(node.kept().unwrap(), content);
}

#[tokio::test]
async fn a_download_keeps_to_the_window_and_resumes() {
    let node = Node::new();
    let content = content(200_000);
    let (mut client, _) = node.upload_of(&content).await;
    client.send_all(&content).await;

    let (ticket, _) = node.ticket(200_000, Direction::Down { from_byte: 50_000 }).await;
    let mut client = node.client();
    client.say(Body::Ticket(ticket));
    let mut got = Vec::new();
    while got.len() < BULK_WINDOW_BYTES as usize {
        let Some(Body::Chunk(chunk)) = client.hear().await else { panic!("a chunk") };
        got.extend_from_slice(&chunk);
    }
    let more = tokio::time::timeout(Duration::from_millis(50), client.hear()).await;
    assert!(more.is_err(), "nothing is on its way beyond the window");
    loop {
        client.say(Body::Taken(got.len() as u64));
        match client.hear().await.unwrap() {
            Body::Chunk(chunk) => got.extend_from_slice(&chunk),
            Body::Done(_) => break,
            _ => panic!("another frame"),
        }
    }
    assert_eq!(got, content[50_000..]);
}

#[tokio::test]
async fn what_differs_from_its_hash_is_not_kept() {
    let mut node = Node::new();
    let (ticket, _) = node.ticket(5, Direction::Up { sealed_sha256: [0; 32] }).await;
    let client = node.client();
    client.say(Body::Ticket(ticket));
    client.say(Body::Chunk(Bytes::from_static(b"other")));
    assert_eq!(client.refused().await, Code::Malformed);
    assert!(node.kept().is_none() && node.plane.try_recv().is_err());
    // And the same id can be sent again from the start.
    let (mut client, from_byte) = node.upload_of(b"right").await;
    assert_eq!(from_byte, 0);
    assert!(matches!(client.send_all(b"right").await, Body::Done(_)));
}

#[tokio::test]
async fn hostile_streams_are_refused_with_the_reason() {
    let node = Node::new();
    let unknown = node.client();
    unknown.say(Body::Ticket(Bytes::from_static(&[0; 16])));
    assert_eq!(unknown.refused().await, Code::Unauthenticated);

    let no_ticket = node.client();
    no_ticket.say(Body::Chunk(Bytes::from_static(b"x")));
    assert_eq!(no_ticket.refused().await, Code::OutOfOrder);

    let cases: [(Body, Code); 5] = [
        (Body::Chunk(content(11).into()), Code::TooLarge),
        (Body::Chunk(Bytes::new()), Code::TooLarge),
        (Body::Chunk(content(BULK_CHUNK_BYTES + 1).into()), Code::TooLarge),
        (Body::Chunk(content(BULK_FRAME_BYTES_MAX + 1).into()), Code::TooLarge),
        (Body::Taken(1), Code::OutOfOrder),
    ];
    for (body, code) in cases {
        let (client, _) = node.upload_of(&content(10)).await;
        client.say(body);
        assert_eq!(client.refused().await, code);
    }
    assert!(node.kept().is_none());

    let (mut client, _) = node.upload_of(b"short").await;
    client.send_all(b"short").await;
    for taken in [0, 6] {
        let (ticket, _) = node.ticket(5, Direction::Down { from_byte: 0 }).await;
        let client = node.client();
        client.say(Body::Ticket(ticket));
        client.say(Body::Taken(taken));
        assert_eq!(client.refused().await, Code::OutOfOrder, "{taken} of 5");
    }
}

#[tokio::test]
async fn a_session_that_is_over_takes_its_streams_along() {
    let node = Node::new();
    let (mut client, _) = node.upload_of(&content(100_000)).await;
    client.say(Body::Chunk(content(BULK_CHUNK_BYTES).into()));
    client.say(Body::Chunk(content(BULK_CHUNK_BYTES).into()));
    assert!(matches!(client.hear().await, Some(Body::Taken(_))));
    node.shared.attachments.session_over(SESSION);
    client.served.await.unwrap();
    assert!(client.from_node.recv().await.is_none());
}
