//! Photos, files and places between people, over a node that keeps only ciphertext and dies in the middle.
use super::programs::{Client, field, finish, one};
use anyhow::{Context as _, Result, ensure};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use wardline_client::core::{About, Body, Event, File};
use wardline_client::session::files::FileError;
use wardline_protocol::ConversationId;
use wardline_tests::call::STEP_MAX;
use wardline_tests::canary::Searcher;
use wardline_tests::hospital::{Device, Hospital};

/// Long enough that the node is met in the middle of it.
const LARGE_BYTES: usize = 60_000_000;

/// A node that was killed says nothing: a client notices by the idle time-out of QUIC (15 s), and then waits 15 s at most between two attempts.
const BACK_MAX: Duration = Duration::from_secs(45);

/// The node is killed once it has so many of them.
const KILLED_AT_BYTES: u64 = 5_000_000;

const CANARY: &str = "Kanarienbefund: Gastroskopie ohne Auffälligkeiten. ";

/// Bytes that no compression or chance makes again, with a canary at their front.
fn content(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let noise = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    });
    CANARY.bytes().chain(noise).take(bytes).collect()
}

async fn people(hospital: &Hospital) -> Result<(Device, Device, ConversationId)> {
    let (mut anna, mut boris) = tokio::try_join!(hospital.device("anna"), hospital.device("boris"))?;
    tokio::try_join!(anna.ready(STEP_MAX), boris.ready(STEP_MAX))?;
    let conversation = anna.direct(boris.account).await?;
    let joined = |event| matches!(event, Event::ConversationJoined { .. }).then_some(());
    boris.until(STEP_MAX, joined).await.context("Boris joins the conversation")?;
    Ok((anna, boris, conversation))
}

async fn received(device: &mut Device) -> Result<Box<File>> {
    let file = |event| match event {
        Event::MessageReceived(message) => match message.body {
            Body::File(file) => Some(file),
            _ => None,
        },
        _ => None,
    };
    device.until(STEP_MAX, file).await.context("the file's message comes")
}

/// Ciphertexts at the node, unfinished ones included.
fn kept(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for shelf in std::fs::read_dir(folder.join("data/node/attachments"))? {
        for file in std::fs::read_dir(shelf?.path())? {
            found.push(file?.path());
        }
    }
    Ok(found)
}

async fn until_kept(folder: &Path, bytes: u64) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < STEP_MAX {
        let files = kept(folder)?;
        if files.iter().any(|path| std::fs::metadata(path).is_ok_and(|found| found.len() >= bytes)) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await; // bounded: by the loop
    }
    anyhow::bail!("the node never had {bytes} bytes")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_survives_a_killed_node_and_nobody_reads_it_there() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hospital = Hospital::start(folder.path(), "127.0.0.1:0", None)?;
    let address = hospital.address()?.to_string();
    let (mut anna, mut boris, conversation) = people(&hospital).await?;
    let content = content(LARGE_BYTES);
    let source = folder.path().join("befund.bin");
    std::fs::write(&source, &content)?;

    let about = About { name: "befund.bin".into(), caption: CANARY.into(), ..About::default() };
    let sent = anna.client.send_file(conversation, &source, about).await?;
    until_kept(folder.path(), KILLED_AT_BYTES).await?;
    hospital.kill()?;
    let [part] = kept(folder.path())?.try_into().map_err(|files| anyhow::anyhow!("{files:?}"))?;
    let before = std::fs::metadata(&part)?.len();
    ensure!(before < LARGE_BYTES as u64, "it was over before the node was killed");
    let hospital = Hospital::start(folder.path(), &address, None)?;
    // What is written meanwhile does not wait for the file.
    anna.send(conversation, "the report follows").await?;
    let mut text_first = false;
    let order = |event| match event {
        Event::MessageSent { message, .. } if message == sent => Some(()),
        Event::MessageSent { .. } => {
            text_first = true;
            None
        }
        _ => None,
    };
    anna.until(BACK_MAX, order).await.context("the file is sent")?;
    ensure!(text_first, "the text waited for the file");

    let file = received(&mut boris).await?;
    ensure!(file.bytes == LARGE_BYTES as u64 && file.about.caption == CANARY);
    let target = folder.path().join("saved.bin");
    boris.client.save_file(conversation, &file, &target).await?;
    ensure!(std::fs::read(&target)? == content, "another content");
    let again = boris.client.save_file(conversation, &file, &target).await;
    ensure!(matches!(again, Err(FileError::Exists(_))), "somebody's file was overwritten");

    let mut searcher = Searcher::default();
    searcher.plant_text("the beginning of the file, and its caption", CANARY);
    searcher.plant("a piece of the file", &content[1_000_000..1_000_064]);
    searcher.plant("its key", file.key.as_bytes());
    let hits = searcher.search_files(&folder.path().join("data").join("node"))?;
    ensure!(hits.is_empty(), "in the node's files: {hits:?}");
    let (hits, _) = searcher.search_memory(hospital.id())?;
    ensure!(hits.is_empty(), "in the node's memory: {hits:?}");

    // A disk that rots, or a node that lies: nothing of it reaches a person.
    let [kept] = kept(folder.path())?.try_into().map_err(|files| anyhow::anyhow!("{files:?}"))?;
    let mut sealed = std::fs::read(&kept)?;
    sealed[LARGE_BYTES / 2] ^= 1;
    std::fs::write(&kept, sealed)?;
    let other = folder.path().join("other.bin");
    let damaged = boris.client.save_file(conversation, &file, &other).await;
    ensure!(matches!(damaged, Err(FileError::Attachment(_))), "{damaged:?}");
    ensure!(!other.exists());
    anna.close().await;
    boris.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_on_beside_a_file_and_files_come_back_from_a_backup() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hospital = Hospital::start(folder.path(), "127.0.0.1:0", None)?;
    let address = hospital.address()?.to_string();
    let (mut anna, mut boris, conversation) = people(&hospital).await?;
    let content = content(LARGE_BYTES / 4);
    let source = folder.path().join("film.webm");
    std::fs::write(&source, &content)?;
    let began = Instant::now();
    let sent = anna.client.send_file(conversation, &source, About::default()).await?;
    let is_sent = |event| matches!(event, Event::MessageSent { message, .. } if message == sent).then_some(());
    anna.until(STEP_MAX, is_sent).await?;
    let up = began.elapsed();
    let file = received(&mut boris).await?;
    let began = Instant::now();
    boris.client.save_file(conversation, &file, &folder.path().join("one")).await?;
    let rate = |took: Duration| content.len() as f64 / took.as_secs_f64() / 1e6;
    eprintln!("{} bytes: up {:.0} MB/s, down {:.0} MB/s", content.len(), rate(up), rate(began.elapsed()));

    let data = folder.path().join("data/node");
    let backup = folder.path().join("node.backup");
    wardline_relay_program(&["backup", "--data", &text(&data), "--to", &text(&backup)])?;
    hospital.kill()?;
    std::fs::rename(&data, folder.path().join("lost"))?;
    wardline_relay_program(&["restore", "--data", &text(&data), "--from", &text(&backup)])?;
    let hospital = Hospital::start(folder.path(), &address, None)?;
    let target = folder.path().join("two");
    let ready = |event| matches!(event, Event::Ready).then_some(());
    boris.until(BACK_MAX, ready).await.context("Boris is back")?;
    boris.client.save_file(conversation, &file, &target).await?;
    ensure!(std::fs::read(&target)? == content, "another content after the backup");
    hospital.kill()?;

    // A backup whose files were forgotten says so and makes nothing half.
    std::fs::remove_dir_all(folder.path().join("node.backup.attachments"))?;
    let half = folder.path().join("half");
    let refused = wardline_relay_program(&["restore", "--data", &text(&half), "--from", &text(&backup)]);
    ensure!(refused.is_err_and(|error| error.to_string().contains("1 files that people sent")));
    ensure!(!half.exists());
    anna.close().await;
    boris.close().await;
    Ok(())
}

