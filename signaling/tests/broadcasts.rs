//! Broadcasts through the plane: who goes live, who watches, who hears of it, and what revoking does.
mod world;

use wardline_protocol::wire::broadcast_state::{EndReason, State};
use wardline_protocol::wire::{self, client_frame::Body as Ask, response::Result as Said, server_frame::Body as Push};
use wardline_protocol::{CallId, Code};
use wardline_signaling::limit::{HOLD_MS, VIEWERS_TOLD_EVERY_MS};
use wardline_signaling::{Input, MediaCommand, MediaEvent};
use world::ward::Ward;
use world::{Phone, World};

const ID: CallId = CallId::from_bytes([78; 16]);

struct Studio {
    ward: Ward,
    /// The operator, two readers of the ward, and somebody who is not of it.
    anna: Phone,
    boris: Phone,
    carla: Phone,
    dora: Phone,
}

impl Studio {
    fn new() -> Self {
        let mut world = World::new();
        let (mut anna, mut boris) = (world.person("anna"), world.person("boris"));
        let (mut carla, dora) = (world.person("carla"), world.person("dora"));
        let mut ward = Ward::new(world, &anna, &[&boris, &carla]);
        ward.fill(&mut anna, &mut [&mut boris, &mut carla]);
        ward.world.pushes(anna.session);
        Self { ward, anna, boris, carla, dora }
    }

    fn start(&mut self, by: fn(&Self) -> &Phone) -> Result<(), Code> {
        let conversation_id = self.ward.channel.to_bytes();
        let request = wire::StartBroadcast { broadcast_id: ID.to_bytes(), conversation_id, offer_sdp: "offer".into() };
        let session = by(self).session;
        self.ward.world.ask(session, Ask::StartBroadcast(request)).map(drop).map_err(|error| error.code)
    }

    fn join(&mut self, by: fn(&Self) -> &Phone) -> Result<Said, Code> {
        let request = wire::JoinBroadcast { broadcast_id: ID.to_bytes(), offer_sdp: "offer".into() };
        let session = by(self).session;
        self.ward.world.ask(session, Ask::JoinBroadcast(request)).map_err(|error| error.code)
    }

    fn stop(&mut self, by: fn(&Self) -> &Phone) -> Result<(), Code> {
        let session = by(self).session;
        let stop = Ask::StopBroadcast(wire::StopBroadcast { broadcast_id: ID.to_bytes() });
        self.ward.world.ask(session, stop).map(drop).map_err(|error| error.code)
    }

    fn media(&mut self, of: fn(&Self) -> &Phone, up: bool) {
        let (call, device) = (ID, of(self).device);
        let event = if up { MediaEvent::Connected { call, device } } else { MediaEvent::Lost { call, device } };
        self.ward.world.input(Input::Media(event));
    }

    /// What this device was told since it was last asked: state, viewers, reason.
    fn told(&mut self, of: fn(&Self) -> &Phone) -> Vec<(State, u32, EndReason)> {
        let session = of(self).session;
        let told = self.ward.world.pushes(session).into_iter().filter_map(|push| match push {
            Push::BroadcastState(state) => {
                assert_eq!(state.broadcast_id, ID.to_bytes());
                assert_eq!(state.sender_account_id, self.anna.account.to_bytes());
                Some((state.state(), state.viewers, state.reason()))
            }
            _ => None,
        });
        told.collect()
    }

    fn is_disconnected(&self, phone: &Phone) -> bool {
        let is = |command: &&MediaCommand| matches!(command, MediaCommand::Disconnect { call: ID, device } if *device == phone.device);
        self.ward.world.media.iter().any(|command| is(&command))
    }

    fn is_closed(&self) -> bool {
        self.ward.world.media.iter().any(|command| matches!(command, MediaCommand::CloseRoom { call: ID }))
    }
}

const LIVE: (State, u32, EndReason) = (State::Live, 0, EndReason::Unspecified);

