//! An IT admin's first days, through the program's own command line.
use super::*;
use crate::admin::test_node::Node;
use clap::Parser;
use data_encoding::HEXLOWER;
use serde_json::Value;
use std::path::{Path, PathBuf};
use wardline_directory::key::PublicKey;

/// A machine with a hospital directory and a passphrase file.
struct Machine {
    base: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { base: tempfile::tempdir().unwrap() };
        machine.write("passphrase", "correct horse battery\n");
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    async fn try_run(&self, words: &[&str]) -> Result<Outcome, AdminError> {
        let (dir, passphrase) = (self.path("hospital"), self.path("passphrase"));
        let options = ["--dir", dir.to_str().unwrap(), "--passphrase-file", passphrase.to_str().unwrap()];
        let words = std::iter::once("wardline-admin").chain(options).chain(words.iter().copied());
        run(Arguments::try_parse_from(words).unwrap()).await
    }

    /// Runs and gives the JSON; the node must have been told whatever was signed.
    async fn run(&self, words: &[&str]) -> Value {
        let outcome = self.try_run(words).await.unwrap();
        let shown: Value = serde_json::from_str(&outcome.shown(true)).unwrap();
        assert_eq!(outcome.exit(), 0, "{shown}");
        shown
    }
}

async fn node_of(machine: &Machine) -> Node {
    let root = machine.run(&["init"]).await["root"].as_str().unwrap().to_owned();
    let node = Node::start(PublicKey::parse_hex(&root).unwrap());
    let card = serde_json::json!({
        "name": "node-1",
        "node_id": node.record.node_id.to_string(),
        "certificate_sha256": HEXLOWER.encode(&node.record.certificate_sha256),
        "proposer_public_key": node.record.proposer_public_key.to_hex(),
        "addresses": node.record.addresses,
    });
    let card = machine.write("node.json", &card.to_string());
    let added = machine.run(&["node", "add", "--card", &card]).await;
    assert_eq!((added["published"].as_bool(), node.version()), (Some(true), 2));
    node
}

