//! The log: one line an event on standard error, ids only.
use crate::config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// Starts the log. Libraries are heard from warnings on only: below, some of them print addresses.
pub fn start(log: &Log) -> Result<(), ParseError> {
    let level = log.level.as_str();
    let others = if level == "error" { "error" } else { "warn" };
    let filter = EnvFilter::try_new(format!(
        "{others},wardline_relay={level},wardline_signaling={level},wardline_sfu={level},wardline={level},sqlx=error,quinn=error,quinn_proto=error,web_transport_quinn=error,tungstenite=error"
    ))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    let started = match log.format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Text => lines.try_init(),
    };
    if started.is_err() {
        tracing::debug!("the log was started before");
    }
    Ok(())
}
