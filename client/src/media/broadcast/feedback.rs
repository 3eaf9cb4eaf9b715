//! Counts what the node asks a publisher for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rtc::interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;

/// How often it asked.
#[derive(Default)]
pub(super) struct Asked {
    key_frames: AtomicU64,
    packets: AtomicU64,
}

impl Asked {
    pub(super) fn key_frames(&self) -> u64 {
        self.key_frames.load(Ordering::Relaxed)
    }

    pub(super) fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }

    fn count(&self, packet: &dyn rtc::rtcp::Packet) {
        let packet = packet.as_any();
        if packet.is::<PictureLossIndication>() || packet.is::<FullIntraRequest>() {
            self.key_frames.fetch_add(1, Ordering::Relaxed);
        } else if let Some(nack) = packet.downcast_ref::<TransportLayerNack>() {
            let packets: u64 = nack.nacks.iter().map(|pair| 1 + u64::from(pair.lost_packets.count_ones())).sum();
            self.packets.fetch_add(packets, Ordering::Relaxed);
        }
    }
}

/// Sees all packets of a connection go by. The stack empties both queues after each packet.
pub(super) struct Feedback {
    asked: Arc<Asked>,
    inward: VecDeque<TaggedPacket>,
    outward: VecDeque<TaggedPacket>,
}

impl Feedback {
    pub(super) fn new(asked: Arc<Asked>) -> Self {
        Self { asked, inward: VecDeque::new(), outward: VecDeque::new() }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Feedback {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(reports) = &packet.message.packet {
            reports.iter().for_each(|report| self.asked.count(report.as_ref()));
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

impl Interceptor for Feedback {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}
