// Whose presence is on screen: the partners of direct conversations, and the members of the open one.
import { useEffect } from "react";
import type { ConversationId } from "../device/contract";
import { peerOf } from "../session/naming";
import { useDevice, useView } from "../session/Session";

export function useWatchedPresence(open: ConversationId | null): void {
  const device = useDevice();
  const watched = useView((view) => {
    const accounts = new Set<string>();
    for (const conversation of view.conversations) {
      const peer = peerOf(conversation, view.me, view.accounts);
      if (peer) accounts.add(peer);
      if (conversation.id === open) for (const id of conversation.accounts) if (id !== view.me) accounts.add(id);
    }
    // One string, because a selection must compare equal while nothing has changed.
    return [...accounts].sort().join(" ");
  });
  useEffect(() => {
    // Without presence there are no dots; there is nothing that a person should be told.
    device.watchPresence(watched === "" ? [] : watched.split(" ")).catch((error: unknown) => console.debug("presence:", error));
  }, [device, watched]);
}
