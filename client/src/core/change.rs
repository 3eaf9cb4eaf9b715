//! Commands about conversations, and what they start.
use super::commit::PlanKind;
use super::conversation::{Conversation, Stage};
use super::request::Request;
use super::{Body, Command, Core, Failure, Membership, Reply, Token};
use std::collections::BTreeSet;
use wardline_e2ee::{Created, roster};
use wardline_protocol::wire::{self, ConversationKind, Roster, client_frame};
use wardline_protocol::{AccountId, Code, ConversationId, WireError};

/// How long a Welcome is waited for before joining from outside, when somebody has just made the conversation.
const WELCOME_PATIENCE_MS: u64 = 500;

impl Core {
    pub(super) fn command(&mut self, command: Command, token: Token) {
        match command {
            Command::OpenDirect { account } => self.open_direct(account, token),
            Command::CreateGroup { title, accounts } => self.create_group(title, accounts, token),
            Command::AddAccounts { conversation, accounts } => {
                self.change_group(conversation, PlanKind::Add { accounts, created: false }, token);
            }
            Command::RemoveAccounts { conversation, accounts } => {
                self.change_group(conversation, PlanKind::Remove { accounts }, token);
            }
            Command::Refresh { conversation } => self.change_group(conversation, PlanKind::Refresh, token),
            Command::Leave { conversation } => self.leave(conversation, token),
            Command::Send { conversation, text } => {
                let message = self.ids.message();
                self.send_once(conversation, message, Body::Text(text), token);
            }
            Command::SendOnce { conversation, message, text } => {
                self.send_once(conversation, message, Body::Text(text), token);
            }
            Command::SendFile { conversation, message, file } => {
                self.send_once(conversation, message, Body::File(file), token);
            }
            Command::SendLocation { location, .. } if !location.is_sound() => {
                self.done(token, Err(Failure::Nowhere));
            }
            Command::SendLocation { conversation, message, location } => {
                self.send_once(conversation, message, Body::Location(location), token);
            }
            Command::Withdraw { conversation, message } => self.withdraw(conversation, message, token),
            Command::OpenDownload { conversation, attachment, from_byte } => {
                self.open_download(conversation, attachment, from_byte, token);
            }
            Command::MarkRead { conversation, seq } => self.mark_read(conversation, seq, token),
            Command::FetchReceipts { conversation } => self.fetch_receipts(conversation, token),
            Command::Confirm { conversation, seq } => self.confirm(conversation, seq, token),
            Command::FetchConfirmations { conversation, seq } => self.fetch_confirmations(conversation, seq, token),
            Command::ShowTyping { conversation, typing } => self.show_typing(conversation, typing, token),
            Command::WatchPresence { accounts } => self.watch_presence(accounts, token),
            Command::RegisterPush { subscription } => self.register_push(*subscription, token),
            Command::UnregisterPush => self.unregister_push(token),
            Command::Devices { accounts } => self.fetch_devices(accounts, token),
            Command::RevokeDevice { device } => self.revoke_device(device, token),
            Command::ApproveLink { code } => self.approve_link(&code, token),
            Command::StartCall { conversation, offer_sdp, video } => {
                self.start_call(conversation, offer_sdp, video, token);
            }
            Command::ConnectMedia { call, offer_sdp } => self.connect_media(call, offer_sdp, token),
            Command::ReportRinging { call } => self.report_ringing(call, token),
            Command::AcceptCall { call } => self.accept_call(call, token),
            Command::DeclineCall { call } => self.decline_call(call, token),
            Command::HangUp { call } => self.hang_up(call, token),
            Command::StartBroadcast { conversation, title, offer_sdp } => {
                self.start_broadcast(conversation, title, offer_sdp, token);
            }
            Command::JoinBroadcast { broadcast, offer_sdp } => self.join_broadcast(broadcast, offer_sdp, token),
            Command::LeaveBroadcast { broadcast } => self.leave_broadcast(broadcast, token),
            Command::StopBroadcast { broadcast } => self.stop_broadcast(broadcast, token),
            Command::FetchBroadcastReport { broadcast } => self.fetch_broadcast_report(broadcast, token),
            Command::MediaKeys { call } => self.media_keys(call, token),
        }
    }

