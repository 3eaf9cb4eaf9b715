//! The program `wardline` as an IT department runs it.
use crate::client::{Client, PATIENCE};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;
use wardline_directory::key::RootKey;
use wardline_protocol::Code;
use wardline_protocol::wire::response::Result as Answer;
use wardline_relay::dev::Ready;

fn wardline(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wardline"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    wardline(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Ended with the test, whatever becomes of it.
struct Running(Option<Child>);

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut command = wardline(arguments);
        Self(Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
    }

    /// SIGTERM, then all that it wrote.
    fn terminate(mut self) -> Output {
        let child = self.0.take().unwrap();
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        child.wait_with_output().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

async fn ready(file: &Path) -> Ready {
    let since = Instant::now();
    while !file.exists() {
        assert!(since.elapsed() < PATIENCE, "no ready file");
        tokio::task::yield_now().await;
    }
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let enrolment: BTreeMap<String, String> = serde_json::from_value(json["enrolment"].clone()).unwrap();
    Ready {
        address: serde_json::from_value(json["address"].clone()).unwrap(),
        ops: serde_json::from_value(json["ops"].clone()).unwrap(),
        media: serde_json::from_value(json["media"].clone()).unwrap(),
        root: serde_json::from_value(json["root"].clone()).unwrap(),
        enrolment,
        web: serde_json::from_value(json["web"].clone()).unwrap(),
        web_enrolment: serde_json::from_value(json["web_enrolment"].clone()).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_serves_is_backed_up_and_ends_on_sigterm_and_logs_no_person() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let running =
        Running::start(&["dev", "--data", &path("demo"), "--ready-file", &path("ready"), "--listen", "127.0.0.1:0"]);
    let ready = ready(&dir.path().join("ready")).await;
    assert_eq!(ready.enrolment.keys().collect::<Vec<_>>(), ["anna", "boris", "carla", "deniz", "emil"]);
    let mut client = Client::greeted(&ready).await;
    let (device, answer) = client.enrol(&ready.enrolment["emil"]).await;
    assert!(matches!(answer, Answer::Enrolled(_)), "{answer:?}");
    assert!(matches!(client.authenticate(&device).await, Answer::Authenticated(_)));
    client.send_raw(&u32::MAX.to_be_bytes()).await; // something for the log
    assert_eq!(client.ended().await.0, Some(Code::TooLarge));

    let backup = run(&["backup", "--data", &path("demo/node"), "--to", &path("file")]);
    assert!(backup.status.success(), "{}", text(&backup.stderr));
    let mut last = Client::greeted(&ready).await;
    let output = running.terminate();
    assert_eq!(last.ended().await.0, Some(Code::ShuttingDown));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let log = text(&output.stderr);
    assert!(log.contains("frame refused") && log.contains("the node has ended"), "{log}");
    let port = client.local_port().to_string();
    for person in ["emil", "Brandt", "Meier", &device.key_hex(), &port] {
        assert!(!log.contains(person), "{person} in\n{log}");
    }

    let restore = run(&["restore", "--from", &path("file"), "--data", &path("restored")]);
    assert!(restore.status.success(), "{}", text(&restore.stderr));
    let refused = run(&["restore", "--from", &path("file"), "--data", &path("restored")]);
    assert!(text(&refused.stderr).contains("holds data already"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_made_and_serves_and_mistakes_are_explained() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let (data, root) = (path("node"), RootKey::generate().unwrap().public().to_hex());

    let early = run(&["serve", "--data", &data]);
    assert!(!early.status.success() && text(&early.stderr).contains("wardline init"), "{}", text(&early.stderr));
    let wrong = run(&["init", "--data", &data, "--root", "abc"]);
    assert!(text(&wrong.stderr).contains("hospital.pub"), "{}", text(&wrong.stderr));
    let wrong = run(&["init", "--data", &data, "--root", &root, "--advertise", "clinic"]);
    assert!(text(&wrong.stderr).contains("HOST:PORT"), "{}", text(&wrong.stderr));

    let made = run(&["init", "--data", &data, "--root", &root, "--advertise", "127.0.0.1:4433"]);
    assert!(made.status.success() && text(&made.stdout).contains("node add --card"), "{}", text(&made.stderr));
    assert!(!run(&["init", "--data", &data, "--root", &root]).status.success());

    let config = format!(
        "data_dir = '{data}'\n[listen]\naddress = '127.0.0.1:0'\n[ops]\naddress = '127.0.0.1:0'\n[media]\naddress = '127.0.0.1:0'\n[web]\naddress = '127.0.0.1:0'\n"
    );
    std::fs::write(path("wardline.toml"), &config).unwrap();
    std::fs::write(path("typo.toml"), format!("{config}advertize = []\n")).unwrap();
    let typo = run(&["serve", "--config", &path("typo.toml")]);
    assert!(text(&typo.stderr).contains("advertize"), "{}", text(&typo.stderr));

    let running = Running::start(&["serve", "--config", &path("wardline.toml")]);
    let since = Instant::now();
    loop {
        if wardline_relay::identity::DataDir::open(Path::new(&data)).unwrap().lock().is_err() {
            break;
        }
        assert!(since.elapsed() < PATIENCE, "the node does not start");
        std::thread::yield_now();
    }
    let second = run(&["serve", "--config", &path("wardline.toml")]);
    assert!(text(&second.stderr).contains("another wardline runs"), "{}", text(&second.stderr));
    let output = running.terminate();
    assert!(output.status.success(), "{}", text(&output.stderr));
}
