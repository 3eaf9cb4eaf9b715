//! The MLS state of one device: its key packages and its conversations.
//!
//! Every function either succeeds or leaves the state as it was. After one that changed something, what [`Engine::take_changes`]
//! returns must be durable before anything the engine made (a ciphertext, a commit, a key package) leaves the device: a device
//! that forgets that it encrypted would use a key twice.
//!
//! Absent on purpose: I/O, clocks, the order of the log, retries. Those are the caller's.

mod calls;
mod commit;
pub(crate) mod config;
mod join;
mod message;
mod process;

use crate::cells::{Cell, Cells, Changes};
use crate::credential::{self, DeviceRef, Member};
use crate::error::EngineError;
use crate::identity::DeviceIdentity;
use crate::media::MediaEpoch;
use crate::roster;
use crate::storage::{Label, Provider, key};
use crate::suite::Suite;
pub use calls::SPENT_CALLS_MAX;
pub use commit::{Change, Created, PendingCommit};
pub use join::{Floor, Joined, PendingJoin};
pub use message::{Encrypted, Received};
use openmls::prelude::{GroupId, MlsGroup};
use openmls_traits::OpenMlsProvider;
pub use process::CommitApplied;
use std::collections::BTreeMap;
use std::fmt;
use wardline_protocol::wire::Roster;
use wardline_protocol::{AccountId, CallId, ConversationId, DeviceId};

/// The version of the cells' layout.
const FORMAT: u8 = 1;

/// All MLS state of one device.
pub struct Engine {
    identity: DeviceIdentity,
    suite: Suite,
    provider: Provider,
    groups: BTreeMap<ConversationId, MlsGroup>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({}, {} conversations)", self.device_id(), self.groups.len())
    }
}

impl Engine {
    /// A device without conversations. Errors with `Cells` only.
    pub fn new(identity: DeviceIdentity, suite: Suite) -> Result<Self, EngineError> {
        let provider = Provider::default();
        provider.cells.put(vec![Label::Format as u8], &FORMAT)?;
        Ok(Self { identity, suite, provider, groups: BTreeMap::new() })
    }

    /// A device with the state that was made durable. Errors with `Cells` when a cell does not decode or is of another version.
    pub fn load(
        identity: DeviceIdentity,
        suite: Suite,
        cells: impl IntoIterator<Item = Cell>,
    ) -> Result<Self, EngineError> {
        let mut engine = Self { identity, suite, provider: Provider::new(Cells::load(cells)), groups: BTreeMap::new() };
        match engine.provider.cells.get::<u8>(&[Label::Format as u8])? {
            Some(FORMAT) => {}
            Some(_) => return Err(crate::cells::CellError.into()),
            None => engine.provider.cells.put(vec![Label::Format as u8], &FORMAT)?,
        }
        for cell in engine.provider.cells.keys(&[Label::GroupState as u8]) {
            let group_id: GroupId =
                cell.get(1..).and_then(|id| postcard::from_bytes(id).ok()).ok_or(crate::cells::CellError)?;
            let id = ConversationId::parse(group_id.as_slice()).map_err(|_| crate::cells::CellError)?;
            engine.reload(id)?;
        }
        Ok(engine)
    }

    /// What must be durable before anything made since leaves the device. Each change is handed out once.
    pub fn take_changes(&mut self) -> Changes {
        self.provider.cells.take_changes()
    }

    /// This device and its account.
    pub fn device(&self) -> DeviceRef {
        self.identity.device()
    }

    /// This device.
    pub fn device_id(&self) -> DeviceId {
        self.device().device_id
    }

    /// Its account.
    pub fn account_id(&self) -> AccountId {
        self.device().account_id
    }

