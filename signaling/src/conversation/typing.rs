//! Who is writing: passed on at once to the others who are connected, and kept nowhere.
use crate::input::Class;
use crate::limit::RECEIPT_PUSH_ACCOUNTS_MAX;
use crate::plane::{Plane, Reply};
use crate::session::{Caller, done};
use wardline_protocol::wire::{self, server_frame};
use wardline_protocol::{Code, ConversationId, DeviceId, WireError};

impl Plane {
    pub(crate) fn show_typing(&mut self, caller: Caller, request: &wire::ShowTyping) -> Result<Reply, WireError> {
        let conversation_id = ConversationId::parse(&request.conversation_id)?;
        let conversation = self.conversation_of(caller.account_id, conversation_id)?;
        if !conversation.members.contains_key(&caller.device_id) {
            return Err(WireError::new(Code::Orphaned, "this device is not in the group: join from outside"));
        }
        // As for receipts: in a large group it would be noise for everybody.
        if conversation.view.roster().entries.len() > RECEIPT_PUSH_ACCOUNTS_MAX {
            return Ok(done());
        }
        let others = conversation.members.iter().filter(|(_, member)| member.account_id != caller.account_id);
        let others: Vec<DeviceId> = others.map(|(device_id, _)| *device_id).collect();
        let typing = wire::Typing {
            conversation_id: conversation_id.to_bytes(),
            account_id: caller.account_id.to_bytes(),
            typing: request.typing,
        };
        for device_id in others {
            self.push_to_device(device_id, server_frame::Body::Typing(typing.clone()), Class::Ephemeral);
        }
        Ok(done())
    }
}
