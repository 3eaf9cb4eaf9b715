//! Requests on their way: what the answer to each means, and where frames go.
use super::commit::PlanId;
use super::{Core, Event, Failure, Misbehaviour, Reply, Token};
use wardline_protocol::wire::{self, ServerFrame, response, server_frame};
use wardline_protocol::{AttachmentId, CallId, Code, ConversationId, MessageId, WireError};

/// What a request was for.
pub(super) enum Request {
    /// Statements after the own version.
    Statements,
    /// Key packages uploaded; whether the last-resort one was among them.
    UploadKeyPackages { last_resort: bool },
    /// Welcomes waiting.
    Welcomes,
    /// Log entries from the cursor on.
    Log(ConversationId),
    /// The node's group state, for joining from outside.
    GroupInfo(ConversationId),
    /// The own external commit.
    Join(ConversationId),
    /// The log, for an external commit whose answer was lost.
    JoinLog(ConversationId),
    /// A new conversation.
    Create(ConversationId),
    /// Key packages for a planned change.
    KeyPackages(ConversationId, PlanId),
    /// Key packages for what a lease asks for.
    LeasedKeyPackages(ConversationId),
    /// A planned change's commit, or a leased removal's.
    Commit(ConversationId),
    /// An own message.
    Message(ConversationId, MessageId),
    /// An own file, to be opened for uploading.
    Upload(ConversationId, MessageId),
    /// Somebody's file, to be opened for fetching.
    Download(Token),
    /// Leaving a conversation.
    Leave(ConversationId, Token),
    /// A call that starts.
    StartCall(CallId, Token),
    /// A media connection.
    Media(CallId, Token),
    /// A broadcast that starts.
    StartBroadcast { id: CallId, title: String, token: Token },
    /// A media connection to a broadcast.
    JoinBroadcast(CallId, Token),
    /// How a broadcast goes.
    BroadcastReport(Token),
    /// Receipts of a large conversation.
    Receipts(Token),
    /// Who has taken note of a message.
    Confirmations(Token),
    /// Devices.
    Devices(Token),
    /// Done, or an error.
    Plain(Token),
    /// Nothing depends on the answer.
    Unanswered,
}

impl Core {
    pub(super) fn frame(&mut self, frame: ServerFrame) {
        // A node that was refused is not listened to until there is a new connection.
        if self.session.as_ref().is_none_or(|session| session.refused) {
            return;
        }
        match frame.body {
            Some(server_frame::Body::Response(response)) => self.response(response),
            Some(server_frame::Body::Entry(entry)) => self.entry_pushed(entry),
            Some(server_frame::Body::Heads(heads)) => self.heads(heads),
            Some(server_frame::Body::WelcomeWaiting(_)) => self.fetch_welcomes(),
            Some(server_frame::Body::CommitLease(lease)) => self.lease(lease),
            Some(server_frame::Body::Receipt(receipt)) => self.receipt(&receipt),
            Some(server_frame::Body::Presence(presence)) => self.presence(&presence),
            Some(server_frame::Body::Typing(typing)) => self.typing(&typing),
            Some(server_frame::Body::DirectoryChanged(changed)) => self.directory_changed(changed.version),
            Some(server_frame::Body::KeyPackagesLow(low)) => self.upload_key_packages(low.left),
            Some(server_frame::Body::DevicesChanged(changed)) => self.devices_changed(&changed),
            Some(server_frame::Body::IncomingCall(call)) => self.incoming_call(&call),
            Some(server_frame::Body::CallState(state)) => self.call_state(&state),
            Some(server_frame::Body::BroadcastState(state)) => self.broadcast_state(&state),
            Some(server_frame::Body::AttachmentStored(stored)) => {
                if let Ok(attachment) = AttachmentId::parse(&stored.attachment_id) {
                    self.upload_stored(attachment);
                }
            }
            Some(server_frame::Body::Goodbye(goodbye)) => {
                let error = goodbye.error.unwrap_or_else(|| WireError::new(Code::Internal, "goodbye").into());
                self.event(Event::Goodbye(error.into()));
            }
            // A newer node may push what this version does not know.
            None => {}
        }
    }

    fn response(&mut self, response: wire::Response) {
        let Some(request) = self.requests.remove(&response.request_id) else { return };
        let result = match response.result {
            Some(response::Result::Error(error)) => Err(WireError::from(error)),
            Some(result) => Ok(result),
            None => Err(WireError::new(Code::Malformed, "the node's answer is empty")),
        };
        match request {
            Request::Statements => self.statements_fetched(result),
            Request::UploadKeyPackages { last_resort } => self.key_packages_uploaded(last_resort, result.err()),
            Request::Welcomes => self.welcomes_fetched(result),
            Request::Log(id) => self.log_fetched(id, result),
            Request::GroupInfo(id) => self.group_info_fetched(id, result),
            Request::Join(id) => self.join_answered(id, result),
            Request::JoinLog(id) => self.lost_join_looked_up(id, result),
            Request::Create(id) => self.create_answered(id, result.err()),
            Request::KeyPackages(id, plan) => self.key_packages_fetched(id, plan, result),
            Request::LeasedKeyPackages(id) => self.leased_key_packages_fetched(id, result),
            Request::Commit(id) => self.commit_answered(id, result),
            Request::Message(id, message) => self.send_answered(id, message, result),
            Request::Upload(id, message) => self.upload_answered(id, message, result),
            Request::Download(token) => self.download_opened(token, result),
            Request::Leave(id, token) => self.leave_answered(id, token, result.err()),
            Request::StartCall(call, token) => self.call_started(call, token, result),
            Request::Media(call, token) => self.media_answered(call, token, result),
            Request::StartBroadcast { id, title, token } => self.broadcast_started(id, title, token, result),
            Request::JoinBroadcast(id, token) => self.broadcast_joined(id, token, result),
            Request::BroadcastReport(token) => self.broadcast_reported(token, result),
            Request::Receipts(token) => self.receipts_fetched(token, result),
            Request::Confirmations(token) => self.confirmations_fetched(token, result),
            Request::Devices(token) => self.devices_fetched(token, result),
            Request::Plain(token) => match result {
                Ok(_) => self.done(token, Ok(Reply::Done)),
                Err(error) => self.done(token, Err(Failure::Refused(error))),
            },
            Request::Unanswered => {}
        }
    }

    /// The node did what no honest node does: nothing more is believed on this connection.
    pub(super) fn refuse_node(&mut self, why: Misbehaviour) {
        if let Some(session) = &mut self.session {
            session.refused = true;
        }
        self.event(Event::NodeRefused(why));
    }

    /// Answers a command whose request was lost with the connection.
    pub(super) fn request_lost(&mut self, request: &Request) {
        match request {
            Request::Leave(_, token)
            | Request::Media(_, token)
            | Request::JoinBroadcast(_, token)
            | Request::BroadcastReport(token)
            | Request::Receipts(token)
            | Request::Devices(token)
            | Request::Download(token)
            | Request::Plain(token) => {
                self.done(*token, Err(Failure::Offline));
            }
            Request::StartCall(call, token) => {
                self.calls.remove(call);
                self.done(*token, Err(Failure::Offline));
            }
            Request::StartBroadcast { id, token, .. } => {
                self.broadcasts.remove(id);
                self.done(*token, Err(Failure::Offline));
            }
            // Everything else is found again after the next sign-in.
            _ => {}
        }
    }
}
