//! Messages: accepted only in the current epoch, once each, in one order.
use super::{Conversation, within};
use crate::plane::{Plane, Reply};
use crate::session::Caller;
use crate::store::Query;
use wardline_protocol::wire::{self, entry, response};
use wardline_protocol::{Code, ConversationId, DeviceId, MessageId, WireError, limit as wire_limit};

impl Plane {
    pub(crate) fn send_message(&mut self, caller: Caller, request: wire::SendMessage) -> Result<Reply, WireError> {
        let conversation_id = ConversationId::parse(&request.conversation_id)?;
        let message_id = MessageId::parse(&request.message_id)?;
        within(request.ciphertext.len(), wire_limit::MESSAGE_BYTES_MAX)?;
        let conversation = self.conversation_of(caller.account_id, conversation_id)?;
        if let Some(accepted) = conversation.recent.accepted(&message_id) {
            return Ok(accepted);
        }
        let older_than_recent = conversation.head_seq > conversation.recent.places.len() as u64;
        let look_up = request.again && older_than_recent;
        if look_up || conversation.lines.contains_key(&caller.device_id) {
            self.stand_in_line(caller, conversation_id, message_id, request, look_up);
            let query = Query::FindMessage { conversation_id, message_id };
            return Ok(if look_up { self.read(caller, query) } else { Reply::Later });
        }
        self.accept_message(caller, conversation_id, message_id, request.ciphertext)
    }

    /// Accepts a message unless it has been accepted while it stood in line.
    pub(super) fn accept_once(
        &mut self,
        caller: Caller,
        conversation_id: ConversationId,
        message_id: MessageId,
        ciphertext: bytes::Bytes,
    ) -> Result<Reply, WireError> {
        let conversation = self.conversation_of(caller.account_id, conversation_id)?;
        match conversation.recent.accepted(&message_id) {
            Some(accepted) => Ok(accepted),
            None => self.accept_message(caller, conversation_id, message_id, ciphertext),
        }
    }

    fn accept_message(
        &mut self,
        caller: Caller,
        conversation_id: ConversationId,
        message_id: MessageId,
        ciphertext: bytes::Bytes,
    ) -> Result<Reply, WireError> {
        let conversation = self.conversation_of(caller.account_id, conversation_id)?;
        self.check_speaker(conversation, caller.account_id)?;
        let epoch = check_sendable(conversation, conversation_id, caller.device_id, &ciphertext)?;
        let accepted_at_ms = self.now_ms;
        let content = entry::Content::Message(wire::Message { message_id: message_id.to_bytes(), ciphertext });
        let seq = self
            .append(conversation_id, caller, epoch, content, Vec::new())
            .ok_or_else(|| WireError::new(Code::UnknownConversation, "no such conversation"))?;
        if let Some(conversation) = self.conversations.get_mut(&conversation_id) {
            conversation.recent.remember(message_id, seq, accepted_at_ms);
        }
        Ok(sent(seq, accepted_at_ms))
    }
}

/// Checks sender, group and epoch of a ciphertext by its clear header; gives the epoch.
fn check_sendable(
    conversation: &Conversation,
    conversation_id: ConversationId,
    device_id: DeviceId,
    ciphertext: &[u8],
) -> Result<u64, WireError> {
    if !conversation.members.contains_key(&device_id) {
        return Err(WireError::new(Code::Orphaned, "this device is not in the group: join from outside"));
    }
    let header = wardline_e2ee::header(ciphertext)
        .map_err(|_| WireError::new(Code::Malformed, "the ciphertext is not an MLS message"))?;
    if !header.is_private || header.group_id != conversation_id.as_bytes() {
        return Err(WireError::new(Code::Malformed, "the ciphertext is not a PrivateMessage of this conversation"));
    }
    let epoch = conversation.view.epoch();
    match header.epoch.cmp(&epoch) {
        std::cmp::Ordering::Less => {
            Err(WireError::epoch(Code::Stale, "the group has moved on: catch up, encrypt again", epoch))
        }
        std::cmp::Ordering::Greater => Err(WireError::epoch(Code::Future, "the node has not seen this epoch", epoch)),
        std::cmp::Ordering::Equal => Ok(epoch),
    }
}

pub(super) fn sent(seq: u64, accepted_at_ms: u64) -> Reply {
    Reply::Durable(response::Result::Sent(wire::Sent { seq, accepted_at_ms }))
}
