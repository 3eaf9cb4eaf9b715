//! Accounts and devices: the signed directory, enrolment, key packages, and what the node alone may do: lock and revoke.
use crate::input::{Class, SessionId};
use crate::plane::{After, OpenError, Plane, Reply};
use crate::push::Waking;
use crate::rate::Bucket;
use crate::session::{Caller, Role, done, done_when_durable};
use crate::store::{DeviceRow, KeyPackageRow, Query, Snapshot, Write};
use std::collections::{BTreeSet, VecDeque};
use wardline_directory::key::PublicKey;
use wardline_protocol::wire::{self, devices_changed, response, server_frame};
use wardline_protocol::{AccountId, Code, ConversationId, DeviceId, WireError, limit as wire_limit};

/// What the node knows of an account beside the directory.
#[derive(Default)]
pub(crate) struct Account {
    pub(crate) locked: bool,
    pub(crate) devices: BTreeSet<DeviceId>,
    pub(crate) online: BTreeSet<DeviceId>,
    pub(crate) second_uses: u32,
    /// Its conversations: those whose roster names it.
    pub(crate) conversations: BTreeSet<ConversationId>,
    pub(crate) creations: Option<Bucket>,
}

pub(crate) struct Device {
    pub(crate) account_id: AccountId,
    pub(crate) public_key: PublicKey,
    pub(crate) chain: wire::DeviceChain,
    pub(crate) enrolled_at_ms: u64,
    pub(crate) last_seen_ms: u64,
    pub(crate) revoked: bool,
    pub(crate) session: Option<SessionId>,
    pub(crate) key_packages: VecDeque<u64>,
    pub(crate) last_resort: bool,
    pub(crate) fetches: Option<Bucket>,
    pub(crate) welcomes: BTreeSet<ConversationId>,
    /// Conversations it is out of, with something left to read.
    pub(crate) former: BTreeSet<ConversationId>,
    pub(crate) waking: Waking,
}

impl Device {
    pub(crate) fn has_key_packages(&self) -> bool {
        self.last_resort || !self.key_packages.is_empty()
    }
}

impl Plane {
    pub(crate) fn open_identities(&mut self, snapshot: &Snapshot) -> Result<(), OpenError> {
        for statement in &snapshot.statements {
            let version = self.directory.version() + 1;
            self.directory
                .apply(statement)
                .map_err(|refusal| OpenError::Directory { version, reason: refusal.to_string() })?;
            self.statements.push(statement.clone());
        }
        for row in &snapshot.devices {
            let device = self.open_device(row).ok_or(OpenError::Device(row.device_id))?;
            self.accounts.entry(row.account_id).or_default().devices.insert(row.device_id);
            self.devices.insert(row.device_id, device);
        }
        for account_id in &snapshot.locked {
            self.accounts.entry(*account_id).or_default().locked = true;
        }
        for (account_id, count) in &snapshot.second_uses {
            self.accounts.entry(*account_id).or_default().second_uses = *count;
        }
        for (id, device_id) in &snapshot.key_packages {
            self.next_key_package_id = self.next_key_package_id.max(id + 1);
            if let Some(device) = self.devices.get_mut(device_id) {
                device.key_packages.push_back(*id);
            }
        }
        for device_id in &snapshot.last_resorts {
            if let Some(device) = self.devices.get_mut(device_id) {
                device.last_resort = true;
            }
        }
        for welcome in &snapshot.welcomes {
            if let Some(device) = self.devices.get_mut(&welcome.device_id) {
                device.welcomes.insert(welcome.conversation_id);
            }
        }
        self.open_pushes(&snapshot.pushes);
        self.schedule_expiries();
        Ok(())
    }

    fn open_device(&mut self, row: &DeviceRow) -> Option<Device> {
        let verified = self.directory.verify_chain(&row.chain).ok()?;
        self.used_enrolment_keys.insert(*verified.enrolment_key.as_bytes());
        Some(Device {
            account_id: row.account_id,
            public_key: verified.public_key,
            chain: row.chain.clone(),
            enrolled_at_ms: row.enrolled_at_ms,
            last_seen_ms: row.last_seen_ms,
            revoked: row.revoked,
            session: None,
            key_packages: VecDeque::new(),
            last_resort: false,
            fetches: None,
            welcomes: BTreeSet::new(),
            former: BTreeSet::new(),
            waking: Waking::default(),
        })
    }

