//! One connection's life: hello, challenge, proof of the device key, requests, end. And the meeting of a new device with an existing one.
use crate::input::{Class, Output, SessionId};
use crate::limit;
use crate::plane::{Plane, Reply};
use crate::store::{Answer, Query, Write};
use std::collections::BTreeSet;
use wardline_directory::session as proof;
use wardline_protocol::wire::client_frame::Body;
use wardline_protocol::wire::{self, response, server_frame};
use wardline_protocol::{
    ADMIN_SIGNATURE_PREFIX, AccountId, Code, DeviceId, NO_RESPONSE, PROTOCOL_VERSION, Rendezvous,
    SESSION_SIGNATURE_PREFIX, WireError, limit as wire_limit,
};

pub(crate) struct Session {
    nonce: [u8; 32],
    exporter: [u8; 32],
    greeted: bool,
    pub(crate) role: Role,
    pub(crate) watched: BTreeSet<AccountId>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Anonymous,
    Device { device_id: DeviceId, account_id: AccountId },
    Admin,
}

/// A new device that waits for an existing one to certify it.
pub(crate) struct LinkWaiter {
    session: SessionId,
    request_id: u64,
    pub(crate) until_ms: u64,
}

/// What a signed-in device's handler needs to know about its caller.
#[derive(Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) session: SessionId,
    pub(crate) request_id: u64,
    pub(crate) device_id: DeviceId,
    pub(crate) account_id: AccountId,
}

impl Plane {
    pub(crate) fn session_opened(&mut self, session: SessionId, nonce: [u8; 32], exporter: [u8; 32]) {
        let state = Session { nonce, exporter, greeted: false, role: Role::Anonymous, watched: BTreeSet::new() };
        self.sessions.insert(session, state);
    }

    /// The connection ended by itself; one that the plane has closed is over already.
    pub(crate) fn session_lost(&mut self, session: SessionId) {
        let device_id = self.device_of(session);
        self.session_closed(session);
        if let Some(device_id) = device_id {
            self.wake_after_loss(device_id);
        }
    }

    pub(crate) fn session_closed(&mut self, session: SessionId) {
        let Some(state) = self.sessions.remove(&session) else {
            return;
        };
        self.links.retain(|_, waiter| waiter.session != session);
        for account_id in &state.watched {
            if let Some(watchers) = self.watchers.get_mut(account_id) {
                watchers.remove(&session);
            }
        }
        if let Role::Device { device_id, account_id } = state.role {
            let now_ms = self.now_ms;
            if let Some(device) = self.devices.get_mut(&device_id)
                && device.session == Some(session)
            {
                device.session = None;
                device.last_seen_ms = now_ms;
                self.write(Write::LastSeen { device_id, at_ms: now_ms });
                self.went_offline(account_id, device_id);
                self.call_session_lost(device_id);
                self.lease_holder_lost(device_id);
                self.leave_lines(device_id);
            }
        }
    }

    pub(crate) fn frame(&mut self, session: SessionId, frame: wire::ClientFrame) {
        let Some(state) = self.sessions.get(&session) else {
            return; // it was closed while the frame was on its way
        };
        let role = state.role;
        let request_id = frame.request_id;
        let unanswered = request_id == NO_RESPONSE;
        let result = match frame.body {
            Some(body) if unanswered && !matches!(body, Body::Acknowledge(_) | Body::ShowTyping(_)) => {
                Err(WireError::new(Code::Malformed, "this request has a response: its request_id must not be 0"))
            }
            None => Err(WireError::new(Code::Malformed, "this node does not know the request: update it")),
            Some(body) => self.request(session, role, request_id, body),
        };
        let fatal = result.as_ref().err().filter(|error| ends_session(error.code)).cloned();
        if !(unanswered && fatal.is_none()) {
            self.answer(session, request_id, result);
        }
        if let Some(error) = fatal {
            self.close(session, error);
        }
    }

