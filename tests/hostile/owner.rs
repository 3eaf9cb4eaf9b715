//! The owner's view: the whole database, every frame in both directions, and the conversation that is lied about.
use prost::Message as _;
use wardline_client::core::{Command, Event, Input, Misbehaviour, Notice, Reply, Token};
use wardline_protocol::wire::{self, client_frame::Body as Ask, response, server_frame::Body as Push};
use wardline_protocol::{AccountId, ConversationId, DeviceId, MessageId};
use wardline_schedules::World;
use wardline_signaling::{Answer, ConversationRow, Query};

/// Manages the group.
pub const ALICE: usize = 0;
/// A member.
pub const BOB: usize = 1;
/// A member.
pub const CAROL: usize = 2;
/// In the directory, and in no conversation: the owner's accomplice, who has an account of his own.
pub const DAVE: usize = 3;
/// Alice's and Bob's further devices.
pub const ALICE_2: usize = 4;
/// See [`ALICE_2`].
pub const BOB_2: usize = 5;

const ACCOUNTS: usize = 4;

/// What one device asks is answered within so many rounds.
const ROUNDS: usize = 20;

/// Everybody with a device in the group.
pub const MEMBERS: [usize; 5] = [ALICE, BOB, CAROL, ALICE_2, BOB_2];

pub struct Owner {
    pub world: World,
    /// Alice's, with Bob and Carol.
    pub group: ConversationId,
    said: usize,
}

impl Owner {
    pub fn new() -> Self {
        let mut world = World::new(1, ACCOUNTS);
        world.noise = false;
        world.settle();
        let accounts = vec![world.devices[BOB].account, world.devices[CAROL].account];
        let token = world.command(ALICE, Command::CreateGroup { title: "Station".into(), accounts });
        world.settle();
        let Some(Ok(Reply::Conversation(group))) = world.devices[ALICE].replies.remove(&token) else { panic!() };
        let mut owner = Self { world, group, said: 0 };
        owner.all_talk();
        owner
    }

    /// The direct conversation of Alice and Bob.
    pub fn direct(&mut self) -> ConversationId {
        let account = self.account(BOB);
        let token = self.world.command(ALICE, Command::OpenDirect { account });
        self.world.settle();
        let Some(Ok(Reply::Conversation(id))) = self.world.devices[ALICE].replies.remove(&token) else { panic!() };
        id
    }

    pub fn account(&self, device: usize) -> AccountId {
        self.world.devices[device].account
    }

    // ---- what the owner has ----

    /// A conversation as it is stored.
    pub fn row(&self, id: ConversationId) -> ConversationRow {
        let rows = self.world.store.load_now().conversations;
        rows.into_iter().find(|row| row.conversation_id == id).unwrap()
    }

    pub fn log(&self, id: ConversationId) -> Vec<wire::Entry> {
        match self.world.store.read_now(&Query::Log { conversation_id: id, from_seq: 1 }) {
            Answer::Log(entries) => entries,
            _ => panic!("not a log"),
        }
    }

    /// The newest ciphertext of the log.
    pub fn newest_ciphertext(&self, id: ConversationId) -> Vec<u8> {
        let messages = self.log(id).into_iter().rev().filter_map(|entry| match entry.content {
            Some(wire::entry::Content::Message(message)) => Some(message.ciphertext.to_vec()),
            _ => None,
        });
        messages.into_iter().next().unwrap()
    }

    // ---- what the owner does ----

    /// A frame that the plane never made.
    pub fn push(&mut self, device: usize, body: Push) {
        self.world.core_input(device, Input::Frame(wire::ServerFrame { body: Some(body) }));
    }

    /// An entry that the plane never made, as the next one of the log, for these devices.
    pub fn invent(&mut self, id: ConversationId, devices: &[usize], content: wire::entry::Content) {
        for device in devices {
            let known = self.world.devices[*device].core.conversations().find(|(known, _)| **known == id);
            let entry = wire::Entry {
                conversation_id: id.to_bytes(),
                seq: known.unwrap().1.cursor + 1,
                accepted_at_ms: self.world.now_ms,
                content: Some(content.clone()),
                ..Default::default()
            };
            self.push(*device, Push::Entry(entry));
        }
    }

    /// Carries frames of one device until a response of this kind is on its way to it, and changes that.
    pub fn alter<T>(
        &mut self,
        device: usize,
        wanted: impl Fn(&mut response::Result) -> Option<&mut T>,
        lie: impl FnOnce(&mut T),
    ) {
        loop {
            while self.world.carry_up(device) {}
            self.world.sync(usize::MAX);
            for frame in &mut self.world.devices[device].down {
                let Some(Push::Response(wire::Response { result: Some(result), .. })) = &mut frame.body else {
                    continue;
                };
                if let Some(found) = wanted(result) {
                    return lie(found);
                }
            }
            assert!(self.world.carry_down(device), "no such response is on its way");
        }
    }

