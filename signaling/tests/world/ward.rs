//! A ward with its channel, as the signed directory has it.
use super::{Phone, World};
use wardline_directory::hospital::ChannelPlan;
use wardline_e2ee::{Change, roster};
use wardline_protocol::wire::{self, client_frame::Body as Ask, response::Result as Said, server_frame::Body as Push};
use wardline_protocol::{AccountId, Code, ConversationId, GroupId};

pub struct Ward {
    pub world: World,
    pub group: GroupId,
    pub channel: ConversationId,
}

impl Ward {
    /// A ward with these in it, and a channel that it reads and this operator writes.
    pub fn new(mut world: World, operator: &Phone, readers: &[&Phone]) -> Self {
        let now_ms = world.now_ms;
        let group = world.hospital.add_group("Ward", now_ms).unwrap();
        let readers: Vec<AccountId> = readers.iter().map(|phone| phone.account).collect();
        world.hospital.change_members(group, &readers, &[], now_ms).unwrap();
        let channel = world.hospital.add_channel(&plan(group, &[operator]), now_ms).unwrap();
        world.publish();
        Self { world, group, channel }
    }

    /// The channel is open, and these are in it.
    #[allow(dead_code, reason = "each test file uses its own part")]
    pub fn fill(&mut self, operator: &mut Phone, readers: &mut [&mut Phone]) {
        self.open(operator, |own| roster::channel([(own, true)])).unwrap();
        let lease = self.lease(operator).expect("the ward is to be taken in");
        self.follow(operator, lease);
        self.world.catch_up(operator, self.channel);
        for reader in readers {
            self.world.join(reader, self.channel);
            self.world.pushes(reader.session);
        }
    }

    /// Makes the channel's group, with this roster.
    pub fn open(&mut self, by: &mut Phone, roster: impl Fn(AccountId) -> wire::Roster) -> Result<Said, Code> {
        let created = by.engine.create(self.channel, roster(by.account), self.world.directory()).unwrap();
        let request = wire::CreateConversation {
            conversation_id: self.channel.to_bytes(),
            group_info: created.group_info.into(),
            ratchet_tree: created.ratchet_tree.into(),
        };
        self.world.ask(by.session, Ask::CreateConversation(request)).map_err(|error| error.code)
    }

    /// What the node last asked this device to commit, if anything.
    pub fn lease(&mut self, of: &Phone) -> Option<wire::CommitLease> {
        self.world.pushes(of.session).into_iter().find_map(|push| match push {
            Push::CommitLease(lease) => Some(lease),
            _ => None,
        })
    }

    /// Does what a lease asks for, as a client does.
    pub fn follow(&mut self, by: &mut Phone, lease: wire::CommitLease) {
        let accounts = |ids: &[bytes::Bytes]| ids.iter().map(|id| AccountId::parse(id).unwrap()).collect::<Vec<_>>();
        let (due, departed) = (accounts(&lease.due_account_ids), accounts(&lease.departed_account_ids));
        let channel = self.world.directory().channel(&self.channel).unwrap().clone();
        let part = |id: &AccountId| self.world.directory().part_in(&channel, id).unwrap();
        let now = by.engine.roster(self.channel).unwrap();
        let left = departed.iter().fold(now, |now, id| roster::without(&now, *id));
        let wanted = due.iter().fold(left, |now, id| roster::with(&now, *id, part(id)));
        let new: Vec<AccountId> =
            due.into_iter().filter(|id| !by.engine.members(self.channel).iter().any(|m| m.account_id == *id)).collect();
        let add_key_packages = if new.is_empty() { Vec::new() } else { self.world.key_packages(by, &new) };
        let proposals = lease.proposals.iter().map(|proposal| proposal.to_vec()).collect();
        let change = Change { add_key_packages, proposals, roster: Some(wanted), ..Change::default() };
        self.world.submit(by, self.channel, change).unwrap();
    }
}

/// A channel of this ward with these operators.
pub fn plan(group: GroupId, operators: &[&Phone]) -> ChannelPlan {
    let operators = operators.iter().map(|phone| phone.account).collect();
    ChannelPlan { name: "Ward news".into(), everyone: false, groups: [group].into(), operators }
}
