//! The SQLite store against the store in memory: the same writes give the same state and the same answers, also after reopening.
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::BTreeMap;
use wardline_protocol::wire::{self, entry::Content};
use wardline_protocol::{AccountId, AttachmentId, ConversationId, DeviceId, MessageId, limit};
use wardline_relay::store::SqliteStore;
use wardline_signaling::memory::MemoryStore;
use wardline_signaling::{
    AttachmentRow, DeviceRow, KeyPackageRow, PushRow, PushSubscription, Query, Snapshot, Store, TransferWish, Write,
};

fn id(kind: u8, number: u8) -> [u8; 16] {
    let mut id = [kind; 16];
    id[0] = number;
    id
}

fn account(number: u8) -> AccountId {
    AccountId::from_bytes(id(1, number))
}

fn device(number: u8) -> DeviceId {
    DeviceId::from_bytes(id(2, number))
}

fn conversation(number: u8) -> ConversationId {
    ConversationId::from_bytes(id(3, number))
}

fn attachment(number: u8) -> AttachmentId {
    AttachmentId::from_bytes(id(4, number))
}

/// Makes writes as the plane would: numbers follow each other, nothing is created twice.
struct Writer {
    random: StdRng,
    statements: u64,
    devices: u8,
    key_packages: u64,
    conversations: u8,
    heads: BTreeMap<u8, u64>,
    messages: Vec<(ConversationId, MessageId)>,
}

const KINDS: u32 = 26;

/// Few, so that writes meet.
const ATTACHMENTS: u8 = 40;

