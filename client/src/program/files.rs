//! Sending files and places, and saving files that others sent.
use super::chat::{To, common_fields, find};
use super::{ANSWER_MAX, Device, ProgramError};
use crate::core::{About, Body, Command, Event, Failure, File, Location, Message, Position};
use crate::session::files::FileError;
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wardline_protocol::{ConversationId, MessageId};

/// How long a file may take, without it having failed, before the command says that it goes on the next time.
const FILE_MAX: Duration = Duration::from_secs(3_600);

/// Degrees times this are whole numbers in a message.
const E7: f64 = 1e7;

/// Media types that `file` names are known by here; for others the receiver sees the name only.
const MEDIA_TYPES: [(&str, &str); 14] = [
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
    ("mp3", "audio/mpeg"),
    ("ogg", "audio/ogg"),
    ("wav", "audio/wav"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("csv", "text/csv"),
];

#[derive(Args)]
pub(super) struct SendFile {
    #[command(flatten)]
    to: To,
    /// At most 100,000,000 bytes. Its name goes along, its path does not.
    file: PathBuf,
    /// What is written below it.
    #[arg(long, default_value = "")]
    caption: String,
}

#[derive(Args)]
pub(super) struct SendLocation {
    #[command(flatten)]
    to: To,
    /// In words, e.g. "Haus B / 2 / OP 3".
    #[arg(long, default_value = "")]
    words: String,
    /// Latitude and longitude in degrees (WGS 84), e.g. 48.137,11.575.
    #[arg(long, allow_hyphen_values = true)]
    position: Option<String>,
    /// Radius of the position in metres.
    #[arg(long, default_value_t = 0)]
    accuracy: u32,
}

#[derive(Args)]
pub(super) struct Save {
    #[command(flatten)]
    to: To,
    /// The message's id, as `listen` and `history` show it.
    message: String,
    /// Where to; by default the file's own name in this directory.
    #[arg(long = "as")]
    target: Option<PathBuf>,
}

impl From<FileError> for ProgramError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Client(error) => Self::Client(error),
            FileError::Failure(error) => Self::Failure(error),
            error => Self::Use(error.to_string()),
        }
    }
}

pub(super) async fn send_file(device: &mut Device, action: SendFile) -> Result<(), ProgramError> {
    let conversation = find(device, &action.to).await?;
    let name = action.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_lowercase()).unwrap_or_default();
    let media_type = MEDIA_TYPES.iter().find(|(known, _)| *known == extension).map_or("", |(_, media_type)| media_type);
    let about = About { name, media_type: media_type.to_owned(), caption: action.caption, ..About::default() };
    let message = device.client.send_file(conversation, &action.file, about).await?;
    sent(device, message, FILE_MAX).await
}

pub(super) async fn send_location(device: &mut Device, action: SendLocation) -> Result<(), ProgramError> {
    let conversation = find(device, &action.to).await?;
    let position = action.position.as_deref().map(|text| position(text, action.accuracy)).transpose()?;
    let message = *wardline_directory::key::random::<16>().map_err(|_| crate::session::ClientError::Random)?;
    let message = MessageId::from_bytes(message);
    let location = Location { words: action.words, position };
    device.command(Command::SendLocation { conversation, message, location }).await?;
    sent(device, message, ANSWER_MAX).await
}

fn position(text: &str, accuracy_m: u32) -> Result<Position, ProgramError> {
    let wrong = || ProgramError::Use("give the position as LATITUDE,LONGITUDE in degrees, e.g. 48.137,11.575".into());
    let (latitude, longitude) = text.split_once(',').ok_or_else(wrong)?;
    let degrees = |text: &str, max: f64| {
        let degrees: f64 = text.trim().parse().map_err(|_| wrong())?;
        if degrees.abs() <= max { Ok((degrees * E7).round() as i32) } else { Err(wrong()) }
    };
    Ok(Position { latitude_e7: degrees(latitude, 90.0)?, longitude_e7: degrees(longitude, 180.0)?, accuracy_m })
}

/// Waits until the node has stored a message.
pub(super) async fn sent(device: &mut Device, sent: MessageId, patience: Duration) -> Result<(), ProgramError> {
    let stored = tokio::time::timeout(patience, async {
        loop {
            match device.next().await? {
                Event::MessageSent { message, seq, .. } if message == sent => return Ok(seq),
                Event::MessageFailed { message, error, .. } if message == sent => {
                    return Err(ProgramError::from(Failure::Refused(error)));
                }
                _ => {}
            }
        }
    });
    let seq = stored.await.map_err(|_| {
        ProgramError::Use("the node has not stored the message yet: it is kept here and sent next time".into())
    })??;
    device.say.event("sent", &[("message", sent.to_string().into()), ("seq", seq.into())], "sent")
}