#[test]
fn an_operator_goes_live_and_the_channel_watches() {
    let mut studio = Studio::new();
    studio.start(|all| &all.anna).unwrap();
    assert_eq!(studio.told(|all| &all.boris), [LIVE]);
    assert!(studio.told(|all| &all.dora).is_empty(), "not of the ward");
    let allowed = |world: &World, phone: &Phone| {
        let is = |command: &MediaCommand| matches!(command, MediaCommand::AllowSending { device, .. } if *device == phone.device);
        world.media.iter().any(is)
    };
    assert!(allowed(&studio.ward.world, &studio.anna));

    studio.ward.world.pass_ms(VIEWERS_TOLD_EVERY_MS);
    assert!(matches!(studio.join(|all| &all.boris), Ok(Said::MediaAnswer(_))));
    assert!(!allowed(&studio.ward.world, &studio.boris), "nobody but the sender is heard");
    assert!(studio.told(|all| &all.boris).is_empty(), "his media is not up yet");
    studio.media(|all| &all.boris, true);
    assert_eq!(studio.told(|all| &all.boris), [(State::Live, 1, EndReason::Unspecified)]);
    assert_eq!(studio.told(|all| &all.anna).last(), Some(&(State::Live, 1, EndReason::Unspecified)));
    assert_eq!(studio.told(|all| &all.carla), [LIVE], "who does not watch is not told how many do");
    assert_eq!(studio.ward.world.plane.counts().broadcast_viewers, 1);

    // Who signs in while it is live hears of it.
    let carla = studio.carla.session;
    studio.ward.world.sign_in(&mut studio.carla);
    assert!(studio.carla.session != carla);
    assert_eq!(studio.told(|all| &all.carla), [(State::Live, 1, EndReason::Unspecified)]);

    assert_eq!(studio.stop(|all| &all.boris), Err(Code::Forbidden));
    studio.stop(|all| &all.anna).unwrap();
    assert_eq!(studio.told(|all| &all.boris), [(State::Ended, 1, EndReason::Stopped)]);
    assert!(studio.is_closed());
    assert_eq!(studio.join(|all| &all.boris).unwrap_err(), Code::UnknownCall);
    assert_eq!(studio.ward.world.plane.counts().broadcasts, 0);
}

#[test]
fn only_an_operator_goes_live_one_at_a_time_and_only_the_audience_watches() {
    let mut studio = Studio::new();
    assert_eq!(studio.start(|all| &all.boris), Err(Code::Forbidden));
    assert_eq!(studio.start(|all| &all.dora), Err(Code::UnknownConversation));
    studio.start(|all| &all.anna).unwrap();
    assert_eq!(studio.start(|all| &all.anna), Err(Code::WrongCallState), "the id is taken");
    let conversation_id = studio.ward.channel.to_bytes();
    let another =
        wire::StartBroadcast { broadcast_id: vec![79; 16].into(), conversation_id, offer_sdp: "offer".into() };
    let error = studio.ward.world.ask(studio.anna.session, Ask::StartBroadcast(another)).unwrap_err();
    assert_eq!((error.code, error.existing_id.as_slice()), (Code::Busy, ID.as_bytes().as_slice()));
    assert_eq!(studio.join(|all| &all.dora).unwrap_err(), Code::UnknownConversation);
    let report = || Ask::FetchBroadcastReport(wire::FetchBroadcastReport { broadcast_id: ID.to_bytes() });
    assert_eq!(studio.ward.world.refused(studio.boris.session, report()), Code::Forbidden);
    assert!(studio.ward.world.try_ask(studio.anna.session, report()).is_none(), "the media plane is asked");

    // Not in a conversation that is no channel.
    let id = studio.ward.world.direct(&mut studio.anna, &mut studio.dora);
    let request = wire::StartBroadcast {
        broadcast_id: vec![80; 16].into(),
        conversation_id: id.to_bytes(),
        offer_sdp: "offer".into(),
    };
    assert_eq!(studio.ward.world.refused(studio.anna.session, Ask::StartBroadcast(request)), Code::Forbidden);
}

