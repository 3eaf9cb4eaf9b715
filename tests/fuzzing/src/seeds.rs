//! The committed seeds, made by the real codecs: valid inputs to start from, and a few that are nearly so.
use crate::{parts, world};
use prost::Message;
use wardline_directory::link;
use wardline_protocol::limit::FRAME_BYTES_MAX;
use wardline_protocol::wire::{self, client_frame, response, server_frame};
use wardline_protocol::{code, frame};

/// Every seed: target, name, bytes.
pub fn all() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let mut seeds = frames();
    seeds.extend(codes());
    seeds.extend(directory());
    seeds.extend(group());
    // A cut and a flipped copy of each: the refusals' own paths.
    let damaged: Vec<_> = seeds
        .iter()
        .flat_map(|(target, _, bytes): &(&'static str, &'static str, Vec<u8>)| {
            let mut flipped = bytes.clone();
            if let Some(byte) = flipped.get_mut(bytes.len() * 2 / 3) {
                *byte ^= 0x10;
            }
            let half = bytes.get(..bytes.len() / 2).unwrap_or_default().to_vec();
            [(*target, "cut", half), (*target, "flipped", flipped)]
        })
        .collect();
    seeds.extend(damaged);
    seeds
}

type Seed = (&'static str, &'static str, Vec<u8>);

fn frames() -> Vec<Seed> {
    let client = |body| stream(&wire::ClientFrame { request_id: 7, body: Some(body) });
    let server = |body| stream(&wire::ServerFrame { body: Some(body) });
    let id = world::CONVERSATION.to_bytes();
    let entry = wire::Entry { conversation_id: id.clone(), seq: 3, epoch: 1, ..Default::default() };
    let sent = response::Result::Sent(wire::Sent { seq: 3, accepted_at_ms: world::NOW_MS });
    let message_id = vec![5; 16];
    let content = wire::Content {
        message_id: message_id.clone().into(),
        sent_at_ms: world::NOW_MS,
        body: Some(wire::content::Body::Text(wire::Text { text: "Bett 4 ist frei".into() })),
        ..Default::default()
    };
    let message = wire::SendMessage {
        conversation_id: id,
        message_id: message_id.into(),
        ciphertext: vec![6; 40].into(),
        ..Default::default()
    };
    vec![
        (
            "client_frames",
            "hello",
            client(client_frame::Body::Hello(wire::Hello { protocol_version: 1, client: "fuzz".into() })),
        ),
        ("client_frames", "send", client(client_frame::Body::SendMessage(message))),
        (
            "server_frames",
            "sent",
            server(server_frame::Body::Response(wire::Response { request_id: 7, result: Some(sent) })),
        ),
        ("server_frames", "entry", server(server_frame::Body::Entry(entry))),
        ("content", "text", content.encode_to_vec()),
    ]
}

fn stream(message: &impl Message) -> Vec<u8> {
    frame::encode(message, FRAME_BYTES_MAX).map(|bytes| bytes.to_vec()).unwrap_or_default()
}

fn codes() -> Vec<Seed> {
    let (secret, device, key) = world::link();
    let enrolment = wire::EnrolmentCode {
        seed: vec![1; 16].into(),
        account_id: vec![2; 16].into(),
        root_public_key: vec![3; 32].into(),
        node_address: "127.0.0.1:4433".into(),
        certificate_sha256: vec![4; 32].into(),
    };
    let shown = wire::LinkCode {
        secret: secret.to_vec().into(),
        device_public_key: key.to_bytes(),
        device_id: device.to_bytes(),
    };
    vec![
        ("codes", "enrolment", code::enrolment_link(&enrolment).into_bytes()),
        ("codes", "device", code::device_link(&shown).into_bytes()),
        ("link_grant", "sealed", link::seal(secret, device, key, &world::grant()).unwrap_or_default()),
    ]
}

fn directory() -> Vec<Seed> {
    let ward = world::ward();
    let encoded: Vec<Vec<u8>> = ward.hospital.statements().iter().map(Message::encode_to_vec).collect();
    let chain = parts::join(encoded.iter().map(Vec::as_slice));
    let mut seeds = vec![("statements", "chain", [vec![0], chain].concat())];
    let last = encoded.last().map(Vec::as_slice).unwrap_or_default();
    seeds.push(("statements", "gap", [vec![1], parts::join([last])].concat()));
    let names = ["first", "second"];
    seeds.extend(names.into_iter().zip(&ward.people).map(|(name, p)| ("device_chain", name, p.chain.encode_to_vec())));
    seeds
}

fn group() -> Vec<Seed> {
    let mut scene = world::conversation();
    let (created, added) = (&scene.created, &scene.added);
    let mut all = vec![&created.group_info, &created.ratchet_tree, &added.group_info, &added.commit];
    all.extend(&added.proposals);
    let commit = parts::join(all.into_iter().map(Vec::as_slice));
    // From another making of the same conversation: of the right form, never of the right group.
    let message = scene.alice.encrypt(world::CONVERSATION, b"of another group").map(|sealed| sealed.ciphertext);
    let strange = parts::join([scene.added.commit.as_slice()]);
    vec![
        ("public_view", "commit", commit),
        ("group_message", "message", [vec![0], message.unwrap_or_default()].concat()),
        ("group_message", "commit", [vec![1], strange].concat()),
        ("sframe", "short", vec![0, 1, 2, 3]),
        ("sframe", "frame", [vec![3], (0..90).collect()].concat()),
    ]
}