    fn request(&mut self, session: SessionId, role: Role, request_id: u64, body: Body) -> Result<Reply, WireError> {
        match (role, body) {
            (Role::Anonymous, Body::Hello(hello)) => self.hello(session, &hello),
            (Role::Anonymous, body) if !self.greeted(session) => {
                drop(body);
                Err(WireError::new(Code::OutOfOrder, "say Hello first"))
            }
            (Role::Anonymous, Body::Authenticate(request)) => self.authenticate(session, request_id, &request),
            (Role::Anonymous, Body::AuthenticateAdmin(request)) => self.authenticate_admin(session, &request),
            (Role::Anonymous, Body::Enrol(request)) => self.enrol(session, request),
            (Role::Anonymous, Body::AwaitLink(request)) => self.await_link(session, request_id, &request),
            (Role::Anonymous, _) => Err(WireError::new(Code::Unauthenticated, "sign in first")),
            (_, Body::FetchStatements(request)) => Ok(self.fetch_statements(&request)),
            (Role::Device { device_id, account_id }, body) => {
                self.device_request(Caller { session, request_id, device_id, account_id }, body)
            }
            (Role::Admin, body) => self.admin_request(session, body),
        }
    }

    fn device_request(&mut self, caller: Caller, body: Body) -> Result<Reply, WireError> {
        match body {
            Body::SendMessage(request) => self.send_message(caller, request),
            Body::Acknowledge(request) => self.acknowledge(caller, &request),
            Body::FetchLog(request) => self.fetch_log(caller, &request),
            Body::SubmitCommit(request) => self.submit_commit(caller, request),
            Body::CreateConversation(request) => self.create_conversation(caller, request),
            Body::FetchGroupInfo(request) => self.fetch_group_info(caller, &request),
            Body::FetchWelcomes(_) => Ok(self.fetch_welcomes(caller)),
            Body::DropWelcome(request) => self.drop_welcome(caller, &request),
            Body::LeaveConversation(request) => self.leave_conversation(caller, &request),
            Body::FetchDevices(request) => self.fetch_devices(&request),
            Body::RevokeDevice(request) => self.revoke_own_device(caller, &request),
            Body::GrantLink(request) => self.grant_link(request),
            Body::UploadKeyPackages(request) => self.upload_key_packages(caller, request),
            Body::FetchKeyPackages(request) => self.fetch_key_packages(caller, &request),
            Body::WatchPresence(request) => self.watch_presence(caller, &request),
            Body::OpenUpload(request) => self.open_upload(caller, &request),
            Body::OpenDownload(request) => self.open_download(caller, &request),
            Body::DropUpload(request) => self.drop_upload(caller, &request),
            Body::FetchReceipts(request) => self.fetch_receipts(caller, &request),
            Body::Confirm(request) => self.confirm(caller, &request),
            Body::FetchConfirmations(request) => self.fetch_confirmations(caller, &request),
            Body::ShowTyping(request) => self.show_typing(caller, &request),
            Body::RegisterPush(request) => self.register_push(caller, request),
            Body::UnregisterPush(_) => Ok(self.unregister_push(caller)),
            Body::StartCall(request) => self.start_call(caller, request),
            Body::ConnectMedia(request) => self.connect_media(caller, request),
            Body::ReportRinging(request) => self.report_ringing(caller, &request.call_id),
            Body::AcceptCall(request) => self.accept_call(caller, &request.call_id),
            Body::DeclineCall(request) => self.decline_call(caller, &request.call_id),
            Body::HangUp(request) => self.hang_up(caller, &request.call_id),
            Body::StartBroadcast(request) => self.start_broadcast(caller, request),
            Body::JoinBroadcast(request) => self.join_broadcast(caller, request),
            Body::LeaveBroadcast(request) => self.leave_broadcast(caller, &request.broadcast_id),
            Body::StopBroadcast(request) => self.stop_broadcast(caller, &request.broadcast_id),
            Body::FetchBroadcastReport(request) => self.fetch_broadcast_report(caller, &request.broadcast_id),
            Body::PublishStatements(_) | Body::LockAccount(_) | Body::ListAccounts(_) => {
                Err(WireError::new(Code::Forbidden, "only the IT admin's program may do this"))
            }
            Body::Hello(_)
            | Body::Authenticate(_)
            | Body::AuthenticateAdmin(_)
            | Body::Enrol(_)
            | Body::AwaitLink(_)
            | Body::FetchStatements(_) => Err(WireError::new(Code::OutOfOrder, "this session is signed in already")),
        }
    }

