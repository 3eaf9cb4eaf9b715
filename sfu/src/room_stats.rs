//! One room's numbers, for the operator's status page. They name nobody.

/// What goes on in a room, at the moment of asking. Bitrates are means of about three seconds and count RTP packets whole; counters are since the room began.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RoomStats {
    /// Participants, connected or not.
    pub participants: u64,
    /// Participants who only receive, and are connected.
    pub viewers: u64,
    /// The video that is sent into the room: each layer of each sender, the smallest first.
    pub layers: Vec<LayerStats>,
    /// Sound that is sent into the room, in bits in a second.
    pub audio_bit_s: u64,
    /// Viewers whose way carries no layer at present: they have sound only.
    pub viewers_paused: u64,
    /// Viewers whose picture is to begin or change with the next key frame, and who have none until then.
    pub viewers_waiting: u64,
    /// Viewers to whom no video goes, because they have no line for it or because nothing was sent yet.
    pub viewers_audio_only: u64,
    /// Packets forwarded, once for each receiver.
    pub forwarded: u64,
    /// Packets that did not go to one of the receivers. A layer that somebody is not shown is not among them.
    pub dropped: u64,
    /// Packets that a shard did not get of another, because the lane between them was full.
    pub dropped_between_shards: u64,
    /// What is sent to all receivers together, in bits in a second.
    pub out_bit_s: u64,
    /// The mean of the viewers' last reported loss, 0 to 1. What was sent again in time counts as lost here too.
    pub loss_mean: f32,
    /// The worst of them.
    pub loss_worst: f32,
    /// Shards that have participants of the room.
    pub shards: u64,
}

/// One layer of video.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerStats {
    /// Which of the senders it is of: the same number, the same sender.
    pub sender: u64,
    /// The name that the sender gave to it; none: it is no simulcast.
    pub rid: Option<String>,
    /// What comes of it, in bits in a second.
    pub bit_s: u64,
    /// Packets that came.
    pub packets: u64,
    /// Packets that never came, not even when they were asked for again.
    pub lost: u64,
    /// Viewers that are shown it.
    pub viewers: u64,
    /// Key frames that were wanted: by viewers, for a change of layers, and for what is kept for late viewers.
    pub key_frames_wanted: u64,
    /// Key frames that the sender was asked for.
    pub key_frames_asked: u64,
}

impl RoomStats {
    /// Adds what another shard counts of the same room: its viewers and what goes to them. What comes in is the first one's.
    pub(crate) fn add(&mut self, other: RoomStats) {
        let (mine, theirs) = (self.viewers as f32, other.viewers as f32);
        if mine + theirs > 0.0 {
            self.loss_mean = (self.loss_mean * mine + other.loss_mean * theirs) / (mine + theirs);
        }
        self.loss_worst = self.loss_worst.max(other.loss_worst);
        self.participants += other.participants;
        self.viewers += other.viewers;
        self.viewers_paused += other.viewers_paused;
        self.viewers_waiting += other.viewers_waiting;
        self.viewers_audio_only += other.viewers_audio_only;
        self.forwarded += other.forwarded;
        self.dropped += other.dropped;
        self.dropped_between_shards += other.dropped_between_shards;
        self.out_bit_s += other.out_bit_s;
        self.shards += other.shards;
        for layer in other.layers {
            match self.layers.iter_mut().find(|mine| (mine.sender, &mine.rid) == (layer.sender, &layer.rid)) {
                Some(mine) => {
                    mine.viewers += layer.viewers;
                    mine.key_frames_wanted += layer.key_frames_wanted;
                }
                // It came in there and not here.
                None => self.layers.push(layer),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_viewers_of_two_shards_are_one_room_s() {
        let layer = |viewers, packets, asked| LayerStats {
            rid: Some("h".into()),
            viewers,
            packets,
            key_frames_wanted: 3,
            key_frames_asked: asked,
            ..Default::default()
        };
        let shard = |viewers, loss, layer| RoomStats {
            viewers,
            loss_mean: loss,
            loss_worst: loss,
            layers: vec![layer],
            shards: 1,
            ..Default::default()
        };
        let mut both = shard(3, 0.0, layer(3, 100, 2));
        both.add(shard(1, 0.4, layer(1, 90, 1)));
        assert_eq!((both.viewers, both.shards, both.loss_worst), (4, 2, 0.4));
        assert!((both.loss_mean - 0.1).abs() < 1e-6);
        assert_eq!(both.layers, [LayerStats { key_frames_wanted: 6, ..layer(4, 100, 2) }]);
    }
}