#[test]
fn files_and_places_by_program() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hospital = Hospital::start(folder.path(), "127.0.0.1:0", None)?;
    let client = |handle: &str| -> Result<Client> {
        let client = Client::new(folder.path(), handle);
        client.run(&["enrol", &hospital.link(handle)?.0])?;
        Ok(client)
    };
    let (anna, boris) = (client("anna")?, client("boris")?);
    let photo = folder.path().join("röntgen.jpg");
    let content = content(200_000);
    std::fs::write(&photo, &content)?;
    let inbox = folder.path().join("inbox");
    std::fs::create_dir(&inbox)?;

    let said = anna.run(&["chat", "send-file", "--to", "boris", &text(&photo), "--caption", "links"])?;
    let message = field(one(&said, "sent")?, "message")?;
    anna.run(&["chat", "send-location", "--to", "boris", "--words", "Haus B / 2", "--position", "-48.1,11.5"])?;
    let listening = boris.listen(&["--count", "2", "--save-to", &text(&inbox)])?;
    let (good, said) = finish(listening)?;
    ensure!(good, "{said:?}");
    let file = one(&said, "file")?;
    ensure!(file["name"] == "röntgen.jpg" && file["media_type"] == "image/jpeg" && file["caption"] == "links");
    ensure!(file["bytes"] == 200_000 && file["message"] == message.as_str());
    let place = one(&said, "location")?;
    ensure!(place["words"] == "Haus B / 2" && place["latitude"] == -48.1 && place["longitude"] == 11.5, "{place}");
    ensure!(std::fs::read(inbox.join("röntgen.jpg"))? == content);

    let target = folder.path().join("again.jpg");
    boris.run(&["chat", "save", "--to", "anna", &message, "--as", &text(&target)])?;
    ensure!(std::fs::read(&target)? == content);
    let refused = boris.refused(&["chat", "save", "--to", "anna", &message, "--as", &text(&target)])?;
    ensure!(refused.contains("exists already"), "{refused}");
    let refused = boris.refused(&["chat", "save", "--to", "anna", &"0".repeat(32)])?;
    ensure!(refused.contains("no such message"), "{refused}");
    let refused = anna.refused(&["chat", "send-file", "--to", "boris", "/nowhere.jpg"])?;
    ensure!(refused.contains("/nowhere.jpg"), "{refused}");
    let large = std::fs::File::create(folder.path().join("large"))?;
    large.set_len(100_000_001)?;
    let refused = anna.refused(&["chat", "send-file", "--to", "boris", &text(&folder.path().join("large"))])?;
    ensure!(refused.contains("100000000 bytes at most"), "{refused}");
    let refused = anna.refused(&["chat", "send-location", "--to", "boris"])?;
    ensure!(refused.contains("words or coordinates"), "{refused}");
    Ok(())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Runs the node's program to its end.
fn wardline_relay_program(arguments: &[&str]) -> Result<()> {
    let output = std::process::Command::new(wardline_tests::program::path("wardline")?).args(arguments).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
