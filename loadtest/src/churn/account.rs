//! Who should have got what in a churning group, and who did.
//!
//! A member that stays gets everything; one that comes and goes gets what stands in the log between the commit that added it and the one that removed it, and nothing
//! else. The order of messages and commits is the one that a full member saw that only watches.
use super::Crowd;
use crate::crowd::{self, Log, Shared, lock};
use crate::device;
use crate::live::Live;
use crate::report::{Metric, OverTime, Times};
use crate::run::Figures;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};
use wardline_protocol::{DeviceId, MessageId};

/// Waits for the last messages, then counts what is missing, what was too much, and how long things took.
pub(super) async fn of(
    crowd: &Crowd,
    (live, quiet, from, until): (&Live, Instant, Instant, Instant),
    bound: Duration,
    figures: &mut Figures,
) {
    let sent = crowd::sent(&crowd.members);
    device::within(bound, || missing(crowd, &sent).0 == 0).await;
    let (missing, wanted, beyond) = missing(crowd, &sent);
    figures.metric("delivered_ratio", Metric::value("", 1.0 - missing as f64 / wanted.max(1) as f64));
    figures.errors("undelivered", missing as u64);
    figures.errors("beyond_membership", beyond as u64);

    let (mut deliver_quiet, mut deliver) = (Times::default(), Times::default());
    let mut over_time = OverTime::new(live.began());
    for log in steady(crowd) {
        for (id, at, _) in &lock(log).delivered {
            let Some(sent_at) = sent.get(id) else { continue };
            let took = at.saturating_duration_since(*sent_at);
            over_time.add(*sent_at, took);
            if (quiet..from).contains(sent_at) {
                deliver_quiet.add(took);
            } else if (from..until).contains(sent_at) {
                deliver.add(took);
            }
        }
    }
    figures.times("deliver_quiet_ms", &deliver_quiet);
    figures.times("deliver_ms", &deliver);
    figures.over_time("deliver_ms", &over_time);
    let commits = crowd.members.get(1).map_or(0, |watching| lock(&watching.log).changes.len());
    figures.metric("changes", Metric::value("commits", commits as f64));
}

/// Those who are members and connected all the time: their latency is the system's.
fn steady(crowd: &Crowd) -> impl Iterator<Item = &Shared> {
    crowd.members.iter().map(|full| &full.log).chain(crowd.witnesses.iter().map(|watcher| &watcher.log))
}

/// What has not come where it should, how much should have, and what came where it should not.
fn missing(crowd: &Crowd, sent: &HashMap<MessageId, Instant>) -> (usize, usize, usize) {
    let flapping = crowd.flapping.iter().map(|full| &full.log);
    let flapping_witnesses = crowd.flapping_witnesses.iter().map(|watcher| &watcher.log);
    let (mut missing, mut wanted, mut beyond) = (0, 0, 0);
    for log in steady(crowd).chain(flapping).chain(flapping_witnesses) {
        let log = lock(log);
        let had = of_these(&log, sent);
        let own = log.sent.len();
        wanted += sent.len() - own;
        missing += (sent.len() - own).saturating_sub(had.len());
    }
    let Some(watching) = crowd.members.get(1) else { return (missing, wanted, beyond) };
    let order = lock(&watching.log);
    for joiner in &crowd.joiners {
        let had = of_these(&lock(&joiner.log), sent);
        let due = due_to(joiner.device, &order, sent);
        wanted += due.len();
        missing += due.difference(&had).count();
        beyond += had.difference(&due).count();
    }
    (missing, wanted, beyond)
}

fn of_these(log: &Log, sent: &HashMap<MessageId, Instant>) -> HashSet<MessageId> {
    log.delivered.iter().map(|(id, ..)| *id).filter(|id| sent.contains_key(id)).collect()
}

/// What was written while a device was a member, by the log of somebody who saw it all.
fn due_to(device: DeviceId, order: &Log, sent: &HashMap<MessageId, Instant>) -> HashSet<MessageId> {
    let mut due = HashSet::new();
    let mut since = None;
    let stays = order.delivered.len();
    let mut over = |from: usize, to: usize| {
        let times = order.delivered.get(from..to).unwrap_or_default();
        due.extend(times.iter().map(|(id, ..)| *id).filter(|id| sent.contains_key(id)));
    };
    for (place, roster) in &order.changes {
        if roster.removed.contains(&device)
            && let Some(from) = since.take()
        {
            over(from, *place);
        }
        if roster.added.contains(&device) {
            since = Some(*place);
        }
    }
    if let Some(from) = since {
        over(from, stays);
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crowd::Roster;

    #[test]
    fn what_is_due_is_what_was_written_in_between() {
        let now = Instant::now();
        let id = |n: u8| MessageId::from_bytes([n; 16]);
        let (it, other) = (DeviceId::from_bytes([1; 16]), DeviceId::from_bytes([2; 16]));
        let change = |place, added: &[DeviceId], removed: &[DeviceId]| {
            (place, Roster { added: added.to_vec(), removed: removed.to_vec() })
        };
        let order = Log {
            delivered: (0..8).map(|n| (id(n), now, u64::from(n))).collect(),
            changes: vec![
                change(1, &[it], &[]),
                change(2, &[], &[other]),
                change(3, &[other], &[it]),
                change(6, &[it], &[]),
            ],
            ..Log::default()
        };
        // One of them is not of the workload: a title.
        let sent: HashMap<MessageId, Instant> = (0..8).filter(|n| *n != 6).map(|n| (id(n), now)).collect();
        assert_eq!(due_to(it, &order, &sent), HashSet::from([id(1), id(2), id(7)]));
        assert_eq!(due_to(other, &order, &sent), HashSet::from([id(3), id(4), id(5), id(7)]));
    }
}
