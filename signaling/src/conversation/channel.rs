//! Channels: who is in one follows from the signed statements. The node lets nobody else in or speak, and has its members bring the roster up to
//! the statements: a member's commit does it, so that the encryption follows as well.
use super::commit::forbidden;
use super::{Conversation, entry_of, roster_accounts};
use crate::plane::Plane;
use crate::session::Caller;
use std::collections::BTreeSet;
use wardline_directory::ChannelRecord;
use wardline_protocol::wire::{self, ConversationKind};
use wardline_protocol::{AccountId, Code, ConversationId, DeviceId, WireError, limit as wire_limit};

/// Accounts that one commit is asked to take in: with two devices each they fill it.
const DUE_MAX: usize = wire_limit::ADDS_PER_COMMIT / 2;

impl Plane {
    /// The statement that a channel follows; `None` for other conversations, and for a channel that was deleted: it stays as it is, and nobody
    /// speaks in it.
    fn channel_of(&self, conversation: &Conversation) -> Option<&ChannelRecord> {
        let channel = self.directory.channel(&conversation.id).filter(|channel| !channel.deleted)?;
        (conversation.kind() == ConversationKind::Channel).then_some(channel)
    }

    /// A channel is opened by one of its operators, who is alone in it at first.
    pub(super) fn opens_channel(&self, caller: Caller, conversation: &Conversation) -> bool {
        let accounts = roster_accounts(conversation.view.roster());
        accounts == [caller.account_id]
            && conversation.is_manager(caller.account_id)
            && self.speaks(caller.account_id, conversation)
    }

    /// Whether the statements have this account speak in this channel.
    pub(super) fn speaks(&self, account_id: AccountId, conversation: &Conversation) -> bool {
        self.channel_of(conversation).and_then(|channel| self.directory.part_in(channel, &account_id)) == Some(true)
    }

    /// In a channel only operators speak.
    pub(super) fn check_speaker(&self, conversation: &Conversation, account_id: AccountId) -> Result<(), WireError> {
        let heard = conversation.kind() != ConversationKind::Channel
            || conversation.is_manager(account_id) && self.speaks(account_id, conversation);
        if heard { Ok(()) } else { Err(forbidden("only its operators write in a channel")) }
    }

    /// Who goes live in a channel: an operator, by the statements and by the roster, with a device that is in the group.
    pub(crate) fn check_broadcaster(&self, caller: Caller, conversation_id: ConversationId) -> Result<(), WireError> {
        let conversation = self.conversation_of(caller.account_id, conversation_id)?;
        if conversation.kind() != ConversationKind::Channel {
            return Err(forbidden("broadcasts are live in channels"));
        }
        self.check_speaker(conversation, caller.account_id)?;
        self.check_viewer(caller, conversation_id)
    }

    /// Who watches: whoever is in the group and, by the newest statements, in the channel.
    pub(crate) fn check_viewer(&self, caller: Caller, conversation_id: ConversationId) -> Result<(), WireError> {
        self.conversation_of(caller.account_id, conversation_id)?;
        if self.may_watch(caller.device_id, conversation_id) {
            Ok(())
        } else {
            Err(forbidden("this device is not in the channel: it cannot open what is sent there"))
        }
    }

    /// Whether this device goes on watching.
    pub(crate) fn may_watch(&self, device_id: DeviceId, conversation_id: ConversationId) -> bool {
        let Some(conversation) = self.conversations.get(&conversation_id) else { return false };
        let Some(member) = conversation.members.get(&device_id) else { return false };
        self.device_usable(device_id)
            && !conversation.departed.contains(&member.account_id)
            && !self.is_out_of_audience(conversation, member.account_id)
    }

    /// Whether this device goes on broadcasting.
    pub(crate) fn may_broadcast(&self, device_id: DeviceId, conversation_id: ConversationId) -> bool {
        let Some(conversation) = self.conversations.get(&conversation_id) else { return false };
        let Some(member) = conversation.members.get(&device_id) else { return false };
        self.may_watch(device_id, conversation_id) && self.check_speaker(conversation, member.account_id).is_ok()
    }

    /// Whether a device is in a conversation's group.
    pub(crate) fn is_in(&self, conversation_id: ConversationId, device_id: DeviceId) -> bool {
        self.conversations.get(&conversation_id).is_some_and(|known| known.members.contains_key(&device_id))
    }

