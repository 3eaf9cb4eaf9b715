//! A live broadcast with the programs only: a moving picture and a tone from files, watched by the ward, until somebody may not watch any more.
use crate::office::{Machine, found};
use crate::programs::{COMMAND_MAX, Client, field, finish, one, wait_for};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};
use wardline_client::broadcast::{LiveBroadcast, WatchedBroadcast};
use wardline_client::core::{Command as Ask, Event, Reply};
use wardline_client::media::{Programme, ProgrammeFiles, ViewerSinks};
use wardline_client::session;
use wardline_tests::hospital::free_port;
use wardline_tests::program::Program;

const CHANNEL: &str = "Hausleitung";
const TITLE: &str = "Brandschutz: was sich ändert";

/// Runs FFmpeg, which has to have nothing to complain about.
fn ffmpeg(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-nostdin", "-loglevel", "error", "-y"])
        .args(arguments)
        .output()
        .context("ffmpeg does not start: apt-get install ffmpeg")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && said.is_empty(), "ffmpeg {arguments:?}: {said}");
    Ok(())
}

/// Encodes a moving test picture as VP8, with a key frame each second: eight seconds of 15 pictures.
fn picture(to: &str, size: &str, bit_rate: &str) -> Result<()> {
    let source = format!("testsrc2=size={size}:rate=15:duration=8");
    let vp8 = ["-c:v", "libvpx", "-b:v", bit_rate, "-g", "15", "-deadline", "realtime", "-cpu-used", "8"];
    ffmpeg(&[&["-f", "lavfi", "-i", &source][..], &vp8, &[to]].concat())
}

/// Eight seconds of a moving test picture and of a tone.
struct Files {
    video: String,
    sound: String,
}

impl Files {
    fn make(folder: &Path) -> Result<Self> {
        let path = |name: &str| folder.join(name).to_str().context("a path").map(str::to_owned);
        let (video, sound) = (path("test.ivf")?, path("test.ogg")?);
        picture(&video, "320x180", "300k")?;
        let opus = ["-c:a", "libopus", "-b:a", "32k", "-vbr", "off", "-frame_duration", "20"];
        ffmpeg(
            &[&["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=8"][..], &opus, &[&sound]].concat(),
        )?;
        Ok(Self { video, sound })
    }

    fn go_live(&self, client: &Client) -> Result<Program> {
        let files = ["--video", &self.video, "--sound", &self.sound, "--loop"];
        client.start(&[&["broadcast", CHANNEL, "--title", TITLE][..], &files].concat())
    }
}

struct House {
    machine: Machine,
    _node: Program,
    anna: Client,
    boris: Client,
    carla: Client,
    files: Files,
    folder: tempfile::TempDir,
}

impl House {
    /// Anna is the channel's operator; Boris and Carla are of the ward that reads it.
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let machine = Machine::new(folder.path().join("office"))?;
        let (node, _) = found(&machine, folder.path(), &free_port()?.to_string())?;
        machine.run(&["group", "add", "Station 1"])?;
        let [anna, boris, carla] = ["anna", "boris", "carla"].map(|handle| Client::new(folder.path(), handle));
        for (client, handle) in [(&anna, "anna"), (&boris, "boris"), (&carla, "carla")] {
            let link = field(&machine.run(&["account", "add", handle, "--name", handle])?, "link")?;
            client.run(&["enrol", &link])?;
            client.run(&["contacts"])?;
        }
        for reader in ["boris", "carla"] {
            machine.run(&["group", "join", "Station 1", reader])?;
        }
        machine.run(&["channel", "set", CHANNEL, "--group", "Station 1", "--operator", "anna"])?;
        anna.run(&["chat", "send", "--group", CHANNEL, "gleich live"])?;
        for reader in [&boris, &carla] {
            let (good, said) = finish(reader.listen(&["--count", "1"])?)?;
            ensure!(good, "{said:?}");
        }
        let files = Files::make(folder.path())?;
        Ok(Self { machine, _node: node, anna, boris, carla, files, folder })
    }

    fn path(&self, name: &str) -> Result<String> {
        self.folder.path().join(name).to_str().context("a path").map(str::to_owned)
    }
}

/// From the start of the IT admin's command to the last packet that a locked viewer gets.
const CUT_OFF_MAX: Duration = Duration::from_secs(1);

/// A viewer inside the test, which does not stop by itself when it is told to.
struct Seat {
    client: session::Client,
    watched: WatchedBroadcast,
}