    /// Whether the account may be used now.
    pub(crate) fn account_usable(&self, account_id: AccountId) -> Result<(), WireError> {
        let record = self.directory.account(&account_id).filter(|record| !record.deleted);
        let Some(record) = record else {
            return Err(WireError::new(Code::UnknownAccount, "this account does not exist any more"));
        };
        if record.expires_at_ms.is_some_and(|at_ms| at_ms <= self.now_ms) {
            return Err(WireError::new(Code::AccountExpired, "this account's time is over: ask the IT admin"));
        }
        if self.accounts.get(&account_id).is_some_and(|account| account.locked) {
            return Err(WireError::new(Code::AccountLocked, "this account is locked: ask the IT admin"));
        }
        Ok(())
    }

    /// Whether the device may be in conversations of its account now.
    pub(crate) fn device_usable(&self, device_id: DeviceId) -> bool {
        self.devices
            .get(&device_id)
            .is_some_and(|device| !device.revoked && self.account_usable(device.account_id).is_ok())
    }

    // ---- the signed directory ----

    pub(crate) fn fetch_statements(&self, request: &wire::FetchStatements) -> Reply {
        let start = usize::try_from(request.after_version).unwrap_or(usize::MAX).min(self.statements.len());
        let end = (start + wire_limit::STATEMENTS_PER_PAGE).min(self.statements.len());
        let statements = self.statements.get(start..end).unwrap_or_default().to_vec();
        let head_version = self.directory.version();
        Reply::Now(response::Result::Statements(wire::Statements { statements, head_version }))
    }

    pub(crate) fn publish_statements(&mut self, request: wire::PublishStatements) -> Result<Reply, WireError> {
        let mut directory = self.directory.clone();
        let first = directory.version() + 1;
        for statement in &request.statements {
            directory.apply(statement).map_err(WireError::from)?;
        }
        self.directory = directory;
        for (version, statement) in (first..).zip(request.statements) {
            self.write(Write::Statement { version, statement: statement.clone() });
            self.statements.push(statement);
        }
        self.after(After::DirectoryChanged);
        self.schedule_expiries();
        let affected: Vec<AccountId> = self.accounts.keys().copied().collect();
        for account_id in affected {
            if let Err(error) = self.account_usable(account_id) {
                self.end_account(account_id, error);
            }
        }
        self.broadcasts_follow_rights();
        self.follow_channels();
        Ok(done_when_durable())
    }

