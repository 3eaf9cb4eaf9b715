//! What a session needs of the way it came: native QUIC, WebTransport or WebSocket. The session's rules are the same on all of them.
//!
//! Absent on purpose: frames. A road carries the bytes of one stream in each direction and cuts them as it likes.
use bytes::Bytes;
use std::future::Future;
use wardline_protocol::WireError;

/// The other side is gone, or cannot be reached any more.
#[derive(Debug)]
pub(crate) struct Gone;

/// A connection that will carry one control stream, and bulk streams beside it.
pub(crate) trait Road: Send {
    /// From the client.
    type Inlet: Inlet + 'static;
    /// To the client.
    type Outlet: Outlet + 'static;

    /// Waits for the client's control stream; it comes once.
    fn control(&mut self) -> impl Future<Output = Result<(Self::Inlet, Self::Outlet), Gone>> + Send;

    /// Waits for a further stream of the client, after [`control`](Self::control). Dropped and called again at any time.
    fn bulk(&mut self) -> impl Future<Output = Result<(Self::Inlet, Self::Outlet), Gone>> + Send;

    /// Ends the connection, for a reason that the other side can read if the road has a place for it.
    fn close(self, reason: &WireError) -> impl Future<Output = ()> + Send;
}

/// The client's bytes.
pub(crate) trait Inlet: Send {
    /// Further bytes, or `None`: the client has ended the stream, or is gone. Nothing is lost when the future is dropped.
    fn read(&mut self) -> impl Future<Output = Option<Bytes>> + Send;
}

/// The node's bytes.
pub(crate) trait Outlet: Send {
    /// Hands all chunks to the road, which may keep them waiting until the client takes them; `chunks` is of no use afterwards.
    fn write(&mut self, chunks: &mut Vec<Bytes>) -> impl Future<Output = Result<(), Gone>> + Send;

    /// Says that nothing follows and waits until the client has everything. Meanwhile the session goes on reading.
    fn finish(&mut self, reason: &WireError) -> impl Future<Output = Result<(), Gone>> + Send;

    /// What the road does while there is nothing to write; ends only when the client is gone. Dropped and called again at any time.
    fn quiet(&mut self) -> impl Future<Output = Gone> + Send {
        std::future::pending()
    }
}
