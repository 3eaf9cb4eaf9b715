//! `wardline-loadtest`: runs one workload and says what it measured.
use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use wardline_loadtest::{crowd, run, workload::Workload};

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
        /// The node's program; without it, `wardline` beside this program
        #[arg(long, value_name = "FILE")]
        node: Option<PathBuf>,
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

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "error".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match start(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wardline-loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(command: Command) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (workload, json, node, set) = match command {
        Command::Run { workload, json, node, set } => (workload, json, node, set),
        Command::Crowd { members, node } => return runtime.block_on(crowd::run(members, node.as_deref())),
    };
    let workload = Workload::read(&workload, &set)?;
    let report = runtime.block_on(run::run(&workload, node.as_deref()))?;
    eprint!("{report}");
    let text = serde_json::to_string_pretty(&report)?;
    match json {
        Some(path) => std::fs::write(&path, text + "\n").with_context(|| format!("writing {}", path.display())),
        None => {
            use std::io::Write as _;
            Ok(writeln!(std::io::stdout(), "{text}")?)
        }
    }
}
