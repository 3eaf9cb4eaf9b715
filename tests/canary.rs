//! Secrets are planted in a conversation and in a call, and searched for in the node: its memory, its files, its log. Clients run in
//! other processes than the node, so whatever is found there came to it over the wire.
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use wardline_client::core::{self, Body, Event};
use wardline_tests::canary::{Hit, Searcher};
use wardline_tests::hospital::{Device, Hospital};
use wardline_tests::program::{self, Program};

const STEP_MAX: Duration = Duration::from_secs(60);

const TEXT: &str = "Kanarienvogel: Bett 4 bekommt heute Abend Propofol";
const TITLE: &str = "Kanarienvogel-Gruppe der Nachtschicht";
/// What the node does know: it is in the signed directory. Searching for it proves that the search reaches memory and files.
const KNOWN: &str = "Dr. Anna Meier";

/// Samples in a piece of speech that is searched for: 32 are 0.7 ms, and 64 bytes that no chance repeats.
const PIECE_SAMPLES: usize = 32;
const PIECES: usize = 200;

/// Everything in the node: memory, files, log.
fn everywhere(searcher: &Searcher, hospital: &Hospital, folder: &Path) -> Result<BTreeSet<Hit>> {
    let (mut hits, read_bytes) = searcher.search_memory(hospital.id())?;
    anyhow::ensure!(read_bytes > 5_000_000, "only {read_bytes} bytes of memory were read");
    hits.append(&mut searcher.search_files(&folder.join("data").join("node"))?);
    hits.append(&mut searcher.search_bytes("the log", hospital.log()?.as_bytes()));
    Ok(hits)
}

/// A secret that only the two devices have: derived from the group's epoch secret, which the node cannot know.
async fn epoch_secret(device: &Device, conversation: wardline_protocol::ConversationId) -> Result<Vec<u8>> {
    let epoch = device.client.look(move |core| core.epoch(&conversation)).await?;
    Ok(epoch.context("an epoch")?.1)
}

async fn chat(hospital: &Hospital, searcher: &mut Searcher) -> Result<()> {
    for handle in ["anna", "boris"] {
        searcher.plant(&format!("the seed of {handle}'s code"), &hospital.link(handle)?.1.seed);
    }
    let (mut anna, mut boris) = (hospital.device("anna").await?, hospital.device("boris").await?);
    for device in [&mut anna, &mut boris] {
        device.until(STEP_MAX, |event| matches!(event, Event::Ready).then_some(())).await?;
        let seed = device.client.store().identity().await?.0.key.seed();
        searcher.plant("a device key", &*seed);
    }
    let accounts = vec![boris.account];
    anna.command(core::Command::CreateGroup { title: TITLE.into(), accounts }).await?;
    let conversation = anna.direct(boris.account).await?;
    anna.send(conversation, TEXT).await?;
    let mut wanted = BTreeSet::from([TEXT.to_owned(), TITLE.to_owned()]);
    boris
        .until(STEP_MAX, |event| {
            match event {
                Event::MessageReceived(message) => match message.body {
                    Body::Text(text) | Body::Title(text) => drop(wanted.remove(&text)),
                    _ => {}
                },
                Event::ConversationChanged { title: Some(title), .. } => drop(wanted.remove(&title)),
                _ => {}
            }
            wanted.is_empty().then_some(())
        })
        .await
        .context("Boris reads the text and the title")?;
    searcher.plant_text("a message", TEXT);
    searcher.plant_text("a group's title", TITLE);
    searcher.plant("a secret of the group", &epoch_secret(&anna, conversation).await?);
    anyhow::ensure!(epoch_secret(&boris, conversation).await? == epoch_secret(&anna, conversation).await?);
    anna.close().await;
    boris.close().await;
    Ok(())
}

/// A call with real speech between two client programs.
fn call(hospital: &Hospital, folder: &Path, searcher: &mut Searcher) -> Result<()> {
    let speech = wardline_speech::ten_seconds()?;
    let samples: Vec<i16> = speech.iter().map(|sample| (sample * 30_000.0) as i16).collect();
    let (said, heard) = (folder.join("said.wav"), folder.join("heard.wav"));
    write_wav(&said, &samples)?;
    searcher.plant_sound("speech", &samples, PIECE_SAMPLES, PIECES);
    let client = |handle: &str| -> Result<Command> {
        let mut command = Command::new(program::path("wardline-client")?);
        command.arg("--dir").arg(folder.join(handle)).arg("--json");
        Ok(command)
    };
    for handle in ["carla", "deniz"] {
        let (status, said) =
            Program::start(client(handle)?.args(["enrol", &hospital.link(handle)?.0]))?.wait(STEP_MAX)?;
        anyhow::ensure!(status.success(), "{handle} cannot enrol: {said:?}");
    }
    let audio = |command: &mut Command| {
        command.arg("--audio-in").arg(&said).arg("--audio-out").arg(&heard);
    };
    let mut answer = client("deniz")?;
    audio(answer.args(["answer", "--count", "1"]));
    let answer = Program::start(&mut answer)?;
    answer.line_with(STEP_MAX, |line| line.contains("\"ready\"").then_some(())).context("Deniz can be called")?;
    let mut call = client("carla")?;
    audio(call.args(["call", "--to", "deniz", "--seconds", "6"]));
    let (status, said) = Program::start(&mut call)?.wait(STEP_MAX)?;
    anyhow::ensure!(status.success(), "the call failed: {said:?}");
    let (status, said) = answer.wait(STEP_MAX)?;
    anyhow::ensure!(status.success(), "the answer failed: {said:?}");
    let heard = std::fs::metadata(&heard)?.len();
    anyhow::ensure!(heard > 100_000, "nothing was heard: the call would prove nothing ({heard} bytes)");
    Ok(())
}

fn write_wav(path: &Path, samples: &[i16]) -> Result<()> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: wardline_speech::SAMPLE_RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec)?;
    for sample in samples {
        writer.write_sample(*sample)?;
    }
    Ok(writer.finalize()?)
}

#[test]
fn the_node_never_holds_a_plaintext_or_a_key() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hospital = Hospital::start(folder.path(), "127.0.0.1:0", None)?.serve_only()?;
    let mut searcher = Searcher::default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(chat(&hospital, &mut searcher))?;
    call(&hospital, folder.path(), &mut searcher)?;

    let mut known = Searcher::default();
    known.plant_text("planted on purpose", KNOWN);
    let found = everywhere(&known, &hospital, folder.path())?;
    let places: Vec<&str> = found.iter().map(|hit| hit.place.as_str()).collect();
    assert!(places.iter().any(|place| place.contains("from 0x")), "not found in memory: {places:?}");
    assert!(places.iter().any(|place| place.contains("data")), "not found in files: {places:?}");

    assert_eq!(everywhere(&searcher, &hospital, folder.path())?, BTreeSet::new());
    Ok(())
}
