//! One session on any road: its control stream's frames go to the plane, its queue's frames go out, and it ends in order.
use super::door::Ticket;
use super::queue::{Outgoing, Queue};
use super::road::{Inlet, Outlet, Road};
use super::{Shared, bulk};
use crate::node::{FromSession, Readiness};
use prost::Message;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use wardline_protocol::wire::{ClientFrame, Goodbye, Response, ServerFrame, response, server_frame::Body};
use wardline_protocol::{Code, NO_RESPONSE, WireError, frame, limit};
use wardline_signaling::{Class, SessionId};

/// How long a new connection may take to open its control stream.
pub const CONTROL_STREAM_WAIT: Duration = Duration::from_secs(10);

/// How long a session may go on without signing in: a new device waits 300 s for its grant.
pub const UNAUTHENTICATED_MAX: Duration = Duration::from_secs(330);

/// How long the last frames and the goodbye may take, so that a revoked session is over within a second.
pub const GOODBYE_WAIT: Duration = Duration::from_millis(800);

/// Bulk streams of one connection at the same time; a further one waits to be taken.
pub const BULK_STREAMS_MAX: usize = 4;

/// Bytes handed to the road at once.
const WRITE_BYTES: usize = 256 * 1024;

/// Runs a session to its end. `exporter` is what its signature is bound to: the TLS exporter, or `web_binding` of the page's origin.
pub(crate) async fn serve<R: Road>(mut road: R, exporter: [u8; 32], ticket: Ticket, shared: &Arc<Shared>) {
    if *shared.readiness.borrow() != Readiness::Ready {
        shared.metrics.connection_refused("not_ready");
        let refusal = shared.readiness.borrow().refusal();
        return road.close(&refusal).await;
    }
    let session = shared.next_session();
    let queue = Arc::new(Queue::default());
    let nonce = crate::random::<32>();
    let opened = FromSession::Opened { session, queue: queue.clone(), nonce, exporter };
    if shared.plane.send(opened).await.is_err() {
        return road.close(&Readiness::ShuttingDown.refusal()).await;
    }
    let reason = converse(&mut road, session, &queue, ticket, shared).await;
    // A plane that is gone has forgotten the session already.
    if shared.plane.send(FromSession::Closed { session }).await.is_err() {
        tracing::debug!(session = session.0, "closed after the plane");
    }
    tracing::debug!(session = session.0, code = reason.code.number(), "session closed");
    road.close(&reason).await;
}

/// A direction of the session that is over.
enum Side {
    /// Nothing is written any more, for this reason.
    Written(WireError),
    /// Nothing is read any more.
    Read,
}

/// Frames in and out until one side ends it; the reason is for the close of the connection.
async fn converse<R: Road>(
    road: &mut R,
    session: SessionId,
    queue: &Arc<Queue>,
    ticket: Ticket,
    shared: &Arc<Shared>,
) -> WireError {
    let (inlet, outlet) = match tokio::time::timeout(CONTROL_STREAM_WAIT, road.control()).await {
        Ok(Ok(streams)) => streams,
        Ok(Err(_)) => return left(),
        Err(_) => return WireError::new(Code::OutOfOrder, "open the control stream first"),
    };
    // Each direction is a task: a frame wakes it alone, and not everything else that a session waits for.
    let mut sides = JoinSet::new();
    let (write_queue, write_shared) = (queue.clone(), shared.clone());
    sides.spawn(async move { Side::Written(write_frames(outlet, session, &write_queue, &write_shared).await) });
    let (read_queue, read_shared) = (queue.clone(), shared.clone());
    sides.spawn(async move {
        read_to_the_end(inlet, session, &read_queue, &read_shared).await;
        Side::Read
    });
    let reason = watch(road, &mut sides, queue, ticket, shared).await;
    // The plane hears nothing of a session after its end.
    sides.shutdown().await;
    reason
}

/// Waits for the session's end, and serves what is beside its frames.
async fn watch<R: Road>(
    road: &mut R,
    sides: &mut JoinSet<Side>,
    queue: &Queue,
    mut ticket: Ticket,
    shared: &Arc<Shared>,
) -> WireError {
    let mut sign_in_overdue = std::pin::pin!(tokio::time::sleep(UNAUTHENTICATED_MAX));
    let mut goodbye_overdue = std::pin::pin!(async {
        let reason = queue.closed().await;
        tokio::time::sleep(GOODBYE_WAIT).await;
        reason
    });
    let mut plane_gone = std::pin::pin!(shared.plane.closed());
    let (mut signing_in, mut plane, mut streams) = (true, true, true);
    // Aborted when the session is over.
    let mut bulk = JoinSet::new();
    loop {
        tokio::select! {
            Some(side) = sides.join_next() => match side {
                Ok(Side::Written(reason)) => return reason,
                Ok(Side::Read) if queue.is_closing() => {}
                Ok(Side::Read) => return left(),
                // It panicked, which has been logged.
                Err(_) => return WireError::new(Code::Internal, "the session broke: reconnect"),
            },
            () = queue.authenticated(), if signing_in => {
                signing_in = false;
                ticket.authenticated();
            }
            stream = road.bulk(), if streams && !signing_in && bulk.len() < BULK_STREAMS_MAX => match stream {
                Ok((inlet, outlet)) => {
                    let shared = shared.clone();
                    bulk.spawn(async move { bulk::serve(inlet, outlet, &shared, || ()).await });
                }
                Err(_) => streams = false,
            },
            Some(_) = bulk.join_next() => {}
            () = &mut sign_in_overdue, if signing_in => {
                signing_in = false;
                queue.close(WireError::new(Code::OutOfOrder, "this session has not signed in: reconnect"));
            }
            () = &mut plane_gone, if plane => {
                plane = false;
                queue.close(Readiness::ShuttingDown.refusal());
            }
            reason = &mut goodbye_overdue => return reason,
        }
    }
}

