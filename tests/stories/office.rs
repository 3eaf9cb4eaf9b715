//! An IT admin's first week, with the programs only: a hospital is made, people are let in, one is locked out, the machine is lost.
use crate::programs::{COMMAND_MAX, Client, field, finish, texts};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use wardline_tests::hospital::free_port;
use wardline_tests::program::{self, Program};

const PASSPHRASE: &str = "correct horse battery staple";

/// From the end of the command that locks an account to the end of its session. The session usually ends before it: the command's own
/// time is mostly the derivation of its key.
const LOCKED_MAX: Duration = Duration::from_secs(1);

/// `wardline-admin` on one machine.
#[derive(Clone)]
pub struct Machine {
    folder: PathBuf,
}

impl Machine {
    pub fn new(folder: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Runs a command. Gives its exit code and its JSON.
    fn exit(&self, words: &[&str]) -> Result<(i32, Value)> {
        let mut command = Command::new(program::path("wardline-admin")?);
        command.arg("--dir").arg(self.folder.join("hospital")).arg("--json").args(words);
        let program = Program::start(command.env("WARDLINE_PASSPHRASE", PASSPHRASE).stdin(Stdio::null()))?;
        let (status, said) = program.wait(COMMAND_MAX)?;
        let said = serde_json::from_str(&said.concat()).with_context(|| format!("{words:?}: {said:?}"))?;
        Ok((status.code().context("an exit code")?, said))
    }

    /// The same for a command that must be done, and known to the node.
    pub fn run(&self, words: &[&str]) -> Result<Value> {
        let (exit, said) = self.exit(words)?;
        ensure!(exit == 0, "wardline-admin {words:?}: {exit}: {said}");
        Ok(said)
    }

    fn handles(&self) -> Result<Vec<String>> {
        let list = self.run(&["account", "list"])?;
        ensure!(list["node_asked"] == true, "{list}");
        let accounts = list["accounts"].as_array().context("accounts")?;
        let mut handles = accounts.iter().map(|account| field(account, "handle")).collect::<Result<Vec<_>>>()?;
        handles.sort();
        Ok(handles)
    }
}

fn wardline(words: &[&str]) -> Result<()> {
    let mut command = Command::new(program::path("wardline")?);
    let (status, said) = Program::start(command.args(words).stdin(Stdio::null()))?.wait(COMMAND_MAX)?;
    ensure!(status.success(), "wardline {words:?}: {said:?}");
    Ok(())
}

/// Starts `wardline serve`; the log goes to `folder/node.log`.
fn serve(folder: &Path, data: &str, address: &str) -> Result<Program> {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("node.log"))?;
    let mut command = Command::new(program::path("wardline")?);
    command.args(["serve", "--data", data]).env("WARDLINE_LISTEN__ADDRESS", address);
    command.env("WARDLINE_WEB__ADDRESS", "127.0.0.1:0");
    command.env("WARDLINE_OPS__ADDRESS", "127.0.0.1:0").env("WARDLINE_MEDIA__ADDRESS", "127.0.0.1:0");
    Program::start(command.stdin(Stdio::null()).stderr(log))
}

/// A hospital and its first node, and people by a list. Gives the node's process and its certificate's hash.
pub fn found(machine: &Machine, server: &Path, address: &str) -> Result<(Program, String)> {
    let recovery = machine.path("recovery.txt");
    machine.run(&["init", "--recovery-file", &recovery])?;
    let (again, _) = machine.exit(&["init"])?;
    ensure!(again == 1, "a second hospital was made over the first: {again}");
    let (data, root) = (server.join("node").display().to_string(), machine.path("hospital/hospital.pub"));
    wardline(&["init", "--data", &data, "--root", &root, "--name", "node-1", "--advertise", address])?;
    let card = server.join("node").join("node.json");
    // The node does not run yet: it is signed, kept, and told later.
    let (exit, said) = machine.exit(&["node", "add", "--card", &card.display().to_string()])?;
    ensure!(exit == 3 && said["published"] == false, "{exit}: {said}");
    let node = serve(server, &data, address)?;
    machine.run(&["publish"])?;
    let card: Value = serde_json::from_slice(&std::fs::read(card)?)?;
    Ok((node, field(&card, "certificate_sha256")?))
}