    pub(super) fn is_direct_with(&self, id: &ConversationId, account: &AccountId) -> bool {
        self.engine
            .roster(*id)
            .is_some_and(|now| now.kind() == ConversationKind::Direct && roster::contains(&now, *account))
    }

    fn open_direct(&mut self, account: AccountId, token: Token) {
        if account == self.identity.account || !self.is_known(&account) {
            return self.done(token, Err(Failure::UnknownAccount));
        }
        if let Some(id) = self.direct_with(&account)
            && let Some(conversation) = self.conversations.get_mut(&id)
        {
            match conversation.stage {
                Stage::Joined => {
                    // Somebody whose devices came after the conversation was made, or whose Add was lost, is added now.
                    if !self.engine.members(id).iter().any(|member| member.account_id == account) && self.is_ready() {
                        self.plan(id, PlanKind::Add { accounts: vec![account], created: true }, None);
                    }
                    return self.done(token, Ok(Reply::Conversation(id)));
                }
                Stage::Wanted | Stage::Fetching | Stage::Joining => {
                    conversation.waiting.push(token);
                    return;
                }
                Stage::Absent | Stage::Creating => {}
            }
        }
        let now = roster::direct(self.identity.account, account);
        let id = self.ids.conversation();
        if let Err(failure) = self.create(id, ConversationKind::Direct, None, &now, vec![account], Some(token)) {
            self.done(token, Err(failure));
        }
    }

    fn create_group(&mut self, title: String, accounts: Vec<AccountId>, token: Token) {
        let own = self.identity.account;
        let accounts: BTreeSet<AccountId> = accounts.into_iter().filter(|account| *account != own).collect();
        if accounts.iter().any(|account| !self.is_known(account)) {
            return self.done(token, Err(Failure::UnknownAccount));
        }
        let now = roster::group([(own, true)].into_iter().chain(accounts.iter().map(|account| (*account, false))));
        let (id, accounts) = (self.ids.conversation(), accounts.into_iter().collect());
        if let Err(failure) = self.create(id, ConversationKind::Group, Some(title), &now, accounts, Some(token)) {
            self.done(token, Err(failure));
        }
    }

    fn is_known(&self, account: &AccountId) -> bool {
        self.directory.account(account).is_some_and(|record| !record.deleted)
    }

    /// Makes a conversation of this device alone and plans to take in the others.
    pub(super) fn create(
        &mut self,
        id: ConversationId,
        kind: ConversationKind,
        title: Option<String>,
        now: &Roster,
        mut accounts: Vec<AccountId>,
        token: Option<Token>,
    ) -> Result<(), Failure> {
        if !self.is_ready() {
            return Err(Failure::Offline);
        }
        let created = self.engine.create(id, now.clone(), &self.directory);
        let created = created.map_err(|error| Failure::Engine(error.to_string()))?;
        let mut conversation = Conversation::new(kind, Stage::Creating);
        conversation.record.title = title;
        conversation.creating = true;
        self.conversations.insert(id, conversation);
        // The own account's other devices are added with the rest.
        accounts.push(self.identity.account);
        self.plan(id, PlanKind::Add { accounts, created: true }, token);
        self.submit_creation(id, created);
        Ok(())
    }

    fn submit_creation(&mut self, id: ConversationId, created: Created) {
        let create = wire::CreateConversation {
            conversation_id: id.to_bytes(),
            group_info: created.group_info.into(),
            ratchet_tree: created.ratchet_tree.into(),
        };
        self.touch(id);
        self.send(client_frame::Body::CreateConversation(create), Request::Create(id));
    }

