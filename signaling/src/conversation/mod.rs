//! Conversations: an MLS group the node follows from outside, an ordered log, cursors, and who must go.

mod channel;
mod commit;
mod former;
mod lease;
mod line;
mod message;
mod receipt;
mod typing;

use crate::input::{Class, Output, SessionId};
use crate::limit::RECENT_MESSAGES;
use crate::plane::{After, OpenError, Plane, Reply};
use crate::rate::Bucket;
use crate::session::{Caller, done, done_when_durable};
use crate::store::{Query, Snapshot, Write};
use former::Former;
use lease::Lease;
use line::Line;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use wardline_e2ee::Member;
use wardline_e2ee::public::PublicView;
use wardline_protocol::wire::{self, ConversationKind, response, server_frame};
use wardline_protocol::{AccountId, Code, ConversationId, DeviceId, MessageId, WireError, limit as wire_limit};

pub(crate) struct Conversation {
    id: ConversationId,
    view: PublicView,
    pub(crate) members: BTreeMap<DeviceId, Member>,
    /// The same members by account: a receipt must not cost a look at everybody.
    devices: BTreeMap<AccountId, Vec<DeviceId>>,
    /// The newest seq given out; durable up to `durable_seq`.
    head_seq: u64,
    durable_seq: u64,
    first_seq: BTreeMap<DeviceId, u64>,
    delivered: BTreeMap<DeviceId, u64>,
    read: BTreeMap<AccountId, u64>,
    departed: BTreeSet<AccountId>,
    former: Former,
    recent: RecentMessages,
    lease: Option<Lease>,
    last_lease_holder: Option<DeviceId>,
    /// Who was refused a commit for removals that somebody else was to make.
    wants_to_commit: Option<DeviceId>,
    external_joins: BTreeMap<DeviceId, Bucket>,
    lines: BTreeMap<DeviceId, Line>,
    /// Of a channel: the version of the directory and the epoch in which its roster was found to be what the statements say.
    level_at: Option<(u64, u64)>,
}

/// The newest message ids, to recognise a message sent twice. Bounded: the oldest is dropped.
#[derive(Default)]
struct RecentMessages {
    places: HashMap<MessageId, (u64, u64)>,
    order: VecDeque<MessageId>,
}

impl RecentMessages {
    /// The answer to a message that was accepted before; perhaps it is not durable yet, so the answer waits like the first one.
    fn accepted(&self, id: &MessageId) -> Option<Reply> {
        self.places.get(id).map(|(seq, accepted_at_ms)| message::sent(*seq, *accepted_at_ms))
    }

    fn remember(&mut self, id: MessageId, seq: u64, accepted_at_ms: u64) {
        if self.places.insert(id, (seq, accepted_at_ms)).is_none() {
            self.order.push_back(id);
            if self.order.len() > RECENT_MESSAGES
                && let Some(oldest) = self.order.pop_front()
            {
                self.places.remove(&oldest);
            }
        }
    }
}

impl Conversation {
    fn new(id: ConversationId, view: PublicView) -> Self {
        let mut conversation = Conversation {
            id,
            members: BTreeMap::new(),
            devices: BTreeMap::new(),
            view,
            head_seq: 0,
            durable_seq: 0,
            first_seq: BTreeMap::new(),
            delivered: BTreeMap::new(),
            read: BTreeMap::new(),
            departed: BTreeSet::new(),
            former: Former::default(),
            recent: RecentMessages::default(),
            lease: None,
            last_lease_holder: None,
            wants_to_commit: None,
            external_joins: BTreeMap::new(),
            lines: BTreeMap::new(),
            level_at: None,
        };
        conversation.refresh_members();
        conversation
    }

    fn refresh_members(&mut self) {
        self.members = self.view.members().into_iter().map(|member| (member.device_id, member)).collect();
        self.devices.clear();
        for member in self.members.values() {
            self.devices.entry(member.account_id).or_default().push(member.device_id);
        }
    }

    pub(crate) fn kind(&self) -> ConversationKind {
        self.view.roster().kind()
    }

    fn on_roster(&self, account_id: AccountId) -> bool {
        entry_of(self.view.roster(), account_id).is_some()
    }

    fn is_manager(&self, account_id: AccountId) -> bool {
        entry_of(self.view.roster(), account_id).is_some_and(|entry| entry.manager)
    }

