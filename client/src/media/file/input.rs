//! Reading a file from its beginning to its end, with the place for error messages and a bound on all that is kept.

use std::io::{BufRead, ErrorKind};

use super::FileError;

/// A file that is being read.
pub(super) struct Input<R> {
    reader: R,
    at: u64,
}

impl<R: BufRead> Input<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, at: 0 }
    }

    /// Bytes read so far.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// What does not read, here.
    pub(super) fn malformed(&self, what: &'static str) -> FileError {
        FileError::Malformed { at: self.at, what }
    }

    /// Whether nothing follows.
    pub(super) fn is_at_end(&mut self) -> Result<bool, FileError> {
        loop {
            match self.reader.fill_buf() {
                Ok(buffer) => return Ok(buffer.is_empty()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Exactly so many bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], FileError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// The next `bytes`, of which there may be `bytes_max`.
    pub(super) fn frame(&mut self, bytes: u64, bytes_max: usize) -> Result<Vec<u8>, FileError> {
        let fits = usize::try_from(bytes).ok().filter(|bytes| *bytes <= bytes_max);
        let mut frame = vec![0; fits.ok_or(FileError::FrameTooLarge { bytes, bytes_max })?];
        self.fill(&mut frame)?;
        Ok(frame)
    }

    /// Leaves out the next `bytes`.
    pub(super) fn skip(&mut self, mut bytes: u64) -> Result<(), FileError> {
        while bytes > 0 {
            if self.is_at_end()? {
                return Err(FileError::Truncated { at: self.at });
            }
            let there = self.reader.fill_buf()?.len();
            let taken = usize::try_from(bytes).unwrap_or(usize::MAX).min(there);
            self.reader.consume(taken);
            self.at += taken as u64;
            bytes -= taken as u64;
        }
        Ok(())
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), FileError> {
        match self.reader.read_exact(bytes) {
            Ok(()) => {
                self.at += bytes.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(FileError::Truncated { at: self.at }),
            Err(error) => Err(error.into()),
        }
    }
}
