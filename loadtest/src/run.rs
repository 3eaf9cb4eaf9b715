//! One run: a node, the workload, the report.
use crate::node::Node;
use crate::report::{Metric, Report};
use crate::workload::Workload;
use crate::{calls, chat, machine, video};
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// What a workload measured.
#[derive(Debug, Default)]
pub struct Figures {
    metrics: BTreeMap<String, Metric>,
    errors: BTreeMap<String, u64>,
}

impl Figures {
    /// Adds a figure.
    pub fn metric(&mut self, name: &str, metric: Metric) {
        self.metrics.insert(name.to_owned(), metric);
    }

    /// Counts errors; none are not named.
    pub fn errors(&mut self, name: &str, count: u64) {
        if count > 0 {
            *self.errors.entry(name.to_owned()).or_default() += count;
        }
    }

    fn report(self, workload: &Workload) -> Report {
        Report {
            workload: workload.name.clone(),
            commit: machine::commit(),
            machine: machine::description(),
            metrics: self.metrics,
            errors: self.errors,
        }
    }
}

/// Starts a node, runs the workload on it, and ends it.
///
/// # Errors
/// What kept the workload from being run as it is written.
pub async fn run(workload: &Workload, program: Option<&Path>) -> Result<Report> {
    if let Some(load) = workload.video.clone() {
        let figures = tokio::task::spawn_blocking(move || video::run(&load)).await??;
        return Ok(figures.report(workload));
    }
    let accounts = match (&workload.calls, &workload.chat) {
        (_, Some(chat)) => chat.members + chat.witnesses,
        _ => 2,
    };
    let node = Node::start(program, accounts).await.context("starting the node")?;
    let load_before = machine::cpu_time(std::process::id())?;
    let mut figures = match (&workload.calls, &workload.chat) {
        (Some(calls), _) => calls::run(calls, &node).await,
        (_, Some(chat)) => chat::run(chat, &node).await,
        _ => anyhow::bail!("the workload says nothing to do"),
    }
    .with_context(|| format!("the node's last words: {}", node.log()))?;
    let load_cpu = machine::cpu_time(std::process::id())? - load_before;
    figures.metric("load_cpu_s", Metric::value("s", load_cpu.as_secs_f64()));
    figures.metric("server_resident_mb", Metric::value("MB", node.resident_bytes()? as f64 / 1e6));
    Ok(figures.report(workload))
}
