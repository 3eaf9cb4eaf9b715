//! The demo hospital as a process of its own, and people's devices on it.
use crate::network::Network;
use crate::program::{self, Program};
use crate::unsynced::Disk;
use anyhow::{Context as _, Result};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use wardline_client::connection::CertificatePin;
use wardline_client::core::{self, Event, Reply};
use wardline_client::session::join::Linking;
use wardline_client::session::{Client, join};
use wardline_protocol::wire::EnrolmentCode;
use wardline_protocol::{AccountId, Code, ConversationId, DeviceId, code};

/// How long the node may take to serve.
const START_MAX: Duration = Duration::from_secs(60);

/// How long a grant for a further device may take.
const LINK_MAX: Duration = Duration::from_secs(30);

/// What lies between a hospital's clients and its node.
pub struct Networks {
    /// Carries the signaling.
    pub line: Network,
    /// Carries the calls.
    pub media: Network,
}

/// A UDP address of this machine that is free now, for a node that must know its own before it starts.
pub fn free_port() -> Result<SocketAddr> {
    Ok(UdpSocket::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// A running `wardline dev`.
pub struct Hospital {
    program: Program,
    folder: PathBuf,
    ready: serde_json::Value,
}

impl Hospital {
    /// Starts one with its data in `folder/data`, or goes on with what is there. With a disk, its data is on that disk.
    /// Its log goes to `folder/node.log`. `listen` is `127.0.0.1:0` for the first start and the former address later.
    pub fn start(folder: &Path, listen: &str, disk: Option<&Disk>) -> Result<Self> {
        let ready_file = folder.join("ready.json");
        if ready_file.exists() {
            std::fs::remove_file(&ready_file)?;
        }
        let data = disk.map_or_else(|| folder.join("data"), |disk| disk.root().to_owned());
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("node.log"))?;
        let mut command = Command::new(program::path("wardline")?);
        command.args(["dev", "--listen", listen, "--data"]).arg(data).arg("--ready-file").arg(&ready_file);
        command.stdin(Stdio::null()).stderr(log);
        if let Some(disk) = disk {
            disk.mount(&mut command);
        }
        let program = Program::start(&mut command)?;
        let ready = program::ready_file(&ready_file, START_MAX)
            .with_context(|| std::fs::read_to_string(folder.join("node.log")).unwrap_or_default())?;
        Ok(Self { program, folder: folder.to_owned(), ready })
    }

    /// Ends `wardline dev`, which plays the IT admin too, and goes on with `wardline serve`, which knows what a real node knows, on the
    /// same addresses and the same data.
    pub fn serve_only(self) -> Result<Self> {
        self.serve_with(&[("WARDLINE_MEDIA__ADDRESS", "127.0.0.1:0".to_owned())])
    }

    /// The same, behind networks that the story can spoil: clients find one where they found the node, and the other where the node
    /// tells them that its media is.
    pub async fn serve_behind(self) -> Result<(Self, Networks)> {
        let (front, any) = (self.address()?, SocketAddr::from(([127, 0, 0, 1], 0)));
        let media = Network::start(any, free_port()?).await?;
        let node = free_port()?;
        let hospital = self.serve_with(&[
            ("WARDLINE_LISTEN__ADDRESS", node.to_string()),
            ("WARDLINE_MEDIA__SHARDS", "1".to_owned()),
            ("WARDLINE_MEDIA__ADDRESS", media.node().to_string()),
            ("WARDLINE_MEDIA__ADVERTISE", format!("[\"{}\"]", media.address())),
        ])?;
        Ok((hospital, Networks { line: Network::start(front, node).await?, media }))
    }

    fn serve_with(self, settings: &[(&str, String)]) -> Result<Self> {
        let Self { program, folder, ready } = self;
        program.kill()?;
        let ops = ready["ops"].as_str().context("ops in the ready file")?;
        let mut command = Command::new(program::path("wardline")?);
        command.args(["serve", "--data"]).arg(folder.join("data").join("node"));
        command.env("WARDLINE_LISTEN__ADDRESS", ready["address"].as_str().context("address in the ready file")?);
        command.env("WARDLINE_WEB__ADDRESS", "127.0.0.1:0");
        command.env("WARDLINE_OPS__ADDRESS", ops).envs(settings.iter().map(|(key, value)| (key, value)));
        let log = std::fs::OpenOptions::new().append(true).open(folder.join("node.log"))?;
        let program = Program::start(command.stdin(Stdio::null()).stderr(log))?;
        let until = Instant::now() + START_MAX;
        while !is_ready(ops) {
            anyhow::ensure!(Instant::now() < until, "the node does not serve within {START_MAX:?}");
            std::thread::sleep(Duration::from_millis(10)); // bounded: by `until`
        }
        Ok(Self { program, folder, ready })
    }

    /// Where clients reach it.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.ready["address"].as_str().context("address in the ready file")?.parse()?)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.program.id()
    }

    /// What it has logged so far.
    pub fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.folder.join("node.log"))?)
    }

    /// The enrolment link of a person, and what is in it.
    pub fn link(&self, handle: &str) -> Result<(String, EnrolmentCode)> {
        let link = self.ready["enrolment"][handle].as_str().with_context(|| format!("no link for {handle}"))?;
        Ok((link.to_owned(), code::parse_enrolment(link)?))
    }

    /// Ends it at once, as a power cut does.
    pub fn kill(self) -> Result<()> {
        self.program.kill().map(drop)
    }

    /// Enrols a device of a person, with its state in `folder/<handle>`, and lets it connect.
    pub async fn device(&self, handle: &str) -> Result<Device> {
        let (link, code) = self.link(handle)?;
        let directory = self.folder.join(handle);
        let id = join::enrol(&directory, &link).await?;
        Device::open(directory, AccountId::parse(&code.account_id)?, id).await
    }

    /// A further device of the same person, let in by the one there is, with its state in `folder/<name>`.
    pub async fn further_device(&self, name: &str, one: &Device) -> Result<Device> {
        let nodes = one.client.look(|core| core.directory().nodes().map(|node| node.certificate_sha256).next());
        let pin = CertificatePin(nodes.await?.context("a node in the directory")?);
        let linking = Linking::begin(&self.address()?.to_string(), pin).await?;
        let code = code::parse_device_link(&linking.code())?;
        let directory = self.folder.join(name);
        let approving = async {
            // The node may take the approval before it has taken that the new device waits: nobody types that fast.
            loop {
                match one.client.command(core::Command::ApproveLink { code: code.clone() }).await? {
                    Err(failure) if failure.code() == Some(Code::UnknownDevice) => {}
                    done => return Ok(done.map(drop)?),
                }
            }
        };
        let finishing = async { anyhow::Ok(linking.finish(&directory).await?) };
        let linked = tokio::time::timeout(LINK_MAX, async { tokio::try_join!(approving, finishing) }).await;
        let ((), id) = linked.context("linking a device")??;
        Device::open(directory, one.account, id).await
    }
}

