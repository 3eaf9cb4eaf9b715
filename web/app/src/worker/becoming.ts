// How this browser becomes a device and ceases to be one: by a code, by another device that links it, by signing out, by the node's refusal.
import { Device, Link } from "../engine/pkg/engine";
import type { DeviceId } from "../device/contract";
import type { Failed, Output, Saved, StoredIdentity } from "../engine/outputs";
import { Database } from "./database";
import type { Line } from "./line";
import type { Model } from "./model";
import { Shelf } from "./shelf";

/** Longest wait for the node to take a new device. */
const ENROL_WAIT_MS = 20_000;

/** A new device that shows its code is waited for this long, as by the node. */
const LINK_WAIT_MS = 300_000;

/** Longest wait, when signing out, for the node to say that it has revoked the device. */
const REVOKE_WAIT_MS = 3_000;

/** What has the engine. */
export interface Engine {
  isDevice(): boolean;
  /** Opens the engine of a stored identity, and connects. */
  open(identity: StoredIdentity): Promise<void>;
  close(): void;
  revoke(device: DeviceId): Promise<unknown>;
  /** Everything that is stored goes now. */
  wiping(): void;
  show(): void;
}

export class Becoming {
  private link: Link | null = null;
  private linkTimeout: ReturnType<typeof setTimeout> | undefined;
  private enrolling: { resolve(): void; reject(failed: Failed): void } | null = null;

  constructor(
    private readonly database: Database,
    private readonly model: Model,
    private readonly line: Line,
    private readonly engine: Engine,
  ) {}

  // ---- by a code ----

  async enrol(code: string): Promise<void> {
    this.mustBeNobody();
    this.endLink("signed-out");
    const invited = Device.invited(code, Date.now()) as StoredIdentity;
    // An earlier attempt whose answer was lost left a device here: the node takes the same one again.
    const left = await this.database.identity();
    const identity = left && left.account === invited.account && left.root === invited.root ? left : invited;
    // Stored before it is presented, for the same reason.
    await this.database.putIdentity(identity, null);
    const enrolled = new Promise<void>((resolve, reject) => {
      this.enrolling = { resolve, reject };
    });
    const timeout = setTimeout(() => {
      this.enrolling?.reject({ code: "offline", message: "the node does not answer: check the network and try again" });
      this.enrolling = null;
      this.line.close();
      this.engine.close();
    }, ENROL_WAIT_MS);
    await this.engine.open(identity);
    return enrolled.finally(() => clearTimeout(timeout));
  }

  /** The node has taken the new device: now it connects as what it is. */
  async enrolled(): Promise<void> {
    const identity = await this.database.identity();
    if (identity) await this.database.putIdentity({ ...identity, enrolled: true }, null);
    this.model.set({ phase: "open" });
    this.enrolling?.resolve();
    this.enrolling = null;
    this.line.reopen();
  }

  // ---- by another device ----

  get linking(): boolean {
    return this.link !== null;
  }

  beginLink(): void {
    this.mustBeNobody();
    this.link = new Link(location.origin);
    this.model.set({ phase: "linking", linkCode: this.link.code(), ended: null });
    this.linkTimeout = setTimeout(() => {
      this.endLink("signed-out");
      this.engine.show();
    }, LINK_WAIT_MS);
    this.line.connect();
  }

  cancelLink(): void {
    this.endLink("signed-out");
  }

  async linked(identity: StoredIdentity, saved: Saved): Promise<void> {
    await this.database.putIdentity(identity, saved);
    this.endLink("open");
    await this.engine.open(identity);
  }

  /** While a link is waited for, the line is its: whether it took this. */
  opened(): boolean {
    this.link?.opened();
    return this.linking;
  }

  received(bytes: Uint8Array): boolean {
    this.link?.received(bytes);
    return this.linking;
  }

  poll(): Output | undefined {
    return this.link?.poll() as Output | undefined;
  }

  private endLink(phase: "signed-out" | "open"): void {
    clearTimeout(this.linkTimeout);
    if (this.link === null) return;
    this.link = null;
    this.line.reopen();
    this.model.set({ phase, linkCode: null });
  }

  private mustBeNobody(): void {
    if (this.engine.isDevice()) throw { code: "code", message: "this browser is signed in already" } satisfies Failed;
  }

  // ---- the end ----

  async signOut(): Promise<void> {
    const own = this.model.whole().view?.device;
    if (this.engine.isDevice() && this.line.up && own) {
      // Told the node if it is there; the wiping does not depend on it.
      const revoked = this.engine.revoke(own).catch(() => undefined);
      await Promise.race([revoked, new Promise((resolve) => setTimeout(resolve, REVOKE_WAIT_MS))]);
    }
    this.line.stop();
    this.engine.wiping();
    await Database.wipe(this.database);
    await Shelf.wipe();
    this.engine.close();
    this.model.set({ phase: "signed-out", me: null, device: null });
  }

  /** The node closes with a reason; `last`: for good. */
  async refused(failed: Failed, last: boolean): Promise<void> {
    this.line.close();
    if (this.enrolling !== null) {
      // The browser is as before.
      this.enrolling.reject(failed);
      this.enrolling = null;
      this.engine.close();
      this.line.rest();
      await this.database.forgetIdentity();
      this.model.set({ phase: "signed-out", me: null, device: null, ended: null });
    } else if (this.link !== null) {
      this.endLink("signed-out");
      this.model.set({ ended: `${failed.code}: ${failed.message}` });
    } else if (last) {
      this.line.stop();
      this.model.set({ phase: "ended", ended: `${failed.code}: ${failed.message}` });
    }
  }
}
