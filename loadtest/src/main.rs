//! `wardline-loadtest`: runs one workload and says what it measured.
use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use wardline_loadtest::{html, person, run, workload::Workload};

#[derive(Parser)]
#[command(name = "wardline-loadtest", version, about = "Named workloads against a Wardline node")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a node, put the workload on it, report
    Run {
        /// The workload, e.g. loadtest/workloads/chat.toml
        workload: PathBuf,
        /// Write the report here as JSON; without it, it goes to standard output
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// Write the report here as one HTML file with plots
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// The node's program; without it, `wardline` beside this program
        #[arg(long, value_name = "FILE", conflicts_with = "links")]
        node: Option<PathBuf>,
        /// Take a node that is there already instead of starting one: enrolment links of its accounts, one a line, one for each device of the
        /// workload. Each is used up
        #[arg(long, value_name = "FILE")]
        links: Option<PathBuf>,
        /// With --links, where the node runs on this machine: its process id, so that its CPU time and memory are seen
        #[arg(long, value_name = "PID", requires = "links")]
        node_process: Option<u32>,
        /// Change a value of the workload, e.g. --set calls.count=20; may be given several times
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
    /// Make a large group and a link to sign in with, to see a real client among so many. Told on standard input: `add`, `say TEXT`; its end ends everything
    Crowd {
        /// Members of the group, the person included
        #[arg(long, default_value_t = 1_000)]
        members: usize,
        /// The node's program; without it, `wardline` beside this program
        #[arg(long, value_name = "FILE")]
        node: Option<PathBuf>,
    },
}

/// The run was made and its report written, and the report has errors.
const RAN_WITH_ERRORS: u8 = 2;

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "error".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match start(Arguments::parse().command) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(wrong)) => {
            eprintln!("wardline-loadtest: the run has errors: {wrong}");
            ExitCode::from(RAN_WITH_ERRORS)
        }
        Err(error) => {
            eprintln!("wardline-loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Gives what went wrong in a run that could be made.
fn start(command: Command) -> Result<Option<String>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (workload, json, html, node, links, node_process, set) = match command {
        Command::Run { workload, json, html, node, links, node_process, set } => {
            (workload, json, html, node, links, node_process, set)
        }
        Command::Crowd { members, node } => {
            runtime.block_on(person::run(members, node.as_deref()))?;
            return Ok(None);
        }
    };
    let workload = Workload::read(&workload, &set)?;
    let report = runtime.block_on(async {
        let live = Arc::default();
        match &links {
            Some(links) => run::run_on(&workload, &mut run::given(&workload, links, node_process)?, &live, true).await,
            None => run::run(&workload, node.as_deref(), &live, true).await,
        }
    })?;
    eprint!("{report}");
    let text = serde_json::to_string_pretty(&report)? + "\n";
    let write =
        |path: &PathBuf, text: &str| std::fs::write(path, text).with_context(|| format!("writing {}", path.display()));
    if let Some(path) = &html {
        write(path, &html::page(&report)?)?;
    }
    match &json {
        Some(path) => write(path, &text)?,
        None => {
            use std::io::Write as _;
            std::io::stdout().write_all(text.as_bytes())?;
        }
    }
    Ok(report.wrong())
}
