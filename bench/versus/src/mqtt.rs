//! As much of an MQTT 3.1.1 client as a fan-out needs: connect over TLS, subscribe, publish and acknowledge at QoS 1.
use anyhow::{Context as _, Result, bail, ensure};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Bytes of a packet at most.
const PACKET_BYTES_MAX: usize = 64 * 1024;

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const PUBACK: u8 = 0x40;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;

/// In the low bits of PUBLISH.
const QOS_1: u8 = 0x02;

/// A connected client.
pub struct Client {
    reader: ReadHalf<TlsStream<TcpStream>>,
    writer: WriteHalf<TlsStream<TcpStream>>,
}

impl Client {
    /// Connects as `id`.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn connect(address: SocketAddr, tls: &Arc<ClientConfig>, id: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stream = TlsConnector::from(tls.clone()).connect(ServerName::try_from("localhost")?, stream).await?;
        let (reader, writer) = tokio::io::split(stream);
        let mut client = Self { reader, writer };
        // Protocol name and level, clean session, no keep-alive.
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0x02, 0, 0];
        body.extend(text(id)?);
        client.send(CONNECT, &body).await?;
        let (kind, answer) = client.receive().await?;
        ensure!(kind == CONNACK && answer.get(1) == Some(&0), "the broker refuses: {answer:?}");
        Ok(client)
    }

    /// Subscribes to a topic at QoS 1.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn subscribe(&mut self, topic: &str) -> Result<()> {
        let mut body = vec![0, 1];
        body.extend(text(topic)?);
        body.push(1);
        self.send(SUBSCRIBE, &body).await?;
        let (kind, answer) = self.receive().await?;
        ensure!(kind == SUBACK && answer.get(2) == Some(&1), "the broker grants no QoS 1: {answer:?}");
        Ok(())
    }

    /// Publishes at QoS 1 and waits until the broker has it.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn publish(&mut self, topic: &str, number: u16, payload: &[u8]) -> Result<()> {
        let mut body = text(topic)?;
        body.extend(number.to_be_bytes());
        body.extend_from_slice(payload);
        self.send(PUBLISH | QOS_1, &body).await?;
        let (kind, _) = self.receive().await?;
        ensure!(kind == PUBACK, "no acknowledgement but {kind:#x}");
        Ok(())
    }

    /// The payload of the next message, which is acknowledged.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn next(&mut self) -> Result<Vec<u8>> {
        loop {
            let (kind, body) = self.receive().await?;
            if kind & 0xf0 != PUBLISH {
                continue;
            }
            let topic = usize::from(u16::from_be_bytes(*body.first_chunk::<2>().context("a topic")?));
            let rest = body.get(2 + topic..).context("a number")?;
            let (number, payload) = rest.split_first_chunk::<2>().context("a number")?;
            self.send(PUBACK, number).await?;
            return Ok(payload.to_vec());
        }
    }

    async fn send(&mut self, kind: u8, body: &[u8]) -> Result<()> {
        let mut packet = vec![kind];
        let mut left = body.len();
        loop {
            let byte = (left % 128) as u8;
            left /= 128;
            packet.push(if left > 0 { byte | 0x80 } else { byte });
            if left == 0 {
                break;
            }
        }
        packet.extend_from_slice(body);
        self.writer.write_all(&packet).await?;
        Ok(self.writer.flush().await?)
    }

    async fn receive(&mut self) -> Result<(u8, Vec<u8>)> {
        let kind = self.reader.read_u8().await?;
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.reader.read_u8().await?;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
            if shift > 21 {
                bail!("a length without an end");
            }
        }
        ensure!(length <= PACKET_BYTES_MAX, "a packet of {length} bytes");
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).await?;
        Ok((kind, body))
    }
}

fn text(text: &str) -> Result<Vec<u8>> {
    let mut bytes = u16::try_from(text.len())?.to_be_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    Ok(bytes)
}
