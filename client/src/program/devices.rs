//! The own devices: seeing, approving, revoking, linking.
use super::{Device, ProgramError, Say};
use crate::connection::CertificatePin;
use crate::core::{Command, Reply};
use crate::session::join::Linking;
use clap::Subcommand;
use data_encoding::HEXLOWER_PERMISSIVE;
use std::path::Path;
use wardline_directory::certificate;
use wardline_protocol::{DeviceId, code};

#[derive(Subcommand)]
pub(super) enum Action {
    /// Let the device in that shows this code.
    Approve { code: String },
    /// Shut a device out.
    Revoke { device: String },
}

pub(super) async fn run(device: &mut Device, action: Option<Action>) -> Result<(), ProgramError> {
    match action {
        None => list(device).await,
        Some(Action::Approve { code }) => {
            let code = code::parse_device_link(&code).map_err(|error| ProgramError::Use(error.message))?;
            device.command(Command::ApproveLink { code }).await?;
            device.say.event("approved", &[], "The device is let in.")
        }
        Some(Action::Revoke { device: id }) => {
            let id = DeviceId::parse_hex(&id).map_err(|error| ProgramError::Use(error.message))?;
            device.command(Command::RevokeDevice { device: id }).await?;
            device.say.event("revoked", &[("device", id.to_string().into())], "The device is shut out.")
        }
    }
}

async fn list(device: &Device) -> Result<(), ProgramError> {
    let (account, own) = device.client.look(|core| (core.account(), core.device())).await?;
    let Reply::Devices(devices) = device.command(Command::Devices { accounts: vec![account] }).await? else {
        return Err(ProgramError::Use("the node named no devices".into()));
    };
    for found in devices {
        let chain = found.chain.unwrap_or_default();
        let Some(body) = chain.certificates.first().and_then(|own| certificate::body(own).ok()) else { continue };
        let this = body.device_id == own;
        let fields = [
            ("device", body.device_id.to_string().into()),
            ("online", found.online.into()),
            ("this", this.into()),
            ("enrolled_at_ms", found.enrolled_at_ms.into()),
        ];
        let marks = if this {
            "this device"
        } else if found.online {
            "connected"
        } else {
            ""
        };
        device.say.event("device", &fields, &format!("{}  {marks}", body.device_id))?;
    }
    let nodes = device.client.look(|core| {
        let nodes = core.directory().nodes().filter(|node| !node.deleted);
        nodes.map(|node| (node.addresses.first().cloned(), node.certificate_sha256)).collect::<Vec<_>>()
    });
    for (address, certificate) in nodes.await? {
        let Some(address) = address else { continue };
        let certificate = HEXLOWER_PERMISSIVE.encode(&certificate);
        let fields = [("node", address.clone().into()), ("certificate", certificate.clone().into())];
        let text = format!("A further device: wardline-client link --node {address} --certificate {certificate}");
        device.say.event("node", &fields, &text)?;
    }
    Ok(())
}

pub(super) async fn link(directory: &Path, node: &str, certificate: &str, say: Say) -> Result<(), ProgramError> {
    let pin = HEXLOWER_PERMISSIVE.decode(certificate.as_bytes()).ok().and_then(|bytes| CertificatePin::parse(&bytes));
    let pin = pin.ok_or_else(|| ProgramError::Use("--certificate takes 64 hexadecimal digits".into()))?;
    let linking = Linking::begin(node, pin).await?;
    let code = linking.code();
    let picture = qrcode::QrCode::new(code.as_bytes())
        .map(|qr| qr.render::<qrcode::render::unicode::Dense1x2>().build())
        .unwrap_or_default();
    let text = format!("{picture}\nOn a device of yours: wardline-client devices approve '{code}'");
    say.event("link_code", &[("code", code.clone().into())], &text)?;
    let id = linking.finish(directory).await?;
    Device::open(directory, say).await?.close().await?;
    say.event("linked", &[("device", id.to_string().into())], "This device is linked.")
}
