// The broadcast that this tab sends or watches: at most one. It begins and ends here, is connected anew when the engine has moved to another tab, and gives way to calls.
import { isTaken } from "../calls/words";
import type { BroadcastMedia } from "../media/broadcast";
import type { MediaDeviceUse } from "../media/devices";
import type { MediaKeys } from "../media/frames";
import { BroadcastSender } from "../media/sender";
import type { Studio } from "../media/studio";
import { BroadcastWatcher } from "../media/watcher";
import type { Answer, AskName, Asks } from "../worker/channel";
import { type AccountId, type Broadcast, type BroadcastId, type ConversationId, DeviceError, type View } from "./contract";

/** As the node and the core write it. */
const REFUSED = /^(forbidden|unknown-?call|unknown)$/i;

type Ask = <N extends AskName>(name: N, args: Asks[N]) => Promise<Answer<N>>;

export class BroadcastHere {
  private media: BroadcastSender | BroadcastWatcher | null = null;
  /** Empty while it is being started. */
  private id: BroadcastId = "";
  /** The worker knows that this tab takes part. */
  private told = false;
  /** A new engine knows nothing of it yet. */
  private moved = false;

  constructor(
    private readonly ask: Ask,
    private readonly changed: () => void,
  ) {}

  state(): BroadcastMedia | null {
    return this.media?.state(this.id) ?? null;
  }

  /** Says of each whether its media is here. */
  mark(broadcasts: Broadcast[]): Broadcast[] {
    const here = ({ id, part }: Broadcast) => this.media !== null && (this.id === id || (this.id === "" && part === "sends"));
    if (broadcasts.every((one) => one.here === here(one))) return broadcasts;
    return broadcasts.map((one) => ({ ...one, here: here(one) }));
  }

  get sends(): boolean {
    return this.media instanceof BroadcastSender;
  }

  // ---- beginning ----

  async start(conversation: ConversationId, title: string, studio: Studio): Promise<void> {
    await this.send("", studio, async (offerSdp) => {
      if (this.id !== "") return this.connect(this.id, offerSdp);
      const { call, answerSdp } = await this.ask("startBroadcast", { conversation, title, offerSdp });
      this.id = call;
      this.told = true;
      return answerSdp;
    });
  }

  async resume(broadcast: BroadcastId, studio: Studio): Promise<void> {
    await this.send(broadcast, studio, (offerSdp) => this.connect(broadcast, offerSdp));
  }

  private async connect(broadcast: BroadcastId, offerSdp: string): Promise<string> {
    try {
      const { answerSdp } = await this.ask("joinBroadcast", { broadcast, offerSdp });
      this.told ||= broadcast === this.id;
      return answerSdp;
    } catch (error) {
      // Who may not be in it any more, or took part in something that is over, need not try again.
      if (broadcast === this.id && this.told && error instanceof DeviceError && REFUSED.test(error.code)) this.close();
      throw error;
    }
  }

  private async send(broadcast: BroadcastId, studio: Studio, exchange: (offerSdp: string) => Promise<string>): Promise<void> {
    await this.leaveOther();
    const media = new BroadcastSender(studio, { exchange, changed: this.changed });
    [this.media, this.id] = [media, broadcast];
    try {
      await media.connect();
      await media.start(await this.ownKeys());
      this.changed();
    } catch (error) {
      const begun = this.id;
      this.media = null;
      media.close(true);
      this.close();
      if (begun !== broadcast) void this.ask("stopBroadcast", { broadcast: begun }).catch(() => undefined);
      throw error;
    }
  }

  async join(broadcast: BroadcastId, sender: AccountId, hushed: boolean): Promise<void> {
    if (this.media !== null && this.id === broadcast) return;
    await this.leaveOther();
    const media = new BroadcastWatcher({ exchange: (offerSdp) => this.connect(broadcast, offerSdp), changed: this.changed });
    [this.media, this.id] = [media, broadcast];
    media.hush(hushed);
    this.changed();
    try {
      await media.connect();
      const { epoch } = await this.ask("mediaKeys", { call: broadcast });
      media.start({ epoch, contexts: null, peer: sender });
    } catch (error) {
      if (this.media === media) this.close();
      throw error;
    }
  }

  private async leaveOther(): Promise<void> {
    if (this.sends) throw new DeviceError("elsewhere", "this tab sends a broadcast");
    const { id } = this;
    if (this.media === null) return;
    this.close();
    await this.ask("leaveBroadcast", { broadcast: id }).catch(() => undefined); // the node hears it from the silence
  }

  /** A context id for the sound and one for the picture, whose layers share it as they share a counter. The later answer's epoch is the newer one, and good for both. */
  private async ownKeys(): Promise<MediaKeys> {
    const call = this.id;
    const [audio, video] = await Promise.all([this.ask("mediaKeys", { call }), this.ask("mediaKeys", { call })]);
    return { epoch: video.epoch, contexts: { audio: audio.contextId, video: video.contextId }, peer: null };
  }

  // ---- going on ----

  /** What is told of all broadcasts has changed, or of calls. */
  follow(view: View): void {
    if (this.media === null) return;
    if (this.media instanceof BroadcastWatcher) this.media.hush(view.call !== null && view.call.state !== "ended");
    // What is said on the phone is not for everybody.
    else if (isTaken(view.call) && !this.media.studio.state().muted) this.media.studio.mute(true);
    const broadcast = view.broadcasts.find(({ id }) => id === this.id);
    if (broadcast?.state === "ended") return this.close();
    if (this.moved) {
      if (broadcast !== undefined && view.connection.state === "online") {
        this.moved = false;
        this.media.again();
      } else if (broadcast === undefined && view.connection.level) this.close();
    } else if (this.told && broadcast?.part === null) this.close();
  }

  /** The engine is another tab's from now on. */
  engineMoved(): void {
    this.moved = this.media !== null;
    this.told = false;
  }

  update(call: string, epoch: Uint8Array): void {
    if (call === this.id) this.media?.update(epoch);
  }

  studio(): Studio | null {
    return this.media instanceof BroadcastSender ? this.media.studio : null;
  }

  setVolume(volume: number): void {
    if (this.media instanceof BroadcastWatcher) this.media.setVolume(volume);
  }

  playSound(): void {
    if (this.media instanceof BroadcastWatcher) this.media.play();
  }

  async rechoose(use: MediaDeviceUse): Promise<void> {
    if (this.media instanceof BroadcastWatcher) return use === "loudspeaker" ? this.media.rechooseLoudspeaker() : undefined;
    if (use !== "loudspeaker") await this.media?.studio.rechoose(use);
  }

  // ---- the end ----

  async leave(broadcast: BroadcastId): Promise<void> {
    if (broadcast === this.id) this.close();
    await this.ask("leaveBroadcast", { broadcast });
  }

  /** The page goes: a viewer leaves; a sender has half a minute to come back. */
  pageGoes(): void {
    if (this.media instanceof BroadcastWatcher) void this.leave(this.id).catch(() => undefined);
  }

  close(): void {
    this.media?.close();
    this.media = null;
    this.id = "";
    this.told = false;
    this.moved = false;
    this.changed();
  }
}
