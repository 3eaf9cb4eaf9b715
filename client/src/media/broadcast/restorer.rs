//! Makes of a packet that was sent again the one it was (RFC 4588 section 4), before the stack looks what is missing.
//!
//! The stack does so too, but behind the part that asks for lost packets: that would never see them come and ask again and
//! again.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use rtc::interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtp;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;

/// Sees all packets of a connection go by. The stack empties both queues after each packet.
#[derive(Default)]
pub(super) struct Restorer {
    /// By the source of what is sent again, and its payload type: the original's.
    originals: HashMap<(u32, u8), (u32, u8)>,
    inward: VecDeque<TaggedPacket>,
    outward: VecDeque<TaggedPacket>,
}

impl Restorer {
    fn restore(&self, packet: &mut rtp::Packet) {
        let sent_again = (packet.header.ssrc, packet.header.payload_type);
        if let Some((source, payload_type)) = self.originals.get(&sent_again)
            && let Some((number, _)) = packet.payload.split_first_chunk::<2>()
        {
            packet.header.ssrc = *source;
            packet.header.payload_type = *payload_type;
            packet.header.sequence_number = u16::from_be_bytes(*number);
            packet.payload = packet.payload.slice(2..);
        }
    }
}

fn keys(info: &StreamInfo) -> Option<(u32, u8)> {
    info.ssrc_rtx.zip(info.payload_type_rtx)
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Restorer {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, mut packet: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtp(rtp) = &mut packet.message.packet {
            self.restore(rtp);
        }
        self.inward.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.inward.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.outward.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.outward.pop_front()
    }
}

impl Interceptor for Restorer {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}

    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        if let Some(sent_again) = keys(info) {
            self.originals.insert(sent_again, (info.ssrc, info.payload_type));
        }
    }

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        if let Some(sent_again) = keys(info) {
            self.originals.remove(&sent_again);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn packet(ssrc: u32, payload_type: u8, payload: &'static [u8]) -> rtp::Packet {
        let header = rtp::header::Header { ssrc, payload_type, sequence_number: 7, ..Default::default() };
        rtp::Packet { header, payload: Bytes::from_static(payload) }
    }

    #[test]
    fn a_packet_sent_again_is_the_original_again() {
        let info = StreamInfo {
            ssrc: 1,
            payload_type: 96,
            ssrc_rtx: Some(2),
            payload_type_rtx: Some(97),
            ..Default::default()
        };
        let mut restorer = Restorer::default();
        restorer.bind_remote_stream(&info);
        let mut again = packet(2, 97, &[0x12, 0x34, 9, 9]);
        restorer.restore(&mut again);
        let header = &again.header;
        assert_eq!((header.ssrc, header.payload_type, header.sequence_number), (1, 96, 0x1234));
        assert_eq!(again.payload[..], [9, 9]);
        for (mut other, why) in [
            (packet(3, 97, &[0, 1, 9]), "another source"),
            (packet(1, 96, &[0, 1, 9]), "the original"),
            (packet(2, 97, &[1]), "too short"),
        ] {
            let before = other.clone();
            restorer.restore(&mut other);
            assert_eq!(other, before, "{why}");
        }
        restorer.unbind_remote_stream(&info);
        let mut after = packet(2, 97, &[0x12, 0x34, 9, 9]);
        restorer.restore(&mut after);
        assert_eq!(after.header.ssrc, 2);
    }
}
