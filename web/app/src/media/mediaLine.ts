// A connection to the node for the media of a broadcast: made by an offer and its answer, and made anew, from the beginning, whenever it is lost.
import { offerOf } from "./sdp";

/** A gap shorter than this heals by itself. */
const AGAIN_AFTER_MS = 3_000;

/** The node holds a place for 30 s; until then, and longer, it is tried again and again. */
const AGAIN_EVERY_MS = 4_000;

export interface LineEvents {
  /** Puts the lines into a new connection. */
  build(connection: RTCPeerConnection): void;
  /** Takes an offer to the node and brings its answer. */
  exchange(offerSdp: string): Promise<string>;
  changed(state: "connecting" | "up" | "lost"): void;
}

export class MediaLine {
  private connection: RTCPeerConnection | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private closed = false;

  constructor(private readonly events: LineEvents) {}

  /** Connects; what was connected before is given up. Rejects when the node refuses. */
  async open(): Promise<void> {
    const connection = new RTCPeerConnection({ iceServers: [] });
    this.connection?.close();
    this.connection = connection;
    this.events.build(connection);
    connection.onconnectionstatechange = () => this.stateChanged(connection);
    const answer = await this.events.exchange(await offerOf(connection));
    // The answer to an offer that was given up would name a path that is not there.
    if (connection === this.connection && !this.closed) await connection.setRemoteDescription({ type: "answer", sdp: answer });
  }

  /** Whoever had the place at the node is gone: takes it again. */
  again(): void {
    if (!this.closed) this.againIn(0);
  }

  stats(): Promise<RTCStatsReport> | null {
    return this.connection?.getStats() ?? null;
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.connection?.close();
    this.connection = null;
  }

  private stateChanged(connection: RTCPeerConnection): void {
    if (connection !== this.connection || this.closed) return;
    const { connectionState } = connection;
    if (connectionState === "connected") {
      clearTimeout(this.timer);
      this.events.changed("up");
    } else if (connectionState === "disconnected" || connectionState === "failed") {
      this.events.changed("lost");
      this.againIn(connectionState === "failed" ? 0 : AGAIN_AFTER_MS);
    }
  }

  private againIn(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      void this.open().catch(() => undefined); // without the node: again in a moment
      this.againIn(AGAIN_EVERY_MS);
    }, ms);
  }
}
