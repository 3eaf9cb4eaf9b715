//! How a device comes to be at its node: stored first, then presented. See [`crate::entry`] for the certificates.
use super::{ClientError, PROGRAM};
use crate::connection::{CertificatePin, Connection, ConnectionError};
use crate::core::Identity;
use crate::entry::{EntryError, Invited, LinkRequest};
use crate::store::{DATABASE_FILE, Place, Store, StoreError};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use wardline_protocol::DeviceId;
use wardline_protocol::wire::Challenge;

/// Enrols this directory as the first device of a code.
///
/// # Errors
/// [`ClientError::Entry`] for a damaged code, what the node says otherwise. After a refusal the directory is as before.
pub async fn enrol(directory: &Path, text: &str) -> Result<DeviceId, ClientError> {
    let invited = Invited::read(text)?;
    let pin = CertificatePin(invited.certificate_sha256);
    let place = Place { addresses: vec![invited.node_address.clone()], pin };

    let store = Store::open(directory, true).await?;
    // An earlier attempt whose answer was lost left a device here: the node takes the same one again.
    let mut fresh = false;
    let identity = match store.identity().await {
        Ok((left_over, _)) if left_over.account == invited.account && left_over.root == invited.root => left_over,
        Ok(_) => return Err(StoreError::Enrolled.into()),
        Err(_) => {
            let identity = invited.device(now_ms())?;
            store.enrol(&identity, &place, None).await?;
            fresh = true;
            identity
        }
    };
    let enrolled = present(&identity, &place).await;
    store.close().await?;
    if fresh && matches!(enrolled, Err(ConnectionError::Refused(_))) {
        std::fs::remove_file(directory.join(DATABASE_FILE)).map_err(StoreError::from)?;
    }
    enrolled?;
    Ok(identity.device)
}

async fn present(identity: &Identity, place: &Place) -> Result<(), ConnectionError> {
    let mut connection = Connection::open(&place.addresses, std::slice::from_ref(&place.pin)).await?;
    let challenge = connection.hello(PROGRAM).await?;
    connection.enrol(&challenge, identity.chain.clone(), |message| identity.key.sign(message)).await?;
    connection.close().await;
    Ok(())
}

/// A new device that shows a code and waits for an existing one's grant.
pub struct Linking {
    request: LinkRequest,
    connection: Connection,
    challenge: Challenge,
    awaited: u64,
    place: Place,
}

impl Linking {
    /// Makes a key and a secret and begins to wait at the node, so that the code can be answered as soon as it is shown.
    ///
    /// # Errors
    /// [`ClientError::Random`], or why the node is not reached.
    pub async fn begin(address: &str, pin: CertificatePin) -> Result<Self, ClientError> {
        let request = LinkRequest::new()?;
        let place = Place { addresses: vec![address.to_owned()], pin };
        let mut connection = Connection::open(&place.addresses, std::slice::from_ref(&place.pin)).await?;
        let challenge = connection.hello(PROGRAM).await?;
        let awaited = connection.await_link(request.rendezvous()).await?;
        Ok(Self { request, connection, challenge, awaited, place })
    }

    /// What the screen shows.
    pub fn code(&self) -> String {
        self.request.code()
    }

    /// Waits for the grant, then enrols with it.
    ///
    /// # Errors
    /// [`ClientError::Entry`] when the grant does not fit this device or this node.
    pub async fn finish(self, directory: &Path) -> Result<DeviceId, ClientError> {
        let Self { request, mut connection, challenge, awaited, place } = self;
        let store = Store::open(directory, true).await?;
        let sealed = connection.linked(awaited).await?;
        let (identity, grant) = request.granted(&sealed)?;
        if grant.certificate_sha256 != place.pin.0.as_slice() {
            return Err(EntryError::Other("node").into());
        }
        connection.enrol(&challenge, identity.chain.clone(), |message| identity.key.sign(message)).await?;
        store.enrol(&identity, &place, Some(&grant)).await?;
        connection.close().await;
        store.close().await?;
        Ok(identity.device)
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
