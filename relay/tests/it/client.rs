//! A bare client of the wire: frames in and out, no engine behind it.
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, RecvStream, SendStream};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use wardline_directory::certificate::issue_by_enrolment;
use wardline_directory::key::{DeviceKey, EnrolmentKey};
use wardline_directory::session::sign_device;
use wardline_protocol::code::parse_enrolment;
use wardline_protocol::wire::client_frame::Body as Request;
use wardline_protocol::wire::server_frame::Body as Push;
use wardline_protocol::wire::{
    Authenticate, ClientFrame, DeviceChain, Enrol, Hello, ServerFrame, response::Result as Answer,
};
use wardline_protocol::{AccountId, Code, DeviceId, EXPORTER_LABEL, frame, limit};
use wardline_relay::dev;
use wardline_relay::node::Running;
use wardline_relay::node::clock::system_ms;

/// Nothing here takes longer.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A connection with its control stream.
pub struct Client {
    pub connection: Connection,
    send: SendStream,
    receive: RecvStream,
    decoder: frame::Decoder,
    next_request: u64,
    nonce: Vec<u8>,
    endpoint: Endpoint,
}

/// A device that was enrolled.
pub struct Device {
    pub id: DeviceId,
    pub key: DeviceKey,
}

/// Starts the demo hospital's node in `dir`.
pub async fn node(dir: &std::path::Path) -> (Running, dev::Ready) {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let options = dev::Options { dir: dir.to_owned(), listen: any, ops: any, ready_file: None };
    dev::start(&options).await.unwrap()
}

impl Device {
    /// Its secret, as a careless log line would show it.
    pub fn key_hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&*self.key.seed())
    }
}

impl Client {
    pub async fn connect(ready: &dev::Ready) -> Self {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        Self::try_connect(ready, provider, wardline_protocol::ALPN).await.unwrap()
    }