impl Writer {
    fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            statements: 0,
            devices: 0,
            key_packages: 0,
            conversations: 0,
            heads: BTreeMap::new(),
            messages: Vec::new(),
        }
    }

    /// All of it but its being complete belongs to the id.
    fn attachment(&mut self) -> AttachmentRow {
        let number = self.random.random_range(0..ATTACHMENTS);
        AttachmentRow {
            attachment_id: attachment(number),
            conversation_id: conversation(number % 5),
            account_id: account(number % 3),
            sealed_bytes: u64::from(number) * 1_000,
            sealed_sha256: [number; 32],
            created_ms: u64::from(number),
            complete: self.random.random(),
        }
    }

    fn push(&mut self) -> PushRow {
        let endpoint = format!("https://push.example/{}", self.random.random::<u64>());
        let (p256dh, auth) = ([self.random.random(); 65], [self.random.random(); 16]);
        PushRow { device_id: self.any_device(), subscription: PushSubscription { endpoint, p256dh, auth } }
    }

    fn bytes(&mut self) -> bytes::Bytes {
        let length = self.random.random_range(0..300);
        (0..length).map(|_| self.random.random::<u8>()).collect::<Vec<u8>>().into()
    }

    fn any_device(&mut self) -> DeviceId {
        // Few, so that writes meet.
        device(self.random.random_range(0..self.devices.clamp(1, 5)))
    }

    fn any_conversation(&mut self) -> ConversationId {
        conversation(self.random.random_range(0..self.conversations.clamp(1, 3)))
    }

    fn any_account(&mut self) -> AccountId {
        account(self.random.random_range(0..5))
    }

    fn device_row(&mut self) -> Write {
        let number = self.devices;
        self.devices += 1;
        Write::Device(DeviceRow {
            device_id: device(number),
            account_id: self.any_account(),
            chain: wire::DeviceChain {
                certificates: vec![wire::DeviceCertificate { body: self.bytes(), signature: self.bytes() }],
            },
            enrolled_at_ms: 1_000 + u64::from(number),
            last_seen_ms: 0,
            revoked: false,
        })
    }

    fn create_conversation(&mut self) -> Write {
        let number = self.conversations;
        self.conversations += 1;
        let (group_info, ratchet_tree) = (self.bytes(), self.bytes());
        Write::CreateConversation { conversation_id: conversation(number), group_info, ratchet_tree }
    }

    fn entry(&mut self, message: bool) -> Write {
        let conversation_id = self.any_conversation();
        let head = self.heads.entry(conversation_id.as_bytes()[0]).or_default();
        *head += 1;
        let seq = *head;
        let content = if message {
            // Sometimes an id that was used before, as from a hostile member: perhaps in this conversation, perhaps in another.
            let known = self.random.random_range(0..self.messages.len() + 1);
            let message_id = match self.messages.get(known) {
                Some((_, used)) if self.random.random_ratio(1, 5) => *used,
                _ => MessageId::from_bytes(self.random.random()),
            };
            self.messages.push((conversation_id, message_id));
            Content::Message(wire::Message { message_id: message_id.to_bytes(), ciphertext: self.bytes() })
        } else {
            Content::Commit(wire::CommitContent { proposals: vec![self.bytes()], commit: self.bytes() })
        };
        Write::Entry(wire::Entry {
            conversation_id: conversation_id.to_bytes(),
            seq,
            epoch: seq / 3,
            sender_account_id: self.any_account().to_bytes(),
            sender_device_id: self.any_device().to_bytes(),
            accepted_at_ms: 10_000 + seq,
            content: Some(content),
        })
    }

    fn key_packages(&mut self) -> Write {
        let packages = (0..self.random.random_range(1..5)).map(|_| {
            self.key_packages += 1;
            KeyPackageRow { id: self.key_packages, key_package: self.bytes() }
        });
        let packages = packages.collect();
        Write::KeyPackages { device_id: self.any_device(), packages }
    }

    fn welcomes(&mut self) -> Write {
        let conversation_id = self.any_conversation();
        let head = self.heads.entry(conversation_id.as_bytes()[0]).or_default();
        *head += 1; // the commit's place; its entry does not matter here
        let seq = *head;
        let mut device_ids = vec![self.any_device(), self.any_device()];
        device_ids.dedup();
        let (welcome, ratchet_tree) = (self.bytes(), self.bytes());
        Write::Welcomes { conversation_id, device_ids, seq, epoch: seq, welcome, ratchet_tree }
    }

    fn write(&mut self, kind: u32) -> Vec<Write> {
        let one = match kind {
            0 => {
                self.statements += 1;
                let statement = wire::Statement { body: self.bytes(), signature: self.bytes() };
                Write::Statement { version: self.statements, statement }
            }
            1 => self.device_row(),
            2 => Write::RevokeDevice { device_id: self.any_device() },
            3 => Write::LockAccount { account_id: self.any_account(), locked: self.random.random() },
            4 => Write::SecondUseRefused { account_id: self.any_account() },
            5 => Write::LastSeen { device_id: self.any_device(), at_ms: self.random.random_range(0..99_999) },
            6 => self.key_packages(),
            7 => Write::LastResort { device_id: self.any_device(), key_package: self.bytes() },
            8 => {
                let ids = (0..3).map(|_| self.random.random_range(0..=self.key_packages)).collect();
                Write::DropKeyPackages { ids }
            }
            9 => self.create_conversation(),
            10 => self.entry(false),
            11 => Write::Group {
                conversation_id: self.any_conversation(),
                epoch: self.random.random_range(0..99),
                group_info: self.bytes(),
                ratchet_tree: self.bytes(),
            },
            12 => Write::MemberJoined {
                conversation_id: self.any_conversation(),
                device_id: self.any_device(),
                first_seq: self.random.random_range(1..9),
            },
            13 => Write::MemberLeft { conversation_id: self.any_conversation(), device_id: self.any_device() },
            14 => {
                // The log has no holes, so the welcome's commit is written too.
                let welcomes = self.welcomes();
                let Write::Welcomes { conversation_id, seq, .. } = &welcomes else { unreachable!() };
                let commit = wire::CommitContent { proposals: Vec::new(), commit: self.bytes() };
                let entry = wire::Entry {
                    conversation_id: conversation_id.to_bytes(),
                    seq: *seq,
                    epoch: 1,
                    sender_account_id: self.any_account().to_bytes(),
                    sender_device_id: self.any_device().to_bytes(),
                    accepted_at_ms: 1,
                    content: Some(Content::Commit(commit)),
                };
                return vec![Write::Entry(entry), welcomes];
            }
            15 => Write::DropWelcome { conversation_id: self.any_conversation(), device_id: self.any_device() },
            16 => Write::Departed {
                conversation_id: self.any_conversation(),
                account_id: self.any_account(),
                departed: self.random.random(),
            },
            17 => Write::Delivered {
                conversation_id: self.any_conversation(),
                device_id: self.any_device(),
                seq: self.random.random_range(0..99),
            },
            18 => Write::ReadUpTo {
                conversation_id: self.any_conversation(),
                account_id: self.any_account(),
                seq: self.random.random_range(0..99),
            },
            19 => {
                let first_seq = self.random.random_range(1..9);
                let left_seq = first_seq + self.random.random_range(0..9);
                let (conversation_id, device_id) = (self.any_conversation(), self.any_device());
                Write::FormerMember { conversation_id, device_id, first_seq, left_seq }
            }
            20 => Write::ForgetFormer {
                conversation_id: self.any_conversation(),
                device_id: self.any_device(),
                up_to_seq: self.random.random_range(0..9),
            },
            21 => Write::Attachment(self.attachment()),
            22 => Write::DropAttachment { attachment_id: attachment(self.random.random_range(0..ATTACHMENTS)) },
            23 => Write::Push(self.push()),
            24 => Write::DropPush { device_id: self.any_device() },
            25 => Write::Confirmed {
                conversation_id: self.any_conversation(),
                seq: self.random.random_range(1..9),
                account_id: self.any_account(),
                at_ms: self.random.random_range(0..99_999),
            },
            _ => self.entry(true),
        };
        vec![one]
    }
}