    fn admin_request(&mut self, session: SessionId, body: Body) -> Result<Reply, WireError> {
        match body {
            Body::PublishStatements(request) => self.publish_statements(request),
            Body::LockAccount(request) => self.lock_account(&request),
            Body::ListAccounts(_) => Ok(self.list_accounts()),
            Body::RevokeDevice(request) => self.revoke_any_device(&request),
            Body::FetchDevices(request) => self.fetch_devices(&request),
            _ => {
                tracing::debug!(session = session.0, "a device's request in an admin session");
                Err(WireError::new(Code::Forbidden, "this needs a device's session"))
            }
        }
    }

    fn greeted(&self, session: SessionId) -> bool {
        self.sessions.get(&session).is_some_and(|state| state.greeted)
    }

    fn hello(&mut self, session: SessionId, hello: &wire::Hello) -> Result<Reply, WireError> {
        if hello.protocol_version != PROTOCOL_VERSION {
            let message = format!("this node speaks version {PROTOCOL_VERSION}: update the program or the node");
            return Err(WireError::new(Code::UnsupportedVersion, message));
        }
        if self.shutting_down {
            return Err(WireError::retry(Code::ShuttingDown, "the node is restarting: reconnect", 1_000));
        }
        let node = &self.node;
        let (node_id, node_incarnation) = (node.node_id.to_bytes(), node.incarnation.to_bytes());
        let state = self.sessions.get_mut(&session).ok_or_else(gone)?;
        if std::mem::replace(&mut state.greeted, true) {
            return Err(WireError::new(Code::OutOfOrder, "Hello was said already"));
        }
        let nonce = state.nonce.to_vec().into();
        Ok(Reply::Now(response::Result::Challenge(wire::Challenge { nonce, node_incarnation, node_id })))
    }

    fn authenticate(
        &mut self,
        session: SessionId,
        request_id: u64,
        request: &wire::Authenticate,
    ) -> Result<Reply, WireError> {
        let device_id = DeviceId::parse(&request.device_id)?;
        let device = self
            .devices
            .get(&device_id)
            .ok_or_else(|| WireError::new(Code::UnknownDevice, "the node does not know this device: enrol it again"))?;
        let state = self.sessions.get(&session).ok_or_else(gone)?;
        if !proof::verify(
            SESSION_SIGNATURE_PREFIX,
            &state.nonce,
            &state.exporter,
            &device.public_key,
            &request.signature,
        ) {
            return Err(WireError::new(Code::BadSignature, "the session signature does not verify"));
        }
        if device.revoked {
            return Err(WireError::new(Code::DeviceRevoked, "this device was revoked"));
        }
        let account_id = device.account_id;
        self.account_usable(account_id)?;

        if let Some(old) = device.session {
            self.close(old, WireError::new(Code::Replaced, "this device signed in again elsewhere"));
        }
        if let Some(state) = self.sessions.get_mut(&session) {
            state.role = Role::Device { device_id, account_id };
        }
        let key_packages = match self.devices.get_mut(&device_id) {
            Some(device) => {
                device.session = Some(session);
                device.waking.connected();
                device.key_packages.len()
            }
            None => 0,
        };
        self.output(Output::Authenticated { session });
        let authenticated = wire::Authenticated {
            account_id: account_id.to_bytes(),
            directory_version: self.directory.version(),
            key_packages: key_packages as u32, // bounded by KEY_PACKAGES_PER_DEVICE
        };
        self.answer(session, request_id, Ok(Reply::Now(response::Result::Authenticated(authenticated))));
        self.came_online(account_id, device_id);
        // Before the heads: when those are complete, the device knows everything that is live.
        self.tell_live_broadcasts(device_id, session);
        self.send_heads(session);
        self.announce_welcomes(device_id);
        self.call_session_back(device_id, account_id);
        self.offer_leases_to(device_id);
        Ok(Reply::Later)
    }