    pub(crate) fn push_directory_changed(&mut self) {
        let version = self.directory.version();
        let sessions: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, state)| matches!(state.role, Role::Device { .. }))
            .map(|(session, _)| *session)
            .collect();
        for session in sessions {
            let changed = wire::DirectoryChanged { version };
            self.send(session, server_frame::Body::DirectoryChanged(changed), Class::Ephemeral);
        }
    }

    fn schedule_expiries(&mut self) {
        self.expiring = self
            .directory
            .accounts()
            .filter(|record| !record.deleted)
            .filter_map(|record| Some((record.expires_at_ms?, record.account_id)))
            .filter(|(at_ms, _)| *at_ms > self.now_ms)
            .collect();
    }

    pub(crate) fn expire_accounts(&mut self) {
        while let Some((at_ms, account_id)) = self.expiring.first().copied()
            && at_ms <= self.now_ms
        {
            self.expiring.pop_first();
            if let Err(error) = self.account_usable(account_id) {
                self.end_account(account_id, error);
            }
        }
    }

    // ---- taking away ----

    pub(crate) fn lock_account(&mut self, request: &wire::LockAccount) -> Result<Reply, WireError> {
        let account_id = AccountId::parse(&request.account_id)?;
        if self.directory.account(&account_id).is_none() {
            return Err(WireError::new(Code::UnknownAccount, "no such account"));
        }
        self.accounts.entry(account_id).or_default().locked = request.locked;
        self.write(Write::LockAccount { account_id, locked: request.locked });
        if request.locked {
            let error = WireError::new(Code::AccountLocked, "this account was locked: ask the IT admin");
            self.end_account(account_id, error);
        } else {
            self.forget_pending_removals(account_id);
        }
        Ok(done_when_durable())
    }

    /// Closes what the account has open and starts its removal from every group; nothing here waits for durability: taking away comes first.
    fn end_account(&mut self, account_id: AccountId, error: WireError) {
        let devices: Vec<DeviceId> =
            self.accounts.get(&account_id).map(|account| account.devices.iter().copied().collect()).unwrap_or_default();
        for device_id in devices {
            self.end_device(device_id, error.clone());
        }
    }

    fn end_device(&mut self, device_id: DeviceId, error: WireError) {
        self.revoke_from_calls(device_id);
        self.revoke_from_broadcasts(device_id);
        self.forget_push(device_id);
        if let Some(session) = self.devices.get(&device_id).and_then(|device| device.session) {
            self.close(session, error);
        }
        self.remove_from_conversations(device_id);
    }

    pub(crate) fn revoke_own_device(
        &mut self,
        caller: Caller,
        request: &wire::RevokeDevice,
    ) -> Result<Reply, WireError> {
        let device_id = DeviceId::parse(&request.device_id)?;
        match self.devices.get(&device_id) {
            Some(device) if device.account_id == caller.account_id => Ok(self.revoke(device_id)),
            _ => Err(WireError::new(Code::UnknownDevice, "this is not one of your devices")),
        }
    }

    pub(crate) fn revoke_any_device(&mut self, request: &wire::RevokeDevice) -> Result<Reply, WireError> {
        let device_id = DeviceId::parse(&request.device_id)?;
        if !self.devices.contains_key(&device_id) {
            return Err(WireError::new(Code::UnknownDevice, "no such device"));
        }
        Ok(self.revoke(device_id))
    }

    fn revoke(&mut self, device_id: DeviceId) -> Reply {
        let Some(device) = self.devices.get_mut(&device_id) else {
            return done();
        };
        device.revoked = true;
        device.key_packages.clear();
        device.last_resort = false;
        let account_id = device.account_id;
        self.write(Write::RevokeDevice { device_id });
        self.drop_former(device_id);
        self.tell_account(account_id, device_id, devices_changed::Change::Revoked);
        // The device itself may be asking: it hears the answer, then goodbye.
        self.end_device(device_id, WireError::new(Code::DeviceRevoked, "this device was revoked"));
        done_when_durable()
    }

    fn tell_account(&mut self, account_id: AccountId, about: DeviceId, change: devices_changed::Change) {
        let devices: Vec<DeviceId> =
            self.accounts.get(&account_id).map(|account| account.online.iter().copied().collect()).unwrap_or_default();
        for device_id in devices.into_iter().filter(|device_id| *device_id != about) {
            let changed = wire::DevicesChanged {
                account_id: account_id.to_bytes(),
                device_id: about.to_bytes(),
                change: change.into(),
            };
            self.push_to_device(device_id, server_frame::Body::DevicesChanged(changed), Class::Required);
        }
    }

    // ---- enrolment ----

    pub(crate) fn enrol(&mut self, session: SessionId, request: wire::Enrol) -> Result<Reply, WireError> {
        let chain =
            request.chain.ok_or_else(|| WireError::new(Code::Malformed, "Enrol needs the device's certificates"))?;
        let verified = self.directory.verify_chain(&chain).map_err(WireError::from)?;
        self.verify_session_proof(session, &verified.public_key, &request.signature)?;
        let (account_id, device_id) = (verified.account_id, verified.device_id);
        self.account_usable(account_id)?;

        if let Some(device) = self.devices.get(&device_id) {
            // The answer to the first attempt may have been lost.
            if device.public_key == verified.public_key && !device.revoked {
                return Ok(self.enrolled(account_id));
            }
            return Err(WireError::new(Code::CodeUsed, "this device id is taken: enrol again with a new code"));
        }
        let first_of_its_code = chain.certificates.len() == 1;
        if first_of_its_code {
            self.code_still_good(account_id, &verified.enrolment_key)?;
        } else {
            self.issuer_usable(&chain)?;
        }
        let account = self.accounts.entry(account_id).or_default();
        if account.devices.len() >= wire_limit::DEVICES_PER_ACCOUNT {
            return Err(WireError::new(Code::LimitReached, "the account has too many devices: revoke one first"));
        }
        account.devices.insert(device_id);
        let row =
            DeviceRow { device_id, account_id, chain, enrolled_at_ms: self.now_ms, last_seen_ms: 0, revoked: false };
        if let Some(device) = self.open_device(&row) {
            self.devices.insert(device_id, device);
        }
        self.write(Write::Device(row));
        self.tell_account(account_id, device_id, devices_changed::Change::Added);
        Ok(self.enrolled(account_id))
    }

    fn enrolled(&self, account_id: AccountId) -> Reply {
        let devices = self.accounts.get(&account_id).map_or(0, |account| account.devices.len());
        Reply::Durable(response::Result::Enrolled(wire::Enrolled { devices: devices as u32 })) // bounded by DEVICES_PER_ACCOUNT
    }

    /// One first device for each code, within its time, and only for the account's newest code. Codes that end in the same millisecond were
    /// issued together, one for each device of a person: they count as one newest.
    fn code_still_good(&mut self, account_id: AccountId, key: &PublicKey) -> Result<(), WireError> {
        if self.used_enrolment_keys.contains(key.as_bytes()) {
            let account = self.accounts.entry(account_id).or_default();
            account.second_uses += 1;
            self.write(Write::SecondUseRefused { account_id });
            let nobody = DeviceId::from_bytes([0; 16]);
            self.tell_account(account_id, nobody, devices_changed::Change::SecondUseRefused);
            return Err(WireError::new(
                Code::CodeUsed,
                "this code was used already: ask the IT admin for a new one, and who used it",
            ));
        }
        let codes = self.directory.account(&account_id).map_or(&[][..], |record| &record.enrolment_keys);
        let newest_end_ms = codes.last().map(|newest| newest.expires_at_ms);
        match codes.iter().find(|code| code.public_key == *key) {
            Some(code) if Some(code.expires_at_ms) == newest_end_ms && code.expires_at_ms > self.now_ms => Ok(()),
            _ => Err(WireError::new(Code::CodeExpired, "this code is too old: ask the IT admin for a new one")),
        }
    }

    /// A further device is certified by a device that is itself still in use.
    fn issuer_usable(&self, chain: &wire::DeviceChain) -> Result<(), WireError> {
        let issuer = chain
            .certificates
            .get(1)
            .and_then(|certificate| {
                wardline_protocol::frame::decode::<wire::DeviceCertificateBody>(&certificate.body).ok()
            })
            .and_then(|body| DeviceId::parse(&body.device_id).ok());
        match issuer {
            Some(issuer) if self.device_usable(issuer) => Ok(()),
            _ => Err(WireError::new(Code::DeviceRevoked, "the device that approved this one is no longer in use")),
        }
    }

    // ---- devices and key packages ----

    pub(crate) fn fetch_devices(&self, request: &wire::FetchDevices) -> Result<Reply, WireError> {
        bounded(request.account_ids.len())?;
        let mut devices = Vec::new();
        for account_id in &request.account_ids {
            let account_id = AccountId::parse(account_id)?;
            let Some(account) = self.accounts.get(&account_id) else { continue };
            for device_id in &account.devices {
                let Some(device) = self.devices.get(device_id).filter(|device| !device.revoked) else { continue };
                devices.push(wire::Device {
                    chain: Some(device.chain.clone()),
                    online: device.session.is_some(),
                    enrolled_at_ms: device.enrolled_at_ms,
                });
            }
        }
        Ok(Reply::Now(response::Result::Devices(wire::Devices { devices })))
    }

    pub(crate) fn upload_key_packages(
        &mut self,
        caller: Caller,
        request: wire::UploadKeyPackages,
    ) -> Result<Reply, WireError> {
        let Some(device) = self.devices.get_mut(&caller.device_id) else {
            return Err(WireError::new(Code::UnknownDevice, "no such device"));
        };
        if device.key_packages.len() + request.key_packages.len() > wire_limit::KEY_PACKAGES_PER_DEVICE {
            return Err(WireError::new(Code::LimitReached, "the node has enough key packages of this device"));
        }
        let mut all = request.key_packages.iter().chain(Some(&request.last_resort_key_package));
        if all.any(|package| package.len() > wire_limit::KEY_PACKAGE_BYTES_MAX) {
            return Err(WireError::new(Code::TooLarge, "a key package is too large"));
        }
        let first = !device.has_key_packages();
        let mut packages = Vec::with_capacity(request.key_packages.len());
        for key_package in request.key_packages {
            let id = self.next_key_package_id;
            self.next_key_package_id += 1;
            device.key_packages.push_back(id);
            packages.push(KeyPackageRow { id, key_package });
        }
        let last_resort = request.last_resort_key_package;
        device.last_resort |= !last_resort.is_empty();
        if !packages.is_empty() {
            self.write(Write::KeyPackages { device_id: caller.device_id, packages });
        }
        if !last_resort.is_empty() {
            self.write(Write::LastResort { device_id: caller.device_id, key_package: last_resort });
        }
        if first {
            self.send_heads_of_unjoined(caller);
        }
        Ok(done_when_durable())
    }

    pub(crate) fn fetch_key_packages(
        &mut self,
        caller: Caller,
        request: &wire::FetchKeyPackages,
    ) -> Result<Reply, WireError> {
        bounded(request.account_ids.len() + request.device_ids.len())?;
        let accounts = request.account_ids.iter().map(|id| AccountId::parse(id)).collect::<Result<Vec<_>, _>>()?;
        let only = request.device_ids.iter().map(|id| DeviceId::parse(id)).collect::<Result<BTreeSet<_>, _>>()?;
        let wanted: Vec<DeviceId> = accounts
            .iter()
            .filter_map(|account_id| self.accounts.get(account_id))
            .flat_map(|account| account.devices.iter().copied())
            .filter(|id| *id != caller.device_id && (only.is_empty() || only.contains(id)) && self.device_usable(*id))
            .collect();
        self.within_key_package_quota(caller, wanted.len())?;

        let (mut ids, mut last_resort_of, mut low) = (Vec::new(), Vec::new(), Vec::new());
        for device_id in wanted {
            let Some(device) = self.devices.get_mut(&device_id) else { continue };
            match device.key_packages.pop_front() {
                Some(id) => ids.push(id),
                None if device.last_resort => last_resort_of.push(device_id),
                None => {} // it has not uploaded any yet: it joins from outside later
            }
            if device.key_packages.len() < wire_limit::KEY_PACKAGES_LOW {
                low.push((device_id, device.key_packages.len()));
            }
        }
        for (device_id, left) in low {
            let frame = wire::KeyPackagesLow { left: left as u32 }; // below KEY_PACKAGES_LOW
            self.push_to_device(device_id, server_frame::Body::KeyPackagesLow(frame), Class::Ephemeral);
        }
        Ok(self.read(caller, Query::KeyPackages { ids, last_resort_of }))
    }

    fn within_key_package_quota(&mut self, caller: Caller, count: usize) -> Result<(), WireError> {
        let (per_hour, now_ms) = (self.limits.key_packages_per_hour, self.now_ms);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let Some(device) = self.devices.get_mut(&caller.device_id) else { return Ok(()) };
        let bucket = device.fetches.get_or_insert_with(|| Bucket::full(per_hour, now_ms));
        bucket.take(count, per_hour, now_ms).map_err(|wait_ms| {
            WireError::retry(Code::RateLimited, "too many key packages fetched: try again later", wait_ms)
        })
    }

    /// Gives read key packages out; single-use ones only once they are durably gone, so that none is given twice.
    pub(crate) fn key_packages_read(&mut self, found: Vec<crate::store::FoundKeyPackage>) -> Reply {
        let mut key_packages = Vec::with_capacity(found.len());
        let mut used = Vec::new();
        for package in found {
            let Some(device) = self.devices.get(&package.device_id) else { continue };
            used.extend(package.single_use_id);
            key_packages.push(wire::KeyPackageOf {
                account_id: device.account_id.to_bytes(),
                device_id: package.device_id.to_bytes(),
                key_package: package.key_package,
            });
        }
        if !used.is_empty() {
            self.write(Write::DropKeyPackages { ids: used });
        }
        Reply::Durable(response::Result::KeyPackages(wire::KeyPackages { key_packages }))
    }

    // ---- the IT admin's view ----

    pub(crate) fn list_accounts(&self) -> Reply {
        let accounts = self
            .directory
            .accounts()
            .filter(|record| !record.deleted)
            .map(|record| {
                let account = self.accounts.get(&record.account_id);
                let devices = account.into_iter().flat_map(|account| account.devices.iter());
                let devices: Vec<&Device> =
                    devices.filter_map(|id| self.devices.get(id)).filter(|device| !device.revoked).collect();
                wire::AccountReport {
                    account_id: record.account_id.to_bytes(),
                    locked: account.is_some_and(|account| account.locked),
                    devices: devices.len() as u32, // bounded by DEVICES_PER_ACCOUNT
                    online: account.is_some_and(|account| !account.online.is_empty()),
                    last_seen_ms: devices.iter().map(|device| device.last_seen_ms).max().unwrap_or(0),
                    refused_second_uses: account.map_or(0, |account| account.second_uses),
                }
            })
            .collect();
        Reply::Now(response::Result::Accounts(wire::Accounts { accounts }))
    }
}

fn bounded(ids: usize) -> Result<(), WireError> {
    if ids > wire_limit::IDS_PER_REQUEST {
        return Err(WireError::new(Code::TooLarge, "too many ids in one request: split it"));
    }
    Ok(())
}
