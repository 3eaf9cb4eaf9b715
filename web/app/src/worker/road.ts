// The way to the node: WebTransport, or WebSocket where UDP is blocked. Bytes only; what they mean is the engine's.

/** Longest wait for WebTransport before WebSocket is taken. */
const WEBTRANSPORT_WAIT_MS = 3_000;

/** Longest wait for WebSocket. */
const WEBSOCKET_WAIT_MS = 10_000;

/**
 * Without a message for so many looks, five seconds apart, a WebSocket is dead: the node says something at least every 5 s, an empty message when there is nothing else.
 * Counted and not timed: a computer that wakes from sleep has looked once, however long it slept.
 */
const SILENT_LOOKS_MAX = 3;
const LOOK_MS = 5_000;

/** Bytes of one WebSocket message: any part of the stream will do, and small ones let others pass. */
const WEBSOCKET_BYTES_MAX = 64 * 1024;

/** After WebTransport failed and WebSocket did not, it is tried again only after this, or when the network changes. */
const WEBTRANSPORT_REST_MS = 600_000;

export interface Road {
  kind: "webtransport" | "websocket";
  /** Why the faster one is not taken. */
  fallbackReason: string | null;
  send(bytes: Uint8Array): void;
  /** A stream of its own beside this one, for a file. Rejects when it cannot be had. */
  bulk(): Promise<Bulk>;
  close(): void;
}

/** One file's stream, in both directions. */
export interface Bulk {
  /** Resolves when more may be written. */
  write(bytes: Uint8Array): Promise<void>;
  /** What comes next; null: it is over. One at a time may wait. */
  read(): Promise<Uint8Array | null>;
  close(): void;
}

export interface RoadEvents {
  bytes(bytes: Uint8Array): void;
  /** Once, whichever side closed. */
  closed(reason: string): void;
}

interface Places {
  webtransport: { host: string; port: number; path: string; certificates_sha256: string[] } | null;
  websocket: string;
  websocket_bulk: string;
}

let restUntilMs = 0;
let restReason: string | null = null;

/** The network is another one: everything is worth a try again. */
export function networkChanged(): void {
  restUntilMs = 0;
}

/** Connects by the best road. Rejects when there is none. */
export async function connect(events: RoadEvents): Promise<Road> {
  const answer = await fetch("/connect.json", { cache: "no-store", signal: AbortSignal.timeout(WEBSOCKET_WAIT_MS) });
  if (!answer.ok) throw new Error(`the node answers with ${answer.status}`);
  const places = (await answer.json()) as Places;
  let reason = restReason;
  if (places.webtransport === null) reason = "the node does not offer WebTransport";
  else if (typeof WebTransport === "undefined") reason = "this browser has no WebTransport";
  else if (Date.now() >= restUntilMs) {
    try {
      return await webTransport(places.webtransport, events);
    } catch (error) {
      reason = `WebTransport did not connect (UDP may be blocked): ${message(error)}`;
    }
  }
  const road = await webSocket(places, reason, events);
  if (restReason !== reason || Date.now() >= restUntilMs) {
    restUntilMs = Date.now() + WEBTRANSPORT_REST_MS;
    restReason = reason;
  }
  return road;
}

async function webTransport(place: NonNullable<Places["webtransport"]>, events: RoadEvents): Promise<Road> {
  const url = `https://${place.host}:${place.port}${place.path}`;
  const hashes = place.certificates_sha256.map((hash) => ({
    algorithm: "sha-256",
    value: Uint8Array.from(atob(hash), (character) => character.charCodeAt(0)),
  }));
  const transport = new WebTransport(url, { serverCertificateHashes: hashes, requireUnreliable: true });
  transport.closed.catch(() => undefined); // told by the reader
  try {
    await within(WEBTRANSPORT_WAIT_MS, transport.ready);
  } catch (error) {
    transport.close();
    throw error;
  }
  const stream = await transport.createBidirectionalStream();
  const writer = (stream.writable as WritableStream<Uint8Array>).getWriter();
  let over = false;
  const end = (reason: string) => {
    if (over) return;
    over = true;
    transport.close();
    events.closed(reason);
  };
  void (async () => {
    const reader = (stream.readable as ReadableStream<Uint8Array>).getReader();
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return end("the node closed the connection");
        events.bytes(value);
      }
    } catch (error) {
      end(message(error));
    }
  })();
  transport.closed.then(() => end("closed"), (error: unknown) => end(message(error)));
  return {
    kind: "webtransport",
    fallbackReason: null,
    send: (bytes) => void writer.write(bytes).catch((error: unknown) => end(message(error))),
    bulk: () => webTransportBulk(transport),
    close: () => end("closed here"),
  };
}

