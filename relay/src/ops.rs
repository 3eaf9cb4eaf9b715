//! Plain HTTP for the hospital's monitoring: is the process alive, does it serve, what does it count.
use crate::metrics::Metrics;
use crate::node::{Control, Readiness};
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use wardline_sfu::Sfu;
use wardline_signaling::Counts;

/// How long the plane may take to say how much there is; a plane that takes longer is not ready.
pub const PLANE_ANSWER_MAX: Duration = Duration::from_secs(1);

/// What the answers are made of.
#[derive(Clone)]
pub(crate) struct State {
    pub metrics: Arc<Metrics>,
    pub readiness: watch::Receiver<Readiness>,
    pub control: mpsc::Sender<Control>,
    pub sfu: Sfu,
}

/// Binds the TCP address.
pub(crate) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until the task is aborted.
pub(crate) async fn serve(listener: TcpListener, state: State) {
    let router = Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(state);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "monitoring has ended");
    }
}

/// 200 when sessions are served, else 503; the body says which part is not up.
async fn ready(axum::extract::State(state): axum::extract::State<State>) -> impl IntoResponse {
    let readiness = *state.readiness.borrow();
    let plane = readiness == Readiness::Ready && counts(&state).await.is_some();
    let media = !state.sfu.local_addresses().is_empty();
    let ready = plane && media;
    let body = serde_json::json!({
        "ready": ready,
        "plane": plane,
        "store": readiness != Readiness::StoreFailed,
        "media": media,
        "shutting_down": readiness == Readiness::ShuttingDown,
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body))
}

async fn metrics(axum::extract::State(state): axum::extract::State<State>) -> impl IntoResponse {
    if let Some(counts) = counts(&state).await {
        state.metrics.plane_counts(&counts);
    }
    state.metrics.media_stats(&state.sfu.stats());
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], state.metrics.render())
}

async fn counts(state: &State) -> Option<Counts> {
    let (reply, answer) = oneshot::channel();
    let asked = async {
        state.control.send(Control::Counts(reply)).await.ok()?;
        answer.await.ok()
    };
    tokio::time::timeout(PLANE_ANSWER_MAX, asked).await.ok().flatten()
}
