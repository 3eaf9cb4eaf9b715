//! What viewers saw, decoded picture by picture and compared with what was sent.
use super::footage::{self, Footage};
use super::stamp;
use crate::workload::Fault;
use anyhow::{Context as _, Result};
use std::path::Path;
use std::time::Duration;
use wardline_client::media::file::{IvfWriter, VideoFile};
use wardline_client::media::vp8;

/// Recordings are looked at in this width.
const WIDTH: usize = 320;

/// From one frame to the next when they are decoded.
const FRAME: Duration = Duration::from_millis(40);

/// What came of a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Pictures that were decoded.
    pub decoded: u64,
    /// Of these, those with the number that was drawn into the frame that they are of.
    pub right: u64,
    /// Recorded frames that are, byte by byte, none that the encoder made.
    pub unknown: u64,
    /// Recorded frames of which no picture came.
    pub missing: u64,
}

impl Compared {
    /// Counts another's.
    pub fn add(&mut self, other: Self) {
        self.decoded += other.decoded;
        self.right += other.right;
        self.unknown += other.unknown;
        self.missing += other.missing;
    }
}

/// Decodes a viewer's recording. Each recorded frame is known by its bytes, and its picture must show the number that was drawn into that one.
///
/// # Errors
/// A recording that does not read or decode.
pub fn compare(recording: &Path, footage: &Footage, fault: Option<Fault>) -> Result<Compared> {
    let mut all = Compared::default();
    for piece in pieces(recording)? {
        let mut sent: Vec<Option<u16>> = piece.iter().map(|frame| footage.number(frame)).collect();
        if fault == Some(Fault::WrongPicture) {
            sent.rotate_right(1);
        }
        let shown: Vec<Option<u16>> = decode(&piece)?.iter().map(|strip| stamp::read(strip, WIDTH)).collect();
        all.add(Compared {
            decoded: shown.len() as u64,
            right: sent.iter().zip(&shown).filter(|(sent, shown)| sent.is_some() && sent == shown).count() as u64,
            unknown: sent.iter().filter(|number| number.is_none()).count() as u64,
            missing: sent.len().saturating_sub(shown.len()) as u64,
        });
    }
    Ok(all)
}

/// A recording's frames, cut where the size of the picture changes: there a key frame begins, of another layer.
fn pieces(recording: &Path) -> Result<Vec<Vec<Vec<u8>>>> {
    let mut frames = VideoFile::open(recording)?.play()?;
    let mut pieces: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut size = None;
    while let Some(frame) = frames.next_frame()? {
        let changed = vp8::size(&frame.data).is_some_and(|new| size.replace(new) != Some(new));
        match pieces.last_mut() {
            Some(piece) if !changed => piece.push(frame.data),
            _ => pieces.push(vec![frame.data]),
        }
    }
    Ok(pieces)
}

/// The strips of these frames' pictures. They are decoded evenly spaced, so that each gives a picture whenever it came.
fn decode(frames: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
    let file = tempfile::Builder::new().suffix(".ivf").tempfile()?;
    let (width, height) =
        frames.first().and_then(|first| vp8::size(first)).context("a recording begins with a key frame")?;
    let mut writer = IvfWriter::create(file.path(), width, height)?;
    for (n, frame) in (0..).zip(frames) {
        writer.write(FRAME * n, frame)?;
    }
    writer.finish()?;
    footage::strips(file.path(), WIDTH)
}
