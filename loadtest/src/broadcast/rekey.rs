//! Viewers leave the ward while it is live: how long until they are shut out and everybody else goes on with new keys.
use super::show::{Show, ratio};
use crate::node::Node;
use crate::report::{Metric, Times};
use crate::run::Figures;
use crate::video::load::unix_ns;
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use wardline_protocol::DeviceId;

/// How long one change of keys may take; what takes longer is counted as failed.
const REKEY_MAX: Duration = Duration::from_secs(30);

/// How often it is looked whether it is done. The times themselves are those of the members.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// When a change of keys was done, for whom.
struct Done {
    /// The sender seals with the new keys.
    sender: Instant,
    /// Every full member has applied the commit: it has the new keys.
    full: Instant,
    /// Every device of the channel has the commit.
    everybody: Instant,
}

impl Show {
    /// Takes viewers out of the ward, one after the other, from the last light one on.
    pub(super) async fn rekey(&mut self, node: &mut Node, figures: &mut Figures) -> Result<()> {
        let removals = self.removals();
        if removals == 0 {
            return Ok(());
        }
        self.live.phase("removals");
        self.audience.begin()?;
        let (mut sender, mut full, mut everybody) = (Times::default(), Times::default(), Times::default());
        let (mut gone, mut asked_ns, mut failed) = (BTreeSet::new(), Vec::new(), 0);
        for _ in 0..removals {
            let place = self.seated - 1 - gone.len();
            let light = self.lights.get(place).context("a viewer to remove")?;
            let (account, device, ward) = (light.witness.account, light.device, self.ward);
            let epoch = self.stage.sending.epoch();
            gone.insert(place);
            let (asked, at_ns) = (Instant::now(), unix_ns());
            asked_ns.push((place, at_ns));
            node.state(|hospital, now_ms| hospital.change_members(ward, &[], &[account], now_ms)).await?;
            let until = asked + REKEY_MAX;
            let done = loop {
                if let Some(done) = self.rekeyed(device, epoch, &gone) {
                    break Some(done);
                }
                if Instant::now() >= until {
                    break None;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            };
            match done {
                Some(done) => {
                    sender.add(done.sender - asked);
                    full.add(done.full - asked);
                    everybody.add(done.everybody - asked);
                }
                None => failed += 1,
            }
        }
        let received = self.finish(&gone).await?;
        figures.times("rekey_sender_ms", &sender);
        figures.times("rekey_full_members_ms", &full);
        figures.times("rekey_everybody_ms", &everybody);
        figures.errors("rekeys_not_done", failed);
        figures.metric("rekey_delivered_ratio", ratio(&received));
        figures.errors("packets_lost_with_new_keys", received.expected.saturating_sub(received.delivered));
        let full_members = self.sample.len() + self.keyed.len();
        figures.metric("rekey_full_members", Metric::value("devices", full_members as f64));
        let members = full_members + self.lights.len() + self.bystanders.len() + 1;
        figures.metric("rekey_members", Metric::value("devices", members as f64));
        let mut saw = Times::default();
        for (place, at_ns) in asked_ns {
            let last_ns = received.of_each.get(place).map_or(0, |(_, _, last_ns)| *last_ns);
            saw.add(Duration::from_nanos(last_ns.saturating_sub(at_ns)));
        }
        figures.times("removed_last_packet_ms", &saw);
        Ok(())
    }

    /// When everybody was done with the removal of this device; `None` while somebody is not.
    fn rekeyed(&self, device: DeviceId, epoch: u64, gone: &BTreeSet<usize>) -> Option<Done> {
        let sender = self.stage.sending.sealed_since(epoch + 1)?;
        let watching = self.sample.iter().map(|watcher| watcher.removals.of(device));
        let full = watching.chain(self.keyed.iter().map(|full| full.removals.of(device)));
        let full = full.collect::<Option<Vec<_>>>()?.into_iter().max()?;
        let staying = self.lights.iter().enumerate().filter(|(place, _)| !gone.contains(place)).map(|(_, light)| light);
        let lights = staying.chain(&self.bystanders).map(|light| light.commit_since(epoch));
        let lights = lights.collect::<Option<Vec<_>>>()?.into_iter().max()?;
        Some(Done { sender, full, everybody: sender.max(full).max(lights) })
    }
}
