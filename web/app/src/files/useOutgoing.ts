// Picking, preparing and sending files of one conversation. They are prepared one after the other, so that a phone has one picture in memory and not thirty.
import { useCallback, useEffect, useRef, useState } from "react";
import type { ConversationId } from "../device/contract";
import { useDevice, useDrafts } from "../session/Session";
import { useCommand } from "../session/useCommand";
import { browserCodec } from "./codec";
import { added, changed, faultOf, parcelOf, type Picked, removed } from "./outgoing";
import { type Codec, prepare } from "./prepare";

export interface Outgoing {
  all: readonly Picked[];
  /** Files that found no room in the last go. */
  left: number;
  add(files: readonly File[], asOriginal: boolean): void;
  remove(key: number): void;
  caption(key: number, caption: string): void;
  /** For all pictures at once. */
  originals(asOriginal: boolean): void;
  clear(): void;
  ready: boolean;
  sending: boolean;
  failure: string | null;
  /** In order; what could not be sent stays. Resolves to whether all are in the outbox. */
  send(): Promise<boolean>;
}

export function useOutgoing(conversation: ConversationId, codec: Codec = browserCodec): Outgoing {
  const device = useDevice();
  const drafts = useDrafts();
  const [all, setAll] = useState<readonly Picked[]>([]);
  const [left, setLeft] = useState(0);
  const nextKey = useRef(1);
  const draft = useRef("");
  const command = useCommand("file");
  usePreparing(all, setAll, codec);

  const add = (files: readonly File[], asOriginal: boolean) => {
    if (files.length === 0 || command.busy) return;
    draft.current = drafts.get(conversation);
    const next = added(all, { files, asOriginal, caption: draft.current, firstKey: nextKey.current });
    nextKey.current += files.length;
    setAll(next.all);
    setLeft(next.left);
    command.clear();
  };
  const edit = (change: (all: readonly Picked[]) => readonly Picked[]) => {
    setAll(change);
    setLeft(0);
  };
  const send = () =>
    command.run(async () => {
      for (const one of all) {
        const parcel = parcelOf(one);
        if (!parcel) return;
        await device.sendFile(conversation, parcel.content, { ...parcel.about, caption: one.caption.trim() });
        // It went along as a caption.
        if (drafts.get(conversation) === draft.current) drafts.set(conversation, "");
        setAll((now) => removed(now, one.key));
      }
    });
  return {
    all,
    left,
    add,
    remove: (key) => edit((now) => removed(now, key)),
    caption: (key, caption) => edit((now) => changed(now, key, { caption })),
    originals: (asOriginal) => edit((now) => now.map((one) => ({ ...one, asOriginal }))),
    clear: () => edit(() => []),
    ready: all.every((one) => one.prepared !== null && faultOf(one) === null),
    sending: command.busy,
    failure: command.failure,
    send,
  };
}

function usePreparing(all: readonly Picked[], setAll: (change: (all: readonly Picked[]) => readonly Picked[]) => void, codec: Codec): void {
  const busy = useRef(false);
  const [done, setDone] = useState(0);
  const next = all.find((one) => one.prepared === null);
  const start = useCallback(
    async (one: Picked) => {
      busy.current = true;
      const prepared = await prepare(one.file, codec);
      busy.current = false;
      setAll((now) => changed(now, one.key, { prepared }));
      setDone((count) => count + 1);
    },
    [codec, setAll],
  );
  useEffect(() => {
    if (next && !busy.current) void start(next);
    // `done`: one that was removed meanwhile changes nothing else.
  }, [next, done, start]);
}
