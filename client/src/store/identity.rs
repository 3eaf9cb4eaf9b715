//! Who the device is and where its node was last known to be.
use super::{Store, StoreError};
use crate::connection::CertificatePin;
use crate::core::Identity;
use prost::Message as _;
use sqlx::{Connection, query, query_scalar};
use wardline_directory::certificate;
use wardline_directory::key::{DeviceKey, PublicKey};
use wardline_protocol::ConversationId;
use wardline_protocol::wire::{DeviceChain, LinkGrant};
use zeroize::Zeroizing;

const ROOT: &str = "root";
const SEED: &str = "device_seed";
const CHAIN: &str = "chain";
const ADDRESSES: &str = "addresses";
const PIN: &str = "pin";
pub(super) const DIRECTORY_FLOOR: &str = "directory_floor";

/// Where to find the node before the directory says so.
#[derive(Clone)]
pub struct Place {
    /// "host:port", the preferred one first.
    pub addresses: Vec<String>,
    /// Its certificate.
    pub pin: CertificatePin,
}

impl Store {
    /// Stores a new device, and what the grant handed over that linked it: all of it or nothing. Errors with `Enrolled` when there is one.
    pub async fn enrol(&self, identity: &Identity, place: &Place, grant: Option<&LinkGrant>) -> Result<(), StoreError> {
        let mut connection = self.connection().await;
        let mut transaction = connection.begin().await?;
        let taken: i64 =
            query_scalar("SELECT count(*) FROM meta WHERE name = $1").bind(CHAIN).fetch_one(&mut *transaction).await?;
        if taken > 0 {
            return Err(StoreError::Enrolled);
        }
        let seed = identity.key.seed();
        let addresses = place.addresses.join("\n");
        let chain = identity.chain.encode_to_vec();
        let values: [(&str, &[u8]); 5] = [
            (ROOT, identity.root.as_bytes()),
            (SEED, seed.as_slice()),
            (CHAIN, &chain),
            (ADDRESSES, addresses.as_bytes()),
            (PIN, &place.pin.0),
        ];
        for (name, value) in values {
            query("INSERT OR REPLACE INTO meta (name, value) VALUES ($1, $2)")
                .bind(name)
                .bind(value)
                .execute(&mut *transaction)
                .await?;
        }
        if let Some(grant) = grant {
            query("INSERT OR REPLACE INTO meta (name, value) VALUES ($1, $2)")
                .bind(DIRECTORY_FLOOR)
                .bind([grant.directory_version.to_be_bytes().as_slice(), &grant.directory_hash].concat())
                .execute(&mut *transaction)
                .await?;
        }
        for floor in grant.iter().flat_map(|grant| &grant.floors) {
            let Ok(id) = ConversationId::parse(&floor.conversation_id) else { continue };
            query(
                "INSERT OR REPLACE INTO conversations (conversation_id, kind, cursor, read_seq, state, needs_directory,
                    floor_epoch, floor_authenticator, receipts) VALUES ($1, 0, 0, 0, 0, 0, $2, $3, x'')",
            )
            .bind(id.as_bytes().as_slice())
            .bind(super::int(floor.epoch))
            .bind(floor.epoch_authenticator.as_ref())
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Who this device is. Errors with `NotEnrolled`.
    pub async fn identity(&self) -> Result<(Identity, Place), StoreError> {
        let chain = self.meta(CHAIN).await?.ok_or(StoreError::NotEnrolled)?;
        let chain =
            DeviceChain::decode(chain.as_slice()).map_err(|_| StoreError::Damaged("the device's certificates"))?;
        let own = chain
            .certificates
            .first()
            .and_then(|own| certificate::body(own).ok())
            .ok_or(StoreError::Damaged("the device's certificate"))?;
        let root = self.meta(ROOT).await?.unwrap_or_default();
        let seed = Zeroizing::new(self.meta(SEED).await?.unwrap_or_default());
        let seed = <[u8; 32]>::try_from(seed.as_slice()).map_err(|_| StoreError::Damaged("the device's key"))?;
        let pin = self.meta(PIN).await?.unwrap_or_default();
        let addresses = String::from_utf8(self.meta(ADDRESSES).await?.unwrap_or_default())
            .map_err(|_| StoreError::Damaged("the node's address"))?;
        let identity = Identity {
            root: PublicKey::parse(&root).map_err(|_| StoreError::Damaged("the hospital's root key"))?,
            account: own.account_id,
            device: own.device_id,
            key: DeviceKey::from_seed(seed),
            chain,
        };
        let place = Place {
            addresses: addresses.lines().map(str::to_owned).collect(),
            pin: CertificatePin::parse(&pin).ok_or(StoreError::Damaged("the node's certificate hash"))?,
        };
        Ok((identity, place))
    }

    async fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut connection = self.connection().await;
        Ok(query_scalar("SELECT value FROM meta WHERE name = $1").bind(name).fetch_optional(&mut *connection).await?)
    }
}
