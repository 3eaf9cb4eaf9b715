//! The node under load: a process of its own, with a hospital made for this run alone; or one that is there already, for whose accounts there are links.
use crate::machine;
use crate::ports::Ports;
use anyhow::{Context as _, Result, ensure};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use wardline_client::admin::node_card::NodeCard;
use wardline_client::connection::{CertificatePin, Connection};
use wardline_directory::Refusal;
use wardline_directory::hospital::{Hospital, Person};
use wardline_directory::invitation::Invitation;
use wardline_directory::key::{OperationalKey, PublicKey, RootKey};
use wardline_protocol::code::parse_enrolment;
use wardline_protocol::wire::{self, client_frame::Body};
use wardline_protocol::{AccountId, limit};

/// How long the node may take to serve.
const START_MAX: Duration = Duration::from_secs(30);

/// How often it is asked whether it serves.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// How long an answer to that is waited for: what is asked of a port that nobody has opened yet is lost, and QUIC repeats it after a second.
const ANSWER_MAX: Duration = Duration::from_millis(200);

/// What the node's reports call this program.
pub const CLIENT: &str = concat!("wardline-loadtest/", env!("CARGO_PKG_VERSION"));

/// Where clients find the node.
#[derive(Clone, Debug)]
pub struct Access {
    /// "host:port".
    pub address: String,
    /// Its certificate.
    pub pin: CertificatePin,
    /// The hospital's public root.
    pub root: PublicKey,
    ports: Ports,
}

impl Access {
    fn new(address: String, pin: CertificatePin, root: PublicKey) -> Self {
        Self { address, pin, root, ports: Ports::default() }
    }

    /// A new connection that has not said anything yet.
    ///
    /// # Errors
    /// As [`Connection::open_from`].
    pub async fn connect(&self) -> Result<Connection> {
        let mut resolved = tokio::net::lookup_host(self.address.as_str()).await?;
        let address = resolved.next().with_context(|| format!("{} has no address", self.address))?;
        let port = self.ports.next(address)?;
        Ok(Connection::open_from(&port, address, std::slice::from_ref(&self.pin)).await?)
    }
}

/// Where the node serves its page for browsers, in plain HTTP on loopback.
#[derive(Clone, Copy, Debug)]
pub struct Page(pub SocketAddr);

impl Page {
    /// On a port that is free now.
    ///
    /// # Errors
    /// When there is none.
    pub fn free() -> Result<Self> {
        Ok(Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?))
    }
}

struct Again {
    program: PathBuf,
    data: PathBuf,
    address: SocketAddr,
    page: Option<Page>,
    log: PathBuf,
}

impl Again {
    fn serve(&self) -> Result<Child> {
        serve(&self.program, &self.data, self.address, self.page, &self.log)
    }
}

/// A running node. Dropped, one that was started here is ended and its data removed.
pub struct Node {
    child: Option<Child>,
    /// How it was started here, for starting it again.
    again: Option<Again>,
    /// Whose CPU time and memory are looked at; none where the node runs elsewhere.
    process: Option<u32>,
    folder: TempDir,
    access: Access,
    invitations: Vec<Invitation>,
    link_of: Vec<String>,
    /// The hospital's keys, where it was made here.
    office: Option<Office>,
}

struct Office {
    root: RootKey,
    hospital: Hospital,
}

impl Node {
    /// Makes a hospital with so many accounts and starts `program` for it. Bulk limits are lifted: a load test is no attack.
    ///
    /// # Errors
    /// What went wrong, with the node's own words.
    pub async fn start(program: Option<&Path>, accounts: usize) -> Result<Self> {
        Self::start_with(program, accounts, None).await
    }

    /// [`Node::start`], with its page.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub async fn start_with(program: Option<&Path>, accounts: usize, page: Option<Page>) -> Result<Self> {
        let program = program.map_or_else(beside_this, |path| Ok(path.to_owned()))?;
        let folder = tempfile::tempdir()?;
        let root = RootKey::generate()?;
        let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let data = folder.path().join("data");
        let made = Command::new(&program)
            .args(["init", "--name", "loadtest", "--root", &root.public().to_hex()])
            .args(["--advertise", &free.to_string(), "--data"])
            .arg(&data)
            .output()
            .with_context(|| format!("starting {}", program.display()))?;
        ensure!(made.status.success(), "wardline init: {}", String::from_utf8_lossy(&made.stderr));
        let card = NodeCard::parse(&std::fs::read_to_string(data.join("node.json"))?)?.record()?;

