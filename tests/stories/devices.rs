//! A person's further device, and groups: by the programs.
use crate::programs::{Client, field, finish, one, texts, wait_for};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::time::{Duration, Instant};
use wardline_client::core::Event;
use wardline_protocol::DeviceId;
use wardline_tests::call::STEP_MAX;
use wardline_tests::hospital::Hospital;

/// Between the command's answer and the end of the revoked device's session.
const REVOKED_MAX: Duration = Duration::from_secs(1);

/// Anna's devices as her program shows them: the ids, and where the node is.
fn devices(anna: &Client) -> Result<(Vec<String>, [String; 2])> {
    let said = anna.run(&["devices"])?;
    let devices = said.iter().filter(|said| said["event"] == "device");
    let devices = devices.map(|device| field(device, "device")).collect::<Result<_>>()?;
    let node = one(&said, "node")?;
    Ok((devices, [field(node, "node")?, field(node, "certificate")?]))
}

#[test]
fn a_second_device_is_let_in_and_shut_out() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hospital = Hospital::start(folder.path(), "127.0.0.1:0", None)?.serve_only()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (anna, laptop) = (Client::new(folder.path(), "anna"), Client::new(folder.path(), "laptop"));
    anna.run(&["enrol", &hospital.link("anna")?.0])?;
    // Boris' program is this one: it hears of devices, which the command line does not show.
    let mut boris = runtime.block_on(hospital.device("boris"))?;
    runtime.block_on(boris.ready(STEP_MAX))?;
    anna.run(&["chat", "send", "--to", "boris", "before the laptop"])?;

    let (before, [node, certificate]) = devices(&anna)?;
    ensure!(before.len() == 1, "{before:?}");
    let linking = laptop.start(&["link", "--node", &node, "--certificate", &certificate])?;
    let code = field(&wait_for(&linking, "link_code")?, "code")?;
    anna.run(&["devices", "approve", &code])?;
    let (good, said) = finish(linking)?;
    ensure!(good, "linking failed: {said:?}");
    let id = field(one(&said, "linked")?, "device")?;
    let (after, _) = devices(&anna)?;
    ensure!(after.len() == 2 && after.contains(&id) && after.contains(&before[0]), "{after:?} with {id}");

    let wanted = (boris.account, DeviceId::parse_hex(&id)?);
    let anna_account = wardline_protocol::AccountId::parse(&hospital.link("anna")?.1.account_id)?;
    let shown = |event| match event {
        Event::MembersChanged { added, .. } if added.contains(&(anna_account, wanted.1)) => Some(()),
        _ => None,
    };
    runtime.block_on(boris.until(STEP_MAX, shown)).context("Boris is shown Anna's new device")?;

    // What Boris writes reaches both.
    let listening = [anna.listen(&["--count", "1"])?, laptop.listen(&["--count", "1"])?];
    let conversation = runtime.block_on(boris.direct(anna_account))?;
    runtime.block_on(boris.send(conversation, "to both"))?;
    for listening in listening {
        ensure!(texts(listening)? == [("boris".to_owned(), "to both".to_owned())]);
    }

    let live = laptop.listen(&[])?;
    anna.run(&["devices", "revoke", &id])?;
    let revoked = Instant::now();
    let (good, said) = finish(live)?;
    eprintln!("revoked: the session's end was seen {:?} after the command's", revoked.elapsed());
    ensure!(!good && revoked.elapsed() < REVOKED_MAX, "{said:?} after {:?}", revoked.elapsed());
    let why = laptop.refused(&["chat", "send", "--to", "boris", "from a lost laptop"])?;
    eprintln!("the revoked device is told: {why}");
    ensure!(devices(&anna)?.0 == before, "the revoked device is still shown");
    anna.run(&["chat", "send", "--to", "boris", "the laptop is gone"])?;
    let mut heard = Vec::new();
    let fence = |event| match event {
        Event::MessageReceived(message) => {
            if let wardline_client::core::Body::Text(text) = message.body {
                heard.push(text);
            }
            (heard.last().map(String::as_str) == Some("the laptop is gone")).then_some(())
        }
        _ => None,
    };
    runtime.block_on(boris.until(STEP_MAX, fence))?;
    ensure!(heard == ["the laptop is gone"], "{heard:?}");
    runtime.block_on(boris.close());
    Ok(())
}

fn shown(said: &[Value]) -> Result<Vec<String>> {
    said.iter().filter(|said| said["event"] == "message").map(|message| field(message, "text")).collect()
}

#[test]
fn a_group_is_read_by_those_who_are_in_it_and_while_they_are() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hospital = Hospital::start(folder.path(), "127.0.0.1:0", None)?.serve_only()?;
    let [anna, boris, carla] = ["anna", "boris", "carla"].map(|handle| Client::new(folder.path(), handle));
    for (client, handle) in [(&anna, "anna"), (&boris, "boris"), (&carla, "carla")] {
        client.run(&["enrol", &hospital.link(handle)?.0])?;
    }
    let say = |text: &str| anna.run(&["chat", "send", "--group", "Visite", text]).map(drop);
    anna.run(&["group", "create", "Visite", "boris"])?;
    say("before Carla")?;
    anna.run(&["group", "add", "Visite", "carla"])?;
    say("with all three")?;
    let read = texts(boris.listen(&["--count", "2"])?)?;
    ensure!(read.iter().map(|(_, text)| text.as_str()).eq(["before Carla", "with all three"]), "{read:?}");
    boris.run(&["chat", "send", "--group", "Visite", "Boris was there"])?;
    anna.run(&["group", "remove", "Visite", "boris"])?;
    say("without Boris")?;

    // Carla reads what came after her, from everybody, and nothing of before.
    let read = texts(carla.listen(&["--count", "3"])?)?;
    let read: Vec<_> = read.iter().map(|(from, text)| (from.as_str(), text.as_str())).collect();
    ensure!(read == [("anna", "with all three"), ("boris", "Boris was there"), ("anna", "without Boris")], "{read:?}");
    let history = shown(&carla.run(&["chat", "history", "--group", "Visite"])?)?;
    ensure!(history == ["with all three", "Boris was there", "without Boris"], "{history:?}");

    // All that has come for Boris is shown as soon as he listens; whatever the group said was stored before this.
    anna.run(&["chat", "send", "--to", "boris", "a word between us"])?;
    let read = texts(boris.listen(&["--for", "2"])?)?;
    ensure!(read == [("anna".to_owned(), "a word between us".to_owned())], "{read:?}");
    let why = boris.refused(&["chat", "send", "--group", "Visite", "still here?"])?;
    ensure!(why.contains("Visite"), "{why}");
    boris.refused(&["chat", "history", "--group", "Visite"])?;
    Ok(())
}
