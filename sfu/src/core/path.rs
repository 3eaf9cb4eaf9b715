//! What a viewer says of its way: its own estimate of the bitrate, and its loss.
use super::driver::Report;
use std::time::{Duration, Instant};
use str0m::media::Mid;

/// An estimate is repeated about once a second, and older than this it is none.
const ESTIMATE_HOLDS: Duration = Duration::from_secs(10);

/// Lines whose reports are told apart; a viewer has two.
const LINES_MAX: usize = 16;

/// Packets that a share of lost ones is reckoned of at least.
const PACKETS_MIN: u64 = 8;

/// The last report of a line.
struct Before {
    report: Report,
    /// Nothing was sent on it for a while. What was lost at the end of what was before shows with the first packet after it, and is no news.
    paused: bool,
}

/// What is known of a viewer's way.
#[derive(Default)]
pub(super) struct Path {
    estimate: Option<(Instant, u64)>,
    before: Vec<Before>,
    packets: u64,
    lost: u64,
    /// The last share of lost packets that was reported, 0 to 1.
    pub(super) loss: f32,
}

impl Path {
    pub(super) fn estimated(&mut self, now: Instant, bit_s: u64) {
        self.estimate = Some((now, bit_s));
    }

    pub(super) fn estimate_bit_s(&self, now: Instant) -> Option<u64> {
        let fresh = |at: &Instant| now.saturating_duration_since(*at) < ESTIMATE_HOLDS;
        self.estimate.filter(|(at, _)| fresh(at)).map(|(_, bit_s)| bit_s)
    }

    /// Takes the state of the reports, of all lines together.
    pub(super) fn reported(&mut self, reports: &[Report]) {
        for report in reports {
            let Some(before) = self.before.iter_mut().find(|before| before.report.mid == report.mid) else {
                if self.before.len() < LINES_MAX {
                    self.before.push(Before { report: *report, paused: false });
                }
                continue;
            };
            if before.report.highest_seq == report.highest_seq {
                continue;
            }
            // Before its first report all a line has is zeros.
            if before.report.highest_seq > 0 && !before.paused {
                self.packets += report.highest_seq.saturating_sub(before.report.highest_seq);
                self.lost += report.lost.saturating_sub(before.report.lost);
            }
            *before = Before { report: *report, paused: false };
        }
    }

    /// Something is sent again on a line after a pause.
    pub(super) fn resumed(&mut self, mid: Mid) {
        self.before.iter_mut().filter(|before| before.report.mid == mid).for_each(|before| before.paused = true);
    }

    /// The share of lost packets since it was last asked for, when enough was reported to say one.
    pub(super) fn take_loss(&mut self) -> Option<f32> {
        if self.packets < PACKETS_MIN {
            return None;
        }
        let loss = (self.lost as f32 / self.packets as f32).min(1.0);
        (self.packets, self.lost, self.loss) = (0, 0, loss);
        Some(loss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_what_was_lost_between_two_reports_of_all_lines() {
        let mut path = Path::default();
        let (audio, video) = (Mid::from("0"), Mid::from("1"));
        let report = |mid, highest_seq, lost| Report { mid, highest_seq, lost };
        path.reported(&[report(audio, 0, 0), report(video, 1_100, 50)]);
        assert_eq!(path.take_loss(), None, "what was before is not known");
        path.reported(&[report(audio, 1_050, 3), report(video, 1_190, 60)]);
        assert_eq!(path.take_loss(), Some(10.0 / 90.0), "the first report of a line counts from there");
        path.reported(&[report(audio, 1_060, 3), report(video, 1_190, 60)]);
        assert_eq!(path.take_loss(), Some(0.0));
        path.reported(&[report(audio, 1_062, 3)]);
        assert_eq!(path.take_loss(), None, "two packets say nothing");
    }

    #[test]
    fn what_was_lost_before_a_pause_is_no_loss_after_it() {
        let mut path = Path::default();
        let video = Mid::from("1");
        let report = |highest_seq, lost| Report { mid: video, highest_seq, lost };
        path.reported(&[report(1_000, 0)]);
        path.reported(&[report(1_010, 0)]);
        assert_eq!(path.take_loss(), Some(0.0));
        path.resumed(video);
        path.reported(&[report(1_010, 0)]);
        path.reported(&[report(1_100, 60)]);
        assert_eq!(path.take_loss(), None, "sixty were lost, but when?");
        path.reported(&[report(1_200, 70)]);
        assert_eq!(path.take_loss(), Some(0.1));
    }
}