        let mut hospital = Hospital::found(&root, OperationalKey::generate()?, now_ms())?;
        hospital.add_node(&card, now_ms())?;
        let mut invitations = Vec::with_capacity(accounts);
        for n in 0..accounts {
            let person = Person::internal(format!("p{n}"), format!("Person {n}"), "load");
            invitations.push(hospital.add_account(&person, now_ms())?);
        }
        let link_of = invitations.iter().map(|invitation| invitation.link(root.public(), &card).to_string()).collect();
        let pin = CertificatePin(card.certificate_sha256);
        let access = Access::new(free.to_string(), pin, root.public());
        let again = Again { program, data, address: free, page, log: folder.path().join("node.log") };
        let child = again.serve()?;
        let process = Some(child.id());
        let office = Some(Office { root, hospital });
        let node =
            Self { child: Some(child), again: Some(again), process, folder, access, invitations, link_of, office };
        node.publish(0).await.with_context(|| node.log())?;
        Ok(node)
    }

    /// A node that is there already. `links` are enrolment links of its accounts, one for each device that the workload takes: each is used up.
    /// `process`: the node's, where it runs on this machine.
    ///
    /// # Errors
    /// Which link cannot be read, or is of another node or hospital than the first.
    pub fn given(links: &[String], process: Option<u32>) -> Result<Self> {
        let mut access: Option<Access> = None;
        let mut invitations = Vec::with_capacity(links.len());
        for (n, link) in links.iter().enumerate() {
            let damaged = || format!("link {} cannot be read", n + 1);
            let code = parse_enrolment(link).map_err(|error| anyhow::anyhow!(error.message)).with_context(damaged)?;
            let seed = code.seed.as_ref().try_into().ok().with_context(damaged)?;
            let pin = CertificatePin::parse(&code.certificate_sha256).with_context(damaged)?;
            let root = PublicKey::parse(&code.root_public_key).ok().with_context(damaged)?;
            let first = access.get_or_insert_with(|| Access::new(code.node_address.clone(), pin, root));
            ensure!(
                first.address == code.node_address && first.pin == pin && first.root.to_bytes() == root.to_bytes(),
                "link {} is of another node or hospital than the first",
                n + 1
            );
            // When it expires is the node's to say.
            invitations.push(Invitation::from_seed(AccountId::parse(&code.account_id)?, 0, seed));
        }
        let access = access.context("there is no link")?;
        if let Some(process) = process {
            machine::cpu_time(process).with_context(|| format!("there is no process {process} on this machine"))?;
        }
        Ok(Self {
            child: None,
            again: None,
            process,
            folder: tempfile::tempdir()?,
            access,
            invitations,
            link_of: links.to_vec(),
            office: None,
        })
    }

    /// Where clients find it.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// One for each account.
    pub fn invitations(&self) -> &[Invitation] {
        &self.invitations
    }

    /// The enrolment link of an account, for clients that take links.
    pub fn link(&self, account: usize) -> Result<&str> {
        Ok(self.link_of.get(account).context("an account of this hospital")?)
    }

    /// What the page for browsers takes of that link.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn code(&self, account: usize) -> Result<&str> {
        self.link(account)?.rsplit('#').next().context("a link with a code")
    }

    /// A folder for clients' files, removed with the node.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process, for those who look at it from outside.
    pub fn process(&self) -> Option<u32> {
        self.process
    }

    /// Clients find it here from now on: behind a network that a test spoils.
    pub fn reach_at(&mut self, address: SocketAddr) {
        self.access.address = address.to_string();
    }

    /// CPU time used so far; `None` when the process is not known here, or has ended.
    pub fn cpu_time(&self) -> Option<Duration> {
        machine::cpu_time(self.process?).ok()
    }

    /// CPU time used since it was `before`.
    pub fn cpu_since(&self, before: Option<Duration>) -> Option<Duration> {
        Some(self.cpu_time()?.saturating_sub(before?))
    }

    /// Memory held now, in bytes; `None` as with [`cpu_time`](Self::cpu_time).
    pub fn resident_bytes(&self) -> Option<u64> {
        machine::resident_bytes(self.process?).ok()
    }

    /// Ends it without warning, starts it again on the same data, and says after how long it answered; `None` when it was not started here.
    ///
    /// # Errors
    /// What kept it from being started; that it did not serve in time.
    pub async fn restart(&mut self) -> Result<Option<Duration>> {
        let (Some(child), Some(again)) = (&mut self.child, &self.again) else { return Ok(None) };
        child.kill()?;
        child.wait()?;
        let began = Instant::now();
        *child = again.serve()?;
        self.process = Some(child.id());
        self.serving().await?.close().await;
        Ok(Some(began.elapsed()))
    }

    /// Bytes that it has on its disk; `None` when it was not started here.
    pub fn stored_bytes(&self) -> Option<u64> {
        let files = std::fs::read_dir(&self.again.as_ref()?.data).ok()?;
        Some(files.filter_map(|file| file.ok()?.metadata().ok()).map(|about| about.len()).sum())
    }

    /// Whether it was started here, and is not there any more.
    pub fn has_ended(&self) -> bool {
        // An ended child keeps its place among the processes until it is waited for, but uses no memory.
        self.child.is_some() && self.resident_bytes().is_none()
    }

    /// The end of what it has logged.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("node.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(10).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// A connection, as soon as it serves.
    async fn serving(&self) -> Result<Connection> {
        let until = Instant::now() + START_MAX;
        loop {
            match tokio::time::timeout(ANSWER_MAX, self.access.connect()).await.map_err(anyhow::Error::from).flatten() {
                Ok(connection) => return Ok(connection),
                Err(error) => {
                    ensure!(!self.has_ended(), "the node has ended");
                    ensure!(Instant::now() < until, "the node does not serve within {START_MAX:?}: {error}");
                    tokio::time::sleep(ASK_EVERY).await;
                }
            }
        }
    }

    /// States something of the hospital, and publishes it. `acts` takes the time as well, Unix milliseconds.
    ///
    /// # Errors
    /// That the hospital was not made here; what it or the node refuses.
    pub async fn state<T>(&mut self, acts: impl FnOnce(&mut Hospital, u64) -> Result<T, Refusal>) -> Result<T> {
        let office = self.office.as_mut().context("this needs the hospital's keys: leave --links out")?;
        let version = office.hospital.directory().version();
        let stated = acts(&mut office.hospital, now_ms())?;
        self.publish(version).await?;
        Ok(stated)
    }

    /// Publishes what was stated after this version.
    async fn publish(&self, version: u64) -> Result<()> {
        let Some(Office { root, hospital }) = &self.office else { return Ok(()) };
        let mut connection = self.serving().await?;
        let challenge = connection.hello(CLIENT).await?;
        connection.authenticate_admin(&challenge, |message| root.sign(message)).await?;
        for page in hospital.statements_after(version).chunks(limit::STATEMENTS_PER_PAGE) {
            let request = wire::PublishStatements { statements: page.to_vec() };
            connection.request(Body::PublishStatements(request)).await?;
        }
        connection.close().await;
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Both fail only when it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn serve(program: &Path, data: &Path, address: SocketAddr, page: Option<Page>, log: &Path) -> Result<Child> {
    let lifted = u32::MAX.to_string();
    let page_address = page.map_or("127.0.0.1:0".to_owned(), |page| page.0.to_string());
    Command::new(program)
        .args(["serve", "--data"])
        .arg(data)
        .env("WARDLINE_LISTEN__ADDRESS", address.to_string())
        .env("WARDLINE_LISTEN__UNAUTHENTICATED_PER_ADDRESS_MAX", "20000")
        .env("WARDLINE_LISTEN__UNAUTHENTICATED_MAX", "20000")
        .env("WARDLINE_OPS__ADDRESS", "127.0.0.1:0")
        .env("WARDLINE_WEB__ENABLED", page.is_some().to_string())
        .env("WARDLINE_WEB__ADDRESS", page_address)
        .env("WARDLINE_WEB__PLAIN_HTTP", "true")
        .env("WARDLINE_MEDIA__ADDRESS", "127.0.0.1:0")
        .env("WARDLINE_MEDIA__ROOM_PARTICIPANTS_MAX", "5000")
        .env("WARDLINE_LIMITS__CREATIONS_PER_HOUR", &lifted)
        .env("WARDLINE_LIMITS__EXTERNAL_JOINS_PER_HOUR", &lifted)
        .env("WARDLINE_LIMITS__KEY_PACKAGES_PER_HOUR", &lifted)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(log)?)
        .spawn()
        .with_context(|| format!("starting {}", program.display()))
}

/// The node's program where cargo and packages put it: beside this one, or above the folder of tests.
fn beside_this() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let mut folders = this.ancestors().skip(1).take(2);
    folders
        .find_map(|folder| Some(folder.join("wardline")).filter(|path| path.is_file()))
        .context("no `wardline` beside this program: build it, or say where it is with --node")
}

/// Unix time.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
