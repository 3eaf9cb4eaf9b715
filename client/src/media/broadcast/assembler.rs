//! From packets in their order to whole frames of video (RFC 7741).

use rtc::rtp;

use super::super::file::FRAME_BYTES_MAX;
use super::super::vp8;

/// A sealed frame's bytes: SFrame adds at most 33.
const SEALED_BYTES_MAX: usize = FRAME_BYTES_MAX + 33;

/// The frame that is being put together.
#[derive(Default)]
pub(super) struct Assembler {
    frame: Option<(u32, Vec<u8>)>,
    incomplete: u64,
}

impl Assembler {
    /// The next packet. Gives the sealed frame when this was its last.
    pub(super) fn take(&mut self, packet: &rtp::Packet) -> Option<Vec<u8>> {
        let timestamp = packet.header.timestamp;
        let Some(part) = vp8::part(&packet.payload) else {
            self.give_up();
            return None;
        };
        // A frame may have several partitions, and each may begin with the mark: the timestamp tells the first.
        let known = self.frame.as_ref().is_some_and(|(begun, _)| *begun == timestamp);
        if !known {
            self.give_up();
            if part.begins {
                self.frame = Some((timestamp, Vec::new()));
            }
        }
        let (_, bytes) = self.frame.as_mut()?;
        if bytes.len() + part.bytes.len() > SEALED_BYTES_MAX {
            self.give_up();
            return None;
        }
        bytes.extend_from_slice(part.bytes);
        if packet.header.marker { self.frame.take().map(|(_, bytes)| bytes) } else { None }
    }

    /// Packets are missing here.
    pub(super) fn gap(&mut self) {
        self.give_up();
    }

    /// Frames of which some packets came and some did not.
    pub(super) fn incomplete(&self) -> u64 {
        self.incomplete
    }

    fn give_up(&mut self) {
        self.incomplete += u64::from(self.frame.take().is_some());
    }
}
