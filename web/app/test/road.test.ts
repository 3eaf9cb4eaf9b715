// A connection whose network dies without a word, over a real WebSocket server whose bytes stop.
import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { connect } from "../src/worker/road";

const BINARY = 0x82;
let server: Server;
let sockets: Duplex[];

/** As RFC 6455 has it, of what a node says while it is quiet. */
function say(socket: Duplex, bytes: number[]): void {
  socket.write(Buffer.from([BINARY, bytes.length, ...bytes]));
}

beforeEach(async () => {
  sockets = [];
  server = createServer((_request, response) => response.end());
  server.on("upgrade", (request, socket) => {
    const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    socket.on("error", () => undefined);
    sockets.push(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  vi.stubGlobal("location", { protocol: "http:", host: `127.0.0.1:${(server.address() as AddressInfo).port}` });
  vi.stubGlobal("fetch", async () => new Response(JSON.stringify({ webtransport: null, websocket: "/session", websocket_bulk: "/bulk" })));
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
});
afterEach(() => {
  vi.useRealTimers();
  for (const socket of sockets) socket.destroy();
  server.close();
});

async function road() {
  const heard = { bytes: [] as number[], closed: null as string | null };
  const made = await connect({ bytes: (bytes) => heard.bytes.push(...bytes), closed: (reason) => (heard.closed = reason) });
  return { heard, road: made };
}

describe("a WebSocket", () => {
  it("that falls silent is given up within 20 s", async () => {
    const { heard } = await road();
    vi.advanceTimersByTime(15_000);
    expect(heard.closed).toBeNull();
    vi.advanceTimersByTime(5_000);
    expect(heard.closed).toBe("the connection fell silent");
  });

  it("is kept while empty messages come, of which the engine hears nothing", async () => {
    const { heard, road: kept } = await road();
    for (let second = 0; second < 60; second += 10) {
      vi.advanceTimersByTime(10_000);
      const [socket] = sockets;
      if (!socket) throw new Error("no socket");
      say(socket, []);
      say(socket, [second]);
      await vi.waitFor(() => expect(heard.bytes.at(-1)).toBe(second));
    }
    expect(heard.closed).toBeNull();
    expect(heard.bytes).toEqual([0, 10, 20, 30, 40, 50]);
    kept.close();
    expect(heard.closed).toBe("closed here");
  });
});
