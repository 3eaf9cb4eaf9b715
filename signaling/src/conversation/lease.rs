//! Who must go and, in a channel, who must come; and who may commit it: the node proposes removals and leases committing to one online member at a
//! time.
use super::{Conversation, entry_of};
use crate::input::Class;
use crate::limit::LEASE_MS;
use crate::plane::{Plane, Reply};
use crate::session::{Caller, done_when_durable};
use crate::store::Write;
use std::collections::BTreeSet;
use wardline_protocol::wire::{self, ConversationKind, server_frame};
use wardline_protocol::{AccountId, Code, ConversationId, DeviceId, WireError};

/// The right to commit, of one device until a time.
pub(super) struct Lease {
    holder: DeviceId,
    pub(super) until_ms: u64,
}

impl Lease {
    pub(super) fn wait(&self, now_ms: u64) -> WireError {
        let wait_ms = u32::try_from(self.until_ms.saturating_sub(now_ms)).unwrap_or(u32::MAX).max(1);
        WireError::retry(Code::Leased, "another device is committing: try again in a moment", wait_ms)
    }
}

impl Plane {
    /// Devices in the group that may not be there any more.
    pub(super) fn pending_removals(&self, conversation: &Conversation) -> BTreeSet<DeviceId> {
        conversation
            .members
            .values()
            .filter(|member| {
                !self.device_usable(member.device_id)
                    || conversation.departed.contains(&member.account_id)
                    || self.is_out_of_audience(conversation, member.account_id)
                    || entry_of(conversation.view.roster(), member.account_id).is_none()
            })
            .map(|member| member.device_id)
            .collect()
    }

    /// Accounts that any member may take off the roster: they left, or do not exist any more. A locked one stays, for when it is unlocked.
    pub(super) fn must_leave_roster(&self, conversation: &Conversation, account_id: AccountId) -> bool {
        conversation.kind() != ConversationKind::Direct
            && (conversation.departed.contains(&account_id)
                || self.is_out_of_audience(conversation, account_id)
                || self.directory.account(&account_id).is_none_or(|record| record.deleted))
    }

    pub(super) fn missing_removals(&self, conversation: &Conversation) -> WireError {
        let retry_after_ms =
            conversation.lease.as_ref().map_or(LEASE_MS, |lease| lease.until_ms.saturating_sub(self.now_ms));
        WireError::retry(
            Code::MissingRemovals,
            "members must be removed first: commit the node's proposals when they come",
            u32::try_from(retry_after_ms).unwrap_or(u32::MAX).max(1),
        )
    }

    /// A member wanted to commit, and must wait for removals: it is awake, which who holds the lease may not be. It is the next to be asked.
    pub(super) fn note_wish_to_commit(&mut self, conversation_id: ConversationId, device_id: DeviceId) {
        if let Some(conversation) = self.conversations.get_mut(&conversation_id) {
            conversation.wants_to_commit = Some(device_id);
        }
    }

