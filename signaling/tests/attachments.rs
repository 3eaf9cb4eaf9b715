//! Attachments through the plane: who may upload how much, who may fetch, and what a restart or a refused disk leaves behind.
mod world;

use wardline_protocol::wire::{self, client_frame::Body as Ask, response::Result as Said, server_frame::Body as Push};
use wardline_protocol::{AttachmentId, Code, ConversationId};
use wardline_signaling::{Direction, Input, Limits, Query};
use world::{Phone, World};

const DAY_MS: u64 = 24 * 3_600_000;

fn id(byte: u8) -> AttachmentId {
    AttachmentId::from_bytes([byte; 16])
}

fn upload(conversation: ConversationId, attachment: u8, sealed_bytes: u64) -> Ask {
    Ask::OpenUpload(wire::OpenUpload {
        conversation_id: conversation.to_bytes(),
        attachment_id: id(attachment).to_bytes(),
        sealed_bytes,
        sealed_sha256: vec![attachment; 32].into(),
    })
}

fn download(conversation: ConversationId, attachment: u8, from_byte: u64) -> Ask {
    let (conversation_id, attachment_id) = (conversation.to_bytes(), id(attachment).to_bytes());
    Ask::OpenDownload(wire::OpenDownload { conversation_id, attachment_id, from_byte })
}

fn opened(said: Said) -> wire::TransferOpened {
    match said {
        Said::TransferOpened(opened) => opened,
        _ => panic!("another answer"),
    }
}

/// The shell has everything of it.
fn complete(world: &mut World, phone: &Phone, attachment: u8) {
    world.input(Input::Uploaded { session: phone.session, attachment_id: id(attachment) });
}

fn stored(world: &mut World, phone: &Phone) -> bool {
    world.pushes(phone.session).iter().any(|push| matches!(push, Push::AttachmentStored(_)))
}

#[test]
fn what_a_member_uploads_the_others_fetch_and_nobody_else() {
    let mut world = World::new();
    let (mut anna, mut boris, carla) = (world.person("anna"), world.person("boris"), world.person("carla"));
    let direct = world.direct(&mut anna, &mut boris);
    assert!(!opened(world.ask(anna.session, upload(direct, 1, 500)).unwrap()).ticket.is_empty());
    assert_eq!(world.refused(boris.session, download(direct, 1, 0)), Code::UnknownAttachment, "not complete");
    complete(&mut world, &anna, 1);
    assert!(stored(&mut world, &anna));

    let found = opened(world.ask(boris.session, download(direct, 1, 100)).unwrap());
    assert_eq!(found.sealed_bytes, 500);
    let transfer = world.transfers.last().unwrap();
    assert!(matches!(transfer.direction, Direction::Down { from_byte: 100 }));
    assert_eq!(world.refused(boris.session, download(direct, 1, 501)), Code::UnknownAttachment);
    assert_eq!(world.refused(boris.session, download(direct, 2, 0)), Code::UnknownAttachment);

    assert_eq!(world.refused(carla.session, download(direct, 1, 0)), Code::UnknownConversation);
    assert_eq!(world.refused(carla.session, upload(direct, 3, 5)), Code::UnknownConversation);
    // Nor through another conversation that she is in.
    let mut carla = carla;
    let hers = world.direct(&mut carla, &mut boris);
    assert_eq!(world.refused(carla.session, download(hers, 1, 0)), Code::UnknownAttachment);
}

#[test]
fn it_is_said_to_be_stored_only_once_that_is_durable() {
    let mut world = World::new();
    let (mut anna, mut boris) = (world.person("anna"), world.person("boris"));
    let direct = world.direct(&mut anna, &mut boris);
    world.ask(anna.session, upload(direct, 1, 500)).unwrap();
    world.stalled = true;
    complete(&mut world, &anna, 1);
    assert!(!stored(&mut world, &anna));
    world.restart();
    world.sign_in(&mut anna);
    // The crash came before the disk: the upload is still open, and goes on.
    assert!(!opened(world.ask(anna.session, upload(direct, 1, 500)).unwrap()).ticket.is_empty());
    complete(&mut world, &anna, 1);
    assert!(stored(&mut world, &anna));
    world.restart();
    world.sign_in(&mut anna);
    let again = opened(world.ask(anna.session, upload(direct, 1, 500)).unwrap());
    assert!(again.ticket.is_empty() && again.from_byte == 500, "nothing is left to send");
}

