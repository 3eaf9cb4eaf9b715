//! Tickets: a transfer that the plane has allowed, until a bulk stream presents it. Each opens one stream, once, soon, and only while its
//! session lasts.
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use wardline_protocol::limit::BULK_TICKET_MS;
use wardline_protocol::{AttachmentId, Code, WireError};
use wardline_signaling::{Direction, SessionId, Transfer};

/// Transfers of one session, tickets not used yet included; a further one is refused.
const TRANSFERS_PER_SESSION_MAX: usize = 8;

/// Unguessable, and worth nothing after its use.
pub(super) type Ticket = [u8; 16];

#[derive(Default)]
pub(super) struct Tickets {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    issued: HashMap<Ticket, Issued>,
    sessions: HashMap<SessionId, Session>,
    /// Attachments that a stream is writing: two at once would spoil them.
    written: HashSet<AttachmentId>,
}

struct Issued {
    transfer: Transfer,
    from_byte: u64,
    until: Instant,
}

struct Session {
    transfers: usize,
    /// Dropped when the session is over, which its streams notice.
    alive: watch::Sender<()>,
}

/// A transfer under way. Dropping it makes room for the next one.
pub(crate) struct Grant<'a> {
    pub(crate) transfer: Transfer,
    pub(crate) from_byte: u64,
    tickets: &'a Tickets,
    alive: watch::Receiver<()>,
}

impl Grant<'_> {
    /// Ends when the session is over.
    pub(crate) async fn revoked(&mut self) {
        while self.alive.changed().await.is_ok() {}
    }
}

impl Drop for Grant<'_> {
    fn drop(&mut self) {
        let mut state = self.tickets.state();
        if matches!(self.transfer.direction, Direction::Up { .. }) {
            state.written.remove(&self.transfer.attachment_id);
        }
        state.transfer_over(self.transfer.session);
    }
}

impl State {
    fn transfer_over(&mut self, session: SessionId) {
        if let Some(found) = self.sessions.get_mut(&session) {
            found.transfers -= 1;
            if found.transfers == 0 {
                self.sessions.remove(&session);
            }
        }
    }

    fn drop_expired(&mut self, now: Instant) {
        let over: Vec<Ticket> =
            self.issued.iter().filter(|(_, issued)| issued.until <= now).map(|(ticket, _)| *ticket).collect();
        for ticket in over {
            if let Some(issued) = self.issued.remove(&ticket) {
                self.transfer_over(issued.transfer.session);
            }
        }
    }
}

impl Tickets {
    pub(super) fn issue(&self, transfer: Transfer, from_byte: u64) -> Result<Ticket, WireError> {
        let now = Instant::now();
        let mut state = self.state();
        state.drop_expired(now);
        let session = state.sessions.entry(transfer.session);
        let session = session.or_insert_with(|| Session { transfers: 0, alive: watch::Sender::new(()) });
        if session.transfers >= TRANSFERS_PER_SESSION_MAX {
            return Err(WireError::retry(Code::RateLimited, "too many files at once: wait for one to end", 1_000));
        }
        session.transfers += 1;
        let ticket = crate::random();
        let until = now + Duration::from_millis(BULK_TICKET_MS);
        state.issued.insert(ticket, Issued { transfer, from_byte, until });
        Ok(ticket)
    }

    pub(super) fn redeem(&self, ticket: &[u8]) -> Result<Grant<'_>, WireError> {
        let unknown =
            || WireError::new(Code::Unauthenticated, "the ticket is used, too old, or of a session that is over");
        let ticket: Ticket = ticket.try_into().map_err(|_| unknown())?;
        let mut state = self.state();
        state.drop_expired(Instant::now());
        let Issued { transfer, from_byte, .. } = state.issued.remove(&ticket).ok_or_else(unknown)?;
        let alive = state.sessions.get(&transfer.session).map(|session| session.alive.subscribe());
        let alive = alive.ok_or_else(unknown)?;
        let upload = matches!(transfer.direction, Direction::Up { .. });
        if upload && !state.written.insert(transfer.attachment_id) {
            state.transfer_over(transfer.session);
            return Err(WireError::retry(Code::RateLimited, "this file is on its way already", 1_000));
        }
        Ok(Grant { transfer, from_byte, tickets: self, alive })
    }

    pub(super) fn session_over(&self, session: SessionId) {
        let mut state = self.state();
        if state.sessions.remove(&session).is_some() {
            state.issued.retain(|_, issued| issued.transfer.session != session);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was held left whole values behind: nothing in the critical sections can stop half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(session: u64, attachment: u8) -> Transfer {
        Transfer {
            session: SessionId(session),
            request_id: 1,
            attachment_id: AttachmentId::from_bytes([attachment; 16]),
            sealed_bytes: 100,
            direction: Direction::Up { sealed_sha256: [0; 32] },
        }
    }

    #[tokio::test]
    async fn a_ticket_opens_one_stream_and_ends_with_its_session() {
        let tickets = Tickets::default();
        let ticket = tickets.issue(upload(1, 1), 40).unwrap();
        assert!(tickets.redeem(&[0; 16]).is_err());
        assert!(tickets.redeem(b"short").is_err());
        let mut grant = tickets.redeem(&ticket).unwrap();
        assert_eq!(grant.from_byte, 40);
        assert!(tickets.redeem(&ticket).is_err(), "used");

        let second = tickets.issue(upload(2, 1), 0).unwrap();
        assert_eq!(tickets.redeem(&second).err().unwrap().code, Code::RateLimited, "the first still writes");
        let waiting = tickets.issue(upload(1, 2), 0).unwrap();
        tickets.session_over(SessionId(1));
        grant.revoked().await;
        assert!(tickets.redeem(&waiting).is_err());
        drop(grant);
        let third = tickets.issue(upload(2, 1), 0).unwrap();
        assert!(tickets.redeem(&third).is_ok());
        assert!(tickets.state().sessions.is_empty() && tickets.state().written.is_empty());
    }

    #[test]
    fn a_session_has_few_transfers_and_gets_their_places_back() {
        let tickets = Tickets::default();
        let issued: Vec<_> =
            (0..TRANSFERS_PER_SESSION_MAX).map(|n| tickets.issue(upload(1, n as u8), 0).unwrap()).collect();
        assert_eq!(tickets.issue(upload(1, 99), 0).unwrap_err().code, Code::RateLimited);
        assert!(tickets.issue(upload(2, 99), 0).is_ok(), "another's");
        drop(tickets.redeem(&issued[0]).unwrap());
        assert!(tickets.issue(upload(1, 99), 0).is_ok());
        let far = Instant::now() + Duration::from_millis(BULK_TICKET_MS + 1);
        tickets.state().drop_expired(far);
        assert!(tickets.state().sessions.is_empty(), "what nobody used is forgotten");
    }
}
