// Values at rest: AES-256-GCM under a key that the browser keeps and gives to nobody, this page included (non-extractable).
// What that gives: files copied from the disk, or a dump of IndexedDB, are of no use without the browser's own key store.

const NONCE_BYTES = 12;

export class Seal {
  private readonly encoder = new TextEncoder();
  private readonly decoder = new TextDecoder();

  constructor(private readonly key: CryptoKey) {}

  static makeKey(): Promise<CryptoKey> {
    return crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  }

  /** `place` is authenticated: a sealed value opens only where it was put. */
  async close(place: string, value: Uint8Array): Promise<Uint8Array> {
    const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const parameters = { name: "AES-GCM", iv, additionalData: this.encoder.encode(place) };
    const sealed = await crypto.subtle.encrypt(parameters, this.key, value as BufferSource);
    const whole = new Uint8Array(NONCE_BYTES + sealed.byteLength);
    whole.set(iv);
    whole.set(new Uint8Array(sealed), NONCE_BYTES);
    return whole;
  }

  async open(place: string, whole: Uint8Array): Promise<Uint8Array> {
    const parameters = {
      name: "AES-GCM",
      iv: whole.subarray(0, NONCE_BYTES) as BufferSource,
      additionalData: this.encoder.encode(place),
    };
    return new Uint8Array(await crypto.subtle.decrypt(parameters, this.key, whole.subarray(NONCE_BYTES) as BufferSource));
  }

  closeJson(place: string, value: unknown): Promise<Uint8Array> {
    return this.close(place, this.encoder.encode(JSON.stringify(value)));
  }

  async openJson<T>(place: string, whole: Uint8Array): Promise<T> {
    return JSON.parse(this.decoder.decode(await this.open(place, whole))) as T;
  }
}