/// How reading ended.
enum ReadEnd {
    /// The client closed its side, or the connection is lost.
    Left,
    /// The node closes the session, or goes down.
    Closing,
    /// A frame cannot be read; nothing after it can.
    Refused { request_id: Option<u64>, error: WireError },
}

/// Reads until the client has left. When the node ends the session, what still comes is thrown away: the client's answer to the goodbye is
/// behind it.
async fn read_to_the_end(mut inlet: impl Inlet, session: SessionId, queue: &Queue, shared: &Shared) {
    match read_frames(&mut inlet, session, queue, shared).await {
        ReadEnd::Left => return,
        ReadEnd::Closing => {}
        ReadEnd::Refused { request_id, error } => {
            shared.metrics.frame_refused(error.code.number());
            tracing::info!(session = session.0, code = error.code.number(), "frame refused");
            refuse(queue, request_id, error);
        }
    }
    while inlet.read().await.is_some() {}
}

async fn read_frames(inlet: &mut impl Inlet, session: SessionId, queue: &Queue, shared: &Shared) -> ReadEnd {
    let mut decoder = frame::Decoder::new(limit::UNAUTHENTICATED_FRAME_BYTES_MAX);
    loop {
        let Some(bytes) = inlet.read().await else {
            return ReadEnd::Left;
        };
        decoder.push(&bytes);
        loop {
            if queue.is_authenticated() {
                decoder.set_limit(limit::FRAME_BYTES_MAX);
            }
            let bytes = match decoder.next_frame() {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break,
                Err(error) => return ReadEnd::Refused { request_id: None, error },
            };
            let frame = match ClientFrame::decode(bytes.clone()) {
                Ok(frame) => frame,
                Err(_) => {
                    let error = WireError::new(Code::Malformed, "the frame is not a valid message");
                    return ReadEnd::Refused { request_id: leading_request_id(&bytes), error };
                }
            };
            shared.metrics.frame_received();
            // What has no response cannot wait for one; the plane's lane holds back whoever says too much.
            if frame.request_id != NO_RESPONSE && !queue.request_starts().await {
                return ReadEnd::Closing;
            }
            if shared.plane.send(FromSession::Frame { session, frame }).await.is_err() {
                return ReadEnd::Closing;
            }
        }
    }
}

async fn write_frames(mut outlet: impl Outlet, session: SessionId, queue: &Queue, shared: &Shared) -> WireError {
    let (mut frames, mut chunks) = (Vec::new(), Vec::new());
    loop {
        frames.clear();
        chunks.clear();
        let batch = tokio::select! {
            biased;
            _gone = outlet.quiet() => return left(),
            batch = queue.next(WRITE_BYTES, &mut frames) => batch,
        };
        for outgoing in &frames {
            let encoded = match outgoing {
                Outgoing::Frame(frame) => frame::encode(frame, limit::FRAME_BYTES_MAX),
                Outgoing::Encoded(bytes) => Ok(bytes.clone()),
            };
            match encoded {
                Ok(bytes) => chunks.push(bytes),
                Err(error) => {
                    tracing::error!(session = session.0, "a frame of the node is too large");
                    return error;
                }
            }
        }
        if let Some(reason) = &batch.closing
            && let Ok(bytes) = frame::encode(&goodbye(reason), limit::FRAME_BYTES_MAX)
        {
            chunks.push(bytes);
        }
        if outlet.write(&mut chunks).await.is_err() {
            return left();
        }
        queue.sent(&frames);
        if let Some(reason) = batch.closing {
            // Bounded by the caller.
            return if outlet.finish(&reason).await.is_ok() { reason } else { left() };
        }
        if batch.drained && shared.plane.send(FromSession::Drained { session }).await.is_err() {
            return Readiness::ShuttingDown.refusal();
        }
    }
}

/// Says what is wrong in answer to the request, if that is known, then goodbye.
fn refuse(queue: &Queue, request_id: Option<u64>, error: WireError) {
    if let Some(request_id) = request_id {
        let result = Some(response::Result::Error(error.clone().into()));
        let response = Body::Response(Response { request_id, result });
        queue.push(ServerFrame { body: Some(response) }, Class::Required);
    }
    queue.close(error);
}

fn goodbye(reason: &WireError) -> ServerFrame {
    ServerFrame { body: Some(Body::Goodbye(Goodbye { error: Some(reason.clone().into()) })) }
}

/// The request id of a frame whose rest cannot be decoded: field 1 as a varint, where every encoder puts it first.
fn leading_request_id(bytes: &[u8]) -> Option<u64> {
    let (tag, mut rest) = bytes.split_first()?;
    let id = (*tag == 0x08).then(|| prost::encoding::decode_varint(&mut rest).ok())??;
    (id != 0).then_some(id)
}

/// The client has gone; the code is seen by nobody.
fn left() -> WireError {
    WireError::new(Code::ShuttingDown, "goodbye")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_found_in_front_of_rubbish() {
        let mut bytes = ClientFrame { request_id: 300, body: None }.encode_to_vec();
        bytes.extend([0x12, 0xff, 0xff]);
        assert!(ClientFrame::decode(bytes.as_slice()).is_err());
        assert_eq!(leading_request_id(&bytes), Some(300));
        assert_eq!(leading_request_id(&[]), None);
        assert_eq!(leading_request_id(&[0x08]), None);
        assert_eq!(leading_request_id(&[0x08, 0x00]), None);
        assert_eq!(leading_request_id(&[0x12, 0x01, 0x02]), None);
    }
}
