//! What a viewer saw and heard, as files.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::file::{IvfWriter, OggWriter, channels, samples};
use super::super::{MediaError, vp8};

/// Longest stretch of missing sound that is filled up, in samples: 10 s. After a longer one the sound goes on at once.
const FILLED_MAX: u64 = 480_000;
/// How often the files are brought up to date, in seconds of the programme: who kills the program loses at most so much.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Where a viewer writes what it sees and hears. Files that are there are replaced. They are readable at every moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewerSinks {
    /// Video, as VP8 in IVF.
    pub video: Option<PathBuf>,
    /// Sound, as Opus in Ogg.
    pub sound: Option<PathBuf>,
}

/// The files. One that cannot be written to any more is given up, with a warning; the other goes on.
pub(super) struct Recorder {
    video: Option<Video>,
    sound: Option<Sound>,
}

struct Video {
    path: PathBuf,
    /// None before the first key frame: the header has its size.
    file: Option<IvfWriter>,
    flushed: Duration,
}

struct Sound {
    path: PathBuf,
    /// None before the first packet: the header has its channels.
    file: Option<OggWriter>,
    written: u64,
    flushed: Duration,
}

impl Recorder {
    /// Makes the files.
    pub(super) fn create(sinks: ViewerSinks) -> Result<Self, MediaError> {
        let made = |path: &Path| match File::create(path) {
            Ok(_) => Ok(()),
            Err(error) => Err(MediaError::Sink(format!("{}: {error}", path.display()))),
        };
        sinks.video.as_deref().map(made).transpose()?;
        sinks.sound.as_deref().map(made).transpose()?;
        let video = sinks.video.map(|path| Video { path, file: None, flushed: Duration::ZERO });
        let sound = sinks.sound.map(|path| Sound { path, file: None, written: 0, flushed: Duration::ZERO });
        Ok(Self { video, sound })
    }

    /// A frame; the first is a key frame.
    pub(super) fn video(&mut self, time: Duration, frame: &[u8]) {
        if let Some(video) = &mut self.video
            && let Err(error) = video.write(time, frame)
        {
            tracing::warn!(%error, "the video is not written on");
            self.video = None;
        }
    }

    /// A packet of Opus.
    pub(super) fn sound(&mut self, time: Duration, packet: &[u8]) {
        if let Some(sound) = &mut self.sound
            && let Err(error) = sound.write(time, packet)
        {
            tracing::warn!(%error, "the sound is not written on");
            self.sound = None;
        }
    }

    /// Ends both files.
    pub(super) fn finish(self) {
        let video = self.video.and_then(|video| video.file).map(IvfWriter::finish);
        let sound = self.sound.and_then(|sound| sound.file).map(OggWriter::finish);
        for ended in video.into_iter().chain(sound) {
            if let Err(error) = ended {
                tracing::warn!(%error, "the end of a recording may be missing");
            }
        }
    }
}

impl Video {
    fn write(&mut self, time: Duration, frame: &[u8]) -> io::Result<()> {
        let file = match (&mut self.file, vp8::size(frame)) {
            (Some(file), _) => file,
            (empty, Some((width, height))) => empty.insert(IvfWriter::create(&self.path, width, height)?),
            (None, None) => return Ok(()),
        };
        file.write(time, frame)?;
        if time.saturating_sub(self.flushed) >= FLUSH_EVERY {
            self.flushed = time;
            file.flush()?;
        }
        Ok(())
    }
}

impl Sound {
    fn write(&mut self, time: Duration, packet: &[u8]) -> io::Result<()> {
        let Some(samples) = samples(packet) else { return Ok(()) };
        let file = match &mut self.file {
            Some(file) => file,
            empty => empty.insert(OggWriter::create(&self.path, channels(packet))?),
        };
        // Ogg has no gaps: a packet without a frame is concealed by the decoder (RFC 6716 section 3.2.1, RFC 7845 section 4).
        let due = u64::try_from(time.as_nanos() * 48 / 1_000_000).unwrap_or(u64::MAX);
        let missing = due.saturating_sub(self.written) / u64::from(samples);
        if let Some(toc) = packet.first().filter(|_| missing * u64::from(samples) <= FILLED_MAX) {
            // One frame, of no bytes.
            let empty = [toc & !3];
            let per_packet = super::super::file::samples(&empty).unwrap_or(samples);
            while self.written + u64::from(samples) <= due {
                file.write(&empty, per_packet)?;
                self.written += u64::from(per_packet);
            }
        } else {
            self.written = due;
        }
        file.write(packet, samples)?;
        self.written += u64::from(samples);
        if time.saturating_sub(self.flushed) >= FLUSH_EVERY {
            self.flushed = time;
            file.flush()?;
        }
        Ok(())
    }
}