/// Whether `/readyz` answers 200.
fn is_ready(ops: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(ops)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// A device and what it has told.
pub struct Device {
    /// The device itself.
    pub client: Client,
    /// Whose.
    pub account: AccountId,
    /// Its id.
    pub id: DeviceId,
    directory: PathBuf,
    events: Receiver<Event>,
}

impl Device {
    async fn open(directory: PathBuf, account: AccountId, id: DeviceId) -> Result<Self> {
        let (client, events) = Client::open(&directory).await?;
        Ok(Self { client, account, id, directory, events })
    }

    /// Ends the program; the device can be opened again later.
    pub async fn close(self) -> Closed {
        self.client.close().await;
        Closed { directory: self.directory, account: self.account, id: self.id }
    }

    /// Reads events until `wanted` gives something. Errors at the bound, or when events were missed.
    pub async fn until<T>(&mut self, bound: Duration, mut wanted: impl FnMut(Event) -> Option<T>) -> Result<T> {
        let reading = async {
            loop {
                match self.events.recv().await {
                    Ok(event) => {
                        if let Some(found) = wanted(event) {
                            return Ok(found);
                        }
                    }
                    Err(RecvError::Lagged(missed)) => anyhow::bail!("{missed} events were missed"),
                    Err(RecvError::Closed) => anyhow::bail!("the device has ended"),
                }
            }
        };
        tokio::time::timeout(bound, reading).await.with_context(|| format!("nothing within {bound:?}"))?
    }

    /// Carries out a command; a refusal is an error.
    pub async fn command(&self, command: core::Command) -> Result<Reply> {
        Ok(self.client.command(command).await??)
    }

    /// Waits until it is signed in and level with the node.
    pub async fn ready(&mut self, bound: Duration) -> Result<()> {
        self.until(bound, |event| matches!(event, Event::Ready).then_some(())).await.context("signing in")
    }

    /// The direct conversation with another account, found or made.
    pub async fn direct(&self, account: AccountId) -> Result<ConversationId> {
        match self.command(core::Command::OpenDirect { account }).await? {
            Reply::Conversation(conversation) => Ok(conversation),
            _ => anyhow::bail!("no conversation in the answer"),
        }
    }

    /// Sends a text: it is in the outbox then.
    pub async fn send(&self, conversation: ConversationId, text: &str) -> Result<()> {
        self.command(core::Command::Send { conversation, text: text.to_owned() }).await.map(drop)
    }
}

/// A device whose program has ended.
pub struct Closed {
    directory: PathBuf,
    account: AccountId,
    id: DeviceId,
}

impl Closed {
    /// Starts it again.
    pub async fn open(self) -> Result<Device> {
        Device::open(self.directory, self.account, self.id).await
    }

    /// Where its state is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}