    /// Carries frames of one device for some seconds, with every response to it in the owner's hands. Gives how many commits it sent: the
    /// plane would refuse what the owner would take.
    pub fn carry_altered(&mut self, device: usize, mut lie: impl FnMut(&mut response::Result)) -> usize {
        let mut commits = 0;
        for _ in 0..ROUNDS {
            commits += self.commits_on_line(device);
            while self.world.carry_up(device) {}
            self.world.sync(usize::MAX);
            for frame in &mut self.world.devices[device].down {
                if let Some(Push::Response(wire::Response { result: Some(result), .. })) = &mut frame.body {
                    lie(result);
                }
            }
            while self.world.carry_down(device) {}
            self.world.pass_ms(500);
        }
        commits
    }

    // ---- what can be seen of a device ----

    /// What it was told since the last look.
    pub fn events(&mut self, device: usize) -> Vec<Event> {
        std::mem::take(&mut self.world.devices[device].events)
    }

    /// Everybody's events so far are forgotten.
    pub fn forget_events(&mut self) {
        for device in 0..self.world.devices.len() {
            self.events(device);
        }
    }

    /// Why it has refused the node since the last look.
    pub fn refusals(&mut self, device: usize) -> Vec<Misbehaviour> {
        let events = self.events(device).into_iter();
        let refusals = events.filter_map(|event| if let Event::NodeRefused(why) = event { Some(why) } else { None });
        refusals.collect()
    }

    pub fn healed(&mut self, device: usize, id: ConversationId) -> usize {
        let healed = Event::SecurityNotice(Notice::Healed(id));
        self.events(device).into_iter().filter(|event| *event == healed).count()
    }

    /// Epoch, members and roster, as it believes them.
    pub fn state(
        &self,
        device: usize,
        id: ConversationId,
    ) -> (Option<u64>, Vec<(AccountId, DeviceId)>, Vec<AccountId>) {
        let core = &self.world.devices[device].core;
        (core.epoch(&id).map(|(epoch, _)| epoch), core.members(&id), core.roster(&id))
    }

    /// The ciphertexts that wait on its line, not yet at the node.
    pub fn ciphertexts_on_line(&self, device: usize) -> Vec<wire::SendMessage> {
        let up = self.world.devices[device].up.iter();
        up.filter_map(|frame| match &frame.body {
            Some(Ask::SendMessage(send)) => Some(send.clone()),
            _ => None,
        })
        .collect()
    }

    /// Whether it has a commit on its line.
    pub fn commits_on_line(&self, device: usize) -> usize {
        self.world.devices[device].up.iter().filter(|frame| matches!(frame.body, Some(Ask::SubmitCommit(_)))).count()
    }

    // ---- what people do ----

    /// A person writes; nothing is carried.
    pub fn write(&mut self, device: usize, id: ConversationId) -> (Token, String) {
        self.said += 1;
        let text = format!("sentence {}", self.said);
        (self.world.command(device, Command::Send { conversation: id, text: text.clone() }), text)
    }

    pub fn has_read(&self, device: usize, text: &str) -> bool {
        self.world.devices[device].shown.values().any(|(_, shown)| shown == text)
    }

    /// One writes and the others read, on an honest node.
    #[track_caller]
    pub fn talk(&mut self, from: usize, to: &[usize], id: ConversationId) {
        let (token, text) = self.write(from, id);
        self.world.settle();
        let Some(Ok(Reply::Message(message))) = self.world.devices[from].replies.remove(&token) else { panic!() };
        let message: MessageId = message;
        assert!(self.world.devices[from].acknowledged.contains_key(&message), "{from} was not told that it was sent");
        for reader in to {
            assert!(self.has_read(*reader, &text), "{reader} did not read what {from} wrote");
        }
    }

    /// Everybody in the group writes once, and everybody else reads it.
    #[track_caller]
    pub fn all_talk(&mut self) {
        for from in MEMBERS {
            let others: Vec<usize> = MEMBERS.into_iter().filter(|other| *other != from).collect();
            self.talk(from, &others, self.group);
        }
    }

    /// All lines are cut, and from here on the node is the plane and nothing else.
    pub fn be_honest(&mut self) {
        for device in 0..self.world.devices.len() {
            self.world.cut(device);
        }
        self.world.settle();
    }
}

/// A statement's body, changed and encoded again.
pub fn altered(statement: &wire::Statement, change: impl FnOnce(&mut wire::StatementBody)) -> wire::Statement {
    let mut body = wire::StatementBody::decode(statement.body.clone()).unwrap();
    change(&mut body);
    wire::Statement { body: body.encode_to_vec().into(), signature: statement.signature.clone() }
}
