//! `wardline`: the node of a hospital's secure communication.
use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};
use wardline_relay::config::{Config, Listen};
use wardline_relay::node::{Node, Running};
use wardline_relay::{backup, dev, init, logging};

#[derive(Parser)]
#[command(name = "wardline", version, about = "The node of a hospital's secure communication", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a data directory for a new node
    Init {
        /// The new data directory
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// The hospital's public root key, or a file that holds it (hospital.pub of `wardline-admin init`)
        #[arg(long, value_name = "HEX|FILE")]
        root: String,
        /// The node's name, for people
        #[arg(long, default_value = "node")]
        name: String,
        /// Where clients reach the node; may be given several times, the preferred one first
        #[arg(long, value_name = "HOST:PORT")]
        advertise: Vec<String>,
    },
    /// Serve
    Serve {
        /// The configuration; see config/wardline.toml
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// The data directory, instead of the configuration's
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Make a demo hospital with a few accounts, and serve it. Not for real use: the hospital's keys lie beside the node
    Dev {
        /// Where everything is kept
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// UDP address of clients
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// TCP address of the page for browsers: plain HTTP on a loopback address, else HTTPS
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
        web: SocketAddr,
        /// TCP address of monitoring
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
        ops: SocketAddr,
        /// Write addresses and enrolment links here (JSON) when the node serves
        #[arg(long, value_name = "FILE")]
        ready_file: Option<PathBuf>,
        /// With a channel in which Anna writes to everybody
        #[arg(long)]
        channel: bool,
    },
    /// Copy the node's state into one file, also while it serves
    Backup {
        /// The node's data directory
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// The new file. Keep it as safe as the data directory
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Make a data directory from a backup
    Restore {
        /// The backup
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        /// The new data directory
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot start")
        .and_then(|runtime| runtime.block_on(run(arguments.command)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wardline: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Init { data, root, name, advertise } => make(data, &root, &name, advertise).await,
        Command::Serve { config, data } => serve(config, data).await,
        Command::Dev { data, listen, web, ops, ready_file, channel } => {
            let options = dev::Options { dir: data, listen, web, ops, ready_file, channel };
            logging::start(&dev::config(&options).log)?;
            let end = End::listen()?;
            let (running, ready) = dev::start(&options).await?;
            say(&format!("{} serves on {}, monitoring on http://{}", dev::HOSPITAL, ready.address, ready.ops))?;
            for (handle, link) in &ready.enrolment {
                say(&format!("{handle}: {link}"))?;
            }
            say("in a browser:")?;
            for (handle, link) in &ready.web_enrolment {
                say(&format!("{handle}: {link}"))?;
            }
            end.told(running).await
        }
        Command::Backup { data, to } => {
            backup::backup(&data, &to).await?;
            say(&format!("{} holds the node's state and keys. Keep it as safe as the data directory", to.display()))
        }
        Command::Restore { from, data } => {
            backup::restore(&from, &data).await?;
            say(&format!(
                "{} is restored. Make sure that the old node never serves again, then: wardline serve --data {}",
                data.display(),
                data.display()
            ))
        }
    }
}

async fn make(data: PathBuf, root: &str, name: &str, mut advertise: Vec<String>) -> anyhow::Result<()> {
    let root = init::parse_root(root)?;
    if advertise.is_empty() {
        advertise = own_addresses(Listen::default().address.port())?;
    }
    for address in &advertise {
        if address.rsplit_once(':').is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err()) {
            bail!("--advertise {address} is not HOST:PORT");
        }
    }
    let made = init::init(&data, root, name, advertise).await?;
    let card = made.dir.file(wardline_relay::identity::CARD_FILE);
    say(&format!("node {} is made in {}", made.node_id, data.display()))?;
    say(&format!("clients will look for it at: {}", made.card.addresses.join(", ")))?;
    say("next:")?;
    say(&format!("  1. wardline serve --data {}", data.display()))?;
    say(&format!("  2. on the IT admin's machine, with this file: wardline-admin node add --card {}", card.display()))
}

async fn serve(file: Option<PathBuf>, data: Option<PathBuf>) -> anyhow::Result<()> {
    if file.is_none() && data.is_none() {
        bail!("give --config FILE or --data DIR");
    }
    let mut config = Config::load(file.as_deref())?;
    if let Some(data) = data {
        config.data_dir = data;
    }
    logging::start(&config.log)?;
    let end = End::listen()?;
    end.told(Node::start(&config).await?).await
}

/// SIGTERM and SIGINT, listened to before the node starts, so that none is missed.
struct End {
    terminate: Signal,
    interrupt: Signal,
}

impl End {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Serves until one of them comes, then goes down in order. Errors when the node cannot go on by itself.
    async fn told(mut self, running: Running) -> anyhow::Result<()> {
        let told = tokio::select! {
            _ = self.terminate.recv() => true,
            _ = self.interrupt.recv() => true,
            () = running.ended() => false,
        };
        running.shutdown().await;
        if told { Ok(()) } else { bail!("the node could not go on, see its last lines above: start it again") }
    }
}

/// This host's addresses, those that others reach first.
fn own_addresses(port: u16) -> anyhow::Result<Vec<String>> {
    let mut addresses: Vec<IpAddr> = if_addrs::get_if_addrs()
        .context("the host's interfaces cannot be listed: give --advertise HOST:PORT")?
        .iter()
        .map(if_addrs::Interface::ip)
        .filter(|ip| !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()))
        .collect();
    addresses.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6()));
    let outside = addresses.iter().filter(|ip| !ip.is_loopback()).count();
    addresses.truncate(outside.max(1));
    Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, port).to_string()).collect())
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("standard output is closed")
}