    /// The two accounts of a direct conversation, in order.
    fn pair(&self) -> Option<(AccountId, AccountId)> {
        match (self.kind(), roster_accounts(self.view.roster()).as_slice()) {
            (ConversationKind::Direct, [one, other]) => Some((*one, *other)),
            _ => None,
        }
    }
}

/// The accounts of a roster; ids that do not parse are left out (the view has refused such rosters already).
fn roster_accounts(roster: &wire::Roster) -> Vec<AccountId> {
    roster.entries.iter().filter_map(|entry| AccountId::parse(&entry.account_id).ok()).collect()
}

/// An account's entry. A view takes sorted rosters only.
fn entry_of(roster: &wire::Roster, account_id: AccountId) -> Option<&wire::RosterEntry> {
    let id = account_id.as_bytes().as_slice();
    let at = roster.entries.binary_search_by(|entry| entry.account_id.as_ref().cmp(id)).ok()?;
    roster.entries.get(at)
}

impl Plane {
    pub(crate) fn open_conversations(&mut self, snapshot: Snapshot) -> Result<(), OpenError> {
        for row in snapshot.conversations {
            let conversation_id = row.conversation_id;
            let view = PublicView::open(conversation_id, &row.group_info, &row.ratchet_tree)
                .map_err(|refused| OpenError::Conversation { conversation_id, reason: refused.to_string() })?;
            let mut conversation = Conversation::new(conversation_id, view);
            conversation.head_seq = row.head_seq;
            conversation.durable_seq = row.head_seq;
            for member in row.members {
                conversation.first_seq.insert(member.device_id, member.first_seq);
                conversation.delivered.insert(member.device_id, member.delivered_seq);
            }
            conversation.departed = row.departed.into_iter().collect();
            conversation.former = Former::open(&row.former);
            conversation.read = row.read.into_iter().collect();
            for (id, seq, at_ms) in row.recent {
                conversation.recent.remember(id, seq, at_ms);
            }
            self.adopt(conversation_id, conversation);
        }
        Ok(())
    }

    fn adopt(&mut self, conversation_id: ConversationId, conversation: Conversation) {
        for account_id in roster_accounts(conversation.view.roster()) {
            self.accounts.entry(account_id).or_default().conversations.insert(conversation_id);
        }
        for member in conversation.members.values() {
            self.accounts.entry(member.account_id).or_default().conversations.insert(conversation_id);
        }
        self.open_former(conversation_id, &conversation);
        if let Some(pair) = conversation.pair() {
            self.direct.insert(pair, conversation_id);
        }
        self.conversations.insert(conversation_id, conversation);
    }

    /// A conversation this account may know of.
    pub(crate) fn conversation_of(
        &self,
        account_id: AccountId,
        conversation_id: ConversationId,
    ) -> Result<&Conversation, WireError> {
        self.conversations
            .get(&conversation_id)
            .filter(|conversation| {
                !conversation.departed.contains(&account_id)
                    && (conversation.on_roster(account_id)
                        || conversation.members.values().any(|member| member.account_id == account_id))
            })
            .ok_or_else(|| WireError::new(Code::UnknownConversation, "no such conversation for this account"))
    }

    /// The other account of a direct conversation.
    pub(crate) fn peer_in_direct(
        &self,
        account_id: AccountId,
        conversation_id: ConversationId,
    ) -> Result<AccountId, WireError> {
        let conversation = self.conversation_of(account_id, conversation_id)?;
        match conversation.pair() {
            Some((one, other)) if one == account_id => Ok(other),
            Some((one, _)) => Ok(one),
            None => Err(WireError::new(Code::Forbidden, "calls are placed in direct conversations")),
        }
    }

