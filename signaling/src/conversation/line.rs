//! Sends that wait in line. A message that may have been accepted before is looked up in the store; whatever its device sends into the same
//! conversation meanwhile stands behind it, so that a sender's order survives a lost connection.
//!
//! The line is bounded by the unanswered requests that the shell allows a session, and is forgotten with the session.
use crate::input::SessionId;
use crate::plane::{Plane, Reply};
use crate::session::Caller;
use std::collections::VecDeque;
use wardline_protocol::wire;
use wardline_protocol::{ConversationId, DeviceId, MessageId, WireError};

/// One device's sends in one conversation, oldest first; empty lines are removed.
pub(super) type Line = VecDeque<Waiting>;

pub(super) struct Waiting {
    caller: Caller,
    message_id: MessageId,
    ciphertext: bytes::Bytes,
    lookup: Lookup,
}

enum Lookup {
    Running,
    NotNeeded,
    NotThere,
    Found { seq: u64, accepted_at_ms: u64 },
    Failed(WireError),
}

impl Plane {
    /// Puts a send at the end of its device's line.
    pub(super) fn stand_in_line(
        &mut self,
        caller: Caller,
        conversation_id: ConversationId,
        message_id: MessageId,
        request: wire::SendMessage,
        looked_up: bool,
    ) {
        let lookup = if looked_up { Lookup::Running } else { Lookup::NotNeeded };
        let waiting = Waiting { caller, message_id, ciphertext: request.ciphertext, lookup };
        if let Some(conversation) = self.conversations.get_mut(&conversation_id) {
            conversation.lines.entry(caller.device_id).or_default().push_back(waiting);
        }
    }

    /// The store has said whether it holds a message that was perhaps sent before.
    pub(crate) fn message_found(&mut self, session: SessionId, request_id: u64, found: Option<(u64, u64)>) {
        let lookup = match found {
            Some((seq, accepted_at_ms)) => Lookup::Found { seq, accepted_at_ms },
            None => Lookup::NotThere,
        };
        self.looked_up(session, request_id, lookup);
    }

    /// The store could not say it. Gives whether this was such a question; then everybody in the line behind it has been answered too.
    pub(crate) fn message_not_found_out(&mut self, session: SessionId, request_id: u64, error: &WireError) -> bool {
        self.looked_up(session, request_id, Lookup::Failed(error.clone()))
    }

    fn looked_up(&mut self, session: SessionId, request_id: u64, lookup: Lookup) -> bool {
        let Some(crate::session::Role::Device { device_id, account_id }) =
            self.sessions.get(&session).map(|state| state.role)
        else {
            return false;
        };
        let ids = self.accounts.get(&account_id).map(|account| account.conversations.clone()).unwrap_or_default();
        for conversation_id in ids {
            let line = self.conversations.get_mut(&conversation_id).and_then(|c| c.lines.get_mut(&device_id));
            let asked =
                |waiting: &&mut Waiting| (waiting.caller.session, waiting.caller.request_id) == (session, request_id);
            if let Some(waiting) = line.and_then(|line| line.iter_mut().find(asked)) {
                waiting.lookup = lookup;
                self.move_line(conversation_id, device_id);
                return true;
            }
        }
        false
    }

    /// Answers from the front of the line as far as it can be decided.
    fn move_line(&mut self, conversation_id: ConversationId, device_id: DeviceId) {
        while let Some(waiting) = self.next_decided(conversation_id, device_id) {
            let Waiting { caller, message_id, ciphertext, lookup } = waiting;
            let result = match lookup {
                Lookup::Found { seq, accepted_at_ms } => Ok(super::message::sent(seq, accepted_at_ms)),
                Lookup::Failed(error) => return self.fail_line(conversation_id, caller, error),
                Lookup::Running | Lookup::NotNeeded | Lookup::NotThere => {
                    self.accept_once(caller, conversation_id, message_id, ciphertext)
                }
            };
            self.answer(caller.session, caller.request_id, result);
        }
    }

    fn next_decided(&mut self, conversation_id: ConversationId, device_id: DeviceId) -> Option<Waiting> {
        let conversation = self.conversations.get_mut(&conversation_id)?;
        let line = conversation.lines.get_mut(&device_id)?;
        let decided = line.pop_front_if(|front| !matches!(front.lookup, Lookup::Running));
        if line.is_empty() {
            conversation.lines.remove(&device_id);
        }
        decided
    }

    /// One that cannot be decided must not be overtaken: the rest of the line is refused with it, and sent again by the client.
    fn fail_line(&mut self, conversation_id: ConversationId, first: Caller, error: WireError) {
        let line = self
            .conversations
            .get_mut(&conversation_id)
            .and_then(|conversation| conversation.lines.remove(&first.device_id))
            .unwrap_or_default();
        for caller in std::iter::once(first).chain(line.into_iter().map(|waiting| waiting.caller)) {
            self.answer(caller.session, caller.request_id, Err::<Reply, _>(error.clone()));
        }
    }

    /// The session is over: nobody waits for these answers, and the device sends again.
    pub(crate) fn leave_lines(&mut self, device_id: DeviceId) {
        for conversation_id in self.conversations_with(device_id) {
            if let Some(conversation) = self.conversations.get_mut(&conversation_id) {
                conversation.lines.remove(&device_id);
            }
        }
    }
}
