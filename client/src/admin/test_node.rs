//! A node for tests: real QUIC, the real directory, and the plane's rules for an IT admin's session.
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use wardline_directory::key::{ProposerKey, PublicKey};
use wardline_directory::{AccountRecord, Directory, NodeRecord, session};
use wardline_protocol::wire::{self, ClientFrame, ServerFrame, client_frame::Body, response, server_frame};
use wardline_protocol::{ALPN, AccountId, Code, EXPORTER_LABEL, NodeId, WireError, frame, limit};

const NONCE: [u8; 32] = [7; 32];

/// What it keeps.
pub(super) struct State {
    pub(super) directory: Directory,
    pub(super) statements: Vec<wire::Statement>,
    locked: BTreeSet<AccountId>,
}

/// A node that was initialised with the hospital's root.
pub(super) struct Node {
    pub(super) record: NodeRecord,
    pub(super) state: Arc<Mutex<State>>,
}

impl Node {
    pub(super) fn start(root: PublicKey) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["node".into()]).unwrap();
        let key = rustls_pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let tls = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
        let config = quinn::ServerConfig::with_crypto(Arc::new(tls));
        let endpoint = quinn::Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
        let record = NodeRecord {
            node_id: NodeId::from_bytes([1; 16]),
            name: "node-1".into(),
            addresses: vec![endpoint.local_addr().unwrap().to_string()],
            certificate_sha256: Sha256::digest(made.cert.der()).into(),
            proposer_public_key: ProposerKey::from_seed([4; 32]).public(),
            deleted: false,
        };
        let (directory, locked) = (Directory::new(root), BTreeSet::new());
        let state = Arc::new(Mutex::new(State { directory, statements: Vec::new(), locked }));
        let shared = state.clone();
        tokio::spawn(async move {
            while let Some(incoming) = endpoint.accept().await {
                tokio::spawn(serve(incoming, shared.clone()));
            }
        });
        Self { record, state }
    }

    pub(super) fn version(&self) -> u64 {
        self.state.lock().unwrap().directory.version()
    }
}

async fn serve(incoming: quinn::Incoming, state: Arc<Mutex<State>>) -> Option<()> {
    let connection = incoming.await.ok()?;
    let mut exporter = [0; 32];
    connection.export_keying_material(&mut exporter, EXPORTER_LABEL, b"").ok()?;
    let (mut send, mut receive) = connection.accept_bi().await.ok()?;
    let mut decoder = frame::Decoder::new(limit::FRAME_BYTES_MAX);
    let mut signed_in = false;
    loop {
        while let Some(ClientFrame { request_id, body }) = decoder.next_message().unwrap() {
            let answer = state.lock().unwrap().answer(body.unwrap(), &exporter, &mut signed_in);
            let result = answer.unwrap_or_else(|error| response::Result::Error(error.into()));
            let response = wire::Response { request_id, result: Some(result) };
            let frame = ServerFrame { body: Some(server_frame::Body::Response(response)) };
            send.write_all(&frame::encode(&frame, limit::FRAME_BYTES_MAX).unwrap()).await.ok()?;
        }
        decoder.push(&receive.read_chunk(64 * 1024, true).await.ok()??.bytes);
    }
}

impl State {
    /// Statements that came by another road.
    pub(super) fn take(&mut self, statements: &[wire::Statement]) {
        self.directory.apply_all(statements).unwrap();
        self.statements.extend_from_slice(statements);
    }

    fn answer(&mut self, body: Body, exporter: &[u8; 32], signed_in: &mut bool) -> Result<response::Result, WireError> {
        let done = Ok(response::Result::Done(wire::Done {}));
        match body {
            Body::Hello(_) => {
                Ok(response::Result::Challenge(wire::Challenge { nonce: NONCE.to_vec().into(), ..Default::default() }))
            }
            Body::AuthenticateAdmin(request) => {
                // The root opens a session too: nobody else can bring a node the first or another operational key.
                let mut keys = self.directory.operational_key().into_iter().chain([self.directory.root()]);
                *signed_in = keys.any(|key| session::verify_admin(&key, &NONCE, exporter, &request.signature));
                let directory_version = self.directory.version();
                let authenticated = wire::Authenticated { directory_version, ..Default::default() };
                if *signed_in {
                    Ok(response::Result::Authenticated(authenticated))
                } else {
                    Err(WireError::new(Code::BadSignature, "the IT admin's signature does not verify"))
                }
            }
            _ if !*signed_in => Err(WireError::new(Code::Unauthenticated, "sign in first")),
            Body::FetchStatements(request) => {
                let after = usize::try_from(request.after_version).unwrap();
                // Pages of two, so that several are needed.
                let page = self.statements.iter().skip(after).take(2).cloned().collect();
                Ok(response::Result::Statements(wire::Statements {
                    statements: page,
                    head_version: self.directory.version(),
                }))
            }
            Body::PublishStatements(request) => {
                self.directory.apply_all(&request.statements).map_err(|(_, refusal)| WireError::from(refusal))?;
                self.statements.extend(request.statements);
                done
            }
            Body::LockAccount(request) => {
                let id = AccountId::parse(&request.account_id)?;
                if self.directory.account(&id).is_none() {
                    return Err(WireError::new(Code::UnknownAccount, "no such account"));
                }
                if request.locked {
                    self.locked.insert(id)
                } else {
                    self.locked.remove(&id)
                };
                done
            }
            Body::ListAccounts(_) => {
                let report = |account: &AccountRecord| wire::AccountReport {
                    account_id: account.account_id.to_bytes(),
                    locked: self.locked.contains(&account.account_id),
                    ..Default::default()
                };
                let accounts = self.directory.accounts().map(report).collect();
                Ok(response::Result::Accounts(wire::Accounts { accounts }))
            }
            _ => Err(WireError::new(Code::Forbidden, "not here")),
        }
    }
}