    pub(crate) fn create_conversation(
        &mut self,
        caller: Caller,
        request: wire::CreateConversation,
    ) -> Result<Reply, WireError> {
        let conversation_id = ConversationId::parse(&request.conversation_id)?;
        within(request.group_info.len(), wire_limit::HANDSHAKE_BYTES_MAX)?;
        within(request.ratchet_tree.len(), wire_limit::TREE_BYTES_MAX)?;
        if let Some(existing) = self.conversations.get(&conversation_id) {
            // The answer to the first attempt may have been lost.
            if existing.members.contains_key(&caller.device_id) {
                return Ok(done_when_durable());
            }
            // Of a channel's operators one is the quickest.
            if existing.kind() == ConversationKind::Channel {
                let error = WireError::new(Code::AlreadyExists, "the channel is there already");
                return Err(WireError { existing_id: conversation_id.as_bytes().to_vec(), ..error });
            }
            return Err(WireError::new(Code::Forbidden, "this conversation id is taken"));
        }
        let view = PublicView::open(conversation_id, &request.group_info, &request.ratchet_tree)
            .map_err(|why| commit::refused(why, 0))?;
        let conversation = Conversation::new(conversation_id, view);
        self.check_id(conversation_id, conversation.kind())?;
        self.check_new(caller, &conversation)?;
        if let Some(pair) = conversation.pair()
            && let Some(existing) = self.direct.get(&pair)
        {
            let error = WireError::new(Code::AlreadyExists, "there is a direct conversation of these two already");
            return Err(WireError { existing_id: existing.as_bytes().to_vec(), ..error });
        }
        self.within_creation_quota(caller.account_id)?;

        self.write(Write::CreateConversation {
            conversation_id,
            group_info: request.group_info,
            ratchet_tree: request.ratchet_tree,
        });
        self.write(Write::MemberJoined { conversation_id, device_id: caller.device_id, first_seq: 1 });
        let mut conversation = conversation;
        conversation.first_seq.insert(caller.device_id, 1);
        self.adopt(conversation_id, conversation);
        self.grant_lease(conversation_id);
        Ok(done_when_durable())
    }

    fn check_new(&self, caller: Caller, conversation: &Conversation) -> Result<(), WireError> {
        let forbidden = |message: &str| Err(WireError::new(Code::Forbidden, message));
        let view = &conversation.view;
        if view.epoch() != 0 || conversation.members.len() != 1 {
            return forbidden("a new conversation has its creator alone, at epoch 0");
        }
        match conversation.members.get(&caller.device_id) {
            Some(member) => self.check_leaf(member)?,
            None => return forbidden("a new conversation has its creator alone"),
        }
        if !view.external_senders().iter().eq([self.node.proposer.public()].iter()) {
            return forbidden("the node must be the one external sender: fetch the directory and try again");
        }
        let roster = view.roster();
        let managers = roster.entries.iter().filter(|entry| entry.manager).count();
        let accounts = roster_accounts(roster);
        if !accounts.contains(&caller.account_id) || accounts.len() > wire_limit::ROSTER_MAX {
            return forbidden("the creator must be on the roster, and the roster within its limit");
        }
        match roster.kind() {
            ConversationKind::Direct if accounts.len() == 2 && managers == 0 => {}
            ConversationKind::Group if managers >= 1 && conversation.is_manager(caller.account_id) => {}
            ConversationKind::Channel if self.opens_channel(caller, conversation) => {}
            ConversationKind::Channel => return forbidden("a channel is opened by one of its operators"),
            _ => return forbidden("a direct conversation has two accounts, a group a manager"),
        }
        accounts.into_iter().try_for_each(|account_id| match self.directory.account(&account_id) {
            Some(record) if !record.deleted => Ok(()),
            _ => Err(WireError::new(Code::UnknownAccount, "an account on the roster does not exist")),
        })
    }

    /// The leaf is the device it says it is, and that device may be used.
    fn check_leaf(&self, member: &Member) -> Result<(), WireError> {
        let known = self
            .devices
            .get(&member.device_id)
            .is_some_and(|device| device.account_id == member.account_id && device.public_key == member.public_key);
        if known && self.device_usable(member.device_id) {
            Ok(())
        } else {
            Err(WireError::new(Code::Forbidden, "a device in this commit is not one that may be used"))
        }
    }

    fn within_creation_quota(&mut self, account_id: AccountId) -> Result<(), WireError> {
        let (per_hour, now_ms) = (self.limits.creations_per_hour, self.now_ms);
        let account = self.accounts.entry(account_id).or_default();
        let bucket = account.creations.get_or_insert_with(|| Bucket::full(per_hour, now_ms));
        bucket.take(1, per_hour, now_ms).map_err(|wait_ms| {
            WireError::retry(Code::RateLimited, "too many conversations created: try again later", wait_ms)
        })
    }