async function webSocket(places: Places, fallbackReason: string | null, events: RoadEvents): Promise<Road> {
  const socket = newSocket(places.websocket);
  let over = false;
  let silentLooks = 0;
  let looking: ReturnType<typeof setInterval> | undefined;
  const end = (reason: string) => {
    if (over) return;
    over = true;
    clearInterval(looking);
    socket.close();
    events.closed(reason);
  };
  await opened(socket).catch((error: unknown) => {
    over = true;
    socket.close();
    throw error;
  });
  socket.onmessage = (event: MessageEvent<ArrayBuffer>) => {
    silentLooks = 0;
    if (event.data.byteLength > 0) events.bytes(new Uint8Array(event.data));
  };
  // A browser answers a WebSocket's own pings without telling the page, and a connection that nothing comes through stays open for minutes.
  looking = setInterval(() => {
    silentLooks += 1;
    if (silentLooks > SILENT_LOOKS_MAX) end("the connection fell silent");
  }, LOOK_MS);
  socket.onclose = () => end("the node closed the connection");
  socket.onerror = () => end("the connection broke");
  return {
    kind: "websocket",
    fallbackReason,
    send(bytes) {
      for (let at = 0; at < bytes.length; at += WEBSOCKET_BYTES_MAX) {
        socket.send(bytes.subarray(at, at + WEBSOCKET_BYTES_MAX) as BufferSource);
      }
    },
    bulk: () => webSocketBulk(places.websocket_bulk),
    close: () => end("closed here"),
  };
}

async function webTransportBulk(transport: WebTransport): Promise<Bulk> {
  const stream = await transport.createBidirectionalStream();
  const writer = (stream.writable as WritableStream<Uint8Array>).getWriter();
  const reader = (stream.readable as ReadableStream<Uint8Array>).getReader();
  return {
    write: (bytes) => writer.write(bytes),
    read: () => reader.read().then(({ value, done }) => (done ? null : value), () => null),
    close() {
      // Fails on a stream that is over, which is what is wanted.
      writer.abort().catch(() => undefined);
      reader.cancel().catch(() => undefined);
    },
  };
}

async function webSocketBulk(path: string): Promise<Bulk> {
  const socket = newSocket(path);
  const here: Uint8Array[] = [];
  let over = false;
  let waiting: ((bytes: Uint8Array | null) => void) | null = null;
  const give = (bytes: Uint8Array | null) => {
    if (waiting) waiting(bytes);
    else if (bytes) here.push(bytes);
    waiting = null;
  };
  socket.onmessage = (event: MessageEvent<ArrayBuffer>) => give(new Uint8Array(event.data));
  socket.onclose = () => {
    over = true;
    give(null);
  };
  await opened(socket);
  socket.onerror = null; // followed by a close
  return {
    // What may be on its way is bounded by what the node has taken.
    async write(bytes) {
      socket.send(bytes as BufferSource);
    },
    read() {
      const next = here.shift();
      if (next || over) return Promise.resolve(next ?? null);
      return new Promise((resolve) => {
        waiting = resolve;
      });
    },
    close: () => socket.close(),
  };
}

function newSocket(path: string): WebSocket {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`);
  socket.binaryType = "arraybuffer";
  return socket;
}

function opened(socket: WebSocket): Promise<void> {
  return within(
    WEBSOCKET_WAIT_MS,
    new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = () => reject(new Error("the node does not answer"));
    }),
  );
}

function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer in ${ms / 1000} s`)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
