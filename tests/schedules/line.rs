//! The lines between devices and the node: what is on its way, and what becomes of it.
use super::World;
use super::world::EXPORTER;
use std::collections::VecDeque;
use wardline_client::core::Input as In;
use wardline_directory::key::DeviceKey;
use wardline_directory::session as proof;
use wardline_protocol::wire::{self, client_frame::Body as Ask, response::Result as Said, server_frame::Body as Push};
use wardline_signaling::{Input, SessionId};

/// Rounds in which everything must have come to rest.
const ROUNDS_MAX: usize = 400;

impl World {
    /// Connects and signs in; a locked account stays out.
    pub fn connect(&mut self, device: usize) {
        if self.devices[device].line.is_some() || self.away.contains(&device) {
            return;
        }
        let session = self.open_session();
        let key = DeviceKey::from_seed(self.devices[device].seed);
        let signature = proof::sign_device(&key, &nonce(session), &EXPORTER).to_vec().into();
        let request = wire::Authenticate { device_id: self.devices[device].id.to_bytes(), signature };
        let frame = wire::ClientFrame { request_id: 2, body: Some(Ask::Authenticate(request)) };
        self.node_input(Input::Frame { session, frame });
        let mut frames: VecDeque<_> = self.replies_to_world.remove(&session).unwrap_or_default().into();
        let first = frames.pop_front().and_then(|frame| frame.body);
        let Some(Push::Response(wire::Response { result: Some(Said::Authenticated(hello)), .. })) = first else {
            return; // locked: the plane has closed the session
        };
        self.sessions.insert(session, device);
        self.devices[device].line = Some(session);
        self.devices[device].down = frames;
        let connected = In::Connected {
            account: self.devices[device].account,
            directory_version: hello.directory_version,
            incarnation: self.node.incarnation,
            key_packages: hello.key_packages,
        };
        self.core_input(device, connected);
    }

    /// Its line is cut, and it does not come again until [`World::come_back`].
    pub fn go_away(&mut self, device: usize) {
        self.away.insert(device);
        self.cut(device);
    }

    /// It connects again when lines are set up next.
    pub fn come_back(&mut self, device: usize) {
        self.away.remove(&device);
    }

    /// The line is cut: what is on its way in either direction is lost. The node learns of it now or when the device is back.
    pub fn cut(&mut self, device: usize) {
        let Some(session) = self.devices[device].line.take() else { return };
        self.devices[device].up.clear();
        self.devices[device].down.clear();
        self.core_input(device, In::Disconnected);
        if self.sessions.remove(&session).is_some() {
            self.node_input(Input::Closed { session });
        }
    }

    /// One frame goes up.
    pub fn carry_up(&mut self, device: usize) -> bool {
        let Some(session) = self.devices[device].line else { return false };
        let Some(frame) = self.devices[device].up.pop_front() else { return false };
        self.node_input(Input::Frame { session, frame });
        true
    }

    /// One frame comes down. With noise, pushed entries sometimes come twice, or in the wrong order.
    pub fn carry_down(&mut self, device: usize) -> bool {
        if !self.noise {
            let Some(frame) = self.devices[device].down.pop_front() else { return false };
            self.core_input(device, In::Frame(frame));
            return true;
        }
        let twice = self.dice.chance(5);
        let swapped = self.dice.chance(5);
        let down = &mut self.devices[device].down;
        if swapped && down.len() >= 2 && is_entry(&down[0]) && is_entry(&down[1]) {
            down.swap(0, 1);
        }
        let Some(frame) = down.pop_front() else { return false };
        if twice && is_entry(&frame) {
            down.push_front(frame.clone());
        }
        self.core_input(device, In::Frame(frame));
        true
    }

    /// Lines up, disk quick, frames carried, until nothing moves any more.
    pub fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..ROUNDS_MAX {
            let mut moved = false;
            for device in 0..self.devices.len() {
                self.connect(device);
                while self.carry_up(device) {
                    moved = true;
                }
            }
            self.sync(usize::MAX);
            for device in 0..self.devices.len() {
                while self.carry_down(device) {
                    moved = true;
                }
            }
            quiet = if moved { 0 } else { quiet + 1 };
            if quiet == 8 {
                return;
            }
            self.pass_ms(if moved { 10 } else { 2_500 });
        }
        panic!("it never came to rest");
    }
}

fn is_entry(frame: &wire::ServerFrame) -> bool {
    matches!(frame.body, Some(Push::Entry(_)))
}

pub(crate) fn nonce(session: SessionId) -> [u8; 32] {
    let mut nonce = [9; 32];
    nonce[..8].copy_from_slice(&session.0.to_be_bytes());
    nonce
}
