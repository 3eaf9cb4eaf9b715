//! Commits: verified against the group from outside, then against who may do what.
use super::{Conversation, entry_of, roster_accounts, within};
use crate::plane::{After, Plane, Reply};
use crate::rate::Bucket;
use crate::session::Caller;
use crate::store::Write;
use std::collections::BTreeSet;
use wardline_e2ee::public::{Committer, Refused, Staged};
use wardline_protocol::wire::{self, ConversationKind, entry, response};
use wardline_protocol::{AccountId, Code, ConversationId, DeviceId, WireError, limit as wire_limit};

impl Plane {
    pub(crate) fn submit_commit(&mut self, caller: Caller, request: wire::SubmitCommit) -> Result<Reply, WireError> {
        let conversation_id = ConversationId::parse(&request.conversation_id)?;
        let bytes = request.commit.len() + request.proposals.iter().map(bytes::Bytes::len).sum::<usize>();
        within(bytes, wire_limit::HANDSHAKE_BYTES_MAX)?;
        within(request.welcome.len(), wire_limit::HANDSHAKE_BYTES_MAX)?;
        within(request.group_info.len(), wire_limit::HANDSHAKE_BYTES_MAX)?;

        self.conversation_of(caller.account_id, conversation_id)?;
        let proposals: Vec<Vec<u8>> = request.proposals.iter().map(|proposal| proposal.to_vec()).collect();
        let Some(conversation) = self.conversations.get_mut(&conversation_id) else {
            return Err(WireError::new(Code::UnknownConversation, "no such conversation"));
        };
        let made_in = conversation.view.epoch();
        let staged = conversation
            .view
            .check(&proposals, &request.commit, &request.group_info)
            .map_err(|why| refused(why, made_in))?;
        let Some(conversation) = self.conversations.get(&conversation_id) else {
            return Err(WireError::new(Code::UnknownConversation, "no such conversation"));
        };
        match &staged.committer {
            Committer::Member(member) if member.device_id == caller.device_id => {
                if let Err(why) = self.check_member_commit(caller, conversation_id, conversation, &staged) {
                    if why.code == Code::MissingRemovals {
                        self.note_wish_to_commit(conversation_id, caller.device_id);
                    }
                    return Err(why);
                }
            }
            Committer::External(member) if member.device_id == caller.device_id => {
                self.check_external_commit(caller, conversation, &staged)?;
                self.within_join_quota(caller, conversation_id)?;
            }
            _ => return Err(forbidden("a commit must be submitted by the device that made it")),
        }
        let welcome_needed = matches!(staged.committer, Committer::Member(_)) && !staged.added.is_empty();
        if welcome_needed == request.welcome.is_empty() {
            return Err(WireError::new(Code::InvalidCommit, "a Welcome goes with added devices, and only with them"));
        }
        self.apply_commit(caller, conversation_id, made_in, staged, request)
    }

    /// Who may add, remove and change the roster; and nobody who must go may stay.
    fn check_member_commit(
        &self,
        caller: Caller,
        conversation_id: ConversationId,
        conversation: &Conversation,
        staged: &Staged,
    ) -> Result<(), WireError> {
        let pending = self.pending_removals(conversation);
        let removed: BTreeSet<DeviceId> = staged.removed.iter().map(|member| member.device_id).collect();
        if !pending.iter().all(|device_id| removed.contains(device_id)) {
            return Err(self.missing_removals(conversation));
        }
        self.check_lease(caller, conversation_id, conversation)?;

        if staged.added.len() > wire_limit::ADDS_PER_COMMIT {
            return Err(WireError::new(Code::LimitReached, "too many devices added in one commit: split it"));
        }
        if conversation.members.len() + staged.added.len() > wire_limit::MEMBERS_MAX {
            return Err(WireError::new(Code::LimitReached, "the conversation has too many devices"));
        }
        let manager = conversation.kind() == ConversationKind::Group && conversation.is_manager(caller.account_id);
        for member in &staged.removed {
            let own = member.account_id == caller.account_id;
            if !(manager || own || pending.contains(&member.device_id)) {
                return Err(forbidden("only a manager removes others"));
            }
        }
        if let Some(roster) = &staged.roster {
            self.check_roster_change(conversation, roster, manager)?;
        }
        let roster = staged.roster.as_ref().unwrap_or(conversation.view.roster());
        for member in &staged.added {
            self.check_leaf(member)?;
            if entry_of(roster, member.account_id).is_none() || conversation.departed.contains(&member.account_id) {
                return Err(forbidden("an added device's account is not on the roster"));
            }
        }
        let all_on_roster = conversation
            .members
            .values()
            .filter(|member| !removed.contains(&member.device_id))
            .all(|member| entry_of(roster, member.account_id).is_some());
        if !all_on_roster {
            return Err(forbidden("who leaves the roster must leave the group in the same commit"));
        }
        Ok(())
    }

