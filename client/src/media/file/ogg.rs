//! Opus in Ogg (RFC 3533, RFC 7845).

use std::fs::File;
use std::io::{self, BufRead, BufWriter, Write};
use std::path::Path;

use super::error::shown;
use super::input::Input;
use super::{FileError, SOUND_PACKET_BYTES_MAX, Unit, Units, crc, opus_head};

/// How an Ogg page begins.
pub(super) const MAGIC: &[u8] = b"OggS";
const FIRST: u8 = 2;
const LAST: u8 = 4;
/// Bytes of a page before its table of segments.
const HEADER_BYTES: usize = 27;
/// Of the two header packets only the beginning is looked at: the second may hold a picture.
const HEADER_PACKET_BYTES_MAX: usize = 64;
/// Header packets: identification and comments (RFC 7845 section 5).
const HEADER_PACKETS: u64 = 2;

/// One page. 255 segments of 255 bytes at most, by its format.
struct Page {
    flags: u8,
    serial: u32,
    segments: Vec<u8>,
    body: Vec<u8>,
}

/// The packets of the first Opus stream in an Ogg file.
pub(super) struct OggReader<R> {
    input: Input<R>,
    serial: Option<u32>,
    page: Option<(Page, usize, usize)>,
    /// What has come of the packet that is being put together.
    packet: Vec<u8>,
    packets: u64,
    ended: bool,
    other: Option<String>,
}

impl<R: BufRead> OggReader<R> {
    pub(super) fn new(reader: R) -> Result<Self, FileError> {
        let input = Input::new(reader);
        let mut this =
            Self { input, serial: None, page: None, packet: Vec::new(), packets: 0, ended: false, other: None };
        let Some(head) = this.packet()? else {
            return Err(this.other.map_or(FileError::NoTrack("sound"), |found| FileError::Codec { found }));
        };
        if !opus_head::is_playable(&head) {
            return Err(this.input.malformed("the head of the sound, or more than two channels"));
        }
        if this.packet()?.is_none() {
            return Err(FileError::Empty);
        }
        Ok(this)
    }

    fn read_page(&mut self) -> Result<Option<Page>, FileError> {
        if self.input.is_at_end()? {
            return Ok(None);
        }
        let header: [u8; HEADER_BYTES] = self.input.array()?;
        let [b'O', b'g', b'g', b'S', 0, flags, _, _, _, _, _, _, _, _, s0, s1, s2, s3, rest @ ..] = header else {
            return Err(self.input.malformed("no page of Ogg"));
        };
        let [_, _, _, _, c0, c1, c2, c3, count] = rest;
        let segments = self.input.frame(count.into(), usize::from(u8::MAX))?;
        let bytes: u64 = segments.iter().map(|segment| u64::from(*segment)).sum();
        let body = self.input.frame(bytes, usize::from(u8::MAX) * usize::from(u8::MAX))?;
        let mut blank = header;
        blank.iter_mut().skip(22).take(4).for_each(|byte| *byte = 0);
        let crc = crc::update(crc::update(crc::update(0, &blank), &segments), &body);
        if crc != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err(self.input.malformed("a damaged page"));
        }
        Ok(Some(Page { flags, serial: u32::from_le_bytes([s0, s1, s2, s3]), segments, body }))
    }

    /// The next page of the stream; chooses the stream.
    fn stream_page(&mut self) -> Result<Option<Page>, FileError> {
        while let Some(page) = self.read_page()? {
            match self.serial {
                None if page.flags & FIRST != 0 && page.body.starts_with(opus_head::MAGIC) => {
                    self.serial = Some(page.serial);
                    return Ok(Some(page));
                }
                None => {
                    let name = page.body.get(..7).unwrap_or(&page.body);
                    self.other.get_or_insert_with(|| shown(name));
                }
                Some(serial) if serial == page.serial => return Ok(Some(page)),
                Some(_) if self.ended && page.flags & FIRST != 0 => {
                    return Err(self.input.malformed("a second stream behind the first"));
                }
                Some(_) => {}
            }
        }
        Ok(None)
    }

    fn packet(&mut self) -> Result<Option<Vec<u8>>, FileError> {
        loop {
            let Some((page, segment, at)) = &mut self.page else {
                match self.stream_page()? {
                    Some(page) => {
                        self.ended |= page.flags & LAST != 0;
                        self.page = Some((page, 0, 0));
                    }
                    None if self.serial.is_some() && (!self.ended || !self.packet.is_empty()) => {
                        return Err(FileError::Truncated { at: self.input.at() });
                    }
                    None => return Ok(None),
                }
                continue;
            };
            let Some(length) = page.segments.get(*segment).copied() else {
                self.page = None;
                continue;
            };
            let part = page.body.get(*at..*at + usize::from(length)).unwrap_or_default();
            *segment += 1;
            *at += usize::from(length);
            if self.packets < HEADER_PACKETS {
                let room = HEADER_PACKET_BYTES_MAX.saturating_sub(self.packet.len());
                self.packet.extend(part.iter().take(room));
            } else {
                self.packet.extend_from_slice(part);
                if self.packet.len() > SOUND_PACKET_BYTES_MAX {
                    let bytes = self.packet.len() as u64;
                    return Err(FileError::FrameTooLarge { bytes, bytes_max: SOUND_PACKET_BYTES_MAX });
                }
            }
            if length < u8::MAX {
                self.packets += 1;
                return Ok(Some(std::mem::take(&mut self.packet)));
            }
        }
    }
}

