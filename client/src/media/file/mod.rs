//! Files that are broadcast, and those that a broadcast is written to: VP8 in IVF or WebM, Opus in Ogg or WebM.
//!
//! A file is read twice: once whole when it is opened, so that what is wrong with it is said before anybody watches, and then
//! frame by frame while it is played. Never more than one frame of it is in memory.
//!
//! Absent: decoding. Nothing of a frame is read beyond what RFC 7741 and RFC 6716 have in its first bytes.

mod crc;
mod error;
mod input;
mod ivf;
mod ogg;
mod opus_head;
#[cfg(test)]
mod tests;
mod webm;

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::FileError;
pub use ivf::IvfWriter;
pub use ogg::OggWriter;
pub(crate) use opus_head::{channels, samples};
use webm::Kind;

use super::listener::duration_of;
use super::{MediaError, vp8};

/// Bytes of a video frame: a key frame of 1080 lines at the best quality has half of it.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of an Opus packet: sealed it must fit into one RTP packet. 450 kbit/s at 20 ms each.
pub const SOUND_PACKET_BYTES_MAX: usize = 1_117;
/// Longest time between two key frames: who joins late, or lost a packet for good, sees nothing for that long.
pub const KEY_FRAME_DISTANCE_MAX: Duration = Duration::from_secs(10);
/// Longest file. Times above it are damage.
const TIME_MAX: Duration = Duration::from_secs(HOURS_MAX * 3_600);
const HOURS_MAX: u64 = 48;
/// Time for which the only frame of a file is shown.
const LONE_FRAME: Duration = Duration::from_millis(40);
/// Encoders write frames that are never shown, at the time of the one before or after; these are sent so much later than the one
/// before: a tick of the RTP clock.
const HIDDEN_LATER: Duration = Duration::from_micros(12);
/// A sound file's own times are rounded to milliseconds; only when they are this far from the packets' sum is there a gap.
const SOUND_GAP_MIN: Duration = Duration::from_millis(60);

/// One frame of a file.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// When it is shown or begins to sound, from the start of the file.
    pub time: Duration,
    /// As it was encoded.
    pub data: Vec<u8>,
}

/// What a container holds, not yet checked.
struct Unit {
    /// Where the container says it.
    time: Option<Duration>,
    data: Vec<u8>,
}

/// Reads a container.
trait Units: Send {
    /// The next frame; `None` at the end.
    fn next(&mut self) -> Result<Option<Unit>, FileError>;
}

/// The frames of a file, from the first to the last.
pub struct Frames {
    units: Box<dyn Units>,
    checks: Checks,
}

enum Checks {
    Video { newest: Option<Duration>, key: Duration },
    Sound { due: Duration },
}

impl Frames {
    /// The next frame; `None` at the end of the file.
    ///
    /// # Errors
    /// [`FileError`] when it cannot be played on.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FileError> {
        while let Some(unit) = self.units.next()? {
            let frame = match &mut self.checks {
                Checks::Video { newest, key } => video(unit, newest, key)?,
                Checks::Sound { due } => Some(sound(unit, due)?),
            };
            if frame.is_some() {
                return Ok(frame);
            }
        }
        Ok(None)
    }
}

fn video(unit: Unit, newest: &mut Option<Duration>, key: &mut Duration) -> Result<Option<Frame>, FileError> {
    let Unit { time, data } = unit;
    let mut time = time.unwrap_or_default();
    if *newest == Some(time) {
        time += HIDDEN_LATER;
    }
    // An encoder that drops a frame writes an empty one: the picture stays.
    if data.is_empty() {
        return Ok(None);
    }
    let at_ms = time.as_millis() as u64;
    let malformed = FileError::Malformed { at: at_ms, what: "a frame of VP8 (the place is its time in milliseconds)" };
    let is_key = vp8::is_key(&data);
    if is_key && vp8::size(&data).is_none() {
        return Err(malformed);
    }
    match newest {
        None if !is_key => return Err(FileError::NoKeyFrameFirst),
        None => {}
        Some(newest) if time < *newest => return Err(FileError::TimesGoBack { at_ms }),
        Some(_) if time.saturating_sub(*key) > KEY_FRAME_DISTANCE_MAX => {
            let seconds_max = KEY_FRAME_DISTANCE_MAX.as_secs();
            return Err(FileError::KeyFramesTooFar { after_s: key.as_secs(), seconds_max });
        }
        Some(_) => {}
    }
    *newest = Some(time);
    if is_key {
        *key = time;
    }
    Ok(Some(Frame { time, data }))
}

fn sound(unit: Unit, due: &mut Duration) -> Result<Frame, FileError> {
    let Unit { time, data } = unit;
    let at_ms = due.as_millis() as u64;
    let samples = samples(&data)
        .ok_or(FileError::Malformed { at: at_ms, what: "a packet of Opus (the place is its time in milliseconds)" })?;
    // A pause in the file, or a beginning that is later than the video's.
    let time = time.filter(|time| *time > *due + SOUND_GAP_MIN).unwrap_or(*due);
    *due = time + duration_of(samples.into());
    if *due > TIME_MAX {
        return Err(FileError::TooLong { hours_max: HOURS_MAX });
    }
    Ok(Frame { time, data })
}

