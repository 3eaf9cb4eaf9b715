//! Broadcasts over real sockets: a publisher from files, the real media plane, and viewers. ffmpeg makes the files and decodes
//! what the viewers wrote.
#[path = "broadcast/clips.rs"]
mod clips;
#[path = "broadcast/stage.rs"]
mod stage;
#[path = "broadcast/wire.rs"]
mod wire;

use clips::{FRAME_RATE, decoded};
use stage::{PUBLISHER, Stage, keys, loopback, programme, soon, until};
use wardline_client::media::file::{SoundFile, VideoFile};
use wardline_client::media::{Layer, Programme, ProgrammeFiles, Publisher, ViewerSinks};
use wardline_protocol::AccountId;
use wardline_sfu::DropCause;
use wire::{Loses, Wire};

const SECONDS: u32 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broadcast_arrives_whole_and_can_be_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let file = clips::webm(folder.path(), SECONDS);
    let (seen, heard) = (folder.path().join("seen.ivf"), folder.path().join("heard.ogg"));
    let stage = Stage::new();
    let files = ProgrammeFiles { high: Some(file.clone()), sound: Some(file.clone()), ..Default::default() };
    let programme = programme(files);
    assert_eq!(programme.context_ids_count(), 2);
    let publisher = stage.publisher(programme).await;
    let viewer = stage.viewer(2).await;
    let sinks = ViewerSinks { video: Some(seen.clone()), sound: Some(heard.clone()) };
    viewer.start(keys(1, 7), PUBLISHER, sinks).unwrap();
    publisher.start(keys(1, 7), &[11, 12]).unwrap();
    until(publisher.finished()).await;
    let sent = publisher.statistics();
    let (layer, video) = sent.video[0];
    assert_eq!((layer, video.frames, video.key_frames), (Layer::High, u64::from(SECONDS * FRAME_RATE), SECONDS.into()));
    assert_eq!(sent.unsent, 0);
    let whole = soon(|| {
        let counts = viewer.statistics();
        (counts.video.opened, counts.sound.opened) == (video.frames, sent.sound.frames)
    });
    assert!(whole.await, "{:?} of {sent:?}", viewer.statistics());
    let counts = viewer.close().await;
    for (received, sent) in [(counts.video, video), (counts.sound, sent.sound)] {
        assert_eq!((received.frames, received.opened), (sent.frames, sent.frames));
        assert_eq!((received.undecryptable, received.incomplete, received.missing), (0, 0, 0));
    }
    assert_eq!((counts.size, counts.size_changes), (Some((320, 180)), 0));
    assert!(counts.first_key_frame_after.is_some());
    publisher.close().await;
    assert_eq!(decoded(&seen, "v"), decoded(&file, "v"), "to the last pixel");
    decoded(&heard, "a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_another_key_or_publisher_nothing_opens() {
    let folder = tempfile::tempdir().unwrap();
    let file = clips::webm(folder.path(), 1);
    let stage = Stage::new();
    let files = ProgrammeFiles { high: Some(file.clone()), sound: Some(file), ..Default::default() };
    let publisher = stage.publisher(programme(files)).await;
    let (outsider, misled) = (stage.viewer(2).await, stage.viewer(3).await);
    let seen = folder.path().join("seen.ivf");
    outsider.start(keys(1, 8), PUBLISHER, ViewerSinks { video: Some(seen.clone()), sound: None }).unwrap();
    misled.start(keys(1, 7), AccountId::from_bytes([9; 16]), ViewerSinks::default()).unwrap();
    publisher.start(keys(1, 7), &[11, 12]).unwrap();
    until(publisher.finished()).await;
    let sent = publisher.statistics();
    for viewer in [&outsider, &misled] {
        let all = || viewer.statistics().video.undecryptable == sent.video[0].1.frames;
        assert!(soon(all).await, "{:?}", viewer.statistics());
    }
    for viewer in [outsider, misled] {
        let counts = viewer.close().await;
        assert_eq!((counts.video.opened, counts.sound.opened, counts.first_key_frame_after), (0, 0, None));
    }
    assert_eq!(std::fs::metadata(seen).unwrap().len(), 0);
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_layers_arrive_by_their_names_and_what_is_lost_is_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let layer = |size, bits| Some(clips::ivf(folder.path(), size, bits, 2));
    let files = ProgrammeFiles {
        high: layer("640x360", "900k"),
        middle: layer("320x180", "300k"),
        low: layer("160x90", "100k"),
        sound: Some(clips::ogg(folder.path(), 2)),
        looping: false,
    };
    let wire = Wire::new();
    let stage = Stage::with(wire.config());
    wire.carry(stage.sfu.local_addresses()[0], Loses::Upward);
    let (publisher, offer) = Publisher::offer(loopback(), programme(files)).await.unwrap();
    assert!(offer.contains("a=simulcast:send h;m;l"), "{offer}");
    let answer = stage.answer(1, offer).await;
    assert!(answer.contains("a=simulcast:recv h;m;l"), "{answer}");
    publisher.answer(&answer).await.unwrap();
    until(publisher.connected()).await;
    publisher.start(keys(1, 7), &[1, 2, 3]).expect_err("a context id for each layer and the sound");
    publisher.start(keys(1, 7), &[1, 2, 3, 3]).expect_err("all different");
    publisher.start(keys(1, 7), &[1, 2, 3, 4]).unwrap();
    publisher.start(keys(1, 7), &[5, 6, 7, 8]).expect_err("it began already");
    assert!(soon(|| publisher.statistics().video[0].1.frames >= 35).await);
    wire.heal();
    until(publisher.finished()).await;
    let sent = publisher.statistics();
    let frames: Vec<_> = sent.video.iter().map(|(layer, sent)| (*layer, sent.frames)).collect();
    assert_eq!(frames, Layer::ALL.map(|layer| (layer, u64::from(2 * FRAME_RATE))));
    // Every packet of each layer names the line and the layer, those that were sent again among them.
    let mut names: Vec<_> = wire.names().into_iter().map(Vec::from_iter).collect();
    names.sort();
    let [line, layer] = negotiated(&answer);
    let named = |rid: &str| vec![format!("{line}=1 {layer}={rid} ")];
    assert_eq!(names, [named("h"), named("l"), named("m")]);
    // So the media plane knows them: it counts them as those of somebody who may not send.
    let packets = sent.sound.packets + sent.video.iter().map(|(_, sent)| sent.packets).sum::<u64>();
    let known = soon(|| stage.sfu.stats().dropped_by(DropCause::NotAllowed) == packets).await;
    let asked = publisher.statistics().packets_asked_for;
    assert!(known && wire.lost() > 10, "{} lost of {packets}: {sent:?} {:?}", wire.lost(), stage.sfu.stats());
    assert!(asked >= wire.lost(), "{asked} of {}", wire.lost());
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_lost_on_the_way_to_a_viewer_is_sent_again() {
    let asked = lossy(Loses::Downward).await;
    assert_eq!(asked, 0, "nothing was lost between the publisher and the media plane");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_lost_on_the_way_from_a_publisher_is_sent_again() {
    let asked = lossy(Loses::Upward).await;
    assert!(asked > 0);
}

/// The numbers that an answer gives to the names of lines and layers.
fn negotiated(answer: &str) -> [u8; 2] {
    ["sdes:mid", "sdes:rtp-stream-id"].map(|name| {
        let line = answer.lines().find(|line| line.starts_with("a=extmap:") && line.ends_with(name)).expect(name);
        line["a=extmap:".len()..].split(' ').next().unwrap().parse().unwrap()
    })
}

/// A broadcast over a network that loses packets arrives whole. Gives how many packets the publisher was asked for.
async fn lossy(loses: Loses) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let wire = Wire::new();
    let stage = Stage::with(wire.config());
    wire.carry(stage.sfu.local_addresses()[0], loses);
    let file = clips::ivf(folder.path(), "640x360", "900k", SECONDS);
    let files = ProgrammeFiles { high: Some(file.clone()), ..Default::default() };
    let publisher = stage.publisher(programme(files)).await;
    let viewer = stage.viewer(2).await;
    let seen = folder.path().join("seen.ivf");
    viewer.start(keys(1, 7), PUBLISHER, ViewerSinks { video: Some(seen.clone()), sound: None }).unwrap();
    publisher.start(keys(1, 7), &[11]).unwrap();
    assert!(soon(|| publisher.statistics().video[0].1.frames >= 60).await);
    wire.heal();
    until(publisher.finished()).await;
    let frames = publisher.statistics().video[0].1.frames;
    let whole = soon(|| viewer.statistics().video.opened == frames).await;
    let (counts, asked) = (viewer.close().await.video, publisher.statistics());
    assert!(whole && wire.lost() > 10, "{} lost: {counts:?}", wire.lost());
    assert_eq!((counts.incomplete, counts.missing, counts.undecryptable), (0, 0, 0));
    let sent = asked.video[0].1.packets;
    assert!(counts.packets <= sent + wire.lost(), "sent again once, not again and again: {counts:?} of {sent}");
    publisher.close().await;
    assert_eq!(decoded(&seen, "v"), decoded(&file, "v"), "to the last pixel");
    asked.packets_asked_for
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broadcast_goes_on_over_new_connections_and_new_keys() {
    let folder = tempfile::tempdir().unwrap();
    let file = clips::webm(folder.path(), 1);
    let (seen, heard) = (folder.path().join("seen.ivf"), folder.path().join("heard.ogg"));
    let stage = Stage::new();
    let files = ProgrammeFiles { high: Some(file.clone()), sound: Some(file), looping: true, ..Default::default() };
    let publisher = stage.publisher(programme(files)).await;
    let viewer = stage.viewer(2).await;
    let sinks = ViewerSinks { video: Some(seen.clone()), sound: Some(heard.clone()) };
    viewer.start(keys(1, 7), PUBLISHER, sinks).unwrap();
    publisher.start(keys(1, 7), &[11, 12]).unwrap();
    // 40 frames are more than one round of the file.
    let more = async |frames: u64, why: &str| {
        let before = viewer.statistics();
        let came = soon(|| {
            let now = viewer.statistics();
            now.video.opened >= before.video.opened + frames && now.sound.opened >= before.sound.opened + frames
        });
        assert!(came.await, "{why}: {:?}", viewer.statistics());
    };
    more(40, "at first").await;
    // The viewers may hear of a commit before the publisher, or after it.
    viewer.update_keys(keys(2, 9));
    more(5, "with the former keys, which open for 5 seconds").await;
    publisher.update_keys(keys(2, 9));
    more(10, "with the new keys").await;
    publisher.update_keys(keys(3, 11));
    let waits = viewer.statistics().video;
    let kept = soon(|| viewer.statistics().video.frames > waits.frames + 10).await;
    assert!(kept && viewer.statistics().video.opened <= waits.opened + 3, "the keys are not there yet");
    viewer.update_keys(keys(3, 11));
    more(10, "with keys that came late").await;
    let offer = viewer.restart(loopback()).await.unwrap();
    viewer.answer(&stage.answer(2, offer).await).await.unwrap();
    until(viewer.connected()).await;
    more(40, "over another connection of the viewer").await;
    let offer = publisher.restart(loopback()).await.unwrap();
    publisher.answer(&stage.answer(1, offer).await).await.unwrap();
    until(publisher.connected()).await;
    more(40, "over another connection of the publisher").await;
    assert!(!*publisher.finished().borrow(), "a loop has no end");
    publisher.close().await;
    let counts = viewer.close().await;
    assert_eq!((counts.video.undecryptable, counts.sound.undecryptable), (0, 0), "{counts:?}");
    decoded(&seen, "v");
    decoded(&heard, "a");
}

#[test]
fn files_of_an_encoder_are_read_or_it_is_said_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let made = |name: &str, arguments: &[&str]| clips::made(folder.path(), name, arguments);
    let vp8 = ["-c:v", "libvpx", "-c:a", "libopus"];
    for (name, container) in [("a.webm", &["-f", "webm"][..]), ("live.webm", &["-f", "webm", "-live", "1"])] {
        let path = made(name, &[&vp8[..], &["-g", "25"], container].concat());
        let (video, sound) = (VideoFile::open(&path).unwrap(), SoundFile::open(&path).unwrap());
        assert_eq!((video.frames_count(), video.size()), (300, (64, 48)), "{name}");
        // The video begins a little later, by what a decoder leaves out of the sound at its start.
        assert!(video.length().as_millis().abs_diff(12_000) <= 10, "{name}");
        assert!(sound.length().as_millis().abs_diff(12_000) <= 40, "{name}");
    }
    let said = |files: ProgrammeFiles| Programme::open(&files).err().map(|error| error.to_string()).unwrap_or_default();
    let video = |path| ProgrammeFiles { high: Some(path), ..Default::default() };
    assert!(said(ProgrammeFiles::default()).contains("nothing to broadcast"));
    let vp9 = made("vp9.webm", &["-c:v", "libvpx-vp9", "-cpu-used", "8", "-deadline", "realtime", "-t", "1"]);
    assert!(said(video(vp9)).ends_with("vp9.webm has V_VP9; video must be VP8 and sound Opus"));
    let rare =
        made("rare.ivf", &["-an", "-c:v", "libvpx", "-g", "999", "-keyint_min", "999", "-sc_threshold", "-1000"]);
    assert!(said(video(rare)).contains("rare.ivf has no key frame for longer than 10 s after second 0"));
    let vorbis = made("vorbis.ogg", &["-vn", "-c:a", "vorbis", "-strict", "-2", "-ac", "2", "-t", "1"]);
    assert!(said(ProgrammeFiles { sound: Some(vorbis), ..Default::default() }).contains("vorbis; video must be"));
    let mp4 = made("a.mp4", &["-an", "-c:v", "mpeg4", "-t", "1"]);
    assert!(said(video(mp4)).ends_with("a.mp4 is neither IVF, WebM nor Ogg"));
}