impl<R: BufRead + Send> Units for OggReader<R> {
    fn next(&mut self) -> Result<Option<Unit>, FileError> {
        Ok(self.packet()?.map(|data| Unit { time: None, data }))
    }
}

/// Opus packets written as Ogg. A page for each packet, so that the file reads up to its last packet at every moment.
pub struct OggWriter {
    file: BufWriter<File>,
    sequence: u32,
    samples: u64,
    /// Kept back, because the last one is marked as such.
    pending: Option<Vec<u8>>,
}

/// The one stream of a written file.
const SERIAL: u32 = 1;
/// Named as the writer in the comments.
const VENDOR: &[u8] = b"wardline";

impl OggWriter {
    /// Makes the file, or empties the one that is there.
    ///
    /// # Errors
    /// The system's.
    pub fn create(path: &Path, channels: u8) -> io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        let mut this = Self { file, sequence: 0, samples: 0, pending: None };
        this.page(FIRST, &opus_head::make(channels))?;
        let comments = [b"OpusTags".as_slice(), &(VENDOR.len() as u32).to_le_bytes(), VENDOR, &[0; 4]].concat();
        this.page(0, &comments)?;
        this.file.flush()?;
        Ok(this)
    }

    /// Adds a packet of so many samples at 48 kHz.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&mut self, packet: &[u8], samples: u32) -> io::Result<()> {
        if let Some(before) = self.pending.replace(packet.to_vec()) {
            self.page(0, &before)?;
        }
        self.samples += u64::from(samples);
        Ok(())
    }

    /// Hands everything but the newest packet to the system.
    ///
    /// # Errors
    /// The system's.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// Writes the last packet, and ends.
    ///
    /// # Errors
    /// The system's.
    pub fn finish(mut self) -> io::Result<()> {
        if let Some(last) = self.pending.take() {
            self.page(LAST, &last)?;
        }
        self.file.flush()
    }

    fn page(&mut self, flags: u8, packet: &[u8]) -> io::Result<()> {
        // A packet ends with a segment of less than 255 bytes, be it an empty one.
        let full = packet.len() / usize::from(u8::MAX);
        let mut segments = vec![u8::MAX; full];
        segments.push((packet.len() % usize::from(u8::MAX)) as u8);
        let count = u8::try_from(segments.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut page = Vec::with_capacity(HEADER_BYTES + segments.len() + packet.len());
        page.extend_from_slice(MAGIC);
        page.extend_from_slice(&[0, flags]);
        page.extend_from_slice(&self.samples.to_le_bytes());
        page.extend_from_slice(&SERIAL.to_le_bytes());
        page.extend_from_slice(&self.sequence.to_le_bytes());
        page.extend_from_slice(&[0, 0, 0, 0, count]);
        page.extend_from_slice(&segments);
        page.extend_from_slice(packet);
        let crc = crc::update(0, &page).to_le_bytes();
        page.iter_mut().skip(22).zip(crc).for_each(|(to, from)| *to = from);
        self.sequence = self.sequence.wrapping_add(1);
        self.file.write_all(&page)
    }
}