/// Locks Boris while he listens. Prints how long his session lived on.
fn lock(machine: &Machine, boris: &Client) -> Result<()> {
    let live = boris.listen(&[])?;
    let asked = Instant::now();
    let ended = std::thread::spawn(move || finish(live).map(|(good, said)| (good, said, Instant::now())));
    machine.run(&["account", "lock", "boris"])?;
    let locked = Instant::now();
    let (good, said, ended) = ended.join().map_err(|_| anyhow::anyhow!("the listener failed"))??;
    let lived_on = ended.saturating_duration_since(locked);
    let after_asked_ms = (ended - asked).as_millis();
    eprintln!(
        "locked: the session ended {after_asked_ms} ms after the command's start, which took {} ms",
        (locked - asked).as_millis()
    );
    ensure!(!good && lived_on < LOCKED_MAX, "{said:?}");
    let why = boris.refused(&["chat", "send", "--to", "anna", "from a locked account"])?;
    ensure!(why.contains("lock"), "{why}");
    machine.run(&["account", "unlock", "boris"])?;
    boris.run(&["chat", "send", "--to", "anna", "back again"]).map(drop)
}

#[test]
fn a_hospital_from_the_first_day_to_the_lost_machine() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let machine = Machine::new(folder.path().join("office"))?;
    let address = free_port()?.to_string();
    let (_node, certificate) = found(&machine, folder.path(), &address)?;

    let csv = machine.path("staff.csv");
    std::fs::write(
        &csv,
        "handle,name,role,groups\nanna,Anna Meier,Oberärztin,Station 1\nboris,Boris Weber,Pflege,Station 1\n",
    )?;
    let import = ["account", "import", &csv, "--create-groups"];
    let dry = machine.run(&[&import[..], &["--dry-run"]].concat())?;
    ensure!(dry["created"] == 2 && machine.handles()?.is_empty(), "{dry}");
    let done = machine.run(&import)?;
    ensure!(done["created"] == 2 && machine.handles()? == ["anna", "boris"], "{done}");

    let [anna, boris] = ["anna", "boris"].map(|handle| Client::new(folder.path(), handle));
    for (client, handle) in [(&anna, "anna"), (&boris, "boris")] {
        let link = field(&machine.run(&["enrol", handle])?, "link")?;
        client.run(&["enrol", &link])?;
        let second = Client::new(folder.path(), "thief").refused(&["enrol", &link])?;
        eprintln!("a code's second use is told: {second}");
    }
    let listening = boris.listen(&["--count", "1"])?;
    anna.run(&["chat", "send", "--to", "boris", "Bett 4 ist frei"])?;
    ensure!(texts(listening)? == [("anna".to_owned(), "Bett 4 ist frei".to_owned())]);
    lock(&machine, &boris)?;

    // The machine is lost. The paper and the node bring the hospital back, and the old key is worth nothing.
    let new = Machine::new(folder.path().join("new office"))?;
    let recovery = machine.path("recovery.txt");
    let from = ["--from-node", address.as_str(), "--certificate-sha256", certificate.as_str()];
    new.run(&[&["recover", "--recovery-file", recovery.as_str()], &from[..]].concat())?;
    ensure!(new.handles()? == ["anna", "boris"]);
    let (exit, said) = machine.exit(&["account", "add", "mallory", "--name", "Mallory"])?;
    ensure!(exit == 1, "the former key still signs: {exit}: {said}");
    let carla = field(&new.run(&["account", "add", "carla", "--name", "Carla Rossi"])?, "link")?;
    let carla_client = Client::new(folder.path(), "carla");
    carla_client.run(&["enrol", &carla])?;
    anna.run(&["chat", "send", "--to", "carla", "welcome"])?;
    ensure!(texts(carla_client.listen(&["--count", "1"])?)? == [("anna".to_owned(), "welcome".to_owned())]);

    new.run(&["account", "delete", "boris"])?;
    ensure!(new.handles()? == ["anna", "carla"]);
    let why = boris.refused(&["chat", "send", "--to", "anna", "from a deleted account"])?;
    eprintln!("a deleted account is told: {why}");
    Ok(())
}