    fn authenticate_admin(
        &mut self,
        session: SessionId,
        request: &wire::AuthenticateAdmin,
    ) -> Result<Reply, WireError> {
        let state = self.sessions.get_mut(&session).ok_or_else(gone)?;
        // The root may always: it is how a recovered key is published where the node knows only the lost one.
        let keys = self.directory.operational_key().into_iter().chain([self.directory.root()]);
        let signed =
            |key| proof::verify(ADMIN_SIGNATURE_PREFIX, &state.nonce, &state.exporter, &key, &request.signature);
        if !keys.into_iter().any(signed) {
            return Err(WireError::new(Code::BadSignature, "the IT admin's signature does not verify"));
        }
        state.role = Role::Admin;
        self.output(Output::Authenticated { session });
        Ok(Reply::Now(response::Result::Authenticated(wire::Authenticated {
            directory_version: self.directory.version(),
            ..Default::default()
        })))
    }

    pub(crate) fn verify_session_proof(
        &self,
        session: SessionId,
        key: &wardline_directory::key::PublicKey,
        signature: &[u8],
    ) -> Result<(), WireError> {
        let state = self.sessions.get(&session).ok_or_else(gone)?;
        if proof::verify(SESSION_SIGNATURE_PREFIX, &state.nonce, &state.exporter, key, signature) {
            Ok(())
        } else {
            Err(WireError::new(Code::BadSignature, "the new device's signature does not verify"))
        }
    }

    // ---- linking ----

    fn await_link(
        &mut self,
        session: SessionId,
        request_id: u64,
        request: &wire::AwaitLink,
    ) -> Result<Reply, WireError> {
        let rendezvous = Rendezvous::parse(&request.rendezvous)?;
        if self.links.len() >= limit::LINK_WAITERS_MAX || self.links.contains_key(&rendezvous) {
            return Err(WireError::retry(Code::RateLimited, "too many devices wait to be linked", 10_000));
        }
        let until_ms = self.now_ms + limit::LINK_WAIT_MS;
        self.links.insert(rendezvous, LinkWaiter { session, request_id, until_ms });
        Ok(Reply::Later)
    }

    fn grant_link(&mut self, request: wire::GrantLink) -> Result<Reply, WireError> {
        if request.sealed.len() > wire_limit::LINK_GRANT_BYTES_MAX {
            return Err(WireError::new(Code::TooLarge, "the grant is too large"));
        }
        let rendezvous = Rendezvous::parse(&request.rendezvous)?;
        let waiter = self.links.remove(&rendezvous).ok_or_else(|| {
            WireError::new(Code::UnknownDevice, "no device waits under this code: show a new code on it and try again")
        })?;
        let grant = wire::SealedLinkGrant { sealed: request.sealed };
        self.answer(waiter.session, waiter.request_id, Ok(Reply::Now(response::Result::SealedLinkGrant(grant))));
        Ok(done())
    }

    pub(crate) fn expire_links(&mut self) {
        let now_ms = self.now_ms;
        let over: Vec<Rendezvous> =
            self.links.iter().filter(|(_, waiter)| waiter.until_ms <= now_ms).map(|(id, _)| *id).collect();
        for rendezvous in over {
            if let Some(waiter) = self.links.remove(&rendezvous) {
                let error = WireError::new(Code::CodeExpired, "nobody approved this device in time: show a new code");
                self.answer(waiter.session, waiter.request_id, Err(error));
            }
        }
    }

    // ---- answers of the store ----

    pub(crate) fn answered(&mut self, session: SessionId, request_id: u64, answer: Result<Answer, WireError>) {
        let result = match answer {
            Err(error) if self.message_not_found_out(session, request_id, &error) => Ok(Reply::Later),
            Err(error) => Err(error),
            Ok(Answer::Log(entries)) => Ok(self.log_read(self.device_of(session), entries)),
            Ok(Answer::Welcomes(welcomes)) => Ok(Reply::Now(response::Result::Welcomes(wire::Welcomes { welcomes }))),
            Ok(Answer::KeyPackages(found)) => Ok(self.key_packages_read(found)),
            Ok(Answer::Attachment { attachment_id, wish, found }) => {
                self.attachment_found(session, request_id, attachment_id, wish, found)
            }
            Ok(Answer::Confirmations(found)) => {
                let confirmation = |(account_id, confirmed_at_ms): (AccountId, u64)| wire::Confirmation {
                    account_id: account_id.to_bytes(),
                    confirmed_at_ms,
                };
                let confirmations = found.into_iter().map(confirmation).collect();
                Ok(Reply::Now(response::Result::Confirmations(wire::Confirmations { confirmations })))
            }
            Ok(Answer::FindMessage(found)) => {
                self.message_found(session, request_id, found);
                Ok(Reply::Later)
            }
        };
        self.answer(session, request_id, result);
    }

