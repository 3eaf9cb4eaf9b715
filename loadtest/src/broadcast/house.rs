//! Everybody of a broadcast: who sends, who watches, who is only in the channel; and how the channel comes to be.
use crate::device::{self, Roads, SET_UP_AT_ONCE};
use crate::live::{Count, Live};
use crate::node::Node;
use crate::witness::{OnEntry, Witness};
use crate::workload::Broadcast;
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::task::JoinSet;
use wardline_client::core::Event;
use wardline_client::session::{Client, join};
use wardline_directory::hospital::ChannelPlan;
use wardline_protocol::wire::entry;
use wardline_protocol::{AccountId, ConversationId, DeviceId, GroupId};

/// How long the channel may take to be opened and to have everybody.
const GATHER_MAX: Duration = Duration::from_secs(300);

/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A full member with the shipped client.
pub struct Full {
    /// Its device.
    pub client: Client,
    /// Whose it is.
    pub account: AccountId,
    /// Who was removed, as it learnt.
    pub removals: Removals,
}

/// Devices that were removed from the channel, and when a full member had applied the commit that did it.
#[derive(Clone, Default)]
pub struct Removals(Arc<Mutex<Vec<(DeviceId, Instant)>>>);

impl Removals {
    /// When this device was.
    pub fn of(&self, device: DeviceId) -> Option<Instant> {
        let removed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        removed.iter().find(|(gone, _)| *gone == device).map(|(_, at)| *at)
    }

