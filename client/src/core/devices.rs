//! The account's devices, linking a further one, presence, and being woken.
use super::request::Request;
use super::{Core, Event, Failure, Membership, Misbehaviour, Notice, PushSubscription, Reply, Token};
use wardline_directory::certificate;
use wardline_directory::key::PublicKey;
use wardline_directory::link::{self, SECRET_BYTES};
use wardline_protocol::limit::WATCHED_ACCOUNTS_MAX;
use wardline_protocol::wire::client_frame::Body;
use wardline_protocol::wire::{self, LinkCode, devices_changed, response};
use wardline_protocol::{AccountId, Code, ConversationId, DeviceId, WireError};

impl Core {
    pub(super) fn fetch_devices(&mut self, accounts: Vec<AccountId>, token: Token) {
        if self.session.is_none() {
            return self.done(token, Err(Failure::Offline));
        }
        let accounts = if accounts.is_empty() { vec![self.identity.account] } else { accounts };
        let account_ids = accounts.iter().map(AccountId::to_bytes).collect();
        self.send(Body::FetchDevices(wire::FetchDevices { account_ids }), Request::Devices(token));
    }

    /// Only devices that the directory proves are given on; another one among them is the node's doing.
    pub(super) fn devices_fetched(&mut self, token: Token, result: Result<response::Result, WireError>) {
        let devices = match result {
            Ok(response::Result::Devices(devices)) => devices.devices,
            Ok(_) => return self.done(token, Ok(Reply::Devices(Vec::new()))),
            Err(error) => return self.done(token, Err(Failure::Refused(error))),
        };
        let count = devices.len();
        let proved: Vec<wire::Device> = devices
            .into_iter()
            .filter(|device| device.chain.as_ref().is_some_and(|chain| self.directory.verify_chain(chain).is_ok()))
            .collect();
        if proved.len() < count {
            self.event(Event::NodeRefused(Misbehaviour::ForgedDevice));
        }
        self.done(token, Ok(Reply::Devices(proved)));
    }

    pub(super) fn revoke_device(&mut self, device: DeviceId, token: Token) {
        if self.session.is_none() {
            return self.done(token, Err(Failure::Offline));
        }
        self.send(Body::RevokeDevice(wire::RevokeDevice { device_id: device.to_bytes() }), Request::Plain(token));
    }

    pub(super) fn devices_changed(&mut self, changed: &wire::DevicesChanged) {
        let Ok(device) = DeviceId::parse(&changed.device_id) else { return };
        if changed.change() == devices_changed::Change::SecondUseRefused {
            self.event(Event::SecurityNotice(Notice::SecondUseOfCode));
        }
        self.event(Event::DevicesChanged { device, change: changed.change() });
    }

    pub(super) fn approve_link(&mut self, code: &LinkCode, token: Token) {
        if self.session.is_none() {
            return self.done(token, Err(Failure::Offline));
        }
        match self.grant(code) {
            Some(grant) => self.send(Body::GrantLink(grant), Request::Plain(token)),
            None => {
                let error = WireError::new(Code::Malformed, "the link code is damaged: scan it again");
                self.done(token, Err(Failure::Refused(error)));
            }
        }
    }

    /// Certifies the new device and hands over what no node can be asked for: root, directory position, conversation floors.
    fn grant(&self, code: &LinkCode) -> Option<wire::GrantLink> {
        let secret = <[u8; SECRET_BYTES]>::try_from(code.secret.as_ref()).ok()?;
        let device = DeviceId::parse(&code.device_id).ok()?;
        let public_key = PublicKey::parse(&code.device_public_key).ok()?;
        let own = &self.identity;
        let signed = certificate::issue_by_device(&own.key, own.device, own.account, device, public_key, self.now_ms);
        let certificates = std::iter::once(signed).chain(own.chain.certificates.iter().cloned()).collect();
        let floors = self
            .conversations
            .iter()
            .filter(|(_, conversation)| conversation.record.state == Membership::Joined)
            .filter_map(|(id, _)| {
                let (epoch, authenticator) = self.epoch(id)?;
                Some(wire::ConversationFloor {
                    conversation_id: id.to_bytes(),
                    epoch,
                    epoch_authenticator: authenticator.into(),
                })
            })
            .collect();
        let node = self.directory.nodes().find(|node| !node.deleted);
        let grant = wire::LinkGrant {
            root_public_key: own.root.to_bytes(),
            chain: Some(wire::DeviceChain { certificates }),
            directory_version: self.directory.version(),
            directory_hash: bytes::Bytes::copy_from_slice(&self.directory.head_hash()),
            floors,
            certificate_sha256: node
                .map(|node| bytes::Bytes::copy_from_slice(&node.certificate_sha256))
                .unwrap_or_default(),
        };
        let sealed = link::seal(&secret, &device, &public_key, &grant).ok()?;
        Some(wire::GrantLink { rendezvous: link::rendezvous(&secret).to_bytes(), sealed: sealed.into() })
    }

    pub(super) fn watch_presence(&mut self, mut accounts: Vec<AccountId>, token: Token) {
        accounts.truncate(WATCHED_ACCOUNTS_MAX);
        self.watched = accounts;
        if self.session.is_none() {
            // Asked for at the next sign-in.
            return self.done(token, Ok(Reply::Done));
        }
        let account_ids = self.watched.iter().map(AccountId::to_bytes).collect();
        self.send(Body::WatchPresence(wire::WatchPresence { account_ids }), Request::Plain(token));
    }

    pub(super) fn show_typing(&mut self, conversation: ConversationId, typing: bool, token: Token) {
        if self.is_connected() {
            let show = wire::ShowTyping { conversation_id: conversation.to_bytes(), typing };
            self.send(Body::ShowTyping(show), Request::Unanswered);
        }
        self.done(token, Ok(Reply::Done));
    }

    pub(super) fn typing(&mut self, typing: &wire::Typing) {
        let ids = (ConversationId::parse(&typing.conversation_id), AccountId::parse(&typing.account_id));
        // Only who may be in the conversation at all: what the node says is not signed.
        if let (Ok(conversation), Ok(account)) = ids
            && self.roster(&conversation).contains(&account)
        {
            self.event(Event::Typing { conversation, account, typing: typing.typing });
        }
    }

    pub(super) fn register_push(&mut self, subscription: PushSubscription, token: Token) {
        let PushSubscription { endpoint, p256dh, auth } = subscription;
        let register = wire::RegisterPush { endpoint, p256dh: p256dh.into(), auth: auth.into() };
        self.ask_about_push(Body::RegisterPush(register), token);
    }

    pub(super) fn unregister_push(&mut self, token: Token) {
        self.ask_about_push(Body::UnregisterPush(wire::UnregisterPush {}), token);
    }

    fn ask_about_push(&mut self, body: Body, token: Token) {
        if self.session.is_none() {
            return self.done(token, Err(Failure::Offline));
        }
        self.send(body, Request::Plain(token));
    }

    pub(super) fn presence(&mut self, presence: &wire::Presence) {
        if let Ok(account) = AccountId::parse(&presence.account_id) {
            let (online, last_seen_ms) = (presence.online, presence.last_seen_ms);
            self.event(Event::Presence { account, online, last_seen_ms });
        }
    }
}