    fn check_roster_change(
        &self,
        conversation: &Conversation,
        roster: &wire::Roster,
        manager: bool,
    ) -> Result<(), WireError> {
        let before = conversation.view.roster();
        if roster == before {
            return Ok(());
        }
        if before.kind() == ConversationKind::Direct || roster.kind != before.kind {
            return Err(forbidden("the roster of a direct conversation, and a conversation's kind, never change"));
        }
        if before.kind() == ConversationKind::Channel {
            return self.check_channel_roster(conversation, roster);
        }
        let new_accounts = roster_accounts(roster);
        if new_accounts.len() > wire_limit::ROSTER_MAX {
            return Err(WireError::new(Code::LimitReached, "the roster is too long"));
        }
        if manager {
            let unknown = new_accounts
                .iter()
                .find(|id| entry_of(before, **id).is_none() && self.directory.account(id).is_none_or(|a| a.deleted));
            return match unknown {
                Some(_) => Err(WireError::new(Code::UnknownAccount, "an account on the roster does not exist")),
                None => Ok(()),
            };
        }
        // Any member may take off the roster who has left or does not exist any more; the rest stays to the byte.
        let kept: Vec<&wire::RosterEntry> = before
            .entries
            .iter()
            .filter(|entry| {
                AccountId::parse(&entry.account_id)
                    .is_ok_and(|id| new_accounts.contains(&id) || !self.must_leave_roster(conversation, id))
            })
            .collect();
        if roster.entries.iter().eq(kept) { Ok(()) } else { Err(forbidden("only a manager changes the roster")) }
    }

    /// A further device of an account on the roster, or a device that heals: it joins itself and nobody else.
    fn check_external_commit(
        &self,
        caller: Caller,
        conversation: &Conversation,
        staged: &Staged,
    ) -> Result<(), WireError> {
        if let Some(lease) = conversation.lease.as_ref().filter(|lease| lease.until_ms > self.now_ms) {
            return Err(lease.wait(self.now_ms));
        }
        let only_itself = staged.added.iter().chain(&staged.removed).all(|member| member.device_id == caller.device_id);
        if !only_itself || staged.roster.is_some() {
            return Err(forbidden("a join from outside joins its own device and changes nothing else"));
        }
        let goes = conversation.departed.contains(&caller.account_id)
            || self.is_out_of_audience(conversation, caller.account_id);
        if !conversation.on_roster(caller.account_id) || goes {
            return Err(forbidden("this account is not on the roster"));
        }
        let joins = !conversation.members.contains_key(&caller.device_id);
        if joins && conversation.members.len() >= wire_limit::MEMBERS_MAX {
            return Err(WireError::new(Code::LimitReached, "the conversation has too many devices"));
        }
        staged.added.iter().try_for_each(|member| self.check_leaf(member))
    }

    fn within_join_quota(&mut self, caller: Caller, conversation_id: ConversationId) -> Result<(), WireError> {
        let (per_hour, now_ms) = (self.limits.external_joins_per_hour, self.now_ms);
        let Some(conversation) = self.conversations.get_mut(&conversation_id) else { return Ok(()) };
        let bucket =
            conversation.external_joins.entry(caller.device_id).or_insert_with(|| Bucket::full(per_hour, now_ms));
        bucket
            .take(1, per_hour, now_ms)
            .map_err(|wait_ms| WireError::retry(Code::RateLimited, "joined too often: try again later", wait_ms))
    }