impl Seat {
    async fn take(folder: &Path) -> Result<Self> {
        let (client, mut events) = session::Client::open(folder).await?;
        let live = async {
            loop {
                if let Event::Broadcast(told) = events.recv().await? {
                    return anyhow::Ok(told);
                }
            }
        };
        let told = timeout(COMMAND_MAX, live).await.context("nobody is live")??;
        let watched = WatchedBroadcast::join(&client, &told, ViewerSinks::default()).await?;
        let seat = Self { client, watched };
        let seen = async {
            while seat.packets() < 100 {
                sleep(Duration::from_millis(20)).await; // bounded: by the timeout around it
            }
        };
        timeout(COMMAND_MAX, seen).await.context("no picture comes")?;
        Ok(seat)
    }

    fn packets(&self) -> u64 {
        let seen = self.watched.statistics();
        seen.video.packets + seen.sound.packets
    }
}

fn number(line: &Value, name: &str) -> Result<u64> {
    line[name].as_u64().with_context(|| format!("no {name} in {line}"))
}

#[test]
fn the_ward_watches_what_an_operator_sends() -> Result<()> {
    let house = House::new()?;
    let watching = house.boris.start(&["watch", CHANNEL, "--wait", "30", "--for", "1"]);
    house.carla.refused(&["broadcast", CHANNEL, "--title", "x", "--sound", &house.files.sound])?;
    house.carla.refused(&["watch", CHANNEL])?;
    let live = house.files.go_live(&house.anna)?;
    wait_for(&live, "live")?;
    let (good, said) = finish(watching?)?;
    ensure!(good && one(&said, "watching")?["from"] == "anna", "who waits hears of it: {said:?}");

    let (video, sound) = (house.path("seen.ivf")?, house.path("heard.ogg")?);
    let (good, said) =
        finish(house.carla.start(&["watch", CHANNEL, "--for", "6", "--video-out", &video, "--sound-out", &sound])?)?;
    ensure!(good, "{said:?}");
    ensure!(one(&said, "watching")?["title"] == TITLE, "{said:?}");
    let seen = one(&said, "broadcast_ended")?;
    // 15 pictures and 50 packets of sound a second for 6 s; a viewer begins to see with a key frame, one a second.
    ensure!(number(seen, "video_frames")? >= 60 && number(seen, "sound_packets")? >= 250, "{seen}");
    ensure!(number(seen, "undecryptable")? == 0 && number(seen, "packets_missing")? == 0, "{seen}");
    ensure!((number(seen, "width")?, number(seen, "height")?) == (320, 180), "{seen}");
    for file in [&video, &sound] {
        ffmpeg(&["-i", file, "-f", "null", "-"])?;
    }
    live.interrupt()?;
    let (good, said) = finish(live)?;
    ensure!(good && one(&said, "broadcast_ended")?["reason"] == "stopped", "{said:?}");
    house.boris.refused(&["watch", CHANNEL])?;
    Ok(())
}

#[test]
fn a_sender_that_was_killed_goes_on_with_its_broadcast() -> Result<()> {
    let house = House::new()?;
    let live = house.files.go_live(&house.anna)?;
    let id = wait_for(&live, "live")?["broadcast"].clone();
    let watching = house.boris.start(&["watch", CHANNEL])?;
    wait_for(&watching, "picture")?;
    live.kill()?;
    wait_for(&watching, "sender_lost")?;
    let live = house.files.go_live(&house.anna)?;
    ensure!(wait_for(&live, "live")?["broadcast"] == id, "the same one");
    wait_for(&watching, "sender_back")?;
    std::thread::sleep(Duration::from_secs(3)); // bounded: frames to be counted after the return
    live.interrupt()?;
    let (good, said) = finish(watching)?;
    let seen = one(&said, "broadcast_ended")?;
    ensure!(good && seen["reason"] == "stopped" && number(seen, "undecryptable")? == 0, "{said:?}");
    finish(live)?;
    Ok(())
}