#[test]
fn an_id_stands_for_one_content_of_one_account() {
    let mut world = World::new();
    let (mut anna, mut boris) = (world.person("anna"), world.person("boris"));
    let direct = world.direct(&mut anna, &mut boris);
    for when in ["open", "complete"] {
        world.ask(anna.session, upload(direct, 1, 500)).unwrap();
        assert_eq!(world.refused(anna.session, upload(direct, 1, 501)), Code::Forbidden, "{when}");
        assert_eq!(world.refused(boris.session, upload(direct, 1, 500)), Code::Forbidden, "{when}");
        complete(&mut world, &anna, 1);
    }
    assert_eq!(world.plane.counts().attachment_bytes, 500, "counted once");
}

#[test]
fn announced_twice_while_the_store_is_asked_it_is_one_upload() {
    let mut world = World::new();
    let (mut anna, mut boris) = (world.person("anna"), world.person("boris"));
    let direct = world.direct(&mut anna, &mut boris);
    world.held_reads = Some(Vec::new());
    assert!(world.try_ask(anna.session, upload(direct, 1, 500)).is_none());
    assert!(world.try_ask(anna.session, upload(direct, 1, 500)).is_none());
    assert!(world.try_ask(boris.session, upload(direct, 1, 500)).is_none());
    let last = world.last_request();
    for (session, request_id, query) in world.held_reads.take().unwrap() {
        assert!(matches!(query, Query::Attachment { .. }));
        let answer = Ok(world.store.read_now(&query));
        world.input(Input::Answered { session, request_id, answer });
    }
    assert_eq!(world.late_response(boris.session, last).unwrap().unwrap_err().code, Code::Forbidden);
    assert_eq!((world.plane.counts().uploads_open, world.plane.counts().attachment_bytes), (1, 500));
}

#[test]
fn room_is_bounded_and_given_back() {
    let limits = Limits { file_bytes_max: 584, attachment_bytes_per_account: 1_000, ..Limits::default() };
    let mut world = World::with_limits(limits);
    let (mut anna, mut boris) = (world.person("anna"), world.person("boris"));
    let direct = world.direct(&mut anna, &mut boris);
    // 584 bytes and a tag of 16.
    assert_eq!(world.refused(anna.session, upload(direct, 1, 601)), Code::QuotaExceeded);
    assert_eq!(world.refused(anna.session, upload(direct, 1, 0)), Code::QuotaExceeded);
    world.ask(anna.session, upload(direct, 1, 600)).unwrap();
    assert_eq!(world.refused(anna.session, upload(direct, 2, 401)), Code::QuotaExceeded);
    world.ask(boris.session, upload(direct, 3, 600)).unwrap();
    // Somebody else's is not dropped.
    let drop = |attachment| Ask::DropUpload(wire::DropUpload { attachment_id: id(attachment).to_bytes() });
    world.ask(boris.session, drop(1)).unwrap();
    assert_eq!(world.refused(anna.session, upload(direct, 2, 401)), Code::QuotaExceeded);
    world.ask(anna.session, drop(1)).unwrap();
    assert_eq!(world.dropped, [id(1)]);
    world.ask(anna.session, upload(direct, 2, 401)).unwrap();
    // What arrives for one that was dropped is thrown away.
    complete(&mut world, &anna, 1);
    assert_eq!(world.dropped, [id(1), id(1)]);
    assert!(!stored(&mut world, &anna));
}

#[test]
fn what_nobody_goes_on_with_is_forgotten_after_a_week() {
    let mut world = World::new();
    let (mut anna, mut boris) = (world.person("anna"), world.person("boris"));
    let direct = world.direct(&mut anna, &mut boris);
    world.ask(anna.session, upload(direct, 1, 500)).unwrap();
    world.ask(anna.session, upload(direct, 2, 500)).unwrap();
    complete(&mut world, &anna, 2);
    world.pass_ms(7 * DAY_MS - 1);
    assert!(world.dropped.is_empty());
    world.restart();
    world.pass_ms(2);
    assert_eq!(world.dropped, [id(1)]);
    assert_eq!((world.plane.counts().uploads_open, world.plane.counts().attachment_bytes), (0, 500));
}

#[test]
fn unfinished_uploads_of_one_account_are_bounded() {
    let mut world = World::new();
    let (mut anna, mut boris) = (world.person("anna"), world.person("boris"));
    let direct = world.direct(&mut anna, &mut boris);
    for attachment in 0..64 {
        world.ask(anna.session, upload(direct, attachment, 5)).unwrap();
    }
    assert_eq!(world.refused(anna.session, upload(direct, 64, 5)), Code::RateLimited);
    complete(&mut world, &anna, 0);
    world.ask(anna.session, upload(direct, 64, 5)).unwrap();
}