#[test]
fn a_lost_sender_is_told_and_has_30_seconds() {
    let mut studio = Studio::new();
    studio.start(|all| &all.anna).unwrap();
    studio.media(|all| &all.anna, true);
    studio.told(|all| &all.boris);
    // The line alone is nothing to the viewers: the media may go on.
    studio.ward.world.hang_up_line(&studio.anna);
    assert!(studio.told(|all| &all.boris).is_empty());
    studio.media(|all| &all.anna, false);
    assert_eq!(studio.told(|all| &all.boris), [(State::SenderLost, 0, EndReason::Unspecified)]);
    studio.ward.world.pass_ms(HOLD_MS - 1);
    studio.ward.world.sign_in(&mut studio.anna);
    studio.join(|all| &all.anna).unwrap();
    studio.media(|all| &all.anna, true);
    assert_eq!(studio.told(|all| &all.boris), [LIVE]);
    studio.media(|all| &all.anna, false);
    studio.told(|all| &all.boris);
    studio.ward.world.pass_ms(HOLD_MS);
    assert_eq!(studio.told(|all| &all.boris), [(State::Ended, 0, EndReason::SenderLost)]);
    assert!(studio.is_closed());
}

#[test]
fn who_may_not_watch_any_more_is_out_at_once() {
    let mut studio = Studio::new();
    studio.start(|all| &all.anna).unwrap();
    for join in [(|all| &all.boris) as fn(&Studio) -> &Phone, |all| &all.carla] {
        studio.join(join).unwrap();
        studio.media(join, true);
    }
    // Boris is locked: his media ends before anything is durable.
    let admin = studio.ward.world.admin();
    let lock = wire::LockAccount { account_id: studio.boris.account.to_bytes(), locked: true };
    studio.ward.world.ask(admin, Ask::LockAccount(lock)).unwrap();
    assert!(studio.is_disconnected(&studio.boris) && !studio.is_disconnected(&studio.carla));
    assert_eq!(studio.ward.world.plane.counts().broadcast_viewers, 1);
    // Carla leaves the ward: the newest statements count, whatever the group still has.
    let now_ms = studio.ward.world.now_ms;
    studio.ward.world.hospital.change_members(studio.ward.group, &[], &[studio.carla.account], now_ms).unwrap();
    studio.ward.world.publish();
    assert!(studio.is_disconnected(&studio.carla));
    assert_eq!(studio.join(|all| &all.carla).unwrap_err(), Code::Forbidden);
    assert!(!studio.is_closed());
    // The sender is no operator any more.
    studio.ward.world.hospital.delete_channel(studio.ward.channel, now_ms).unwrap();
    studio.ward.world.publish();
    assert!(studio.is_closed());
}

#[test]
fn a_locked_senders_broadcast_is_over() {
    let mut studio = Studio::new();
    studio.start(|all| &all.anna).unwrap();
    studio.told(|all| &all.boris);
    let admin = studio.ward.world.admin();
    let lock = wire::LockAccount { account_id: studio.anna.account.to_bytes(), locked: true };
    studio.ward.world.ask(admin, Ask::LockAccount(lock)).unwrap();
    assert_eq!(studio.told(|all| &all.boris), [(State::Ended, 0, EndReason::Revoked)]);
    assert!(studio.is_closed());
}

#[test]
fn a_newcomer_hears_of_what_is_live() {
    let mut studio = Studio::new();
    studio.start(|all| &all.anna).unwrap();
    let now_ms = studio.ward.world.now_ms;
    studio.ward.world.hospital.change_members(studio.ward.group, &[studio.dora.account], &[], now_ms).unwrap();
    studio.ward.world.publish();
    // The node asks whom it has not asked last.
    let asked = [&mut studio.anna, &mut studio.boris, &mut studio.carla];
    let (lease, by) = asked.into_iter().find_map(|one| Some((studio.ward.lease(one)?, one))).expect("Dora is due");
    studio.ward.follow(by, lease);
    assert_eq!(studio.told(|all| &all.dora), [LIVE]);
    studio.join(|all| &all.dora).unwrap();
}