fn handles(list: &Value) -> Vec<&str> {
    list["accounts"].as_array().unwrap().iter().map(|account| account["handle"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_hospital_takes_shape() {
    let machine = Machine::new();
    let node = node_of(&machine).await;

    let anna = machine.run(&["account", "add", "anna", "--name", "Anna Meier", "--role", "Oberärztin"]).await;
    let code = wardline_protocol::code::parse_enrolment(anna["link"].as_str().unwrap()).unwrap();
    assert_eq!(code.node_address, node.record.addresses[0]);
    assert_eq!(code.certificate_sha256.as_ref(), node.record.certificate_sha256);
    machine.run(&["group", "add", "Station 1"]).await;
    assert_eq!(machine.run(&["group", "join", "Station 1", "anna"]).await["members"], 1);

    let csv = machine.write("staff.csv", "handle,name,role,groups\nboris,Boris,Pflege,Station 1\ncarla,Carla,,\n");
    let before = node.version();
    assert_eq!(machine.run(&["account", "import", &csv, "--dry-run"]).await["created"], 2);
    assert_eq!(node.version(), before);
    let sheets = machine.path("sheets");
    let imported = machine.run(&["account", "import", &csv, "--sheets", sheets.to_str().unwrap()]).await;
    assert_eq!((&imported["created"], imported["codes"].as_array().unwrap().len()), (&Value::from(2), 2));
    let page = std::fs::read_to_string(imported["sheets"].as_str().unwrap()).unwrap();
    assert_eq!(page.matches("<section>").count(), 2);

    machine.run(&["account", "lock", "boris"]).await;
    let list = machine.run(&["account", "list"]).await;
    let boris = list["accounts"].as_array().unwrap().iter().find(|account| account["handle"] == "boris").unwrap();
    assert_eq!((&boris["state"], &boris["locked"]), (&Value::from("locked"), &Value::from(true)));
    machine.run(&["account", "unlock", "boris"]).await;
    machine.run(&["account", "delete", "carla"]).await;
    let mut left = machine.run(&["account", "list"]).await;
    assert_eq!(left["node_asked"].take(), true);
    let mut left = handles(&left);
    left.sort_unstable();
    assert_eq!(left, ["anna", "boris"]);
    let set = ["channel", "set", "Haus", "--everyone", "--operator", "anna"];
    assert_eq!(machine.run(&set).await["audience"], 2);
    let set = ["channel", "set", "Haus", "--group", "Station 1", "--operator", "boris"];
    assert_eq!(machine.run(&set).await["audience"], 2);
    let channel = machine.run(&["channel", "list"]).await["channels"][0].take();
    assert_eq!((&channel["operators"][0], &channel["groups"][0]), (&Value::from("boris"), &Value::from("Station 1")));
    assert_eq!(channel["everyone"], false);

    machine.run(&["group", "leave", "Station 1", "anna"]).await;
    assert_eq!(machine.run(&["channel", "list"]).await["channels"][0]["audience"], 1);
    machine.run(&["channel", "remove", "Haus"]).await;
    assert_eq!(machine.run(&["channel", "list"]).await["channels"], serde_json::json!([]));
    assert_eq!(machine.run(&["group", "list"]).await["groups"][0]["members"], serde_json::json!(["boris"]));

    let again = machine.run(&["enrol", "anna", "--hours", "1"]).await;
    assert_ne!(again["link"], anna["link"]);
    assert_eq!(node.state.lock().unwrap().directory.account_by_handle("anna").unwrap().enrolment_keys.len(), 2);
}

#[tokio::test]
async fn bad_rows_change_nothing_anywhere() {
    let machine = Machine::new();
    let node = node_of(&machine).await;
    let csv = machine.write("staff.csv", "handle,name,role,groups\nanna,Anna,,\nBoris,Boris,,Keller\n");
    let sheets = machine.path("sheets");
    let error =
        machine.try_run(&["account", "import", &csv, "--sheets", sheets.to_str().unwrap()]).await.err().unwrap();
    let error = error.to_json();
    assert_eq!((error["bad_rows"].as_array().unwrap().len(), &error["bad_rows"][0]["line"]), (1, &Value::from(3)));
    assert_eq!(node.version(), 2);
    assert!(handles(&machine.run(&["account", "list", "--offline"]).await).is_empty());
    assert_eq!(std::fs::read_dir(sheets).unwrap().count(), 0, "no code that opens nothing");
}

#[tokio::test]
async fn the_machine_burns_down_and_the_paper_brings_the_hospital_back() {
    let machine = Machine::new();
    let recovery = machine.path("recovery.txt");
    let root = machine.run(&["init", "--recovery-file", recovery.to_str().unwrap()]).await;
    assert!(root["recovery"].is_null(), "it is in the file and not on the screen");
    let node = Node::start(PublicKey::parse_hex(root["root"].as_str().unwrap()).unwrap());
    let certificate = HEXLOWER.encode(&node.record.certificate_sha256);
    let address = node.record.addresses[0].clone();
    let key = node.record.proposer_public_key.to_hex();
    machine
        .run(&["node", "add", "--address", &address, "--certificate-sha256", &certificate, "--proposer-key", &key])
        .await;
    machine.run(&["account", "add", "anna", "--name", "Anna"]).await;

    let new = Machine::new();
    let paper = new.write("paper.txt", &std::fs::read_to_string(&recovery).unwrap());
    let without = new.try_run(&["recover", "--recovery-file", &paper]).await.err().unwrap();
    assert!(without.to_string().contains("--from-node"), "{without}");
    let words = ["recover", "--recovery-file", &paper, "--from-node", &address, "--certificate-sha256", &certificate];
    let recovered = new.run(&words).await;
    assert_eq!((&recovered["version"], node.version()), (&Value::from(4), 4));
    new.run(&["account", "add", "boris", "--name", "Boris"]).await;

    // The old machine turns up again: its operational key signs nothing more.
    let old = machine.try_run(&["account", "add", "mallory", "--name", "Mallory"]).await.err().unwrap();
    assert!(matches!(old, AdminError::Replaced), "{old}");
    assert!(node.state.lock().unwrap().directory.account_by_handle("mallory").is_none());
    assert!(machine.path("hospital").join(crate::admin::STATEMENTS_FILE).exists());
}

#[tokio::test]
async fn a_node_that_cannot_be_told_is_told_later_and_a_lock_is_not_pretended() {
    let machine = Machine::new();
    drop(node_of(&machine).await);
    machine.run(&["account", "add", "anna", "--name", "Anna", "--offline"]).await;
    let path = machine.path("node.json");
    let mut card: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    card["certificate_sha256"] = "00".repeat(32).into();
    std::fs::write(&path, card.to_string()).unwrap();
    machine.run(&["node", "add", "--card", path.to_str().unwrap(), "--offline"]).await;
    let outcome = machine.try_run(&["group", "add", "Station 1"]).await.unwrap();
    assert_eq!(outcome.exit(), UNPUBLISHED);
    assert!(outcome.shown(false).contains("SIGNED, BUT"));
    assert!(machine.try_run(&["account", "lock", "anna"]).await.is_err());
    assert!(machine.try_run(&["publish"]).await.is_err());
    let list = machine.run(&["account", "list"]).await;
    assert_eq!((list["node_asked"].as_bool(), handles(&list)), (Some(false), vec!["anna"]));
}

#[tokio::test]
async fn nothing_is_overwritten() {
    let machine = Machine::new();
    machine.run(&["init"]).await;
    assert!(matches!(machine.try_run(&["init"]).await, Err(AdminError::Exists(_))));
    let missing = Path::new("nowhere").to_str().unwrap();
    assert!(machine.try_run(&["node", "add", "--card", missing]).await.is_err());
    let enrol = machine.try_run(&["enrol", "anna"]).await;
    assert!(matches!(enrol, Err(AdminError::NoNode)));
}
