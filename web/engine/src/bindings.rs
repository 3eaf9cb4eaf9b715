//! The module's JavaScript face: plain objects in and out. Errors are thrown as `{code, message}`.
#![allow(missing_docs, reason = "each function is the one of the same name that it wraps")]
use crate::{Ask, Failed, Saved, StoredIdentity, UploadEnd};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;

fn out<T: Serialize + ?Sized>(value: &T) -> Result<JsValue, JsValue> {
    Ok(value.serialize(&serde_wasm_bindgen::Serializer::json_compatible().serialize_bytes_as_arrays(false))?)
}

fn take<T: DeserializeOwned>(value: JsValue, what: &str) -> Result<T, JsValue> {
    serde_wasm_bindgen::from_value(value)
        .map_err(|error| thrown(Failed::new("engine", format!("{what} cannot be read: {error}"))))
}

fn thrown(failed: Failed) -> JsValue {
    out(&failed).unwrap_or(JsValue::NULL)
}

fn ms(now: f64) -> u64 {
    now as u64 // positive and below 2^53 until the year 287396
}

#[wasm_bindgen]
pub struct Device(crate::Device);

#[wasm_bindgen]
impl Device {
    pub fn invited(code: &str, now_ms: f64) -> Result<JsValue, JsValue> {
        out(&crate::Device::invited(code, ms(now_ms)).map_err(thrown)?)
    }

    pub fn open(identity: JsValue, saved: JsValue, seed: &[u8], origin: &str) -> Result<Device, JsValue> {
        let identity: StoredIdentity = take(identity, "the identity")?;
        let saved: Saved = take(saved, "the state")?;
        let seed = seed.try_into().map_err(|_| thrown(Failed::new("engine", "the seed has not 32 bytes")))?;
        crate::Device::open(&identity, saved, seed, origin).map(Device).map_err(thrown)
    }

    pub fn opened(&mut self) {
        self.0.opened();
    }

    pub fn received(&mut self, now_ms: f64, bytes: &[u8]) {
        self.0.received(ms(now_ms), bytes);
    }

    pub fn closed(&mut self, now_ms: f64) {
        self.0.closed(ms(now_ms));
    }

    pub fn ask(&mut self, now_ms: f64, token: f64, ask: JsValue) -> Result<(), JsValue> {
        let ask: Ask = take(ask, "the command")?;
        self.0.ask(ms(now_ms), ms(token), ask);
        Ok(())
    }

    #[wasm_bindgen(js_name = uploadEnded)]
    pub fn upload_ended(&mut self, now_ms: f64, attachment: &str, end: JsValue) -> Result<(), JsValue> {
        let end: UploadEnd = take(end, "the end of an upload")?;
        self.0.upload_ended(ms(now_ms), attachment, end).map_err(thrown)
    }

    pub fn tick(&mut self, now_ms: f64) {
        self.0.tick(ms(now_ms));
    }

    pub fn poll(&mut self) -> Result<JsValue, JsValue> {
        self.0.poll().map_or(Ok(JsValue::UNDEFINED), |output| out(&output))
    }

    pub fn accounts(&self) -> Result<JsValue, JsValue> {
        out(&self.0.accounts())
    }

    pub fn hospital(&self) -> Option<String> {
        self.0.hospital()
    }

    pub fn conversation(&self, id: &str) -> Result<JsValue, JsValue> {
        self.0.conversation(id).map_or(Ok(JsValue::UNDEFINED), |conversation| out(&conversation))
    }

    #[wasm_bindgen(js_name = safetyNumber)]
    pub fn safety_number(&self, account: &str) -> Result<String, JsValue> {
        self.0.safety_number(account).map_err(thrown)
    }

    #[wasm_bindgen(js_name = mediaEpoch)]
    pub fn media_epoch(&self, conversation: &str, call: &str) -> Option<Vec<u8>> {
        self.0.media_epoch(conversation, call)
    }
}

#[wasm_bindgen]
pub struct Link(crate::Link);

#[wasm_bindgen]
impl Link {
    #[wasm_bindgen(constructor)]
    pub fn new(origin: &str) -> Result<Link, JsValue> {
        crate::Link::new(origin).map(Link).map_err(thrown)
    }

    pub fn code(&self) -> String {
        self.0.code().to_owned()
    }

    pub fn opened(&mut self) {
        self.0.opened();
    }

    pub fn received(&mut self, bytes: &[u8]) {
        self.0.received(bytes);
    }

    pub fn poll(&mut self) -> Result<JsValue, JsValue> {
        self.0.poll().map_or(Ok(JsValue::UNDEFINED), |output| out(&output))
    }
}

#[wasm_bindgen]
pub struct Sealer(crate::Sealer);

#[wasm_bindgen]
impl Sealer {
    #[wasm_bindgen(constructor)]
    pub fn new(epoch: &[u8], context_id: u32) -> Result<Sealer, JsValue> {
        crate::Sealer::new(epoch, context_id).map(Sealer).map_err(thrown)
    }

