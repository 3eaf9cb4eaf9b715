//! Channels: their operators open them, whom the node asks brings the roster up to the statements, and only operators are heard.
use super::commit::Lease;
use super::request::Request;
use super::{Core, Failure, Reply, Token};
use wardline_e2ee::{Change, roster};
use wardline_protocol::limit::ADDS_PER_COMMIT;
use wardline_protocol::wire::{self, ConversationKind, Roster, client_frame, response};
use wardline_protocol::{AccountId, Code, ConversationId, WireError};

impl Core {
    /// What a conversation is called: a channel as the directory says, a group as a member told.
    pub fn title(&self, id: &ConversationId) -> Option<String> {
        let record = &self.conversations.get(id)?.record;
        match record.kind {
            ConversationKind::Channel => Some(self.directory.channel(id)?.name.clone()),
            _ => record.title.clone(),
        }
    }

    /// Whether this device's person may write there: in a channel only its operators may.
    pub fn may_speak(&self, id: &ConversationId) -> bool {
        let is_channel = self.conversations.get(id).is_some_and(|known| known.record.kind == ConversationKind::Channel);
        let own = self.identity.account;
        let operator =
            || self.directory.channel(id).and_then(|channel| self.directory.part_in(channel, &own)) == Some(true);
        !is_channel || operator()
    }

    /// Whether what this account says there is heard.
    pub(super) fn is_heard(&self, id: ConversationId, account: AccountId) -> bool {
        let roster = self.engine.roster(id);
        roster.is_none_or(|now| now.kind() != ConversationKind::Channel || roster::is_manager(&now, account))
    }

    /// Opens the channels that this device's person is to speak in and the node does not have. Somebody may be quicker.
    pub(super) fn open_channels(&mut self) {
        if !self.is_ready() || !self.heads_are_done() {
            return;
        }
        let own = self.identity.account;
        let lacks = |id: &ConversationId| !self.conversations.contains_key(id);
        let mine = self.directory.channels().filter(|channel| self.directory.part_in(channel, &own) == Some(true));
        let missing: Vec<ConversationId> = mine.map(|channel| channel.channel_id).filter(lacks).collect();
        for id in missing {
            if self.tried_channels.insert(id) {
                let now = roster::channel([(own, true)]);
                if let Err(failure) = self.create(id, ConversationKind::Channel, None, &now, Vec::new(), None) {
                    tracing::warn!(conversation = %id, %failure, "a channel cannot be opened");
                }
            }
        }
    }

    /// What a lease asks for, as a commit; `None` while something for it is on its way, or when there is nothing to do.
    pub(super) fn leased_change(&mut self, id: ConversationId) -> Option<Change> {
        let now = self.engine.roster(id)?;
        let level = self.directory.version();
        let lease = self.conversations.get_mut(&id)?.lease.as_mut()?;
        if lease.directory_version > level {
            self.fetch_statements();
            return None;
        }
        if !lease.due.is_empty() && lease.packages.is_none() {
            if !std::mem::replace(&mut lease.fetching, true) {
                let account_ids = lease.due.iter().map(AccountId::to_bytes).collect();
                let fetch = wire::FetchKeyPackages { account_ids, device_ids: Vec::new() };
                self.send(client_frame::Body::FetchKeyPackages(fetch), Request::LeasedKeyPackages(id));
            }
            return None;
        }
        let wanted = self.leased_roster(id, &now);
        let lease = self.conversations.get(&id)?.lease.as_ref()?;
        let members = self.engine.members(id);
        let absent = |package: &&wire::KeyPackageOf| {
            !members.iter().any(|member| member.device_id.as_bytes().as_slice() == package.device_id)
        };
        let packages = lease.packages.as_deref().unwrap_or_default().iter().filter(absent).take(ADDS_PER_COMMIT);
        let change = Change {
            proposals: lease.proposals.clone(),
            add_key_packages: packages.map(|package| package.key_package.to_vec()).collect(),
            roster: (wanted != now).then_some(wanted),
            ..Change::default()
        };
        let idle = change.proposals.is_empty() && change.add_key_packages.is_empty() && change.roster.is_none();
        if idle && let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.lease = None;
        }
        (!idle).then_some(change)
    }

    fn leased_roster(&self, id: ConversationId, now: &Roster) -> Roster {
        let lease = self.conversations.get(&id).and_then(|conversation| conversation.lease.as_ref());
        let Some(lease) = lease.filter(|_| now.kind() != ConversationKind::Direct) else { return now.clone() };
        let left = lease.departed.iter().fold(now.clone(), |roster, account| roster::without(&roster, *account));
        let channel = self.directory.channel(&id);
        // What the node asks for is not enough: the statements have to say it.
        let part = |account: &AccountId| Some((*account, self.directory.part_in(channel?, account)?));
        roster::with_all(&left, lease.due.iter().filter_map(part))
    }

    pub(super) fn confirm(&mut self, id: ConversationId, seq: u64, token: Token) {
        if !self.is_connected() {
            return self.done(token, Err(Failure::Offline));
        }
        let confirm = wire::Confirm { conversation_id: id.to_bytes(), seq };
        self.send(client_frame::Body::Confirm(confirm), Request::Plain(token));
    }

    pub(super) fn fetch_confirmations(&mut self, id: ConversationId, seq: u64, token: Token) {
        if !self.is_connected() {
            return self.done(token, Err(Failure::Offline));
        }
        let fetch = wire::FetchConfirmations { conversation_id: id.to_bytes(), seq };
        self.send(client_frame::Body::FetchConfirmations(fetch), Request::Confirmations(token));
    }

    pub(super) fn confirmations_fetched(&mut self, token: Token, result: Result<response::Result, WireError>) {
        let confirmation =
            |one: wire::Confirmation| Some((AccountId::parse(&one.account_id).ok()?, one.confirmed_at_ms));
        let result = match result {
            Ok(response::Result::Confirmations(found)) => {
                Ok(found.confirmations.into_iter().filter_map(confirmation).collect())
            }
            Ok(_) => Ok(Vec::new()),
            Err(error) => Err(Failure::Refused(error)),
        };
        self.done(token, result.map(Reply::Confirmations));
    }

    pub(super) fn leased_key_packages_fetched(
        &mut self,
        id: ConversationId,
        result: Result<response::Result, WireError>,
    ) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let Some(lease) = conversation.lease.as_mut().filter(|lease| lease.fetching) else { return };
        lease.fetching = false;
        match result {
            Ok(response::Result::KeyPackages(packages)) => lease.packages = Some(packages.key_packages),
            // The accounts go on the roster; their devices join from outside when they come.
            Err(error) if error.code == Code::NoKeyPackage => lease.packages = Some(Vec::new()),
            // Nobody is put there without his devices because the node is busy: it asks another member when the lease ends.
            Ok(_) | Err(_) => conversation.lease = None,
        }
        self.dirty.insert(id);
    }
}

impl Lease {
    /// The node's wish, as it came at `now_ms`.
    pub(super) fn new(lease: wire::CommitLease, now_ms: u64) -> Self {
        let accounts = |ids: &[bytes::Bytes]| ids.iter().filter_map(|id| AccountId::parse(id).ok()).collect();
        Self {
            epoch: lease.epoch,
            until_ms: now_ms + u64::from(lease.lease_ms),
            proposals: lease.proposals.iter().map(|proposal| proposal.to_vec()).collect(),
            departed: accounts(&lease.departed_account_ids),
            due: accounts(&lease.due_account_ids),
            directory_version: lease.directory_version,
            packages: None,
            fetching: false,
        }
    }
}