#[test]
fn who_leaves_the_ward_sees_nothing_more_and_the_others_all() -> Result<()> {
    let house = House::new()?;
    let live = house.files.go_live(&house.anna)?;
    wait_for(&live, "live")?;
    let boris = house.boris.start(&["watch", CHANNEL])?;
    let carla = house.carla.start(&["watch", CHANNEL])?;
    for watching in [&boris, &carla] {
        wait_for(watching, "picture")?;
    }
    house.machine.run(&["group", "leave", "Station 1", "boris"])?;
    let (good, said) = finish(boris)?;
    let why = one(&said, "broadcast_ended")?["reason"].as_str().unwrap_or_default();
    ensure!(good && why.contains("no right to it"), "{said:?}");
    std::thread::sleep(Duration::from_secs(3)); // bounded: frames to be counted after the new epoch
    live.interrupt()?;
    let (good, said) = finish(carla)?;
    let seen = one(&said, "broadcast_ended")?;
    ensure!(good && number(seen, "undecryptable")? == 0 && number(seen, "packets_missing")? == 0, "{said:?}");
    // Nothing was lost with the change of keys: 15 pictures a second since Carla's first.
    ensure!(number(seen, "video_frames")? >= 45, "{seen}");
    finish(live)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_viewer_gets_nothing_after_a_second() -> Result<()> {
    let house = tokio::task::spawn_blocking(House::new).await??;
    let live = house.files.go_live(&house.anna)?;
    wait_for(&live, "live")?;
    let boris = Seat::take(&house.folder.path().join("boris")).await?;
    let carla = Seat::take(&house.folder.path().join("carla")).await?;
    let (asked, mut last, mut packets) = (Instant::now(), Instant::now(), boris.packets());
    let carla_before = carla.packets();
    let office = house.machine.clone();
    let locking = tokio::task::spawn_blocking(move || {
        let done = office.run(&["account", "lock", "boris"]);
        (done, Instant::now())
    });
    while asked.elapsed() < CUT_OFF_MAX * 3 {
        sleep(Duration::from_millis(5)).await; // bounded: by the loop
        let now = boris.packets();
        if now > packets {
            (last, packets) = (Instant::now(), now);
        }
    }
    let (done, locked) = locking.await?;
    done?;
    let (after_asked, after_locked) = (last - asked, last.saturating_duration_since(locked));
    eprintln!("locked: the last packet came {after_asked:?} after the command's start, {after_locked:?} after its end");
    ensure!(after_locked < CUT_OFF_MAX, "packets came for {after_locked:?} after the lock");
    let seen = carla.watched.statistics();
    ensure!(seen.video.missing + seen.sound.missing == 0 && seen.video.undecryptable == 0, "{seen:?}");
    // 50 packets of sound and 15 or more of video a second, for the three seconds of the watch: 195, less what its edges cost.
    ensure!(carla.packets() - carla_before >= 180, "{carla_before} packets before, {seen:?}");
    for seat in [boris, carla] {
        seat.watched.close().await;
        seat.client.close().await;
    }
    live.interrupt()?;
    finish(live)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_how_three_layers_go() -> Result<()> {
    let house = tokio::task::spawn_blocking(House::new).await??;
    let layer = |name: &str, size: &str, bit_rate: &str| -> Result<PathBuf> {
        let path = house.path(name)?;
        picture(&path, size, bit_rate)?;
        Ok(path.into())
    };
    let files = ProgrammeFiles {
        high: Some(layer("h.ivf", "640x360", "800k")?),
        middle: Some(layer("m.ivf", "320x180", "300k")?),
        low: Some(layer("l.ivf", "160x90", "100k")?),
        sound: Some(house.files.sound.clone().into()),
        looping: true,
    };
    let (anna, mut events) = session::Client::open(&house.folder.path().join("anna")).await?;
    let ready = async {
        while !matches!(events.recv().await?, Event::Ready) {}
        anyhow::Ok(())
    };
    timeout(COMMAND_MAX, ready).await??;
    let channels = |core: &wardline_client::core::Core| core.directory().channels().map(|one| one.channel_id).next();
    let channel = anna.look(channels).await?.context("a channel")?;
    let mut live = LiveBroadcast::start(&anna, channel, TITLE.into(), Programme::open(&files)?).await?;
    let carla = Seat::take(&house.folder.path().join("carla")).await?;
    // Its line carries everything, so it ends with the largest picture.
    let report = async {
        loop {
            sleep(Duration::from_millis(500)).await; // bounded: by the timeout around it
            live.mend(&anna).await?;
            let Reply::BroadcastReport(report) =
                anna.command(Ask::FetchBroadcastReport { broadcast: live.id() }).await??
            else {
                anyhow::bail!("no report");
            };
            let all = report.layers.len() == 3 && report.layers.iter().all(|layer| layer.bitrate_bps > 0);
            if all && report.viewers == 1 && report.layers.last().is_some_and(|layer| layer.viewers == 1) {
                return Ok(report);
            }
        }
    };
    let report = timeout(COMMAND_MAX, report).await.context("the viewer never gets the largest picture")??;
    eprintln!("{report:?}");
    let rids: Vec<&str> = report.layers.iter().map(|layer| layer.rid.as_str()).collect();
    ensure!(rids == ["l", "m", "h"], "the smallest first: {rids:?}");
    let seen = carla.watched.statistics();
    ensure!(seen.size == Some((640, 360)) && seen.size_changes >= 1, "{seen:?}");
    ensure!(seen.video.undecryptable + seen.sound.undecryptable == 0, "{seen:?}");
    live.stop(&anna).await?;
    live.close().await;
    carla.watched.close().await;
    carla.client.close().await;
    anna.close().await;
    Ok(())
}