pub(super) async fn save(device: &Device, action: Save) -> Result<(), ProgramError> {
    let conversation = find(device, &action.to).await?;
    let wrong = |_| ProgramError::Use("give the message's id: 32 hexadecimal digits, as `listen` shows it".into());
    let id = MessageId::parse_hex(&action.message).map_err(wrong)?;
    let found = device.client.store().message(conversation, id).await?;
    let Some(Message { body: Body::File(file), .. }) = found else {
        return Err(ProgramError::Use("there is no such message with a file in this conversation".into()));
    };
    let target = action.target.unwrap_or_else(|| file.about.safe_name().into());
    save_as(device, conversation, id, &file, &target).await
}

/// Saves a file into a directory under its own name, or one with a number if that is taken.
pub(super) async fn save_into(
    device: &Device,
    conversation: ConversationId,
    message: MessageId,
    file: &File,
    dir: &Path,
) -> Result<(), ProgramError> {
    let name = file.about.safe_name();
    let (stem, extension) = name.rsplit_once('.').map_or((name.as_str(), ""), |(stem, _)| (stem, &name[stem.len()..]));
    let numbered = (2..).map(|number| dir.join(format!("{stem} ({number}){extension}")));
    let target = std::iter::once(dir.join(&name)).chain(numbered).find(|path| !path.exists());
    save_as(device, conversation, message, file, &target.unwrap_or_else(|| dir.join(&name))).await
}

async fn save_as(
    device: &Device,
    conversation: ConversationId,
    message: MessageId,
    file: &File,
    target: &Path,
) -> Result<(), ProgramError> {
    device.client.save_file(conversation, file, target).await?;
    let shown = target.to_string_lossy();
    let fields =
        [("message", message.to_string().into()), ("path", shown.clone().into()), ("bytes", file.bytes.into())];
    device.say.event("saved", &fields, &format!("saved {shown}"))
}

/// Shows a file's or a place's message; gives whether it was one.
pub(super) async fn show(device: &Device, message: &Message) -> Result<bool, ProgramError> {
    let (name, mut fields, text) = match &message.body {
        Body::File(file) => {
            let about = &file.about;
            let fields = vec![
                ("name", about.name.clone().into()),
                ("media_type", about.media_type.clone().into()),
                ("bytes", file.bytes.into()),
                ("caption", about.caption.clone().into()),
            ];
            let caption = if about.caption.is_empty() { String::new() } else { format!(": {}", about.caption) };
            let text = format!("[file {}, {} bytes, {}]{caption}", about.safe_name(), file.bytes, message.message);
            ("file", fields, text)
        }
        Body::Location(place) => {
            let degrees = |e7: i32| f64::from(e7) / E7;
            let at = place.position.map(|at| (degrees(at.latitude_e7), degrees(at.longitude_e7), at.accuracy_m));
            let coordinates = at.map(|(latitude, longitude, accuracy)| match accuracy {
                0 => format!("{latitude:.6}, {longitude:.6}"),
                metres => format!("{latitude:.6}, {longitude:.6} (within {metres} m)"),
            });
            let fields = vec![
                ("words", place.words.clone().into()),
                ("latitude", at.map(|(latitude, ..)| latitude).into()),
                ("longitude", at.map(|(_, longitude, _)| longitude).into()),
                ("accuracy_m", at.map(|(.., accuracy)| accuracy).into()),
            ];
            let words = std::iter::once(place.words.clone()).filter(|words| !words.is_empty());
            let parts: Vec<String> = words.chain(coordinates).collect();
            ("location", fields, format!("[place] {}", parts.join(" — ")))
        }
        _ => return Ok(false),
    };
    let from = device.handle(message.sender).await?;
    fields.extend(common_fields(&from, message));
    device.say.event(name, &fields, &format!("{from}: {text}"))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_degrees_on_earth() {
        let at = position("48.137154, -11.5761247", 8).unwrap();
        assert_eq!((at.latitude_e7, at.longitude_e7, at.accuracy_m), (481_371_540, -115_761_247, 8));
        for wrong in ["48.1", "91,0", "0,181", "north,south", "NaN,0", "1,2,3"] {
            assert!(position(wrong, 0).is_err(), "{wrong}");
        }
    }
}