    pub fn update(&mut self, epoch: &[u8]) -> Result<(), JsValue> {
        self.0.update(epoch).map_err(thrown)
    }

    pub fn seal(&mut self, frame: &[u8], clear_len: usize) -> Option<Vec<u8>> {
        self.0.seal(frame, clear_len)
    }
}

#[wasm_bindgen]
pub struct Opener(crate::Opener);

#[wasm_bindgen]
impl Opener {
    #[wasm_bindgen(constructor)]
    pub fn new(peer: &str, epoch: &[u8], now_ms: f64) -> Result<Opener, JsValue> {
        crate::Opener::new(peer, epoch, ms(now_ms)).map(Opener).map_err(thrown)
    }

    pub fn update(&mut self, epoch: &[u8], now_ms: f64) -> Result<(), JsValue> {
        self.0.update(epoch, ms(now_ms)).map_err(thrown)
    }

    pub fn open(&mut self, frame: &[u8], clear_len: usize, now_ms: f64) -> Option<Vec<u8>> {
        self.0.open(frame, clear_len, ms(now_ms))
    }
}

/// Bytes of the ciphertext of so many bytes.
#[wasm_bindgen(js_name = sealedBytes)]
pub fn sealed_bytes(bytes: f64) -> f64 {
    crate::sealed_bytes(ms(bytes)) as f64 // far below 2^53
}

#[wasm_bindgen]
pub struct FileSealer(crate::FileSealer);

#[wasm_bindgen]
impl FileSealer {
    #[wasm_bindgen(constructor)]
    pub fn new(bytes: f64) -> Result<FileSealer, JsValue> {
        crate::FileSealer::new(ms(bytes)).map(FileSealer).map_err(thrown)
    }

    pub fn attachment(&self) -> String {
        self.0.attachment().to_owned()
    }

    pub fn seal(&mut self, piece: &[u8]) -> Result<Vec<u8>, JsValue> {
        self.0.seal(piece).map_err(thrown)
    }

    pub fn finish(self) -> Result<JsValue, JsValue> {
        out(&self.0.finish().map_err(thrown)?)
    }
}

#[wasm_bindgen]
pub struct FileOpener(crate::FileOpener);

#[wasm_bindgen]
impl FileOpener {
    #[wasm_bindgen(constructor)]
    pub fn new(key: &str, bytes: f64, sealed_sha256: &str) -> Result<FileOpener, JsValue> {
        crate::FileOpener::new(key, ms(bytes), sealed_sha256).map(FileOpener).map_err(thrown)
    }

    pub fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, JsValue> {
        self.0.open(sealed).map_err(thrown)
    }

    pub fn finish(self) -> Result<(), JsValue> {
        self.0.finish().map_err(thrown)
    }
}

#[wasm_bindgen]
pub struct BulkSending(crate::BulkSending);

#[wasm_bindgen]
impl BulkSending {
    #[wasm_bindgen(constructor)]
    pub fn new(ticket: &[u8], bytes: f64) -> BulkSending {
        BulkSending(crate::BulkSending::new(ticket, ms(bytes)))
    }

    pub fn first(&self) -> Vec<u8> {
        self.0.first()
    }

    pub fn wants(&self) -> usize {
        self.0.wants()
    }

    pub fn chunk(&mut self, content: &[u8]) -> Result<Vec<u8>, JsValue> {
        self.0.chunk(content).map_err(thrown)
    }

    pub fn heard(&mut self, bytes: &[u8]) -> Result<(), JsValue> {
        self.0.heard(bytes).map_err(thrown)
    }

    pub fn taken(&self) -> f64 {
        self.0.taken() as f64
    }

    #[wasm_bindgen(js_name = isDone)]
    pub fn is_done(&self) -> bool {
        self.0.is_done()
    }
}

#[wasm_bindgen]
pub struct BulkReceiving(crate::BulkReceiving);

#[wasm_bindgen]
impl BulkReceiving {
    #[wasm_bindgen(constructor)]
    pub fn new(ticket: &[u8], bytes: f64) -> BulkReceiving {
        BulkReceiving(crate::BulkReceiving::new(ticket, ms(bytes)))
    }

    pub fn first(&self) -> Vec<u8> {
        self.0.first()
    }

    pub fn heard(&mut self, bytes: &[u8]) -> Result<Vec<u8>, JsValue> {
        self.0.heard(bytes).map_err(thrown)
    }

    pub fn tell(&mut self) -> Option<Vec<u8>> {
        self.0.tell()
    }

    pub fn taken(&self) -> f64 {
        self.0.taken() as f64
    }

    #[wasm_bindgen(js_name = isDone)]
    pub fn is_done(&self) -> bool {
        self.0.is_done()
    }
}
