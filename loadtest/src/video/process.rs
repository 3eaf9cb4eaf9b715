//! A media plane as a process of its own, asked over its standard input and output: one line of JSON for each request and answer. So its CPU time
//! and memory are its alone, whatever the load beside it uses.
use super::System;
use super::peer::Peer;
use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Instant;
use str0m::media::{Direction, MediaKind};
use wardline_sfu::{Config, ParticipantId, RoomId, Sfu};

/// Participants that one room may have here: as many as are asked for.
const ROOM_PARTICIPANTS_MAX: usize = 100_000;

/// What the media plane is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Connect a participant by its offer.
    Connect {
        /// Its room.
        room: u32,
        /// Its number in the room; 0 is the one that sends.
        participant: u32,
        /// The offer.
        offer: String,
    },
    /// Let participant 0 of a room send.
    Send {
        /// The room.
        room: u32,
    },
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The SDP answer.
    Answer(String),
    /// It is so.
    Done,
    /// It cannot be done.
    Refused(String),
}

/// Answers requests with `answer` until the input ends.
///
/// # Errors
/// When the other side writes no requests, or does not read.
pub fn answer_all(mut answer: impl FnMut(Request) -> Result<Reply>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let reply = answer(serde_json::from_str(&line?)?).unwrap_or_else(|error| Reply::Refused(format!("{error:#}")));
        writeln!(out, "{}", serde_json::to_string(&reply)?)?;
        out.flush()?;
    }
    Ok(())
}

/// The product's media plane on one shard at `address`, until the input ends.
///
/// # Errors
/// When it cannot listen there, and as [`answer_all`].
pub fn serve(address: IpAddr) -> Result<()> {
    let config = Config {
        bind: vec![SocketAddr::new(address, 0)],
        room_participants_max: ROOM_PARTICIPANTS_MAX,
        ..Config::default()
    };
    let sfu = Sfu::start(config, |_| ())?;
    answer_all(|request| match request {
        Request::Connect { room, participant, offer } => {
            let (reply, answer) = channel();
            sfu.connect(room_id(room), participant_id(participant), offer, move |result| {
                // The receiver waits for exactly this.
                let _received = reply.send(result);
            })?;
            Ok(Reply::Answer(answer.recv()??))
        }
        Request::Send { room } => {
            sfu.set_sending(room_id(room), participant_id(0), true);
            Ok(Reply::Done)
        }
    })
}

fn id(number: u32) -> [u8; 16] {
    u128::from(number).to_be_bytes()
}

fn room_id(number: u32) -> RoomId {
    RoomId::from_bytes(id(number))
}

fn participant_id(number: u32) -> ParticipantId {
    ParticipantId::from_bytes(id(number))
}

/// A running process that answers. Dropped, it is ended.
pub struct Process {
    name: &'static str,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts `command`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(name: &'static str, mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {:?}", command.get_program()))?;
        let input = child.stdin.take().context("its input")?;
        let output = BufReader::new(child.stdout.take().context("its output")?);
        Ok(Self { name, child, input, output })
    }

    fn ask(&mut self, request: &Request) -> Result<Reply> {
        writeln!(self.input, "{}", serde_json::to_string(request)?)?;
        self.input.flush()?;
        let mut line = String::new();
        ensure!(self.output.read_line(&mut line)? > 0, "{} has ended", self.name);
        Ok(serde_json::from_str(&line)?)
    }

    fn connect(&mut self, room: u32, participant: u32, peer: &mut Peer, offer: String) -> Result<()> {
        match self.ask(&Request::Connect { room, participant, offer })? {
            Reply::Answer(answer) => peer.take_answer(Instant::now(), &answer),
            other => bail!("{} does not connect: {other:?}", self.name),
        }
    }
}

impl System for Process {
    fn name(&self) -> &'static str {
        self.name
    }

    fn process(&self) -> u32 {
        self.child.id()
    }

    fn connect_sender(&mut self, room: u32, kind: MediaKind, peer: &mut Peer) -> Result<()> {
        let offer = peer.offer(Instant::now(), kind, Direction::SendOnly)?;
        self.connect(room, 0, peer, offer)
    }

    fn connect_viewer(&mut self, room: u32, viewer: u32, kind: MediaKind, peer: &mut Peer) -> Result<()> {
        let offer = peer.offer(Instant::now(), kind, Direction::RecvOnly)?;
        self.connect(room, viewer, peer, offer)
    }

    fn let_send(&mut self, room: u32) -> Result<()> {
        match self.ask(&Request::Send { room })? {
            Reply::Done => Ok(()),
            other => bail!("{} lets nobody send: {other:?}", self.name),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `program` with these arguments, tied to a core where one is given.
pub fn command(program: &Path, arguments: &[&str], core: Option<usize>) -> Command {
    match core {
        Some(core) => {
            let mut command = Command::new("taskset");
            command.args(["-c", &core.to_string()]).arg(program).args(arguments);
            command
        }
        None => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
    }
}

/// The media plane's program where cargo puts it: beside this one, or above the folder of tests.
///
/// # Errors
/// When it is not there.
pub fn program() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let mut folders = this.ancestors().skip(1).take(2);
    folders
        .find_map(|folder| Some(folder.join("wardline-loadtest-sfu")).filter(|path| path.is_file()))
        .context("no `wardline-loadtest-sfu` beside this program: build the whole package")
}
