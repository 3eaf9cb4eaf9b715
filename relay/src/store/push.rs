//! Rows of push subscriptions.
use super::load::id;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Sqlite, query, query_as};
use wardline_protocol::DeviceId;
use wardline_signaling::{PushRow, PushSubscription};

/// Stores how a device is woken.
pub(super) fn put(row: &PushRow) -> Query<'static, Sqlite, SqliteArguments> {
    query(
        "INSERT INTO push (device_id, endpoint, p256dh, auth) VALUES ($1, $2, $3, $4)
         ON CONFLICT (device_id) DO UPDATE SET endpoint = excluded.endpoint, p256dh = excluded.p256dh, auth = excluded.auth",
    )
    .bind(row.device_id.as_bytes().to_vec())
    .bind(row.subscription.endpoint.clone())
    .bind(row.subscription.p256dh.to_vec())
    .bind(row.subscription.auth.to_vec())
}

/// Forgets it.
pub(super) fn delete(device_id: &DeviceId) -> Query<'static, Sqlite, SqliteArguments> {
    query("DELETE FROM push WHERE device_id = $1").bind(device_id.as_bytes().to_vec())
}

/// Device, endpoint, p256dh, auth.
type Columns = (Vec<u8>, String, Vec<u8>, Vec<u8>);

/// All of them.
pub(super) async fn all(connection: &mut SqliteConnection) -> sqlx::Result<Vec<PushRow>> {
    let rows: Vec<Columns> =
        query_as("SELECT device_id, endpoint, p256dh, auth FROM push ORDER BY device_id").fetch_all(connection).await?;
    rows.into_iter()
        .map(|(device, endpoint, p256dh, auth)| {
            let subscription = PushSubscription { endpoint, p256dh: sized(p256dh)?, auth: sized(auth)? };
            Ok(PushRow { device_id: id(&device, DeviceId::parse)?, subscription })
        })
        .collect()
}

fn sized<const N: usize>(bytes: Vec<u8>) -> sqlx::Result<[u8; N]> {
    bytes.try_into().map_err(|_| sqlx::Error::Decode("a push subscription's key has another length".into()))
}
