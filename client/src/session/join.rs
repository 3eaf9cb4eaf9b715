//! How a device comes to be: enrolled by a one-time code, or linked by a device that is there already.
use super::{ClientError, PROGRAM};
use crate::connection::{CertificatePin, Connection, ConnectionError};
use crate::core::Identity;
use crate::store::{DATABASE_FILE, Place, Store, StoreError};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use wardline_directory::key::{self, DeviceKey, EnrolmentKey, PublicKey};
use wardline_directory::{certificate, link};
use wardline_protocol::wire::{Challenge, DeviceChain, LinkCode};
use wardline_protocol::{AccountId, DeviceId, code};
use zeroize::Zeroizing;

/// Enrols this directory as the first device of a code.
///
/// # Errors
/// [`ClientError::Code`] for a damaged code, what the node says otherwise. After a refusal the directory is as before.
pub async fn enrol(directory: &Path, text: &str) -> Result<DeviceId, ClientError> {
    let code = code::parse_enrolment(text).map_err(|error| ClientError::Code(error.message))?;
    let damaged = || ClientError::Code("the code is damaged: ask for a new one".into());
    let seed: [u8; 16] = code.seed.as_ref().try_into().map_err(|_| damaged())?;
    let account = AccountId::parse(&code.account_id).map_err(|_| damaged())?;
    let root = PublicKey::parse(&code.root_public_key).map_err(|_| damaged())?;
    let pin = CertificatePin::parse(&code.certificate_sha256).ok_or_else(damaged)?;
    let place = Place { addresses: vec![code.node_address.clone()], pin };

    let store = Store::open(directory, true).await?;
    // An earlier attempt whose answer was lost left a device here: the node takes the same one again.
    let mut fresh = false;
    let identity = match store.identity().await {
        Ok((left_over, _)) if left_over.account == account && left_over.root == root => left_over,
        Ok(_) => return Err(StoreError::Enrolled.into()),
        Err(_) => {
            let (device, key) = new_device()?;
            let enrolment = EnrolmentKey::from_code_seed(&seed);
            let own = certificate::issue_by_enrolment(&enrolment, account, device, key.public(), now_ms());
            let identity = Identity { root, account, device, key, chain: DeviceChain { certificates: vec![own] } };
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
    key: DeviceKey,
    device: DeviceId,
    secret: Zeroizing<[u8; link::SECRET_BYTES]>,
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
        let (device, key) = new_device()?;
        let secret = key::random::<{ link::SECRET_BYTES }>().map_err(|_| ClientError::Random)?;
        let place = Place { addresses: vec![address.to_owned()], pin };
        let mut connection = Connection::open(&place.addresses, std::slice::from_ref(&place.pin)).await?;
        let challenge = connection.hello(PROGRAM).await?;
        let awaited = connection.await_link(link::rendezvous(&secret)).await?;
        Ok(Self { key, device, secret, connection, challenge, awaited, place })
    }

    /// What the screen shows.
    pub fn code(&self) -> String {
        code::device_link(&LinkCode {
            secret: self.secret.to_vec().into(),
            device_public_key: self.key.public().to_bytes(),
            device_id: self.device.to_bytes(),
        })
    }

    /// Waits for the grant, then enrols with it.
    ///
    /// # Errors
    /// [`ClientError::Code`] when the grant does not fit this device or this node.
    pub async fn finish(self, directory: &Path) -> Result<DeviceId, ClientError> {
        let Self { key, device, secret, mut connection, challenge, awaited, place } = self;
        let store = Store::open(directory, true).await?;
        let sealed = connection.linked(awaited).await?;
        let grant = link::open(&secret, &device, &key.public(), &sealed)
            .map_err(|error| ClientError::Code(format!("the grant does not open: {error}")))?;
        let wrong = |what: &str| ClientError::Code(format!("the grant is for another {what}: link again"));
        if grant.certificate_sha256 != place.pin.0.as_slice() {
            return Err(wrong("node"));
        }
        let chain = grant.chain.clone().ok_or_else(|| wrong("device"))?;
        let own = chain.certificates.first().and_then(|own| certificate::body(own).ok());
        let own = own.filter(|own| own.device_id == device && own.public_key == key.public());
        let account = own.ok_or_else(|| wrong("device"))?.account_id;
        let root = PublicKey::parse(&grant.root_public_key).map_err(|_| wrong("hospital"))?;
        connection.enrol(&challenge, chain.clone(), |message| key.sign(message)).await?;
        let identity = Identity { root, account, device, key, chain };
        store.enrol(&identity, &place, Some(&grant)).await?;
        connection.close().await;
        store.close().await?;
        Ok(device)
    }
}

fn new_device() -> Result<(DeviceId, DeviceKey), ClientError> {
    let id = key::random::<16>().map_err(|_| ClientError::Random)?;
    Ok((DeviceId::from_bytes(*id), DeviceKey::generate().map_err(|_| ClientError::Random)?))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