    pub(super) fn create_answered(&mut self, id: ConversationId, error: Option<WireError>) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        match error {
            None => {
                conversation.creating = false;
                conversation.named = true;
                self.joined(id, 0);
            }
            Some(error) if error.code == Code::AlreadyExists => self.use_existing(id, &error),
            Some(error) => self.drop_creation(id, &Failure::Refused(error)),
        }
    }

    /// Somebody was quicker: what this device made is dropped, and the waiting command gets the other one.
    fn use_existing(&mut self, id: ConversationId, error: &WireError) {
        let Ok(existing) = ConversationId::parse(&error.existing_id) else {
            return self.drop_creation(id, &Failure::Refused(error.clone()));
        };
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let tokens: Vec<Token> = conversation.plans.drain(..).filter_map(|plan| plan.token).collect();
        self.forget_creation(id);
        let other = self
            .conversations
            .entry(existing)
            .or_insert_with(|| Conversation::new(ConversationKind::Direct, Stage::Absent));
        if other.stage == Stage::Joined {
            for token in tokens {
                self.done(token, Ok(Reply::Conversation(existing)));
            }
            return;
        }
        other.waiting.extend(tokens);
        other.retry_at_ms = self.now_ms + WELCOME_PATIENCE_MS;
        // A Welcome is on its way, or this device joins from outside when there is none.
        self.fetch_welcomes();
        self.want(existing);
    }

    fn drop_creation(&mut self, id: ConversationId, failure: &Failure) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let tokens: Vec<Token> = conversation.plans.drain(..).filter_map(|plan| plan.token).collect();
        self.forget_creation(id);
        for token in tokens {
            self.done(token, Err(failure.clone()));
        }
    }

    fn forget_creation(&mut self, id: ConversationId) {
        self.conversations.remove(&id);
        self.staged.conversations.remove(&id);
        self.staged.forgotten.push(id);
        self.forget_group(id);
    }

    /// A creation whose answer was lost with the connection: the node names the conversation if it has it; else it is given up.
    pub(super) fn creation_lost(&mut self, id: ConversationId) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if conversation.named {
            conversation.creating = false;
            self.joined(id, 0);
        } else {
            self.drop_creation(id, &Failure::Offline);
        }
    }

    fn change_group(&mut self, id: ConversationId, kind: PlanKind, token: Token) {
        let Some(conversation) = self.conversations.get(&id).filter(|c| c.stage == Stage::Joined) else {
            return self.done(token, Err(Failure::UnknownConversation));
        };
        if conversation.plans.len() >= super::WAITING_COMMANDS_MAX {
            return self.done(token, Err(Failure::Full));
        }
        if let PlanKind::Add { accounts, .. } = &kind
            && accounts.iter().any(|account| !self.is_known(account))
        {
            return self.done(token, Err(Failure::UnknownAccount));
        }
        self.plan(id, kind, Some(token));
    }

    fn leave(&mut self, id: ConversationId, token: Token) {
        if self.session.is_none() {
            return self.done(token, Err(Failure::Offline));
        }
        let leave = wire::LeaveConversation { conversation_id: id.to_bytes() };
        self.send(client_frame::Body::LeaveConversation(leave), Request::Leave(id, token));
    }

    pub(super) fn leave_answered(&mut self, id: ConversationId, token: Token, error: Option<WireError>) {
        match error {
            None => {
                self.resigned(id);
                self.done(token, Ok(Reply::Done));
            }
            Some(error) => self.done(token, Err(Failure::Refused(error))),
        }
    }

    fn mark_read(&mut self, id: ConversationId, seq: u64, token: Token) {
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return self.done(token, Err(Failure::UnknownConversation));
        };
        let seq = seq.min(conversation.record.cursor);
        if seq > conversation.record.read_seq && conversation.record.state == Membership::Joined {
            conversation.record.read_seq = seq;
            self.touch(id);
        }
        self.done(token, Ok(Reply::Done));
    }
}
