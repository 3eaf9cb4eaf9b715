//! A ward's channel, with the programs only: its operator writes, the ward reads, and who comes or goes follows what the IT admin signs.
use crate::office::{Machine, found};
use crate::programs::{COMMAND_MAX, Client, field, finish, one, wait_for};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::path::Path;
use wardline_tests::hospital::free_port;
use wardline_tests::program::Program;

const CHANNEL: &str = "Station 1 aktuell";

/// Waits until a listener shows a text.
fn shows(listening: &Program, text: &str) -> Result<()> {
    let wanted = |line: &str| {
        let said: Value = serde_json::from_str(line).ok()?;
        (said["event"] == "message" && said["text"] == text).then_some(())
    };
    listening.line_with(COMMAND_MAX, wanted).with_context(|| format!("waiting for {text:?}"))
}

/// Anna, Boris and Carla, each with a device whose key packages are at the node.
fn enrolled(machine: &Machine, folder: &Path) -> Result<[Client; 3]> {
    let people = ["anna", "boris", "carla"];
    let clients = people.map(|handle| Client::new(folder, handle));
    for (client, handle) in clients.iter().zip(people) {
        let link = field(&machine.run(&["account", "add", handle, "--name", handle])?, "link")?;
        client.run(&["enrol", &link])?;
        client.run(&["contacts"])?;
    }
    Ok(clients)
}

#[test]
fn a_channel_follows_the_ward() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let machine = Machine::new(folder.path().join("office"))?;
    let (_node, _) = found(&machine, folder.path(), &free_port()?.to_string())?;
    machine.run(&["group", "add", "Station 1"])?;
    let [anna, boris, carla] = enrolled(&machine, folder.path())?;
    machine.run(&["group", "join", "Station 1", "boris"])?;
    let set = machine.run(&["channel", "set", CHANNEL, "--group", "Station 1", "--operator", "anna"])?;
    ensure!(set["audience"] == 2, "{set}");

    // Nobody has opened the channel yet: writing does, and takes in who is to read it.
    let send = |text: &str| anna.run(&["chat", "send", "--group", CHANNEL, text]).map(drop);
    send("Visite heute um 10")?;
    let listening = boris.listen(&["--count", "1"])?;
    let (_, said) = finish(listening)?;
    let message = one(&said, "message")?;
    ensure!((&message["from"], &message["text"]) == (&"anna".into(), &"Visite heute um 10".into()), "{said:?}");
    let seq = message["seq"].to_string();
    let confirmations = || anna.run(&["chat", "confirmations", CHANNEL, &seq]);
    ensure!(confirmations()?.is_empty(), "nobody has confirmed yet");
    for _ in 0..2 {
        boris.run(&["chat", "confirm", CHANNEL, &seq])?;
    }
    ensure!(one(&confirmations()?, "confirmation")?["from"] == "boris", "once, however often it is said");
    carla.refused(&["chat", "confirm", CHANNEL, &seq])?;
    let why = boris.refused(&["chat", "send", "--group", CHANNEL, "Danke"])?;
    ensure!(why.contains("operators"), "{why}");
    boris.refused(&["group", "add", CHANNEL, "carla"])?;

    // Carla comes to the ward, and Boris leaves it, while he is the only one who is connected.
    let boris_reads = boris.listen(&[])?;
    machine.run(&["group", "join", "Station 1", "carla"])?;
    let carla_reads = carla.listen(&[])?;
    wait_for(&carla_reads, "joined")?;
    machine.run(&["group", "leave", "Station 1", "boris"])?;
    wait_for(&boris_reads, "left")?;
    send("Das Labor ist wieder da")?;
    shows(&carla_reads, "Das Labor ist wieder da")?;
    boris_reads.kill()?;
    let (good, said) = finish(boris.start(&["chat", "history", "--group", CHANNEL])?)?;
    ensure!(!good || !said.iter().any(|line| line["text"] == "Das Labor ist wieder da"), "{said:?}");

    // Anna is an operator no more, and Carla is.
    machine.run(&["channel", "set", CHANNEL, "--group", "Station 1", "--operator", "carla"])?;
    let why = anna.refused(&["chat", "send", "--group", CHANNEL, "Noch etwas"])?;
    ensure!(!why.is_empty());
    carla_reads.kill()?;
    let sent = carla.run(&["chat", "send", "--group", CHANNEL, "Ich übernehme"])?;
    one(&sent, "sent")?;
    Ok(())
}

#[test]
fn two_operators_who_come_at_once_open_one_channel() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let machine = Machine::new(folder.path().join("office"))?;
    let (_node, _) = found(&machine, folder.path(), &free_port()?.to_string())?;
    let [anna, boris, carla] = enrolled(&machine, folder.path())?;
    machine.run(&["channel", "set", CHANNEL, "--everyone", "--operator", "anna", "--operator", "boris"])?;
    let [anna_reads, boris_reads] = [&anna, &boris].map(|client| client.start(&["chat", "listen"]));
    let (anna_reads, boris_reads) = (anna_reads?, boris_reads?);
    for listening in [&anna_reads, &boris_reads] {
        wait_for(listening, "joined")?;
    }
    anna_reads.kill()?;
    anna.run(&["chat", "send", "--group", CHANNEL, "von Anna"])?;
    shows(&boris_reads, "von Anna")?;
    boris_reads.kill()?;
    let carla_reads = carla.listen(&[])?;
    boris.run(&["chat", "send", "--group", CHANNEL, "von Boris"])?;
    shows(&carla_reads, "von Boris")?;
    carla_reads.kill()?;
    Ok(())
}
