//! Making and hashing statements. What they may say is checked in one place only, [`Directory::apply`].
use crate::key::{OperationalKey, PublicKey, RootKey, Sign};
use crate::{Directory, Refusal};
use prost::Message;
use sha2::{Digest, Sha256};
use wardline_protocol::wire;
use wardline_protocol::wire::statement_body::Content;

/// Prefix of what is signed.
pub const SIGNATURE_PREFIX: &[u8] = b"wardline statement v1\0";

/// SHA-256 of body || signature. The signature's length is fixed, so no two statements give the same input.
pub fn hash(statement: &wire::Statement) -> [u8; 32] {
    Sha256::new().chain_update(&statement.body).chain_update(&statement.signature).finalize().into()
}

/// What the signature of a statement with this body covers.
pub fn signed_bytes(body: &[u8]) -> Vec<u8> {
    [SIGNATURE_PREFIX, body].concat()
}

/// Signs a body as it is, with whatever key: no rule is checked.
pub fn sign(body: &wire::StatementBody, key: &impl Sign) -> wire::Statement {
    let body = body.encode_to_vec();
    let signature = key.sign(&signed_bytes(&body)).to_vec();
    wire::Statement { body: body.into(), signature: signature.into() }
}

/// Reads a statement's body. Errors with `Malformed`; the signature is not looked at.
pub fn body(statement: &wire::Statement) -> Result<wire::StatementBody, Refusal> {
    wire::StatementBody::decode(statement.body.clone()).map_err(|_| Refusal::Malformed("the body does not decode"))
}

/// The statement that follows `directory`'s newest one, signed by the operational key. `directory` is not changed: apply it.
pub fn next(directory: &Directory, content: Content, now_ms: u64, key: &OperationalKey) -> wire::Statement {
    sign(&next_body(directory, content, now_ms), key)
}

/// The statement by which the root makes `operational` the key that signs from now on.
pub fn operational_key(directory: &Directory, operational: PublicKey, now_ms: u64, root: &RootKey) -> wire::Statement {
    let content = Content::OperationalKey(wire::OperationalKey { public_key: operational.to_bytes() });
    sign(&next_body(directory, content, now_ms), root)
}

fn next_body(directory: &Directory, content: Content, now_ms: u64) -> wire::StatementBody {
    wire::StatementBody {
        version: directory.version() + 1,
        previous: directory.head_hash().to_vec().into(),
        issued_at_ms: now_ms,
        content: Some(content),
    }
}
