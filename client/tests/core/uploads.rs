//! Files on their way: the message waits for the ciphertext, nothing else does, and whatever breaks is begun again where the node says.
use super::*;
use wardline_client::core::{About, File, UPLOADS_AT_ONCE, UploadEnd};
use wardline_e2ee::attachment::AttachmentKey;
use wardline_protocol::AttachmentId;

fn file(number: u8) -> Box<File> {
    Box::new(File {
        attachment: AttachmentId::from_bytes([number; 16]),
        key: AttachmentKey::from_bytes(&[number; 32]).unwrap(),
        sealed_sha256: [number; 32],
        bytes: 1_000,
        about: About { name: "befund.pdf".into(), ..About::default() },
    })
}

impl Alice {
    fn send_file(&mut self, conversation: ConversationId, number: u8) -> MessageId {
        let message = MessageId::from_bytes([number; 16]);
        self.input(Input::Command(Command::SendFile { conversation, message, file: file(number) }, Token(9)));
        assert!(matches!(self.done.pop(), Some((Token(9), Ok(Reply::Message(sent)))) if sent == message));
        message
    }

    fn take_upload(&mut self) -> u64 {
        self.take(|body| matches!(body, Body::OpenUpload(_)))
    }

    fn open_upload(&mut self, request: u64, from_byte: u64) {
        let opened = wire::TransferOpened { ticket: vec![5; 16].into(), from_byte, sealed_bytes: 1_016 };
        self.answer(request, response::Result::TransferOpened(opened));
    }

    fn stored(&mut self, number: u8) {
        let attachment_id = AttachmentId::from_bytes([number; 16]).to_bytes();
        self.push(server_frame::Body::AttachmentStored(wire::AttachmentStored { attachment_id }));
    }

    fn refuse(&mut self, request: u64, code: Code) {
        self.answer(request, response::Result::Error(WireError::new(code, "no").into()));
    }

    fn sends(&self) -> usize {
        self.sent.iter().filter(|(_, body)| matches!(body, Body::SendMessage(_))).count()
    }

    fn opens(&self) -> usize {
        self.sent.iter().filter(|(_, body)| matches!(body, Body::OpenUpload(_))).count()
    }

    fn failed(&self, message: MessageId) -> bool {
        self.events
            .iter()
            .any(|event| matches!(event, Event::MessageFailed { message: failed, .. } if *failed == message))
    }
}

#[test]
fn a_files_message_leaves_once_the_node_has_the_file_and_texts_do_not_wait() {
    let mut alice = Alice::ready();
    let id = alice.direct();
    alice.send_file(id, 1);
    assert_eq!(alice.saved.outbox.len(), 1, "kept before anything moves");
    alice.input(Input::Command(Command::Send { conversation: id, text: "look at this".into() }, Token(2)));
    assert_eq!(alice.sends(), 1, "the text");
    alice.take_message();
    let request = alice.take_upload();
    alice.open_upload(request, 0);
    let order = alice.uploads.pop().unwrap();
    assert_eq!((order.from_byte, order.sealed_bytes, order.ticket.len()), (0, 1_016, 16));
    alice.input(Input::UploadEnded(order.attachment, UploadEnd::Taken));
    assert_eq!(alice.sends(), 0, "taken is not durable");
    alice.stored(1);
    let (_, sent) = alice.take_message();
    assert_eq!(sent.message_id, vec![1; 16]);
}

#[test]
fn a_broken_upload_is_begun_again_and_goes_on_where_the_node_says() {
    let mut alice = Alice::ready();
    let id = alice.direct();
    alice.send_file(id, 1);
    let request = alice.take_upload();
    alice.open_upload(request, 0);
    let attachment = alice.uploads.pop().unwrap().attachment;
    alice.input(Input::UploadEnded(attachment, UploadEnd::Broken));
    assert_eq!(alice.opens(), 0, "not at once");
    alice.now_ms += 1_001;
    alice.input(Input::Tick);
    let request = alice.take_upload();
    alice.open_upload(request, 700);
    assert_eq!(alice.uploads.pop().unwrap().from_byte, 700);

    // The line is lost, and with it what its bulk stream would have said.
    alice.input(Input::Disconnected);
    alice.connect(alice.hospital.directory().version());
    let head = alice.head(id, 0, 0);
    alice.settle_sign_in(vec![head]);
    let request = alice.take_upload();
    alice.input(Input::UploadEnded(attachment, UploadEnd::Broken));
    // This time the node had everything.
    let complete = wire::TransferOpened { from_byte: 1_016, sealed_bytes: 1_016, ..Default::default() };
    alice.answer(request, response::Result::TransferOpened(complete));
    assert_eq!(alice.sends(), 1);
    assert!(alice.uploads.is_empty());
}

