//! What is broadcast: a moving test picture with a number in each frame, and speech. Made with FFmpeg and espeak-ng, once for each choice of settings.
use super::stamp;
use crate::workload::{Broadcast, Layer};
use anyhow::{Context as _, Result, ensure};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use wardline_client::media::file::{Frame, Frames, SoundFile, VideoFile};

/// Whoever changes how footage is made counts this up: what was made before is made again.
const VERSION: u32 = 1;

/// What is said, again and again.
const SPEECH: &str = "Achtung, dies ist eine Durchsage an das ganze Haus. Die Übung beginnt um vierzehn Uhr auf Station drei. Bitte die Flure frei halten.";

/// The video's encoder: constant bit rate without hidden or dropped frames, so that each frame is a picture and has its number.
const VP8: [&str; 14] = [
    "-c:v",
    "libvpx",
    "-deadline",
    "realtime",
    "-cpu-used",
    "6",
    "-auto-alt-ref",
    "0",
    "-lag-in-frames",
    "0",
    "-error-resilient",
    "1",
    "-pix_fmt",
    "yuv420p",
];

/// One track in memory.
pub type Track = Arc<Vec<Frame>>;

/// The whole programme in memory.
#[derive(Clone)]
pub struct Footage {
    /// The video's layers, the largest first.
    pub layers: Vec<Track>,
    /// The speech.
    pub sound: Track,
    /// How long it plays.
    pub length: Duration,
    /// Which frame has these bytes, of any layer.
    numbers: Arc<HashMap<Vec<u8>, u16>>,
}

impl Footage {
    /// Makes it, or takes what an earlier run made. Takes a while: call it where one may wait.
    ///
    /// # Errors
    /// Which program is missing, or what it said.
    pub fn make(settings: &Broadcast) -> Result<Self> {
        let folder = kept()?;
        let (frames_per_s, every, seconds) =
            (settings.frames_per_s, settings.key_frame_every, settings.programme_seconds);
        let mut layers = Vec::new();
        let mut numbers = HashMap::new();
        for Layer { width, height, kbps } in &settings.layers {
            let name = format!("v{VERSION}-{width}x{height}-{kbps}k-{frames_per_s}fps-key{every}-{seconds}s.ivf");
            let path = once(&folder, &name, |path| {
                video(path, settings, &Layer { width: *width, height: *height, kbps: *kbps })
            })?;
            let frames = all(VideoFile::open(&path)?.play()?)?;
            ensure!(frames.len() == (frames_per_s * seconds) as usize, "{}: a frame for each picture", path.display());
            for (number, frame) in (0_u16..).zip(&frames) {
                numbers.insert(frame.data.clone(), number);
            }
            layers.push(Arc::new(frames));
        }
        let length = Duration::from_secs(seconds.into());
        let path = once(&folder, &format!("v{VERSION}-{seconds}s.ogg"), |path| speech(path, seconds))?;
        let mut sound = all(SoundFile::open(&path)?.play()?)?;
        // The encoder adds a packet for what it holds back.
        sound.retain(|packet| packet.time < length);
        Ok(Self { layers, sound: Arc::new(sound), length, numbers: Arc::new(numbers) })
    }

    /// The number that is drawn into the encoded frame with these bytes; `None` when it is none of ours.
    pub fn number(&self, encoded: &[u8]) -> Option<u16> {
        self.numbers.get(encoded).copied()
    }
}

fn all(mut frames: Frames) -> Result<Vec<Frame>> {
    let mut all = Vec::new();
    while let Some(frame) = frames.next_frame()? {
        all.push(frame);
    }
    Ok(all)
}

/// Where footage is kept from run to run: in the folder of builds, and without one where the system keeps what may go.
fn kept() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let builds = this.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "target"));
    let folder = builds.map_or_else(|| std::env::temp_dir().join("wardline-footage"), |builds| builds.join("footage"));
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}