    /// Notes them until the device ends.
    async fn follow(self, mut events: broadcast::Receiver<Event>) {
        loop {
            match events.recv().await {
                Ok(Event::MembersChanged { removed, .. }) => {
                    let now = Instant::now();
                    let gone = removed.iter().map(|(_, device)| (*device, now));
                    self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(gone);
                }
                Ok(_) => {}
                // What is missed is seen: the removal never comes to be noted.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }
}

impl Full {
    async fn enrol(folder: PathBuf, link: String, account: AccountId) -> Result<Self> {
        join::enrol(&folder, &link).await?;
        let (client, mut events) = Client::open(&folder).await?;
        let ready = async {
            while !matches!(events.recv().await?, Event::Ready) {}
            anyhow::Ok(())
        };
        tokio::time::timeout(GATHER_MAX, ready).await.context("signing in")??;
        let removals = Removals::default();
        tokio::spawn(removals.clone().follow(events));
        Ok(Self { client, account, removals })
    }

    /// Members of a conversation, as this device knows them.
    ///
    /// # Errors
    /// When the device has ended.
    pub async fn members(&self, conversation: ConversationId) -> Result<usize> {
        Ok(self.client.look(move |core| core.members(&conversation).len()).await?)
    }
}

/// A member that opens nothing, and when the newest commit reached it.
pub struct Light {
    /// Its device.
    pub witness: Witness,
    /// Its id.
    pub device: DeviceId,
    commit: Arc<Mutex<Option<(u64, Instant)>>>,
}

impl Light {
    /// When a commit made in this epoch or a later one reached it.
    pub fn commit_since(&self, epoch: u64) -> Option<Instant> {
        let newest = self.commit.lock().unwrap_or_else(PoisonError::into_inner);
        newest.filter(|(made_in, _)| *made_in >= epoch).map(|(_, at)| at)
    }
}

/// Everybody.
pub struct House {
    /// Who sends.
    pub operator: Full,
    /// Full members that watch from the beginning.
    pub sample: Vec<Full>,
    /// Full members that come late.
    pub late: Vec<Full>,
    /// Full members that do not watch.
    pub keyed: Vec<Full>,
    /// Light members that watch.
    pub viewers: Vec<Light>,
    /// Light members that do not.
    pub bystanders: Vec<Light>,
    /// Held: without it the light members are cut off.
    pub light_switch: watch::Sender<bool>,
    /// The ward whose members are the audience.
    pub ward: GroupId,
    /// The channel.
    pub channel: ConversationId,
}

impl House {
    /// Enrols everybody, states ward and channel, and waits until the channel has them all.
    ///
    /// # Errors
    /// What kept it from that.
    pub async fn gather(settings: &Broadcast, node: &mut Node, roads: &Roads, live: &Arc<Live>) -> Result<Self> {
        live.phase("enrolling and signing in");
        let full = 1 + settings.full();
        let mut clients = enrol_full(node, full, live).await?.into_iter();
        let (light_roads, light_switch) = roads.branch();
        let mut lights = enrol_light(node, full, &light_roads).await?;
        let bystanders = lights.split_off(settings.light());

        live.phase("gathering the channel");
        // The node lets one connected member after the other commit who comes. Light members cannot, so they are away until all are in.
        light_switch.send_replace(false);
        device::within(GATHER_MAX, || live.connected() <= full as u64).await;
        let operator = clients.next().context("an operator")?;
        let sender = operator.account;
        let accounts: Vec<AccountId> = node.invitations().iter().map(|invitation| invitation.account_id).collect();
        let stated = node.state(|hospital, now_ms| {
            let ward = hospital.add_group("Haus", now_ms)?;
            hospital.change_members(ward, &accounts, &[], now_ms)?;
            let plan = ChannelPlan {
                name: "Hausleitung".into(),
                everyone: false,
                groups: BTreeSet::from([ward]),
                operators: BTreeSet::from([sender]),
            };
            Ok((ward, hospital.add_channel(&plan, now_ms)?))
        });
        let (ward, channel) = stated.await?;
        let until = Instant::now() + GATHER_MAX;
        let everybody = settings.accounts();
        while operator.members(channel).await? < everybody {
            ensure!(
                Instant::now() < until,
                "the channel has {} of {everybody} after {GATHER_MAX:?}",
                operator.members(channel).await?
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let sample: Vec<Full> = clients.by_ref().take(settings.sample).collect();
        let late: Vec<Full> = clients.by_ref().take(settings.late).collect();
        let keyed: Vec<Full> = clients.collect();
        for full in sample.iter().chain(&late).chain(&keyed) {
            while full.members(channel).await? < everybody {
                ensure!(Instant::now() < until, "somebody does not have the whole channel after {GATHER_MAX:?}");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        light_switch.send_replace(true);
        let connected = device::within(GATHER_MAX, || live.connected() >= everybody as u64).await;
        ensure!(connected, "{} of {everybody} are connected after {GATHER_MAX:?}", live.connected());
        Ok(Self { operator, sample, late, keyed, light_switch, viewers: lights, bystanders, ward, channel })
    }
}

/// The first `count` accounts, with the shipped client.
async fn enrol_full(node: &Node, count: usize, live: &Arc<Live>) -> Result<Vec<Full>> {
    let mut enrolling = JoinSet::new();
    let gate = Arc::new(Semaphore::new(SET_UP_AT_ONCE));
    for (n, invitation) in node.invitations().iter().enumerate().take(count) {
        let (folder, link) = (node.folder().join(format!("client-{n}")), node.link(n)?.to_owned());
        let (gate, account, live) = (gate.clone(), invitation.account_id, live.clone());
        enrolling.spawn(async move {
            let _permit = gate.acquire().await?;
            let full = Full::enrol(folder, link, account).await?;
            live.count(Count::Connected);
            anyhow::Ok((n, full))
        });
    }
    in_order(enrolling).await
}

/// An id behind those of all full members. The node asks members in the order of their ids to commit who goes, and goes on where it was: so it asks those who
/// can, as on phones all can.
fn light_id(n: usize) -> DeviceId {
    let mut bytes = [0xff; 16];
    bytes[8..].copy_from_slice(&(n as u64).to_be_bytes());
    DeviceId::from_bytes(bytes)
}

/// Every account after the first `skip`, as light members.
async fn enrol_light(node: &Node, skip: usize, roads: &Roads) -> Result<Vec<Light>> {
    let mut enrolling = JoinSet::new();
    let gate = Arc::new(Semaphore::new(SET_UP_AT_ONCE));
    for (n, invitation) in node.invitations().iter().enumerate().skip(skip) {
        let (gate, access, roads) = (gate.clone(), node.access().clone(), roads.clone());
        let invitation = wardline_directory::invitation::Invitation::from_seed(
            invitation.account_id,
            invitation.expires_at_ms,
            *invitation.seed(),
        );
        enrolling.spawn(async move {
            let _permit = gate.acquire().await?;
            let identity = device::enrol_as(&access, &invitation, light_id(n)).await?;
            let commit: Arc<Mutex<Option<(u64, Instant)>>> = Arc::default();
            let seen = commit.clone();
            let on_entry: OnEntry = Box::new(move |now, entry| {
                if matches!(entry.content, Some(entry::Content::Commit(_))) {
                    *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((entry.epoch, now));
                }
            });
            let device = identity.device;
            let witness = Witness::start(roads, identity, on_entry).await?;
            anyhow::Ok((n, Light { witness, device, commit }))
        });
    }
    in_order(enrolling).await
}

async fn in_order<T: Send + 'static>(mut all: JoinSet<Result<(usize, T)>>) -> Result<Vec<T>> {
    let mut done = Vec::with_capacity(all.len());
    while let Some(one) = all.join_next().await {
        done.push(one??);
    }
    done.sort_by_key(|(n, _)| *n);
    Ok(done.into_iter().map(|(_, one)| one).collect())
}