    /// The devices in a conversation's group.
    pub(crate) fn devices_in(&self, conversation_id: ConversationId) -> Vec<DeviceId> {
        let conversation = self.conversations.get(&conversation_id);
        conversation.map(|known| known.members.keys().copied().collect()).unwrap_or_default()
    }

    /// Whether the statements have this account out of the channel.
    pub(super) fn is_out_of_audience(&self, conversation: &Conversation, account_id: AccountId) -> bool {
        self.channel_of(conversation).is_some_and(|channel| self.directory.part_in(channel, &account_id).is_none())
    }

    /// Accounts that the statements have in a channel and its roster has not, or not with the mark that they say; not all at once.
    fn due(&self, conversation: &Conversation) -> Vec<AccountId> {
        let Some(channel) = self.channel_of(conversation) else { return Vec::new() };
        let roster = conversation.view.roster();
        let differs = |account_id: &AccountId, operator: bool| {
            entry_of(roster, *account_id).is_none_or(|entry| entry.manager != operator)
        };
        let audience = self.directory.audience(channel).into_iter();
        audience.filter(|(id, operator)| differs(id, *operator)).map(|(id, _)| id).take(DUE_MAX).collect()
    }

    /// Who is due in a channel; `None` when its roster is what the statements say, which is looked at once for each of their versions and each epoch:
    /// a house of thousands asks with every device that comes.
    pub(super) fn behind_statements(&mut self, conversation_id: ConversationId) -> Option<Vec<AccountId>> {
        let conversation = self.conversations.get(&conversation_id)?;
        self.channel_of(conversation)?;
        let now = (self.directory.version(), conversation.view.epoch());
        if conversation.level_at == Some(now) {
            return None;
        }
        let due = self.due(conversation);
        let outsider = |id| self.is_out_of_audience(conversation, id);
        if !due.is_empty() || roster_accounts(conversation.view.roster()).into_iter().any(outsider) {
            return Some(due);
        }
        if let Some(conversation) = self.conversations.get_mut(&conversation_id) {
            conversation.level_at = Some(now);
        }
        None
    }

    /// Every change of a channel's roster is towards the statements.
    pub(super) fn check_channel_roster(
        &self,
        conversation: &Conversation,
        after: &wire::Roster,
    ) -> Result<(), WireError> {
        let before = conversation.view.roster();
        let Some(channel) = self.channel_of(conversation) else {
            return Err(forbidden("this channel was deleted: it does not change any more"));
        };
        let now: BTreeSet<AccountId> = roster_accounts(after).into_iter().collect();
        let stated = after.entries.iter().all(|entry| {
            AccountId::parse(&entry.account_id).is_ok_and(|id| {
                entry_of(before, id) == Some(entry) || self.directory.part_in(channel, &id) == Some(entry.manager)
            })
        });
        let dropped = roster_accounts(before).into_iter().filter(|id| !now.contains(id));
        let due = dropped.into_iter().all(|id| self.must_leave_roster(conversation, id));
        if stated && due {
            Ok(())
        } else {
            Err(forbidden("a channel's roster follows the signed statements: fetch them"))
        }
    }

    /// The directory has changed: channels follow.
    pub(crate) fn follow_channels(&mut self) {
        let is_channel = |conversation: &Conversation| conversation.kind() == ConversationKind::Channel;
        let channels: Vec<ConversationId> =
            self.conversations.iter().filter(|(_, conversation)| is_channel(conversation)).map(|(id, _)| *id).collect();
        for conversation_id in channels {
            self.grant_lease(conversation_id);
        }
    }

    /// An id that the directory gives to a channel is for that channel only.
    pub(super) fn check_id(&self, conversation_id: ConversationId, kind: ConversationKind) -> Result<(), WireError> {
        match (self.directory.channel(&conversation_id), kind) {
            (Some(_), ConversationKind::Channel) | (None, ConversationKind::Direct | ConversationKind::Group) => Ok(()),
            (Some(_), _) => Err(forbidden("this conversation id is taken")),
            (None, _) => Err(WireError::new(Code::Forbidden, "there is no such channel: fetch the directory")),
        }
    }
}