    pub(super) fn check_lease(
        &self,
        caller: Caller,
        conversation_id: ConversationId,
        conversation: &Conversation,
    ) -> Result<(), WireError> {
        match &conversation.lease {
            Some(lease) if lease.until_ms > self.now_ms && lease.holder != caller.device_id => {
                tracing::trace!(%conversation_id, "commit refused: leased");
                Err(lease.wait(self.now_ms))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn leave_conversation(
        &mut self,
        caller: Caller,
        request: &wire::LeaveConversation,
    ) -> Result<Reply, WireError> {
        let conversation_id = ConversationId::parse(&request.conversation_id)?;
        let conversation = self.conversation_of(caller.account_id, conversation_id)?;
        if conversation.kind() == ConversationKind::Direct {
            return Err(WireError::new(Code::Forbidden, "a direct conversation cannot be left"));
        }
        if conversation.kind() == ConversationKind::Channel {
            return Err(WireError::new(Code::Forbidden, "who is in a channel is the hospital's to say"));
        }
        let account_id = caller.account_id;
        if let Some(conversation) = self.conversations.get_mut(&conversation_id) {
            conversation.departed.insert(account_id);
        }
        self.write(Write::Departed { conversation_id, account_id, departed: true });
        self.grant_lease(conversation_id);
        Ok(done_when_durable())
    }

    /// The device may not be used any more: out of every group it is in.
    pub(crate) fn remove_from_conversations(&mut self, device_id: DeviceId) {
        for conversation_id in self.conversations_with(device_id) {
            self.grant_lease(conversation_id);
        }
    }

    /// The account may be used again: what was proposed against it is off.
    pub(crate) fn forget_pending_removals(&mut self, account_id: AccountId) {
        let ids = self.accounts.get(&account_id).map(|account| account.conversations.clone()).unwrap_or_default();
        for conversation_id in ids {
            self.end_lease(conversation_id);
            self.grant_lease(conversation_id);
        }
    }

    /// A member came online: where removals wait for somebody to commit them, it may be the one.
    pub(crate) fn offer_leases_to(&mut self, device_id: DeviceId) {
        for conversation_id in self.conversations_with(device_id) {
            self.grant_lease(conversation_id);
        }
    }

    /// The holder is gone: the next one's turn, at once.
    pub(crate) fn lease_holder_lost(&mut self, device_id: DeviceId) {
        for conversation_id in self.conversations_with(device_id) {
            let held = self
                .conversations
                .get(&conversation_id)
                .and_then(|conversation| conversation.lease.as_ref())
                .is_some_and(|lease| lease.holder == device_id);
            if held {
                self.end_lease(conversation_id);
                self.grant_lease(conversation_id);
            }
        }
    }

    pub(crate) fn expire_leases(&mut self) {
        while let Some((at_ms, conversation_id)) = self.leases.first().copied()
            && at_ms <= self.now_ms
        {
            self.end_lease(conversation_id);
            self.grant_lease(conversation_id);
        }
    }

    /// A commit was taken: what is still pending is proposed again in the new epoch.
    pub(super) fn commit_settled(&mut self, conversation_id: ConversationId) {
        self.end_lease(conversation_id);
        self.grant_lease(conversation_id);
    }

    fn end_lease(&mut self, conversation_id: ConversationId) {
        if let Some(conversation) = self.conversations.get_mut(&conversation_id)
            && let Some(lease) = conversation.lease.take()
        {
            self.leases.remove(&(lease.until_ms, conversation_id));
        }
    }

    pub(super) fn conversations_with(&self, device_id: DeviceId) -> Vec<ConversationId> {
        let account = self.devices.get(&device_id).and_then(|device| self.accounts.get(&device.account_id));
        account
            .into_iter()
            .flat_map(|account| account.conversations.iter().copied())
            .filter(|id| self.conversations.get(id).is_some_and(|c| c.members.contains_key(&device_id)))
            .collect()
    }

    /// Proposes what is pending and gives the next online member 2 s to commit it. Nothing when none is pending, a lease is running, or nobody is there.
    pub(super) fn grant_lease(&mut self, conversation_id: ConversationId) {
        let Some(conversation) = self.conversations.get(&conversation_id) else { return };
        if conversation.lease.is_some() {
            return;
        }
        let pending = self.pending_removals(conversation);
        let behind = self.behind_statements(conversation_id);
        if pending.is_empty() && behind.is_none() {
            return;
        }
        let due = behind.unwrap_or_default();
        let Some(conversation) = self.conversations.get(&conversation_id) else { return };
        let Some(holder) = self.next_holder(conversation, &pending) else { return };
        let mut proposals = Vec::with_capacity(pending.len());
        for member in conversation.members.values().filter(|member| pending.contains(&member.device_id)) {
            match conversation.view.propose_removal(member.leaf, &self.node.proposer) {
                Ok(proposal) => proposals.push(proposal.into()),
                Err(refused) => {
                    tracing::error!(%conversation_id, %refused, "cannot propose a removal");
                    return;
                }
            }
        }
        let departed_account_ids = conversation
            .view
            .roster()
            .entries
            .iter()
            .filter(|entry| {
                AccountId::parse(&entry.account_id).is_ok_and(|id| self.must_leave_roster(conversation, id))
            })
            .map(|entry| entry.account_id.clone())
            .collect();
        let frame = wire::CommitLease {
            conversation_id: conversation_id.to_bytes(),
            epoch: conversation.view.epoch(),
            proposals,
            lease_ms: LEASE_MS as u32,
            departed_account_ids,
            due_account_ids: due.iter().map(AccountId::to_bytes).collect(),
            directory_version: self.directory.version(),
        };
        let until_ms = self.now_ms + LEASE_MS;
        if let Some(conversation) = self.conversations.get_mut(&conversation_id) {
            conversation.lease = Some(Lease { holder, until_ms });
            conversation.last_lease_holder = Some(holder);
            conversation.wants_to_commit = None;
        }
        self.leases.insert((until_ms, conversation_id));
        self.push_to_device(holder, server_frame::Body::CommitLease(frame), Class::Required);
    }

    /// Who wants to commit; else round robin over the members that are connected and stay.
    fn next_holder(&self, conversation: &Conversation, pending: &BTreeSet<DeviceId>) -> Option<DeviceId> {
        let candidates: Vec<DeviceId> = conversation
            .members
            .keys()
            .filter(|id| !pending.contains(id))
            .filter(|id| self.devices.get(id).is_some_and(|device| device.session.is_some()))
            .copied()
            .collect();
        if let Some(awake) = conversation.wants_to_commit.filter(|device_id| candidates.contains(device_id)) {
            return Some(awake);
        }
        let after_last = conversation.last_lease_holder.and_then(|last| candidates.iter().find(|id| **id > last));
        after_last.or(candidates.first()).copied()
    }
}