/// A time in nanoseconds, when a file can have it.
fn bounded(time_ns: u128) -> Result<Duration, FileError> {
    let time = u64::try_from(time_ns).map(Duration::from_nanos).ok().filter(|time| *time <= TIME_MAX);
    time.ok_or(FileError::TooLong { hours_max: HOURS_MAX })
}

/// A file of video that can be played: VP8 in IVF or WebM.
#[derive(Clone)]
pub struct VideoFile {
    path: PathBuf,
    length: Duration,
    frames: u64,
    size: (u16, u16),
}

impl VideoFile {
    /// Reads and checks the whole file. Takes as long as reading it: call it where one may wait.
    ///
    /// # Errors
    /// [`MediaError::File`] says which file and what is wrong with it.
    pub fn open(path: &Path) -> Result<Self, MediaError> {
        Self::check(path).map_err(|why| failed(path, why))
    }

    fn check(path: &Path) -> Result<Self, FileError> {
        let mut all = video_of(File::open(path)?)?;
        let first = all.next_frame()?.ok_or(FileError::Empty)?;
        let size = vp8::size(&first.data).ok_or(FileError::NoKeyFrameFirst)?;
        let (mut frames, mut newest, mut step) = (1, first.time, LONE_FRAME);
        while let Some(frame) = all.next_frame()? {
            step = frame.time - newest;
            newest = frame.time;
            frames += 1;
        }
        // The last frame is shown as long as the one before it.
        Ok(Self { path: path.to_owned(), length: newest + step, frames, size })
    }

    /// How long it plays.
    pub fn length(&self) -> Duration {
        self.length
    }

    /// Its frames.
    pub fn frames_count(&self) -> u64 {
        self.frames
    }

    /// Width and height of its first frame in pixels.
    pub fn size(&self) -> (u16, u16) {
        self.size
    }

    /// Its frames from the first one on. Reads the file: blocks.
    ///
    /// # Errors
    /// [`MediaError::File`] when it is not as it was.
    pub fn play(&self) -> Result<Frames, MediaError> {
        File::open(&self.path).map_err(FileError::from).and_then(video_of).map_err(|why| failed(&self.path, why))
    }
}

/// A file of sound that can be played: Opus in Ogg or WebM.
#[derive(Clone)]
pub struct SoundFile {
    path: PathBuf,
    length: Duration,
    frames: u64,
}

impl SoundFile {
    /// Reads and checks the whole file. Takes as long as reading it: call it where one may wait.
    ///
    /// # Errors
    /// [`MediaError::File`] says which file and what is wrong with it.
    pub fn open(path: &Path) -> Result<Self, MediaError> {
        Self::check(path).map_err(|why| failed(path, why))
    }

    fn check(path: &Path) -> Result<Self, FileError> {
        let mut all = sound_of(File::open(path)?)?;
        let (mut frames, mut length) = (0, Duration::ZERO);
        while let Some(frame) = all.next_frame()? {
            frames += 1;
            length = frame.time + duration_of(samples(&frame.data).unwrap_or_default().into());
        }
        if frames == 0 {
            return Err(FileError::Empty);
        }
        Ok(Self { path: path.to_owned(), length, frames })
    }

    /// How long it plays.
    pub fn length(&self) -> Duration {
        self.length
    }

    /// Its packets.
    pub fn frames_count(&self) -> u64 {
        self.frames
    }

    /// Its packets from the first one on. Reads the file: blocks.
    ///
    /// # Errors
    /// [`MediaError::File`] when it is not as it was.
    pub fn play(&self) -> Result<Frames, MediaError> {
        File::open(&self.path).map_err(FileError::from).and_then(sound_of).map_err(|why| failed(&self.path, why))
    }
}

fn failed(path: &Path, why: FileError) -> MediaError {
    MediaError::File { path: path.display().to_string(), why }
}

fn video_of(reader: impl Read + Seek + Send + 'static) -> Result<Frames, FileError> {
    let (magic, reader) = begin(reader)?;
    let units: Box<dyn Units> = match magic {
        magic if magic == ivf::MAGIC => Box::new(ivf::IvfReader::new(reader)?),
        magic if magic == webm::MAGIC => Box::new(webm::WebmReader::new(reader, Kind::Video)?),
        magic if magic == ogg::MAGIC => return Err(FileError::NoTrack("video in VP8")),
        _ => return Err(FileError::UnknownKind),
    };
    Ok(Frames { units, checks: Checks::Video { newest: None, key: Duration::ZERO } })
}

fn sound_of(reader: impl Read + Seek + Send + 'static) -> Result<Frames, FileError> {
    let (magic, reader) = begin(reader)?;
    let units: Box<dyn Units> = match magic {
        magic if magic == ogg::MAGIC => Box::new(ogg::OggReader::new(reader)?),
        magic if magic == webm::MAGIC => Box::new(webm::WebmReader::new(reader, Kind::Sound)?),
        magic if magic == ivf::MAGIC => return Err(FileError::NoTrack("sound")),
        _ => return Err(FileError::UnknownKind),
    };
    Ok(Frames { units, checks: Checks::Sound { due: Duration::ZERO } })
}

/// The first bytes, and the reader at the beginning again.
fn begin<R: Read + Seek>(mut reader: R) -> Result<([u8; 4], BufReader<R>), FileError> {
    let mut magic = [0; 4];
    match reader.read_exact(&mut magic) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Err(FileError::UnknownKind),
        other => other?,
    }
    reader.rewind()?;
    Ok((magic, BufReader::new(reader)))
}