    // ---- what a device is told when it signs in ----

    pub(crate) fn send_heads(&mut self, session: SessionId) {
        let Some(crate::session::Role::Device { device_id, account_id }) =
            self.sessions.get(&session).map(|state| state.role)
        else {
            return;
        };
        let ids = self.accounts.get(&account_id).map(|account| account.conversations.clone()).unwrap_or_default();
        let listed = ids
            .into_iter()
            .filter_map(|conversation_id| {
                let conversation = self.conversation_of(account_id, conversation_id).ok()?;
                Some(head(conversation_id, conversation, account_id, device_id))
            })
            .chain(self.former_heads(device_id));
        let heads: Vec<wire::ConversationHead> = listed.collect();
        let mut pages = heads.chunks(wire_limit::HEADS_PER_FRAME).peekable();
        if pages.peek().is_none() {
            let frame = wire::Heads { conversations: Vec::new(), complete: true };
            self.send(session, server_frame::Body::Heads(frame), Class::Required);
        }
        while let Some(page) = pages.next() {
            let frame = wire::Heads { conversations: page.to_vec(), complete: pages.peek().is_none() };
            self.send(session, server_frame::Body::Heads(frame), Class::Required);
        }
    }

    /// Whoever made a conversation while this device had no key package could not add it. Nobody else will: it joins by itself.
    pub(crate) fn send_heads_of_unjoined(&mut self, caller: Caller) {
        let ids = self.accounts.get(&caller.account_id).map(|account| account.conversations.clone());
        let heads: Vec<wire::ConversationHead> = ids
            .unwrap_or_default()
            .into_iter()
            .filter_map(|id| {
                Some(head(id, self.conversation_of(caller.account_id, id).ok()?, caller.account_id, caller.device_id))
            })
            .filter(|head| !head.joined)
            .collect();
        for page in heads.chunks(wire_limit::HEADS_PER_FRAME) {
            let frame = wire::Heads { conversations: page.to_vec(), complete: false };
            self.send(caller.session, server_frame::Body::Heads(frame), Class::Required);
        }
    }

    /// A device whose first key packages came while a commit was made that took its account in is not in it, and would learn of it at its next sign-in
    /// only. It is told once the commit is durable, and joins by itself.
    fn after_left_out(&mut self, conversation_id: ConversationId) {
        let Some(conversation) = self.conversations.get(&conversation_id) else { return };
        let left_out = |device_id: &DeviceId| {
            let device = self.devices.get(device_id);
            !conversation.members.contains_key(device_id)
                && device.is_some_and(|device| device.session.is_some() && device.has_key_packages())
        };
        let devices: Vec<DeviceId> = roster_accounts(conversation.view.roster())
            .iter()
            .filter_map(|account_id| self.accounts.get(account_id))
            .flat_map(|account| account.devices.iter().copied())
            .filter(left_out)
            .collect();
        for device_id in devices {
            self.after(After::LeftOut { device_id, conversation_id });
        }
    }

    pub(crate) fn push_left_out(&mut self, device_id: DeviceId, conversation_id: ConversationId) {
        let Some(account_id) = self.devices.get(&device_id).map(|device| device.account_id) else { return };
        let Ok(conversation) = self.conversation_of(account_id, conversation_id) else { return };
        let head = head(conversation_id, conversation, account_id, device_id);
        if !head.joined {
            let frame = wire::Heads { conversations: vec![head], complete: false };
            self.push_to_device(device_id, server_frame::Body::Heads(frame), Class::Required);
        }
    }

    pub(crate) fn announce_welcomes(&mut self, device_id: DeviceId) {
        let waiting = self.devices.get(&device_id).map(|device| device.welcomes.clone()).unwrap_or_default();
        for conversation_id in waiting {
            let frame = wire::WelcomeWaiting { conversation_id: conversation_id.to_bytes() };
            self.push_to_device(device_id, server_frame::Body::WelcomeWaiting(frame), Class::Required);
        }
    }

    pub(crate) fn fetch_welcomes(&mut self, caller: Caller) -> Reply {
        self.read(caller, Query::Welcomes { device_id: caller.device_id })
    }