    pub async fn try_connect(
        ready: &dev::Ready,
        provider: CryptoProvider,
        alpn: &[u8],
    ) -> Result<Self, ConnectionError> {
        let link = ready.enrolment.values().next().unwrap();
        let pin = parse_enrolment(link).unwrap().certificate_sha256.to_vec();
        let provider = Arc::new(provider);
        let mut tls = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned { pin, provider }))
            .with_no_client_auth();
        tls.alpn_protocols = vec![alpn.to_vec()];
        let mut endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        endpoint.set_default_client_config(ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap())));
        let connection = endpoint.connect(ready.address, "wardline.invalid").unwrap().await?;
        let (send, receive) = connection.open_bi().await?;
        let decoder = frame::Decoder::new(limit::FRAME_BYTES_MAX);
        Ok(Self { connection, send, receive, decoder, next_request: 1, nonce: Vec::new(), endpoint })
    }

    /// Connects and says hello.
    pub async fn greeted(ready: &dev::Ready) -> Self {
        let mut client = Self::connect(ready).await;
        let hello = Hello { protocol_version: 1, client: "test".into() };
        let Answer::Challenge(challenge) = client.request(Request::Hello(hello)).await else { panic!("no challenge") };
        client.nonce = challenge.nonce.to_vec();
        client
    }

    /// The client's own UDP port.
    pub fn local_port(&self) -> u16 {
        self.endpoint.local_addr().unwrap().port()
    }

    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.send.write_all(bytes).await.unwrap();
    }

    /// Sends a request and returns its number.
    pub async fn start(&mut self, body: Request) -> u64 {
        let request_id = self.next_request;
        self.next_request += 1;
        let frame = ClientFrame { request_id, body: Some(body) };
        let bytes = frame::encode(&frame, limit::FRAME_BYTES_MAX).unwrap();
        self.send.write_all(&bytes).await.unwrap();
        request_id
    }

    /// Sends a request and waits for its answer; pushes in between are passed over.
    pub async fn request(&mut self, body: Request) -> Answer {
        let request_id = self.start(body).await;
        loop {
            match self.next().await.expect("the stream ended before the answer") {
                Push::Response(response) if response.request_id == request_id => return response.result.unwrap(),
                Push::Goodbye(goodbye) => panic!("goodbye: {:?}", goodbye.error),
                _ => {}
            }
        }
    }

    /// The next frame; `None` when the node ended the stream or the connection.
    pub async fn next(&mut self) -> Option<Push> {
        tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(frame) = self.decoder.next_message::<ServerFrame>().unwrap() {
                    return frame.body;
                }
                let chunk = self.receive.read_chunk(64 * 1024, true).await.ok()??;
                self.decoder.push(&chunk.bytes);
            }
        })
        .await
        .expect("nothing came")
    }

    /// Waits for the goodbye and then the close of the connection; the codes of both, and the errors answered before.
    pub async fn ended(&mut self) -> (Option<Code>, u64, Vec<(u64, Code)>) {
        let (mut goodbye, mut errors) = (None, Vec::new());
        while let Some(push) = self.next().await {
            match push {
                Push::Goodbye(last) => goodbye = Some(Code::from_number(last.error.unwrap().code)),
                Push::Response(response) => {
                    if let Some(Answer::Error(error)) = response.result {
                        errors.push((response.request_id, Code::from_number(error.code)));
                    }
                }
                _ => {}
            }
        }
        let closed = tokio::time::timeout(PATIENCE, self.connection.closed()).await.expect("not closed");
        let ConnectionError::ApplicationClosed(close) = closed else { panic!("closed otherwise: {closed}") };
        (goodbye, close.error_code.into_inner(), errors)
    }

    fn exporter(&self) -> [u8; 32] {
        let mut exporter = [0; 32];
        self.connection.export_keying_material(&mut exporter, EXPORTER_LABEL, b"").unwrap();
        exporter
    }

    /// A new device and what it sends to be enrolled.
    pub fn enrolment(&self, link: &str) -> (Device, Request) {
        let code = parse_enrolment(link).unwrap();
        let account = AccountId::parse(&code.account_id).unwrap();
        let enrolment = EnrolmentKey::from_code_seed(&code.seed.as_ref().try_into().unwrap());
        let key = DeviceKey::generate().unwrap();
        let id = DeviceId::from_bytes(rand::random());
        let certificate = issue_by_enrolment(&enrolment, account, id, key.public(), system_ms());
        let signature = sign_device(&key, &self.nonce, &self.exporter()).to_vec().into();
        let chain = Some(DeviceChain { certificates: vec![certificate] });
        (Device { id, key }, Request::Enrol(Enrol { chain, signature }))
    }

    /// Uses an enrolment link for a new device.
    pub async fn enrol(&mut self, link: &str) -> (Device, Answer) {
        let (device, request) = self.enrolment(link);
        let answer = self.request(request).await;
        (device, answer)
    }

    /// What `authenticate` sends.
    pub fn proof(&self, device: &Device) -> Request {
        let signature = sign_device(&device.key, &self.nonce, &self.exporter()).to_vec().into();
        Request::Authenticate(Authenticate { device_id: device.id.to_bytes(), signature })
    }

    /// Signs in.
    pub async fn authenticate(&mut self, device: &Device) -> Answer {
        let proof = self.proof(device);
        self.request(proof).await
    }
}

/// A new device of an account, signed in.
pub async fn signed_in(ready: &dev::Ready, handle: &str) -> (Client, Device) {
    let mut client = Client::greeted(ready).await;
    let (device, answer) = client.enrol(&ready.enrolment[handle]).await;
    assert!(matches!(answer, Answer::Enrolled(_)), "{answer:?}");
    assert!(matches!(client.authenticate(&device).await, Answer::Authenticated(_)));
    (client, device)
}

#[derive(Debug)]
struct Pinned {
    pin: Vec<u8>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if Sha256::digest(end_entity).as_slice() == self.pin {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::General("another certificate".into()))
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
