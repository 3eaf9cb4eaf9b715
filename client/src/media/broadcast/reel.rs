//! A file that is being played: read ahead on a thread of its own, so that a slow disk stops nobody.

use std::time::Duration;

use tokio::sync::mpsc;

use super::super::MediaError;
use super::super::file::{Frame, Frames, SoundFile, VideoFile};

/// Frames that are read ahead: over a second of video. When there are as many, the reader waits.
const AHEAD_MAX: usize = 32;

/// The frames of one file, with their times in the whole programme.
pub(super) struct Reel {
    frames: mpsc::Receiver<Frame>,
    /// The next one, taken out to see when it is due.
    next: Option<Frame>,
}

impl Reel {
    /// Plays a video. `again_after`: begins again at each multiple of it.
    pub(super) fn of_video(file: VideoFile, again_after: Option<Duration>) -> Result<Self, MediaError> {
        Self::start(move || file.play(), again_after)
    }

    /// Plays a sound.
    pub(super) fn of_sound(file: SoundFile, again_after: Option<Duration>) -> Result<Self, MediaError> {
        Self::start(move || file.play(), again_after)
    }

    fn start(
        open: impl Fn() -> Result<Frames, MediaError> + Send + 'static,
        again_after: Option<Duration>,
    ) -> Result<Self, MediaError> {
        let (sender, frames) = mpsc::channel(AHEAD_MAX);
        let read = move || {
            if let Err(error) = read(&open, again_after, &sender) {
                tracing::warn!(%error, "a file of the broadcast is not played on");
            }
        };
        let thread = std::thread::Builder::new().name("broadcast file".to_owned());
        // It ends when the file does, or when this reel is dropped.
        thread.spawn(read).map_err(|error| MediaError::Source(error.to_string()))?;
        Ok(Self { frames, next: None })
    }

    /// When the next frame is due, from the beginning of the programme; `None` at the end.
    pub(super) async fn due(&mut self) -> Option<Duration> {
        if self.next.is_none() {
            self.next = self.frames.recv().await;
        }
        self.next.as_ref().map(|frame| frame.time)
    }

    /// The frame that [`due`](Self::due) told of.
    pub(super) fn take(&mut self) -> Option<Frame> {
        self.next.take()
    }
}

fn read(
    open: &impl Fn() -> Result<Frames, MediaError>,
    again_after: Option<Duration>,
    sender: &mpsc::Sender<Frame>,
) -> Result<(), MediaError> {
    let mut begin = Duration::ZERO;
    loop {
        let mut frames = open()?;
        while let Some(frame) = frames.next_frame().map_err(|why| MediaError::Source(why.to_string()))? {
            if sender.blocking_send(Frame { time: begin + frame.time, ..frame }).is_err() {
                return Ok(());
            }
        }
        match again_after {
            Some(length) => begin += length,
            None => return Ok(()),
        }
    }
}
