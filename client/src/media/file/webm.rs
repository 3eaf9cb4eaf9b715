//! WebM (and Matroska) with VP8 and Opus: RFC 8794 for its elements, RFC 9559 for their meaning.
//!
//! An own reader of the few elements that matter here: the crates that read Matroska allocate what a file's lengths tell
//! them to. Elements that hold others are entered, whatever their length: so clusters of unknown length, which live writers
//! make, need nothing of their own.

use std::io::BufRead;

use super::error::shown;
use super::input::Input;
use super::{FRAME_BYTES_MAX, FileError, SOUND_PACKET_BYTES_MAX, Unit, Units, bounded, opus_head};

/// How a file begins: the EBML header's id.
pub(super) const MAGIC: &[u8] = &[0x1a, 0x45, 0xdf, 0xa3];

mod id {
    pub(super) const EBML: u32 = 0x1a45_dfa3;
    pub(super) const SEGMENT: u32 = 0x1853_8067;
    pub(super) const INFO: u32 = 0x1549_a966;
    pub(super) const TIMESTAMP_SCALE: u32 = 0x002a_d7b1;
    pub(super) const TRACKS: u32 = 0x1654_ae6b;
    pub(super) const TRACK_ENTRY: u32 = 0xae;
    pub(super) const TRACK_NUMBER: u32 = 0xd7;
    pub(super) const TRACK_TYPE: u32 = 0x83;
    pub(super) const CODEC: u32 = 0x86;
    pub(super) const CODEC_PRIVATE: u32 = 0x63a2;
    pub(super) const ENCODINGS: u32 = 0x6d80;
    pub(super) const CLUSTER: u32 = 0x1f43_b675;
    pub(super) const TIMESTAMP: u32 = 0xe7;
    pub(super) const SIMPLE_BLOCK: u32 = 0xa3;
    pub(super) const BLOCK_GROUP: u32 = 0xa0;
    pub(super) const BLOCK: u32 = 0xa1;
}

/// Nanoseconds of a tick where the file does not say.
const SCALE_NS: u64 = 1_000_000;
/// Bytes of the description of all tracks. Those of one video and one sound have some hundred.
const TRACKS_BYTES_MAX: usize = 64 * 1024;
/// A block's flags that say that it holds several frames.
const LACED: u8 = 0x06;

/// Which track of a file is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Video,
    Sound,
}

impl Kind {
    /// RFC 9559 section 5.1.4.1.3.
    fn number(self) -> u64 {
        match self {
            Self::Video => 1,
            Self::Sound => 2,
        }
    }

    fn codec(self) -> &'static [u8] {
        match self {
            Self::Video => b"V_VP8",
            Self::Sound => b"A_OPUS",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Sound => "sound",
        }
    }

    fn frame_bytes_max(self) -> usize {
        match self {
            Self::Video => FRAME_BYTES_MAX,
            Self::Sound => SOUND_PACKET_BYTES_MAX,
        }
    }
}

/// The frames of one track.
pub(super) struct WebmReader<R> {
    input: Input<R>,
    kind: Kind,
    track: Option<u64>,
    scale_ns: u64,
    cluster: u64,
    /// The furthest end of an element that was entered: the file must reach it.
    end: u64,
}

impl<R: BufRead> WebmReader<R> {
    pub(super) fn new(reader: R, kind: Kind) -> Result<Self, FileError> {
        let input = Input::new(reader);
        let mut this = Self { input, kind, track: None, scale_ns: SCALE_NS, cluster: 0, end: 0 };
        if this.element()?.0 != id::EBML {
            return Err(FileError::UnknownKind);
        }
        Ok(this)
    }

    /// The next element's id and length, `None` for an unknown one. What does not hold others is behind it still.
    fn element(&mut self) -> Result<(u32, Option<u64>), FileError> {
        let id = u32::try_from(self.number(4, true)?.unwrap_or_default()).unwrap_or_default();
        let length = self.number(8, false)?;
        let end = self.input.at().checked_add(length.unwrap_or(0)).ok_or_else(|| self.input.malformed("a length"))?;
        self.end = self.end.max(end);
        if id == id::EBML {
            self.input.skip(length.ok_or_else(|| self.input.malformed("the first element"))?)?;
        }
        Ok((id, length))
    }

    /// A number of variable length, at most so many bytes (RFC 8794 section 4), with its marker or without; `None` when all its
    /// bits are set.
    fn number(&mut self, bytes_max: u32, marked: bool) -> Result<Option<u64>, FileError> {
        let [first] = self.input.array()?;
        let more = first.leading_zeros();
        if more >= bytes_max {
            return Err(self.input.malformed("a number"));
        }
        let mut value = u64::from(first);
        if !marked {
            value &= 0x7f >> more;
        }
        for _ in 0..more {
            let [byte] = self.input.array()?;
            value = value << 8 | u64::from(byte);
        }
        let all = (1_u64 << (7 * (more + 1))) - 1;
        Ok(Some(value).filter(|value| marked || *value != all))
    }

    fn unsigned(&mut self, length: u64) -> Result<u64, FileError> {
        if length > 8 {
            return Err(self.input.malformed("a number"));
        }
        Ok(number_of(&self.input.frame(length, 8)?))
    }