    fn apply_commit(
        &mut self,
        caller: Caller,
        conversation_id: ConversationId,
        made_in: u64,
        staged: Staged,
        request: wire::SubmitCommit,
    ) -> Result<Reply, WireError> {
        let added: Vec<DeviceId> = staged.added.iter().map(|member| member.device_id).collect();
        let external = matches!(staged.committer, Committer::External(_));
        let epoch = staged.epoch;

        let Some(conversation) = self.conversations.get_mut(&conversation_id) else {
            return Err(WireError::new(Code::UnknownConversation, "no such conversation"));
        };
        let accounts_before: BTreeSet<AccountId> = roster_accounts(conversation.view.roster())
            .into_iter()
            .chain(conversation.members.values().map(|member| member.account_id))
            .collect();
        let devices_before: BTreeSet<DeviceId> = conversation.members.keys().copied().collect();
        conversation.view.apply(staged).map_err(|why| refused(why, made_in))?;
        conversation.refresh_members();
        // Who was taken out and added by the same commit reads the old time up to here and the new one by its Welcome. Who joined
        // itself again from outside had lost the old one.
        let left: Vec<DeviceId> = devices_before
            .into_iter()
            .filter(|id| !conversation.members.contains_key(id) || (!external && added.contains(id)))
            .collect();
        let group_info = bytes::Bytes::copy_from_slice(conversation.view.group_info());
        let ratchet_tree = bytes::Bytes::from(conversation.view.ratchet_tree().map_err(|why| refused(why, epoch))?);

        let content =
            entry::Content::Commit(wire::CommitContent { proposals: request.proposals, commit: request.commit });
        let also = left.clone();
        let seq = self
            .append(conversation_id, caller, made_in, content, also)
            .ok_or_else(|| WireError::new(Code::UnknownConversation, "no such conversation"))?;
        self.write(Write::Group { conversation_id, epoch, group_info, ratchet_tree: ratchet_tree.clone() });
        self.members_left(conversation_id, &left, seq);
        // Who joined from outside finds its own commit in the log when the answer is lost; a Welcome says where its log goes on.
        self.members_joined(conversation_id, &added, if external { seq } else { seq + 1 });
        if !request.welcome.is_empty() {
            self.write(Write::Welcomes {
                conversation_id,
                device_ids: added.clone(),
                seq,
                epoch,
                welcome: request.welcome,
                ratchet_tree,
            });
            for device_id in &added {
                if let Some(device) = self.devices.get_mut(device_id) {
                    device.welcomes.insert(conversation_id);
                }
                self.after(After::WelcomeWaiting { device_id: *device_id, conversation_id });
            }
        }
        self.follow_roster(conversation_id, &accounts_before);
        // Adds come in batches; only after the last of them is somebody left out.
        if !external && added.len() < wire_limit::ADDS_PER_COMMIT {
            self.after_left_out(conversation_id);
        }
        self.commit_settled(conversation_id);
        if !left.is_empty() {
            self.broadcasts_follow_rights();
        }
        self.tell_newcomers_of_broadcasts(conversation_id, &added);
        Ok(Reply::Durable(response::Result::Committed(wire::Committed { seq, epoch })))
    }

    fn members_left(&mut self, conversation_id: ConversationId, left: &[DeviceId], left_seq: u64) {
        for device_id in left {
            let mut first_seq = None;
            if let Some(conversation) = self.conversations.get_mut(&conversation_id) {
                first_seq = conversation.first_seq.remove(device_id);
                conversation.delivered.remove(device_id);
                conversation.external_joins.remove(device_id);
            }
            if let Some(device) = self.devices.get_mut(device_id) {
                device.welcomes.remove(&conversation_id);
            }
            self.forget_cursor(conversation_id, *device_id);
            self.write(Write::MemberLeft { conversation_id, device_id: *device_id });
            if let Some(first_seq) = first_seq {
                self.keep_former(conversation_id, *device_id, first_seq, left_seq);
            }
        }
    }

    fn members_joined(&mut self, conversation_id: ConversationId, added: &[DeviceId], first_seq: u64) {
        for device_id in added {
            if let Some(conversation) = self.conversations.get_mut(&conversation_id) {
                conversation.first_seq.insert(*device_id, first_seq);
            }
            self.write(Write::MemberJoined { conversation_id, device_id: *device_id, first_seq });
        }
    }

    /// Keeps the index of accounts' conversations, and forgets who has left once he is off the roster.
    fn follow_roster(&mut self, conversation_id: ConversationId, accounts_before: &BTreeSet<AccountId>) {
        let Some(conversation) = self.conversations.get(&conversation_id) else { return };
        let now: BTreeSet<AccountId> = roster_accounts(conversation.view.roster()).into_iter().collect();
        let settled: Vec<AccountId> = conversation.departed.iter().filter(|id| !now.contains(id)).copied().collect();
        for account_id in accounts_before.difference(&now) {
            if let Some(account) = self.accounts.get_mut(account_id) {
                account.conversations.remove(&conversation_id);
            }
        }
        for account_id in now {
            self.accounts.entry(account_id).or_default().conversations.insert(conversation_id);
        }
        for account_id in settled {
            if let Some(conversation) = self.conversations.get_mut(&conversation_id) {
                conversation.departed.remove(&account_id);
            }
            self.write(Write::Departed { conversation_id, account_id, departed: false });
        }
    }
}

/// The taxonomy of the view, as it travels.
pub(super) fn refused(refused: Refused, current_epoch: u64) -> WireError {
    match refused {
        Refused::Stale => {
            WireError::epoch(Code::Stale, "the group has moved on: catch up and commit again", current_epoch)
        }
        Refused::Future => WireError::epoch(Code::Future, "the node has not seen this epoch", current_epoch),
        Refused::Malformed => WireError::new(Code::Malformed, "not a valid MLS message"),
        Refused::GroupInfo => {
            WireError::new(Code::GroupInfoRefused, "the GroupInfo does not describe the epoch this leads to")
        }
        other => WireError::new(Code::InvalidCommit, format!("the group refuses the commit: {other}")),
    }
}

pub(super) fn forbidden(message: &str) -> WireError {
    WireError::new(Code::Forbidden, message)
}
