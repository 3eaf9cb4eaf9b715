//! Calls whose media keys were used. A call's keys depend on the epoch and its id, and a receiver remembers what it opened only while
//! it lives: whoever could have the same call rung a second time in one epoch could replay the first one's frames to it.
use super::{Engine, group_id, key};
use crate::cells::CellError;
use crate::storage::Label;
use serde::{Deserialize, Serialize};
use wardline_protocol::{CallId, ConversationId};

/// Calls remembered of one epoch; the next epoch has other keys and forgets them. Full: no further call counts as fresh, so the
/// owner renews the epoch before that.
pub const SPENT_CALLS_MAX: usize = 1_024;

/// What is stored: the calls of one epoch.
#[derive(Serialize, Deserialize)]
struct Spent {
    epoch: u64,
    calls: Vec<[u8; 16]>,
}

impl Engine {
    /// Notes that a call's keys of the present epoch were used, or that the call is over. Gives how many calls of this epoch are noted
    /// now; `None` when this one was noted before, or there is no room.
    pub fn spend_call(&mut self, id: ConversationId, call: &CallId) -> Result<Option<usize>, CellError> {
        let mut spent = self.spent(id)?;
        let bytes = *call.as_bytes();
        if spent.calls.contains(&bytes) || spent.calls.len() >= SPENT_CALLS_MAX {
            return Ok(None);
        }
        spent.calls.push(bytes);
        self.provider.cells.put(key(Label::SpentCalls, &group_id(id))?, &spent)?;
        Ok(Some(spent.calls.len()))
    }

    /// Whether a call must not be rung (again) in the present epoch: it was noted, or too many were to tell.
    pub fn is_call_spent(&self, id: ConversationId, call: &CallId) -> bool {
        // State that cannot be read proves nothing fresh.
        self.spent(id)
            .map_or(true, |spent| spent.calls.contains(call.as_bytes()) || spent.calls.len() >= SPENT_CALLS_MAX)
    }

    fn spent(&self, id: ConversationId) -> Result<Spent, CellError> {
        let epoch = self.epoch(id).unwrap_or(0);
        let stored: Option<Spent> = self.provider.cells.get(&key(Label::SpentCalls, &group_id(id))?)?;
        let stored = stored.filter(|spent| spent.epoch == epoch);
        Ok(stored.unwrap_or(Spent { epoch, calls: Vec::new() }))
    }
}
