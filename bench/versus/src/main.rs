//! `wardline-versus`: Wardline beside other systems, on the same machine, under the same load, in turns.
mod fanout;
mod janus;
mod limit;
mod mqtt;
mod naive;
mod report;
mod sfu;
mod spread;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::net::IpAddr;
use std::path::PathBuf;

#[derive(Parser)]
#[command(name = "wardline-versus", version, about = "Wardline beside other systems, under the same load, in turns")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Media planes: ours, Janus, and a naive one on str0m
    Sfu {
        #[command(flatten)]
        arguments: sfu::Arguments,
        /// Folder for JSON and page
        #[arg(long, default_value = "target/versus")]
        out: PathBuf,
    },
    /// One message to many: our node and mosquitto
    Fanout {
        #[command(flatten)]
        arguments: fanout::Arguments,
        /// Folder for JSON and page
        #[arg(long, default_value = "target/versus")]
        out: PathBuf,
    },
    /// What the machine can do at all
    Limits {
        /// Address to send from and to
        #[arg(long, default_value = "127.0.0.1")]
        address: IpAddr,
    },
    /// The naive media plane, until its input ends
    #[command(hide = true)]
    ServeNaive {
        /// Where it listens
        address: IpAddr,
    },
}

#[expect(clippy::print_stdout, reason = "its figures are its output")]
fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Sfu { arguments, out } => {
            let report = sfu::run(&arguments)?;
            let page = report.write(&out)?;
            println!("{}{}", report.lines(), page.display());
        }
        Command::Fanout { arguments, out } => {
            let report = fanout::run(&arguments)?;
            let page = report.write(&out)?;
            println!("{}{}", report.lines(), page.display());
        }
        Command::Limits { address } => println!("{}", serde_json::to_string_pretty(&limit::measure(address)?)?),
        Command::ServeNaive { address } => naive::serve(address)?,
    }
    Ok(())
}