    fn tracks(&mut self, length: u64) -> Result<(), FileError> {
        let bytes = self.input.frame(length, TRACKS_BYTES_MAX)?;
        let malformed = || FileError::Malformed { at: 0, what: "the description of the tracks" };
        let mut other = None;
        for entry in Elements(&bytes) {
            let (id, entry) = entry.ok_or_else(malformed)?;
            if id != id::TRACK_ENTRY {
                continue;
            }
            let track = Entry::read(entry).ok_or_else(malformed)?;
            if track.kind != self.kind.number() {
                continue;
            }
            if track.codec != self.kind.codec() {
                other.get_or_insert_with(|| shown(track.codec));
                continue;
            }
            if track.encoded {
                return Err(FileError::Codec { found: "packed or encrypted tracks".to_owned() });
            }
            if self.kind == Kind::Sound && !opus_head::is_playable(track.private) {
                return Err(FileError::Malformed { at: 0, what: "the head of the sound, or more than two channels" });
            }
            self.track = Some(track.number);
            return Ok(());
        }
        Err(other.map_or(FileError::NoTrack(self.kind.name()), |found| FileError::Codec { found }))
    }

    /// A block's frame when it is of the track.
    fn block(&mut self, length: u64) -> Result<Option<Unit>, FileError> {
        let track = self.track.ok_or(FileError::NoTrack(self.kind.name()))?;
        let begin = self.input.at();
        let number = self.number(8, false)?;
        let offset = i16::from_be_bytes(self.input.array()?);
        let [flags] = self.input.array()?;
        let rest = length
            .checked_sub(self.input.at() - begin)
            .ok_or_else(|| self.input.malformed("a block that is too short"))?;
        if number != Some(track) {
            self.input.skip(rest)?;
            return Ok(None);
        }
        if flags & LACED != 0 {
            return Err(self.input.malformed("a block of several frames"));
        }
        let ticks = i128::from(self.cluster) + i128::from(offset);
        let time_ns = u128::try_from(ticks).map_err(|_| self.input.malformed("a time before the start"))?;
        let time = bounded(time_ns.saturating_mul(u128::from(self.scale_ns)))?;
        let data = self.input.frame(rest, self.kind.frame_bytes_max())?;
        Ok(Some(Unit { time: Some(time), data }))
    }
}

impl<R: BufRead + Send> Units for WebmReader<R> {
    fn next(&mut self) -> Result<Option<Unit>, FileError> {
        loop {
            if self.input.is_at_end()? {
                return match (self.input.at() < self.end, self.track) {
                    (true, _) => Err(FileError::Truncated { at: self.input.at() }),
                    (false, None) => Err(FileError::NoTrack(self.kind.name())),
                    (false, Some(_)) => Ok(None),
                };
            }
            let (id, length) = self.element()?;
            if matches!(id, id::SEGMENT | id::INFO | id::CLUSTER | id::BLOCK_GROUP | id::EBML) {
                continue;
            }
            let length = length.ok_or_else(|| self.input.malformed("an element without a length"))?;
            match id {
                id::TIMESTAMP_SCALE => self.scale_ns = self.unsigned(length)?,
                id::TIMESTAMP => self.cluster = self.unsigned(length)?,
                id::TRACKS => self.tracks(length)?,
                id::SIMPLE_BLOCK | id::BLOCK => {
                    if let Some(unit) = self.block(length)? {
                        return Ok(Some(unit));
                    }
                }
                _ => self.input.skip(length)?,
            }
        }
    }
}

/// What a track says of itself.
#[derive(Default)]
struct Entry<'a> {
    number: u64,
    kind: u64,
    codec: &'a [u8],
    private: &'a [u8],
    encoded: bool,
}

impl<'a> Entry<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut entry = Self::default();
        for element in Elements(bytes) {
            let (id, value) = element?;
            match id {
                id::TRACK_NUMBER => entry.number = number_of(value),
                id::TRACK_TYPE => entry.kind = number_of(value),
                id::CODEC => entry.codec = value.split(|byte| *byte == 0).next().unwrap_or_default(),
                id::CODEC_PRIVATE => entry.private = value,
                id::ENCODINGS => entry.encoded = true,
                _ => {}
            }
        }
        Some(entry)
    }
}

/// The elements of one that was read whole: `None` for what does not read, and nothing behind that.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = Option<(u32, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let element = self.element();
        if element.is_none() {
            self.0 = &[];
        }
        Some(element)
    }
}

impl<'a> Elements<'a> {
    fn element(&mut self) -> Option<(u32, &'a [u8])> {
        let id = number_of(self.number(4)?);
        let length = self.number(8)?;
        let marker = 1_u64 << (7 * length.len());
        let length = usize::try_from(number_of(length) & (marker - 1)).ok()?;
        let (value, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some((u32::try_from(id).ok()?, value))
    }

    fn number(&mut self, bytes_max: usize) -> Option<&'a [u8]> {
        let bytes = self.0.first()?.leading_zeros() as usize + 1;
        let (number, rest) = self.0.split_at_checked(bytes).filter(|_| bytes <= bytes_max)?;
        self.0 = rest;
        Some(number)
    }
}

/// A number of at most 8 bytes, the most significant first.
fn number_of(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}