fn shown(snapshot: &Snapshot) -> String {
    format!("{snapshot:#?}")
}

async fn same(store: &SqliteStore, reference: &MemoryStore, writer: &Writer) {
    let (stored, expected) = (store.load().await.unwrap(), reference.load_now());
    assert_eq!(shown(&stored), shown(&expected));
    assert!(stored.pushes == expected.pushes, "subscriptions show nothing of themselves");
    let mut queries = vec![Query::KeyPackages {
        ids: (0..=writer.key_packages).rev().collect(),
        last_resort_of: (0..writer.devices).map(device).collect(),
    }];
    queries.extend((0..writer.devices).map(|number| Query::Welcomes { device_id: device(number) }));
    for number in 0..writer.conversations {
        let head = writer.heads.get(&number).copied().unwrap_or_default();
        for from_seq in [1, head / 2 + 1, head + 1] {
            queries.push(Query::Log { conversation_id: conversation(number), from_seq });
        }
        for of in [None, Some(account(2))] {
            queries.extend((1..9).map(|seq| Query::Confirmations { conversation_id: conversation(number), seq, of }));
        }
    }
    for (conversation_id, message_id) in writer.messages.iter().step_by(7) {
        queries.push(Query::FindMessage { conversation_id: *conversation_id, message_id: *message_id });
    }
    queries.push(Query::FindMessage { conversation_id: conversation(0), message_id: MessageId::from_bytes([9; 16]) });
    queries.extend((0..=ATTACHMENTS).map(|number| Query::Attachment {
        attachment_id: attachment(number),
        wish: TransferWish::Download { conversation_id: conversation(0), from_byte: 0 },
    }));
    for query in queries {
        let (stored, expected) = (store.read(query.clone()).await.unwrap(), reference.read_now(&query));
        assert_eq!(format!("{stored:?}"), format!("{expected:?}"), "{query:?}");
    }
}

#[tokio::test]
async fn every_write_reads_back_as_from_the_reference() {
    let mut seen = [0u32; KINDS as usize + 1];
    for seed in 0..12 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wardline.db");
        let mut store = SqliteStore::create(&path).await.unwrap();
        let reference = MemoryStore::new();
        let mut writer = Writer::new(seed);
        let mut first = writer.device_row();
        for batch in 0..30 {
            let mut writes = vec![first];
            writes.push(writer.create_conversation());
            for _ in 0..writer.random.random_range(1..40) {
                let kind = writer.random.random_range(0..=KINDS);
                seen[kind as usize] += 1;
                writes.extend(writer.write(kind));
            }
            reference.apply_now(writes.clone());
            store.apply(writes).await.unwrap();
            first = writer.device_row();
            if batch % 10 == 9 {
                same(&store, &reference, &writer).await;
                store.close().await.unwrap();
                store = SqliteStore::open(&path).await.unwrap();
                same(&store, &reference, &writer).await;
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 20), "{seen:?}");
}

