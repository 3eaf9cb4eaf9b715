// Who writes where, until it is said no more. The node passes it on and keeps nothing.
import type { AccountId, ConversationId } from "../device/contract";

/** As in the protocol: for so long somebody is shown who does not say it again. */
const HOLDS_MS = 6_000;

export class Typing {
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(private readonly show: (conversation: ConversationId, account: AccountId, typing: boolean) => void) {}

  told(conversation: ConversationId, account: AccountId, typing: boolean): void {
    const key = `${conversation}/${account}`;
    clearTimeout(this.timers.get(key));
    this.timers.delete(key);
    if (typing) this.timers.set(key, setTimeout(() => this.told(conversation, account, false), HOLDS_MS));
    this.show(conversation, account, typing);
  }
}