    /// The conversations that this device is in, or was removed from and has not forgotten.
    pub fn conversations(&self) -> impl Iterator<Item = ConversationId> + '_ {
        self.groups.keys().copied()
    }

    /// The epoch this device is at.
    pub fn epoch(&self, id: ConversationId) -> Option<u64> {
        Some(self.groups.get(&id)?.epoch().as_u64())
    }

    /// Whether this device is a member (false after its removal was processed).
    pub fn is_member(&self, id: ConversationId) -> bool {
        self.groups.get(&id).is_some_and(MlsGroup::is_active)
    }

    /// Names this epoch of this history (RFC 9420 section 8.7); members compare it, and a new device takes it as its floor.
    pub fn epoch_authenticator(&self, id: ConversationId) -> Option<Vec<u8>> {
        Some(self.groups.get(&id)?.epoch_authenticator().as_slice().to_vec())
    }

    /// The hash of the tree (RFC 9420 section 7.8): equal for everybody in the same epoch, the node included.
    pub fn tree_hash(&self, id: ConversationId) -> Option<Vec<u8>> {
        Some(self.groups.get(&id)?.public_group().group_context().tree_hash().to_vec())
    }

    /// The hash over the commits that led here (RFC 9420 section 8.2), equal for everybody in the same history, the node included;
    /// empty before the first commit.
    pub fn confirmed_transcript_hash(&self, id: ConversationId) -> Option<Vec<u8>> {
        Some(self.groups.get(&id)?.public_group().group_context().confirmed_transcript_hash().to_vec())
    }

    /// The members in leaf order; empty when the conversation is unknown.
    pub fn members(&self, id: ConversationId) -> Vec<Member> {
        let members = self.groups.get(&id).map(|group| credential::members(group.public_group().members()));
        // Every leaf was read when it came in, so none fails here.
        members.and_then(Result::ok).unwrap_or_default()
    }

    /// The accounts that may be in it.
    pub fn roster(&self, id: ConversationId) -> Option<Roster> {
        roster::of(self.groups.get(&id)?.extensions()).ok()
    }

    /// Deletes a conversation's state, and a join or commit that is pending.
    pub fn forget(&mut self, id: ConversationId) -> Result<(), EngineError> {
        self.provider.cells.delete(&join::pending_key(id)?);
        self.provider.cells.delete(&key(Label::SpentCalls, &group_id(id))?);
        if let Some(mut group) = self.groups.remove(&id) {
            group.delete(self.provider.storage())?;
        }
        Ok(())
    }

    /// The media keys of a call in the present epoch.
    pub fn media_epoch(&self, id: ConversationId, call_id: &CallId) -> Result<MediaEpoch, EngineError> {
        let group = self.member_group(id)?;
        MediaEpoch::export(group, self.provider.crypto(), call_id)
    }

    fn group(&self, id: ConversationId) -> Result<&MlsGroup, EngineError> {
        self.groups.get(&id).ok_or(EngineError::UnknownConversation)
    }

    fn member_group(&self, id: ConversationId) -> Result<&MlsGroup, EngineError> {
        let group = self.group(id)?;
        if group.is_active() { Ok(group) } else { Err(EngineError::Removed) }
    }

    /// Takes a conversation's state from the cells, e.g. after a rollback.
    fn reload(&mut self, id: ConversationId) -> Result<(), crate::cells::CellError> {
        match MlsGroup::load(self.provider.storage(), &group_id(id))? {
            Some(group) => self.groups.insert(id, group),
            None => self.groups.remove(&id),
        };
        Ok(())
    }

    /// Runs `act` so that the cells and the conversation are as before when it fails.
    fn atomically<T, E: From<crate::cells::CellError>>(
        &mut self,
        id: ConversationId,
        act: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.provider.cells.begin();
        let result = act(self);
        match result {
            Ok(_) => self.provider.cells.commit(),
            Err(_) => {
                self.provider.cells.rollback();
                self.reload(id)?;
            }
        }
        result
    }
}

fn group_id(id: ConversationId) -> GroupId {
    GroupId::from_slice(id.as_bytes())
}

/// The text of an openmls error. They are made of fixed sentences and numbers.
fn mls(error: impl fmt::Display) -> EngineError {
    EngineError::Mls(error.to_string())
}