#[tokio::test]
async fn cursors_of_a_crowd_read_back_as_from_the_reference() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::create(&dir.path().join("wardline.db")).await.unwrap();
    let reference = MemoryStore::new();
    let mut writer = Writer::new(1);
    let (one, other) = (conversation(0), conversation(1));
    let crowd = |number: u16| {
        let mut id = [7; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        id
    };
    let mut writes = vec![writer.device_row()];
    for conversation_id in [one, other] {
        writes.push(writer.create_conversation());
        writes.extend((0..700).map(|number| {
            let device_id = DeviceId::from_bytes(crowd(number));
            Write::MemberJoined { conversation_id, device_id, first_seq: 1 }
        }));
    }
    // Several times over, with others in between, and who is no member among them.
    for n in 0..3_000_u16 {
        let number = n.wrapping_mul(7919) % 720;
        let conversation_id = if n % 3 == 0 { other } else { one };
        writes.push(match n % 5 {
            0 => Write::ReadUpTo { conversation_id, account_id: AccountId::from_bytes(crowd(number)), seq: n.into() },
            _ => Write::Delivered { conversation_id, device_id: DeviceId::from_bytes(crowd(number)), seq: n.into() },
        });
        if n % 1_000 == 999 {
            writes.push(Write::MemberLeft { conversation_id, device_id: DeviceId::from_bytes(crowd(number)) });
        }
    }
    reference.apply_now(writes.clone());
    store.apply(writes).await.unwrap();
    let stored = shown(&store.load().await.unwrap());
    assert!(stored == shown(&reference.load_now()), "stored and expected differ");
    assert!(stored.contains("2993"), "the last cursors are there");
}

#[tokio::test]
async fn pages_and_recent_messages_are_bounded_like_the_reference() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::create(&dir.path().join("wardline.db")).await.unwrap();
    let reference = MemoryStore::new();
    let mut writer = Writer::new(1);
    let mut writes = vec![writer.create_conversation()];
    for number in 0..1_500 {
        let mut write = writer.entry(number % 3 != 0);
        // Three entries do not fit a page together, and one not even alone.
        if let Write::Entry(wire::Entry { seq, content: Some(Content::Message(message)), .. }) = &mut write {
            match *seq {
                1_400..1_403 => message.ciphertext = vec![7; limit::PAGE_BYTES_MAX / 2].into(),
                1_450 | 1_451 => message.ciphertext = vec![8; limit::PAGE_BYTES_MAX + 1].into(),
                _ => {}
            }
        }
        writes.push(write);
    }
    reference.apply_now(writes.clone());
    store.apply(writes).await.unwrap();
    same(&store, &reference, &writer).await;
    for from_seq in [1, 2, 501, 1_398, 1_400, 1_401, 1_449, 1_450, 1_451, 1_499, 1_500, 1_501] {
        let query = Query::Log { conversation_id: conversation(0), from_seq };
        let (stored, expected) = (store.read(query.clone()).await.unwrap(), reference.read_now(&query));
        assert_eq!(format!("{stored:?}"), format!("{expected:?}"), "from {from_seq}");
    }
}

#[tokio::test]
async fn a_batch_is_applied_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::create(&dir.path().join("wardline.db")).await.unwrap();
    let mut writer = Writer::new(2);
    let writes = vec![writer.create_conversation(), writer.entry(true)];
    store.apply(writes.clone()).await.unwrap();
    let before = shown(&store.load().await.unwrap());
    let mut doubled = vec![writer.device_row(), writer.entry(true)];
    doubled.extend(writes); // the conversation is there already
    assert!(store.apply(doubled).await.is_err());
    assert_eq!(shown(&store.load().await.unwrap()), before);
    store.apply(vec![writer.device_row()]).await.unwrap();
}
