//! IVF: one VP8 stream, a header of 32 bytes and 12 bytes before each frame. The format is its writers' habit; there is no
//! specification. Times are counted in a unit that the header names.

use std::fs::File;
use std::io::{self, BufRead, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use super::error::shown;
use super::input::Input;
use super::{FRAME_BYTES_MAX, FileError, Unit, Units, bounded};

/// How an IVF file begins.
pub(super) const MAGIC: &[u8] = b"DKIF";
const HEADER_BYTES: u16 = 32;
const VP8: &[u8; 4] = b"VP80";
/// Where the header has the number of frames.
const COUNT_AT: u64 = 24;
/// Ticks a second in files that are written: the RTP clock's (RFC 7741 section 4.1).
const TICKS: u32 = 90_000;

/// The frames of an IVF file.
pub(super) struct IvfReader<R> {
    input: Input<R>,
    ticks: u32,
    seconds: u32,
}

impl<R: BufRead> IvfReader<R> {
    pub(super) fn new(reader: R) -> Result<Self, FileError> {
        let mut input = Input::new(reader);
        if input.array::<4>()? != MAGIC || input.array::<2>()? != [0, 0] {
            return Err(FileError::UnknownKind);
        }
        let header_bytes = u16::from_le_bytes(input.array()?);
        let codec = input.array::<4>()?;
        if codec != *VP8 {
            return Err(FileError::Codec { found: shown(&codec) });
        }
        let _size = input.array::<4>()?;
        let (ticks, seconds) = (u32::from_le_bytes(input.array()?), u32::from_le_bytes(input.array()?));
        if ticks == 0 || seconds == 0 || header_bytes < HEADER_BYTES {
            return Err(input.malformed("the header"));
        }
        input.skip(8 + u64::from(header_bytes - HEADER_BYTES))?;
        Ok(Self { input, ticks, seconds })
    }
}

impl<R: BufRead + Send> Units for IvfReader<R> {
    fn next(&mut self) -> Result<Option<Unit>, FileError> {
        if self.input.is_at_end()? {
            return Ok(None);
        }
        let bytes = u32::from_le_bytes(self.input.array()?);
        let ticks = u64::from_le_bytes(self.input.array()?);
        let time_ns = u128::from(ticks) * u128::from(self.seconds) * 1_000_000_000 / u128::from(self.ticks);
        let data = self.input.frame(bytes.into(), FRAME_BYTES_MAX)?;
        Ok(Some(Unit { time: Some(bounded(time_ns)?), data }))
    }
}

/// A VP8 stream written as IVF, readable at every moment.
pub struct IvfWriter {
    file: BufWriter<File>,
    frames: u32,
}

impl IvfWriter {
    /// Makes the file, or empties the one that is there. The size is that of the first frame, in pixels; later frames may
    /// have others.
    ///
    /// # Errors
    /// The system's.
    pub fn create(path: &Path, width: u16, height: u16) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(MAGIC)?;
        file.write_all(&0_u16.to_le_bytes())?;
        file.write_all(&HEADER_BYTES.to_le_bytes())?;
        file.write_all(VP8)?;
        file.write_all(&width.to_le_bytes())?;
        file.write_all(&height.to_le_bytes())?;
        file.write_all(&TICKS.to_le_bytes())?;
        file.write_all(&1_u32.to_le_bytes())?;
        file.write_all(&[0; 8])?;
        file.flush()?;
        Ok(Self { file, frames: 0 })
    }

    /// Adds a frame that is shown at `time` from the first one.
    ///
    /// # Errors
    /// The system's; a frame of more than 4 GB.
    pub fn write(&mut self, time: Duration, frame: &[u8]) -> io::Result<()> {
        let bytes = u32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.file.write_all(&bytes.to_le_bytes())?;
        // To the nearest tick: times come from ticks and must become the same again.
        let ticks = (time.as_nanos() * u128::from(TICKS) + 500_000_000) / 1_000_000_000;
        self.file.write_all(&u64::try_from(ticks).unwrap_or(u64::MAX).to_le_bytes())?;
        self.file.write_all(frame)?;
        self.frames = self.frames.saturating_add(1);
        Ok(())
    }

    /// Hands everything so far to the system.
    ///
    /// # Errors
    /// The system's.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// Writes how many frames there are, and ends.
    ///
    /// # Errors
    /// The system's.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(COUNT_AT))?;
        self.file.write_all(&self.frames.to_le_bytes())?;
        self.file.flush()
    }
}
