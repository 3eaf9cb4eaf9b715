//! One run: a node, the workload, the report.
use crate::live::Live;
use crate::node::Node;
use crate::report::{Metric, OverTime, Plots, Report, Times};
use crate::sample::{Sample, Sampler};
use crate::video::{self, System as _};
use crate::workload::{Video, Workload};
use crate::{broadcast, calls, chat, churn, idle, machine, storm};
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What a workload measured.
#[derive(Debug, Default)]
pub struct Figures {
    metrics: BTreeMap<String, Metric>,
    errors: BTreeMap<String, u64>,
    plots: Plots,
}

impl Figures {
    /// Adds a figure.
    pub fn metric(&mut self, name: &str, metric: Metric) {
        self.metrics.insert(name.to_owned(), metric);
    }

    /// Adds a figure that there may be none of: what the node uses, where its process is not known.
    pub fn maybe(&mut self, name: &str, unit: &'static str, value: Option<f64>) {
        if let Some(value) = value {
            self.metric(name, Metric::value(unit, value));
        }
    }

    /// Adds a distribution of times, to be drawn as well.
    pub fn times(&mut self, name: &str, times: &Times) {
        self.metric(name, times.metric());
        self.plots.curves.insert(name.to_owned(), times.curve());
    }

    /// How a distribution of times changed during the run.
    pub fn over_time(&mut self, name: &str, over_time: &OverTime) {
        self.plots.over_time.insert(name.to_owned(), over_time.seconds());
    }

    /// Counts errors; none are not named.
    pub fn errors(&mut self, name: &str, count: u64) {
        if count > 0 {
            *self.errors.entry(name.to_owned()).or_default() += count;
        }
    }

    /// The report, with what is known of every run.
    fn report(mut self, workload: &Workload, live: &Live, samples: Vec<Sample>) -> Report {
        let most = samples.iter().map(|sample| sample.node_bytes).max().filter(|bytes| *bytes > 0);
        self.maybe("server_resident_max_mb", "MB", most.map(|bytes| bytes as f64 / 1e6));
        let dropped = samples.last().map_or(0, |last| last.datagrams_dropped);
        self.metric("datagrams_dropped", Metric::value("datagrams", dropped as f64));
        let plots = Plots {
            reason: workload.reason.clone(),
            settings: workload.settings(),
            phases: live.phases(),
            samples,
            ..self.plots
        };
        Report {
            workload: workload.name.clone(),
            commit: machine::commit(),
            machine: machine::description(),
            metrics: self.metrics,
            errors: self.errors,
            plots,
        }
    }
}

/// Starts what the workload needs (a node; for `video` a media plane alone), runs it, and ends that. `live` tells others how it goes; `shown`:
/// standard error does.
///
/// # Errors
/// What kept the workload from being run as it is written.
pub async fn run(workload: &Workload, program: Option<&Path>, live: &Arc<Live>, shown: bool) -> Result<Report> {
    match &workload.video {
        Some(load) => run_video(workload, load.clone(), live.clone(), shown).await,
        None => run_on(workload, &mut start(workload, program).await?, live, shown).await,
    }
}

async fn run_video(workload: &Workload, load: Video, live: Arc<Live>, shown: bool) -> Result<Report> {
    machine::open_files(u64::from(load.rooms) * (u64::from(load.viewers) + 1) + FILES_BESIDE)?;
    let mut system = video::media_plane()?;
    let sampler = Sampler::start(live.clone(), Some(system.process()), shown)?;
    let counted = live.clone();
    let figures = tokio::task::spawn_blocking(move || video::run(&load, &mut system, &counted)).await?;
    let samples = sampler.end();
    Ok(figures?.report(workload, &live, samples))
}

/// A node for a workload.
///
/// # Errors
/// What kept it from being started.
pub async fn start(workload: &Workload, program: Option<&Path>) -> Result<Node> {
    // Each device of the generator is a socket, whatever it does.
    let files = workload.accounts() * if workload.broadcast.is_some() { FILES_OF_A_VIEWER } else { 1 };
    machine::open_files(files as u64 + FILES_BESIDE)?;
    Node::start(program, workload.accounts()).await.context("starting the node")
}

/// A node that is there already, known by a file of enrolment links.
///
/// # Errors
/// What is wrong with the file; that it has too few links.
pub fn given(workload: &Workload, links: &Path, process: Option<u32>) -> Result<Node> {
    ensure!(
        workload.broadcast.is_none(),
        "[broadcast] brings its own node: it states who is in the audience. Leave --links out"
    );
    ensure!(workload.video.is_none(), "[video] brings its own media plane: leave --links out");
    machine::open_files(workload.accounts() as u64 + FILES_BESIDE)?;
    let text = std::fs::read_to_string(links).with_context(|| format!("reading {}", links.display()))?;
    let needed = workload.accounts();
    let found: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).take(needed).map(str::to_owned).collect();
    ensure!(found.len() == needed, "{}: the workload takes {needed} links, here are {}", links.display(), found.len());
    Node::given(&found, process).with_context(|| links.display().to_string())
}

/// Files of an account that watches: its line, its media, its device's state.
const FILES_OF_A_VIEWER: usize = 8;

/// Files of the generator and of the node beside one for each device.
const FILES_BESIDE: u64 = 300;

/// Runs a workload on a node that was started for it. `live` tells others how it goes; `shown`: standard error does.
///
/// # Errors
/// What kept the workload from being run as it is written.
pub async fn run_on(workload: &Workload, node: &mut Node, live: &Arc<Live>, shown: bool) -> Result<Report> {
    let sampler = Sampler::start(live.clone(), node.process(), shown)?;
    let load_before = machine::cpu_time(std::process::id())?;
    let done = match workload {
        Workload { calls: Some(calls), .. } => calls::run(calls, node, live).await,
        Workload { chat: Some(chat), .. } => chat::run(chat, node, live).await,
        Workload { idle: Some(idle), .. } => idle::run(idle, node, live).await,
        Workload { storm: Some(storm), .. } => storm::run(storm, node, live).await,
        Workload { churn: Some(churn), .. } => churn::run(churn, node, live).await,
        Workload { broadcast: Some(broadcast), .. } => broadcast::run(broadcast, node, live).await,
        _ => Err(anyhow::anyhow!("the workload says nothing to do")),
    };
    let samples = sampler.end();
    let mut figures = done.with_context(|| format!("the node's last words: {}", node.log()))?;
    let load_cpu = machine::cpu_time(std::process::id())?.saturating_sub(load_before);
    figures.metric("load_cpu_s", Metric::value("s", load_cpu.as_secs_f64()));
    figures.maybe("server_resident_mb", "MB", node.resident_bytes().map(|bytes| bytes as f64 / 1e6));
    figures.errors("node_ended", u64::from(node.has_ended()));
    Ok(figures.report(workload, live, samples))
}
