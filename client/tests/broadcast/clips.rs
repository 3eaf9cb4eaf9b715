//! Files to broadcast, made by ffmpeg (Debian's, with libvpx and libopus), which must be installed for these tests.
use std::path::{Path, PathBuf};
use std::process::Command;

/// Frames a second, and a key frame each second.
pub const FRAME_RATE: u32 = 25;

/// Runs ffmpeg and gives what it printed. It says nothing on its standard error when all is well.
pub fn ffmpeg(arguments: &[&str]) -> String {
    let run = Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-y"]).args(arguments).output();
    let run = run.expect("ffmpeg is needed for the tests of broadcasts: install it");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && said.is_empty(), "ffmpeg {arguments:?}: {said}");
    String::from_utf8_lossy(&run.stdout).into_owned()
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// A moving picture with a tone: VP8 and Opus in WebM.
pub fn webm(folder: &Path, seconds: u32) -> PathBuf {
    let path = folder.join("news.webm");
    let (picture, tone) =
        (picture("320x180", seconds), format!("sine=frequency=440:sample_rate=48000:duration={seconds}"));
    let mut arguments = vec!["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &tone];
    arguments.extend(VP8);
    arguments.extend(["-b:v", "600k", "-c:a", "libopus", "-b:a", "32k", "-vbr", "off", text(&path)]);
    ffmpeg(&arguments);
    path
}

/// A moving picture: VP8 in IVF.
pub fn ivf(folder: &Path, size: &str, bits: &str, seconds: u32) -> PathBuf {
    let path = folder.join(format!("{size}.ivf"));
    let picture = picture(size, seconds);
    let mut arguments = vec!["-f", "lavfi", "-i", &picture];
    arguments.extend(VP8);
    arguments.extend(["-b:v", bits, text(&path)]);
    ffmpeg(&arguments);
    path
}

/// A tone: Opus in Ogg.
pub fn ogg(folder: &Path, seconds: u32) -> PathBuf {
    let path = folder.join("tone.ogg");
    let tone = format!("sine=frequency=440:sample_rate=48000:duration={seconds}");
    ffmpeg(&["-f", "lavfi", "-i", &tone, "-c:a", "libopus", "-b:a", "32k", "-vbr", "off", text(&path)]);
    path
}

const VP8: [&str; 8] = ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "25"];

fn picture(size: &str, seconds: u32) -> String {
    format!("testsrc2=size={size}:rate={FRAME_RATE}:duration={seconds}")
}

/// Decodes a whole file; the test fails when the decoder finds anything to say. Gives a hash of all decoded pictures or
/// samples, their times left out.
pub fn decoded(path: &Path, stream: &str) -> String {
    ffmpeg(&["-i", text(path), "-f", "null", "-"]);
    ffmpeg(&["-i", text(path), "-map", &format!("0:{stream}"), "-fps_mode", "passthrough", "-f", "md5", "-"])
}

/// A small picture with a tone, of 12 seconds unless the arguments say otherwise, made by these.
pub fn made(folder: &Path, name: &str, arguments: &[&str]) -> PathBuf {
    let path = folder.join(name);
    let (picture, tone) = (picture("64x48", 12), "sine=sample_rate=48000:duration=12");
    let input = ["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", tone];
    ffmpeg(&[&input[..], arguments, &[text(&path)]].concat());
    path
}