/// Makes a file unless it is there. Two runs at a time may both make it: each gives it its name when it is whole.
fn once(folder: &Path, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let path = folder.join(name);
    if !path.exists() {
        let making = folder.join(format!("{}-{name}", std::process::id()));
        let done = make(&making);
        if done.is_err() {
            let _ = std::fs::remove_file(&making); // it may not be there
        }
        done?;
        std::fs::rename(&making, &path)?;
    }
    Ok(path)
}

fn video(path: &Path, settings: &Broadcast, layer: &Layer) -> Result<()> {
    let Layer { width, height, kbps } = layer;
    let (rate, seconds) = (settings.frames_per_s, settings.programme_seconds);
    let numbers = u16::try_from(rate * seconds)?;
    let stamps = tempfile::NamedTempFile::new()?;
    std::fs::write(&stamps, (0..numbers).flat_map(stamp::draw).collect::<Vec<_>>())?;
    let side = *width as usize / stamp::SQUARES;
    let filter = format!(
        "[1:v]scale={width}:{side}:flags=neighbor,format=yuv420p[stamp];[0:v][stamp]overlay=0:0:shortest=1[out]"
    );
    let (squares, kbps) = (format!("{}x1", stamp::SQUARES), format!("{kbps}k"));
    let (rate, every) = (rate.to_string(), settings.key_frame_every.to_string());
    let mut command = ffmpeg();
    command.args(["-f", "lavfi", "-i", &format!("testsrc2=size={width}x{height}:rate={rate}:duration={seconds}")]);
    command
        .args(["-f", "rawvideo", "-pixel_format", "gray", "-video_size", &squares, "-framerate", &rate, "-i"])
        .arg(stamps.path());
    command.args(["-filter_complex", &filter, "-map", "[out]", "-fps_mode", "passthrough"]).args(VP8);
    command.args([
        "-g",
        &every,
        "-keyint_min",
        &every,
        "-b:v",
        &kbps,
        "-minrate",
        &kbps,
        "-maxrate",
        &kbps,
        "-bufsize",
        &kbps,
    ]);
    done(command.args(["-f", "ivf"]).arg(path)).map(drop)
}

fn speech(path: &Path, seconds: u32) -> Result<()> {
    let said = tempfile::NamedTempFile::new()?;
    let mut command = Command::new("espeak-ng");
    done(command.args(["-v", "de", "-w"]).arg(said.path()).arg(SPEECH))?;
    let mut command = ffmpeg();
    command.args(["-stream_loop", "-1", "-f", "wav", "-i"]).arg(said.path()).args([
        "-t",
        &seconds.to_string(),
        "-ar",
        "48000",
        "-ac",
        "1",
    ]);
    // Of constant bit rate: the length of packets says nothing.
    command.args(["-c:a", "libopus", "-b:a", "32k", "-vbr", "off", "-frame_duration", "20", "-f", "ogg"]).arg(path);
    done(&mut command).map(drop)
}

fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostdin", "-loglevel", "error", "-y"]);
    command
}

/// The upper strip of each picture of a recording, with the stamp: one byte a pixel, `width` wide. All pictures are of one size, and evenly spaced.
///
/// # Errors
/// What FFmpeg has to say about the recording.
pub fn strips(recording: &Path, width: usize) -> Result<Vec<Vec<u8>>> {
    let side = width / stamp::SQUARES;
    let mut filter = String::new();
    // The height follows, so that the stamp's squares stay squares whatever the layer.
    write!(filter, "scale={width}:-2:flags=area,crop={width}:{side}:0:0,format=gray")?;
    let mut command = ffmpeg();
    command.arg("-i").arg(recording).args(["-vf", &filter, "-fps_mode", "passthrough", "-f", "rawvideo", "-"]);
    let pixels = done(&mut command)?;
    Ok(pixels.chunks_exact(width * side).map(<[u8]>::to_vec).collect())
}

/// What a program wrote, which has to have nothing to complain about.
fn done(command: &mut Command) -> Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| {
        format!("{name} does not start; it makes the picture and the speech: `make setup` installs it")
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && said.is_empty(), "{name}: {said}");
    Ok(output.stdout)
}
