//! A device of one of the run's accounts: a key with its certificate, enrolled at the node.
use crate::node::{Access, CLIENT, now_ms};
use anyhow::Result;
use wardline_client::connection::Connection;
use wardline_client::core::Identity;
use wardline_directory::certificate;
use wardline_directory::invitation::Invitation;
use wardline_directory::key::{self, DeviceKey};
use wardline_protocol::DeviceId;
use wardline_protocol::wire::{self, DeviceChain};

/// Enrols a first device with an account's code.
///
/// # Errors
/// What the node says.
pub async fn enrol(access: &Access, invitation: &Invitation) -> Result<Identity> {
    let key = DeviceKey::generate()?;
    let device = DeviceId::from_bytes(*key::random()?);
    let account = invitation.account_id;
    let own = certificate::issue_by_enrolment(&invitation.enrolment_key(), account, device, key.public(), now_ms());
    let chain = DeviceChain { certificates: vec![own] };
    let mut connection = access.connect().await?;
    let challenge = connection.hello(CLIENT).await?;
    connection.enrol(&challenge, chain.clone(), |message| key.sign(message)).await?;
    connection.link().abandon();
    Ok(Identity { root: access.root, account, device, key, chain })
}

/// Connects and signs in.
///
/// # Errors
/// What the node says.
pub async fn sign_in(
    access: &Access,
    identity: &Identity,
) -> Result<(Connection, wire::Challenge, wire::Authenticated)> {
    let mut connection = access.connect().await?;
    let challenge = connection.hello(CLIENT).await?;
    let authenticated =
        connection.authenticate(&challenge, identity.device, |message| identity.key.sign(message)).await?;
    Ok((connection, challenge, authenticated))
}
