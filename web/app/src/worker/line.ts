// The line to the node: one road at a time, and another soon after it is gone. What comes over it and what it is wanted for is its owner's.
import type { Connection } from "../device/contract";
import { type Bulk, type Road, connect, networkChanged } from "./road";

/** First and longest wait between two attempts to connect. */
const BACK_OFF_MS = [250, 15_000] as const;

export interface Owner {
  /** Whether there is anybody to connect for. */
  wanted(): boolean;
  /** How it stands with the line, for the view. */
  stands(part: Partial<Connection>): void;
  opened(): void;
  bytes(bytes: Uint8Array): void;
  closed(): void;
}

export class Line {
  private road: Road | null = null;
  private connecting = false;
  private stopped = false;
  private backOffMs: number = BACK_OFF_MS[0];
  private retry: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly owner: Owner) {}

  get up(): boolean {
    return this.road !== null;
  }

  connect(): void {
    if (this.stopped || this.connecting || this.road !== null || !this.owner.wanted()) return;
    clearTimeout(this.retry);
    this.connecting = true;
    this.owner.stands({ state: "connecting", level: false });
    connect({ bytes: (bytes) => this.owner.bytes(bytes), closed: () => this.closed() }).then(
      (road) => {
        this.connecting = false;
        this.road = road;
        this.owner.stands({ transport: road.kind, fallbackReason: road.fallbackReason });
        this.owner.opened();
      },
      () => {
        this.connecting = false;
        this.owner.stands({ state: "offline", transport: null });
        this.later();
      },
    );
  }

  send(bytes: Uint8Array): void {
    this.road?.send(bytes);
  }

  bulk(): Promise<Bulk> {
    return this.road?.bulk() ?? Promise.reject(new Error("not connected"));
  }

  /** Ends this road; the next is tried soon. */
  close(): void {
    this.road?.close();
  }

  /** The next road is wanted at once: what speaks over it is another. */
  reopen(): void {
    this.backOffMs = 1;
    this.close();
  }

  /** Ends it for good. */
  stop(): void {
    this.stopped = true;
    this.rest();
    this.close();
  }

  /** No further attempt until somebody asks for one. */
  rest(): void {
    clearTimeout(this.retry);
  }

  /** The node has taken us in: should the road end, the next is tried without waiting long. */
  settled(): void {
    this.backOffMs = BACK_OFF_MS[0];
  }

  /** The network is another one: everything is worth a try again. */
  networkChanged(): void {
    networkChanged();
    this.settled();
    this.connect();
  }

  private closed(): void {
    this.road = null;
    this.owner.stands({ state: "offline", transport: null, level: false });
    this.owner.closed();
    this.later();
  }

  private later(): void {
    if (this.stopped) return;
    clearTimeout(this.retry);
    // Between half of it and all, so that a restarted node is not met by everybody at once.
    this.retry = setTimeout(() => this.connect(), this.backOffMs * (0.5 + Math.random() / 2));
    this.backOffMs = Math.min(this.backOffMs * 2, BACK_OFF_MS[1]);
  }
}
