//! The paths of a message: frames, the plane, MLS, files.
use crate::world::{Phone, World};
use bytes::Bytes;
use std::hint::black_box;
use wardline_directory::Directory;
use wardline_e2ee::attachment::{AttachmentKey, PIECE_BYTES, Sealer};
use wardline_protocol::wire::{self, ClientFrame, ServerFrame, client_frame, entry, server_frame};
use wardline_protocol::{ConversationId, frame, limit};
use wardline_signaling::{Input, Output, SessionId};

/// Bytes of a text, as in the workloads.
const TEXT: &[u8] = &[b'x'; 80];

/// What a node pushes for a message of 80 bytes: its ciphertext takes some 300.
pub fn entry_frame() -> ServerFrame {
    let message = wire::Message { message_id: vec![7; 16].into(), ciphertext: vec![9; 300].into() };
    let entry = wire::Entry {
        conversation_id: vec![1; 16].into(),
        seq: 4_711,
        epoch: 12,
        sender_account_id: vec![2; 16].into(),
        sender_device_id: vec![3; 16].into(),
        accepted_at_ms: 1_800_000_000_000,
        content: Some(entry::Content::Message(message)),
    };
    ServerFrame { body: Some(server_frame::Body::Entry(entry)) }
}

/// A frame as it goes onto the stream.
pub fn encode(frame: &ServerFrame) -> Bytes {
    frame::encode(frame, limit::FRAME_BYTES_MAX).unwrap()
}

/// A frame as it comes from the stream.
pub fn decode(bytes: &Bytes) -> ServerFrame {
    let mut decoder = frame::Decoder::new(limit::FRAME_BYTES_MAX);
    decoder.push(bytes);
    decoder.next_message().unwrap().unwrap()
}

/// A group on a node, its members connected.
pub struct Group {
    world: World,
    writer: Phone,
    reader: Phone,
    members: usize,
    conversation: ConversationId,
    request_id: u64,
}

impl Group {
    /// With so many members, the writer and the reader among them.
    pub fn of(members: usize) -> Self {
        let mut world = World::new();
        let mut writer = world.person("writer");
        let mut reader = world.person("reader");
        let mut others: Vec<Phone> = (2..members).map(|n| world.person(&format!("p{n}"))).collect();
        let mut all: Vec<&mut Phone> = std::iter::once(&mut reader).chain(&mut others).collect();
        let conversation = world.group(&mut writer, &mut all);
        Self { world, writer, reader, members, conversation, request_id: 1_000_000 }
    }

    /// A message that the writer encrypts now.
    pub fn message(&mut self) -> (SessionId, ClientFrame) {
        let text = std::str::from_utf8(TEXT).unwrap();
        self.request_id += 1;
        let mut message = self.world.message(&mut self.writer, self.conversation, text);
        // The world makes ids from its own requests, of which there is none here: it would be the same message again.
        message.message_id = [[0; 8], self.request_id.to_be_bytes()].concat().into();
        let frame = ClientFrame { request_id: self.request_id, body: Some(client_frame::Body::SendMessage(message)) };
        (self.writer.session, frame)
    }

    /// From the writer's frame to what is queued for every member. Gives how many frames that is.
    pub fn deliver(&mut self, (session, frame): (SessionId, ClientFrame)) -> usize {
        let mut outputs = Vec::new();
        self.world.plane.handle(self.world.now_ms, Input::Frame { session, frame }, &mut outputs);
        let batch = outputs.iter().find_map(|output| match output {
            Output::Write { batch, .. } => Some(*batch),
            _ => None,
        });
        outputs.clear();
        let batch = batch.expect("an accepted message is written");
        self.world.plane.handle(self.world.now_ms, Input::Durable { batch }, &mut outputs);
        let frames = |output: &Output| match output {
            Output::Send { .. } => 1,
            Output::FanOut { sessions, .. } => sessions.len(),
            _ => 0,
        };
        let queued: usize = outputs.iter().map(frames).sum();
        assert!(queued >= self.members, "{queued} frames for {} members", self.members);
        black_box(outputs).len()
    }

    /// The reader signs in anew: what the node does for a device that comes back.
    pub fn sign_in(&mut self) {
        let (session, said) = self.world.try_sign_in(&self.reader);
        said.unwrap();
        self.reader.session = session;
        self.world.pushes(session);
    }

    /// Encrypts one message.
    pub fn encrypt(&mut self) -> Vec<u8> {
        self.writer.engine.encrypt(self.conversation, TEXT).unwrap().ciphertext
    }

    /// Decrypts one.
    pub fn decrypt(&mut self, ciphertext: &[u8]) {
        let directory: &Directory = self.world.hospital.directory();
        black_box(self.reader.engine.process_message(self.conversation, ciphertext, directory).unwrap());
    }

    /// The writer's engine and the reader's, for a call.
    pub(crate) fn engines(&self) -> (ConversationId, &Phone, &Phone) {
        (self.conversation, &self.writer, &self.reader)
    }
}

/// A file that is being sealed.
pub fn sealer() -> (Sealer, Vec<u8>) {
    let key = AttachmentKey::from_bytes(&[5; 32]).unwrap();
    (Sealer::new(&key, 100 * PIECE_BYTES as u64).unwrap(), vec![3; PIECE_BYTES])
}

/// Seals the next piece of it.
pub fn seal_piece(sealer: &mut Sealer, piece: &[u8]) -> Vec<u8> {
    sealer.seal(piece).unwrap()
}
