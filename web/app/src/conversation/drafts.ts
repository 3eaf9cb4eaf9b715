// What has been typed and not sent, for each conversation. In memory only: plaintext must not lie in the browser's storage outside the sealed state.
import type { ConversationId } from "../device/contract";

export class Drafts {
  private readonly texts = new Map<ConversationId, string>();
  private readonly listeners = new Set<() => void>();

  get(conversation: ConversationId): string {
    return this.texts.get(conversation) ?? "";
  }

  set(conversation: ConversationId, text: string): void {
    if (text === "") this.texts.delete(conversation);
    else this.texts.set(conversation, text);
    for (const changed of this.listeners) changed();
  }

  clear(): void {
    this.texts.clear();
    for (const changed of this.listeners) changed();
  }

  readonly subscribe = (changed: () => void): (() => void) => {
    this.listeners.add(changed);
    return () => this.listeners.delete(changed);
  };
}
