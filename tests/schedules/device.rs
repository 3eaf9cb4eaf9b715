//! One device as its program keeps it: the core, what is stored, the line, and what its person was told.
use std::collections::{BTreeMap, VecDeque};
use wardline_client::core::{Body, Changes, Core, Event, Identity, Notice, Reply, Saved, Token};
use wardline_directory::key::{DeviceKey, PublicKey};
use wardline_e2ee::Suite;
use wardline_protocol::{AccountId, Code, ConversationId, DeviceId, MessageId, wire};
use wardline_signaling::SessionId;

/// A device: its core, what it has stored, and its line to the node.
pub struct Device {
    /// The shipped core.
    pub core: Core,
    /// Whose it is.
    pub account: AccountId,
    /// Its id.
    pub id: DeviceId,
    /// The seed of its key.
    pub seed: [u8; 32],
    /// Its certificates.
    pub chain: wire::DeviceChain,
    /// What is durable.
    pub(crate) saved: Saved,
    /// The session it is connected by.
    pub line: Option<SessionId>,
    /// On the way to the node, oldest first.
    pub up: VecDeque<wire::ClientFrame>,
    /// On the way to the device, oldest first.
    pub down: VecDeque<wire::ServerFrame>,
    /// Everything its person was told, oldest first.
    pub events: Vec<Event>,
    /// What its person has seen: message id, by conversation and seq.
    pub shown: BTreeMap<(ConversationId, u64), (MessageId, String)>,
    /// Own messages the node has acknowledged.
    pub acknowledged: BTreeMap<MessageId, (ConversationId, u64)>,
    /// Messages it could not decrypt although they were for it.
    pub undecryptable: u64,
    /// Messages it missed because it had to join again.
    pub missed: u64,
    /// Own messages it was told were not sent.
    pub given_up: u64,
    healed: bool,
    /// What must not happen beside an honest node.
    pub complaints: Vec<String>,
    /// Answers to commands.
    pub replies: BTreeMap<Token, Result<Reply, String>>,
    pub(crate) asked: BTreeMap<Token, String>,
}

impl Device {
    pub(crate) fn new(core: Core, account: AccountId, id: DeviceId, seed: [u8; 32], chain: wire::DeviceChain) -> Self {
        Self {
            core,
            account,
            id,
            seed,
            chain,
            saved: Saved::default(),
            line: None,
            up: VecDeque::new(),
            down: VecDeque::new(),
            events: Vec::new(),
            shown: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            undecryptable: 0,
            missed: 0,
            given_up: 0,
            healed: false,
            complaints: Vec::new(),
            replies: BTreeMap::new(),
            asked: BTreeMap::new(),
        }
    }

    pub(crate) fn hear(&mut self, event: Event) {
        self.events.push(event.clone());
        // The core says first that it joined again, then what it missed by that.
        let healed = std::mem::replace(&mut self.healed, matches!(event, Event::SecurityNotice(Notice::Healed(_))));
        match event {
            Event::MessageReceived(message) => {
                if let Body::Text(text) = message.body {
                    let key = (message.conversation, message.seq);
                    if self.shown.insert(key, (message.message, text)).is_some() {
                        self.complaints.push(format!("seq {} shown twice", message.seq));
                    }
                }
            }
            Event::MessageSent { conversation, message, seq } => {
                self.acknowledged.insert(message, (conversation, seq));
            }
            // Written while being removed: the person is told that it was not sent.
            Event::MessageFailed { error, .. } if error.code == Code::UnknownConversation => self.given_up += 1,
            Event::MessageFailed { error, .. } => self.complaints.push(format!("a message failed: {error}")),
            Event::Unreadable { count, .. } if healed => self.missed += count,
            Event::Unreadable { count, .. } => self.undecryptable += count,
            Event::NodeRefused(_) => self.complaints.push("an honest node was refused".into()),
            _ => {}
        }
    }
}

/// What the device's database does with a transaction.
pub(crate) fn store(saved: &mut Saved, changes: Changes) {
    for key in &changes.deleted_cells {
        saved.cells.retain(|(known, _)| known != key);
    }
    for (key, value) in changes.cells {
        saved.cells.retain(|(known, _)| *known != key);
        saved.cells.push((key, value));
    }
    saved.statements.extend(changes.statements.into_iter().map(|(_, statement)| statement));
    saved.conversations.extend(changes.conversations);
    for id in &changes.forgotten {
        saved.conversations.remove(id);
    }
    saved.seen.extend(changes.history.iter().map(|message| (message.conversation, message.message)));
    for record in changes.outbox {
        saved.outbox.retain(|known| known.message.message != record.message.message);
        saved.outbox.push(record);
    }
    saved.outbox.retain(|record| !changes.outbox_done.contains(&record.message.message));
    saved.outbox.sort_by_key(|record| record.place);
    saved.counters.extend(changes.counters);
    saved.incarnation = changes.incarnation.or(saved.incarnation);
}

pub(crate) fn open_core(
    root: PublicKey,
    account: AccountId,
    device: DeviceId,
    seed: [u8; 32],
    chain: &wire::DeviceChain,
    saved: Saved,
    boot: u8,
) -> Core {
    let identity = Identity { root, account, device, key: DeviceKey::from_seed(seed), chain: chain.clone() };
    let mut ids = seed;
    ids[0] ^= boot;
    Core::new(identity, Suite::default(), saved, ids).unwrap()
}