    fn device_of(&self, session: SessionId) -> Option<DeviceId> {
        match self.sessions.get(&session)?.role {
            Role::Device { device_id, .. } => Some(device_id),
            _ => None,
        }
    }

    pub(crate) fn read(&mut self, caller: Caller, query: Query) -> Reply {
        self.output(Output::Read { session: caller.session, request_id: caller.request_id, query });
        Reply::Later
    }

    // ---- presence ----

    fn watch_presence(&mut self, caller: Caller, request: &wire::WatchPresence) -> Result<Reply, WireError> {
        if request.account_ids.len() > wire_limit::WATCHED_ACCOUNTS_MAX {
            return Err(WireError::new(Code::LimitReached, "too many accounts to watch"));
        }
        let wanted = request.account_ids.iter().map(|id| AccountId::parse(id)).collect::<Result<BTreeSet<_>, _>>()?;
        let Some(state) = self.sessions.get_mut(&caller.session) else {
            return Err(gone());
        };
        for account_id in std::mem::replace(&mut state.watched, wanted.clone()) {
            if let Some(watchers) = self.watchers.get_mut(&account_id) {
                watchers.remove(&caller.session);
            }
        }
        self.answer(caller.session, caller.request_id, Ok(done()));
        for account_id in wanted {
            self.watchers.entry(account_id).or_default().insert(caller.session);
            let presence = self.presence(account_id);
            self.send(caller.session, server_frame::Body::Presence(presence), Class::Ephemeral);
        }
        Ok(Reply::Later)
    }

    fn presence(&self, account_id: AccountId) -> wire::Presence {
        let account = self.accounts.get(&account_id);
        let last_seen_ms = account
            .map(|account| account.devices.iter())
            .into_iter()
            .flatten()
            .filter_map(|id| self.devices.get(id))
            .map(|device| device.last_seen_ms)
            .max()
            .unwrap_or(0);
        let online = account.is_some_and(|account| !account.online.is_empty());
        wire::Presence { account_id: account_id.to_bytes(), online, last_seen_ms }
    }

    fn came_online(&mut self, account_id: AccountId, device_id: DeviceId) {
        let account = self.accounts.entry(account_id).or_default();
        let was_offline = account.online.is_empty();
        account.online.insert(device_id);
        if was_offline {
            self.tell_presence(account_id);
        }
    }

    fn went_offline(&mut self, account_id: AccountId, device_id: DeviceId) {
        let account = self.accounts.entry(account_id).or_default();
        account.online.remove(&device_id);
        if account.online.is_empty() {
            self.tell_presence(account_id);
        }
    }

    fn tell_presence(&mut self, account_id: AccountId) {
        let presence = self.presence(account_id);
        let watchers: Vec<SessionId> = self.watchers.get(&account_id).into_iter().flatten().copied().collect();
        for session in watchers {
            self.send(session, server_frame::Body::Presence(presence.clone()), Class::Ephemeral);
        }
    }
}

pub(crate) fn done() -> Reply {
    Reply::Now(response::Result::Done(wire::Done {}))
}

pub(crate) fn done_when_durable() -> Reply {
    Reply::Durable(response::Result::Done(wire::Done {}))
}

fn gone() -> WireError {
    WireError::new(Code::OutOfOrder, "the session is over")
}

/// After these the client cannot be trusted to speak the protocol, or may not stay.
fn ends_session(code: Code) -> bool {
    matches!(
        code,
        Code::Malformed
            | Code::TooLarge
            | Code::UnsupportedVersion
            | Code::BadSignature
            | Code::AccountLocked
            | Code::AccountExpired
            | Code::DeviceRevoked
            | Code::ShuttingDown
    )
}
