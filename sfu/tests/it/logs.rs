//! No address of a participant is ever logged, whatever the level.
use crate::support::socketed::Socketed;
use crate::support::{ROOM, participant};
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use wardline_sfu::{Config, Sfu};

/// Keeps everything of every level that shard threads log. The peers' own threads are not part of the server.
#[derive(Clone, Default)]
struct Everything(Arc<Mutex<String>>);

impl Everything {
    fn note(&self, record: impl FnOnce(&mut Text)) {
        if std::thread::current().name().is_some_and(|name| name.starts_with("sfu-")) {
            let mut text = Text(String::new());
            record(&mut text);
            self.0.lock().unwrap().push_str(&text.0);
        }
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
        writeln!(self.0, "{value:?}").unwrap();
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.note(|text| span.record(text));
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, values: &Record<'_>) {
        self.note(|text| values.record(text));
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        self.note(|text| event.record(text));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn no_address_of_a_participant_reaches_the_log() {
    let everything = Everything::default();
    tracing::subscriber::set_global_default(everything.clone()).unwrap();
    let config = Config { bind: vec!["127.0.0.1:0".parse().unwrap()], ..Config::default() };
    let sfu = Sfu::start(config, |_| tracing::info!("sfu event")).unwrap();
    let mut device = Socketed::join(&sfu, 1);
    assert!(device.serve(Duration::from_secs(20), |peer| peer.connected));
    sfu.set_sending(ROOM, participant(1), true);
    // A stranger, and a datagram that no socket can be reached for.
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.send_to(&[0x80; 40], sfu.local_addresses()[0]).unwrap();
    let addresses = [device.peer.address, stranger.local_addr().unwrap()];
    drop(device);
    sfu.shutdown();
    let logged = everything.0.lock().unwrap().clone();
    for address in addresses {
        assert!(
            !logged.contains(&address.port().to_string()) && !logged.contains(&address.ip().to_string()),
            "{logged}"
        );
    }
}