    pub(crate) fn drop_welcome(&mut self, caller: Caller, request: &wire::DropWelcome) -> Result<Reply, WireError> {
        let conversation_id = ConversationId::parse(&request.conversation_id)?;
        let dropped =
            self.devices.get_mut(&caller.device_id).is_some_and(|device| device.welcomes.remove(&conversation_id));
        if dropped {
            self.write(Write::DropWelcome { conversation_id, device_id: caller.device_id });
        }
        Ok(done())
    }

    pub(crate) fn fetch_group_info(
        &mut self,
        caller: Caller,
        request: &wire::FetchGroupInfo,
    ) -> Result<Reply, WireError> {
        let conversation_id = ConversationId::parse(&request.conversation_id)?;
        let conversation = self.conversation_of(caller.account_id, conversation_id)?;
        let info = wire::GroupInfo {
            group_info: conversation.view.group_info().to_vec().into(),
            ratchet_tree: conversation.view.ratchet_tree().map_err(|why| commit::refused(why, 0))?.into(),
            epoch: conversation.view.epoch(),
            head_seq: conversation.head_seq,
        };
        // It may describe a commit that is not durable yet: said only when it is.
        Ok(Reply::Durable(response::Result::GroupInfo(info)))
    }

    /// Pushes a durable entry to the members it is for, and to `also` (devices it removed).
    pub(crate) fn push_entry(&mut self, conversation_id: ConversationId, entry: wire::Entry, also: &[DeviceId]) {
        let Some(conversation) = self.conversations.get_mut(&conversation_id) else {
            return;
        };
        conversation.durable_seq = conversation.durable_seq.max(entry.seq);
        let seq = entry.seq;
        let receivers: Vec<DeviceId> = conversation
            .members
            .keys()
            .filter(|device_id| conversation.first_seq.get(device_id).is_some_and(|first| *first <= seq))
            .chain(also)
            .copied()
            .collect();
        let spoken = matches!(entry.content, Some(wire::entry::Content::Message(_)));
        if spoken {
            for device_id in &receivers {
                self.wake_for_message(*device_id, conversation_id, &entry);
            }
        }
        let session = |device_id| self.devices.get(device_id).and_then(|device| device.session);
        let sessions: Vec<SessionId> = receivers.iter().filter_map(session).collect();
        if !sessions.is_empty() {
            let frame = wire::ServerFrame { body: Some(server_frame::Body::Entry(entry)) };
            self.output(Output::FanOut { sessions, frame, class: Class::Entry });
        }
    }

    /// Gives the next seq to `content` and writes it; pushed once durable.
    fn append(
        &mut self,
        conversation_id: ConversationId,
        caller: Caller,
        epoch: u64,
        content: wire::entry::Content,
        also: Vec<DeviceId>,
    ) -> Option<u64> {
        let accepted_at_ms = self.now_ms;
        let conversation = self.conversations.get_mut(&conversation_id)?;
        conversation.head_seq += 1;
        let seq = conversation.head_seq;
        let entry = wire::Entry {
            conversation_id: conversation_id.to_bytes(),
            seq,
            epoch,
            sender_account_id: caller.account_id.to_bytes(),
            sender_device_id: caller.device_id.to_bytes(),
            accepted_at_ms,
            content: Some(content),
        };
        self.write(Write::Entry(entry.clone()));
        self.after(After::Entry { entry, conversation_id, also });
        Some(seq)
    }
}

fn head(
    conversation_id: ConversationId,
    conversation: &Conversation,
    account_id: AccountId,
    device_id: DeviceId,
) -> wire::ConversationHead {
    let joined = conversation.members.contains_key(&device_id);
    wire::ConversationHead {
        conversation_id: conversation_id.to_bytes(),
        kind: conversation.kind().into(),
        head_seq: conversation.durable_seq,
        epoch: conversation.view.epoch(),
        joined,
        first_seq: if joined { conversation.first_seq.get(&device_id).copied().unwrap_or(0) } else { 0 },
        receipts: conversation.receipts_at_sign_in(conversation_id, account_id),
        confirmed_transcript_hash: conversation.view.confirmed_transcript_hash().to_vec().into(),
        left_seq: conversation.former.newest_end(device_id),
        former: false,
    }
}

fn within(bytes: usize, limit: usize) -> Result<(), WireError> {
    if bytes > limit {
        return Err(WireError::new(Code::TooLarge, format!("{bytes} bytes are above the limit of {limit}")));
    }
    Ok(())
}
