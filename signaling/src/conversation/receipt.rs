//! Receipts: how far everybody has got. Pushed in conversations of up to [`RECEIPT_PUSH_ACCOUNTS_MAX`] accounts; in larger ones a device asks when
//! its person looks, and is told at sign-in only how far its own account is. In channels a person can say expressly that a message was taken note of.
use super::Conversation;
use crate::input::Class;
use crate::limit::RECEIPT_PUSH_ACCOUNTS_MAX;
use crate::plane::{Plane, Reply};
use crate::session::{Caller, done, done_when_durable};
use crate::store::{Query, Write};
use std::collections::BTreeMap;
use wardline_protocol::wire::{self, ConversationKind, response, server_frame};
use wardline_protocol::{AccountId, Code, ConversationId, DeviceId, WireError};

impl Conversation {
    fn delivered_by_account(&self, account_id: AccountId) -> u64 {
        let devices = self.devices.get(&account_id).into_iter().flatten();
        devices.filter_map(|device_id| self.delivered.get(device_id)).max().copied().unwrap_or(0)
    }

    fn receipt(&self, conversation_id: ConversationId, account_id: AccountId) -> wire::Receipt {
        wire::Receipt {
            conversation_id: conversation_id.to_bytes(),
            account_id: account_id.to_bytes(),
            delivered_seq: self.delivered_by_account(account_id),
            read_seq: self.read.get(&account_id).copied().unwrap_or(0),
        }
    }

    fn pushes_receipts(&self) -> bool {
        self.view.roster().entries.len() <= RECEIPT_PUSH_ACCOUNTS_MAX
    }

    fn receipts(&self, conversation_id: ConversationId) -> impl Iterator<Item = wire::Receipt> {
        super::roster_accounts(self.view.roster())
            .into_iter()
            .map(move |account_id| self.receipt(conversation_id, account_id))
            .filter(|receipt| receipt.delivered_seq > 0 || receipt.read_seq > 0)
    }

    /// What a device of `account_id` is told when it signs in: a thousand devices that come back must not be told a thousand receipts each.
    pub(super) fn receipts_at_sign_in(
        &self,
        conversation_id: ConversationId,
        account_id: AccountId,
    ) -> Vec<wire::Receipt> {
        if self.pushes_receipts() {
            return self.receipts(conversation_id).collect();
        }
        vec![self.receipt(conversation_id, account_id)]
    }
}

impl Plane {
    pub(crate) fn fetch_receipts(&mut self, caller: Caller, request: &wire::FetchReceipts) -> Result<Reply, WireError> {
        let conversation_id = ConversationId::parse(&request.conversation_id)?;
        let conversation = self.conversation_of(caller.account_id, conversation_id)?;
        let receipts = conversation.receipts(conversation_id).collect();
        Ok(Reply::Now(response::Result::Receipts(wire::Receipts { receipts })))
    }

    pub(crate) fn acknowledge(&mut self, caller: Caller, request: &wire::Acknowledge) -> Result<Reply, WireError> {
        let conversation_id = ConversationId::parse(&request.conversation_id)?;
        let delivered_seq = request.delivered_seq.min(self.readable(caller, conversation_id)?.durable_seq);
        self.forget_former(conversation_id, caller.device_id, delivered_seq);
        self.heard(caller.device_id, conversation_id, delivered_seq);
        let Some(conversation) = self.conversations.get_mut(&conversation_id) else {
            return Ok(done());
        };
        if !conversation.members.contains_key(&caller.device_id) {
            return Ok(done());
        }
        let read_seq = request.read_seq.min(conversation.durable_seq);
        let delivered = conversation.delivered.entry(caller.device_id).or_default();
        let newly_delivered = *delivered < delivered_seq;
        *delivered = (*delivered).max(delivered_seq);
        let read = conversation.read.entry(caller.account_id).or_default();
        let newly_read = *read < read_seq;
        *read = (*read).max(read_seq);

        let moved = newly_delivered || newly_read;
        let told = moved && conversation.pushes_receipts();
        let receipt = told.then(|| conversation.receipt(conversation_id, caller.account_id));
        if newly_delivered {
            self.write_delivered(conversation_id, caller.device_id, delivered_seq);
        }
        if newly_read {
            self.write_read(conversation_id, caller.account_id, read_seq);
        }
        if let Some(receipt) = receipt {
            self.push_to_others(conversation_id, caller.device_id, &server_frame::Body::Receipt(receipt));
        }
        Ok(done())
    }

    /// Somebody says that he has taken note of a message in a channel.
    pub(crate) fn confirm(&mut self, caller: Caller, request: &wire::Confirm) -> Result<Reply, WireError> {
        let conversation_id = self.confirmable(caller, &request.conversation_id, request.seq)?;
        let (account_id, at_ms) = (caller.account_id, self.now_ms);
        self.write(Write::Confirmed { conversation_id, seq: request.seq, account_id, at_ms });
        Ok(done_when_durable())
    }

    pub(crate) fn fetch_confirmations(
        &mut self,
        caller: Caller,
        request: &wire::FetchConfirmations,
    ) -> Result<Reply, WireError> {
        let conversation_id = self.confirmable(caller, &request.conversation_id, request.seq)?;
        // Who has taken note is the operators' business; others see whether they themselves have.
        let speaks =
            self.conversations.get(&conversation_id).is_some_and(|channel| self.speaks(caller.account_id, channel));
        let of = (!speaks).then_some(caller.account_id);
        Ok(self.read(caller, Query::Confirmations { conversation_id, seq: request.seq, of }))
    }

    /// A channel that the caller is in, and an entry of it that its device may have.
    fn confirmable(&self, caller: Caller, conversation_id: &[u8], seq: u64) -> Result<ConversationId, WireError> {
        let conversation_id = ConversationId::parse(conversation_id)?;
        let conversation = self.conversation_of(caller.account_id, conversation_id)?;
        if conversation.kind() != ConversationKind::Channel {
            return Err(WireError::new(Code::Forbidden, "messages are confirmed in channels"));
        }
        let from = conversation.first_seq.get(&caller.device_id).copied().unwrap_or(u64::MAX);
        match (from..=conversation.durable_seq).contains(&seq) {
            true => Ok(conversation_id),
            false => Err(WireError::new(Code::Forbidden, "there is no such message here for this device")),
        }
    }

    fn push_to_others(&mut self, conversation_id: ConversationId, own: DeviceId, body: &server_frame::Body) {
        let members = self.conversations.get(&conversation_id).map(|conversation| &conversation.members);
        let others: Vec<DeviceId> =
            members.into_iter().flat_map(BTreeMap::keys).filter(|id| **id != own).copied().collect();
        for device_id in others {
            self.push_to_device(device_id, body.clone(), Class::Ephemeral);
        }
    }
}