#[test]
fn few_files_move_at_once_and_the_next_one_takes_a_free_place() {
    let mut alice = Alice::ready();
    let id = alice.direct();
    for number in 1..=UPLOADS_AT_ONCE as u8 + 1 {
        alice.send_file(id, number);
    }
    assert_eq!(alice.opens(), UPLOADS_AT_ONCE);
    let request = alice.take_upload();
    alice.open_upload(request, 0);
    alice.stored(1);
    assert_eq!(alice.opens(), UPLOADS_AT_ONCE);
}

#[test]
fn what_waiting_does_not_help_fails_the_message_and_the_rest_is_tried_again() {
    let mut alice = Alice::ready();
    let id = alice.direct();
    let full = alice.send_file(id, 1);
    let request = alice.take_upload();
    alice.refuse(request, Code::QuotaExceeded);
    assert!(alice.failed(full));

    let busy = alice.send_file(id, 2);
    for wait_ms in [1_000, 2_000, 4_000] {
        let request = alice.take_upload();
        alice.refuse(request, Code::Storage);
        alice.now_ms += wait_ms - 1;
        alice.input(Input::Tick);
        assert_eq!(alice.opens(), 0, "{wait_ms}");
        alice.now_ms += 1;
        alice.input(Input::Tick);
    }
    assert!(!alice.failed(busy));

    // Bytes that arrive damaged are sent again, but not for ever.
    let attachment = AttachmentId::from_bytes([2; 16]);
    for _ in 0..4 {
        assert!(!alice.failed(busy));
        let request = alice.take_upload();
        alice.open_upload(request, 0);
        let damaged = UploadEnd::Refused(WireError::new(Code::Malformed, "another hash"));
        alice.input(Input::UploadEnded(attachment, damaged));
        alice.now_ms += 30_000;
        alice.input(Input::Tick);
    }
    assert!(alice.failed(busy));

    let lost = alice.send_file(id, 3);
    let request = alice.take_upload();
    alice.open_upload(request, 0);
    alice.input(Input::UploadEnded(AttachmentId::from_bytes([3; 16]), UploadEnd::Lost));
    assert!(alice.failed(lost));
}

#[test]
fn a_file_can_be_taken_back_until_its_message_has_left() {
    let mut alice = Alice::ready();
    let id = alice.direct();
    let message = alice.send_file(id, 1);
    let request = alice.take_upload();
    alice.open_upload(request, 0);
    alice.input(Input::Command(Command::Withdraw { conversation: id, message }, Token(3)));
    assert!(matches!(alice.done.pop(), Some((Token(3), Ok(Reply::Done)))));
    alice.take(|body| matches!(body, Body::DropUpload(_)));
    assert_eq!(alice.saved.outbox_done, [message]);
    alice.stored(1);
    assert_eq!(alice.sends(), 0);

    let message = alice.send_file(id, 2);
    let request = alice.take_upload();
    alice.open_upload(request, 0);
    alice.stored(2);
    assert_eq!(alice.sends(), 1);
    alice.input(Input::Command(Command::Withdraw { conversation: id, message }, Token(4)));
    assert!(matches!(alice.done.pop(), Some((Token(4), Err(_)))), "it is on its way");
}

#[test]
fn a_place_that_says_nothing_and_a_text_that_is_too_long_are_not_taken() {
    let mut alice = Alice::ready();
    let id = alice.direct();
    let location = wardline_client::core::Location { words: " ".into(), position: None };
    let message = MessageId::from_bytes([1; 16]);
    alice.input(Input::Command(Command::SendLocation { conversation: id, message, location }, Token(2)));
    assert!(matches!(alice.done.pop(), Some((_, Err(Failure::Nowhere)))));
    alice.input(Input::Command(Command::Send { conversation: id, text: "x".repeat(300_000) }, Token(3)));
    assert!(matches!(alice.done.pop(), Some((_, Err(Failure::TooLong)))));
}
