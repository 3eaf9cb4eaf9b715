// The calls as a list that grows while one scrolls and while calls are made.
import { useCallback, useEffect, useRef, useState } from "react";
import type { Message } from "../device/contract";
import { useDevice } from "../session/Session";

const PAGE = 40;

export interface Calls {
  list: Message[];
  /** The first page is there. */
  loaded: boolean;
  failed: boolean;
  /** Loads the next page, if there is one and none is on its way. */
  older(): void;
}

export function useCalls(): Calls {
  const device = useDevice();
  const [list, setList] = useState<Message[]>([]);
  const [loaded, setLoaded] = useState(false);
  const [failed, setFailed] = useState(false);
  const next = useRef<number | null>(null);
  const loading = useRef(false);

  const load = useCallback(
    async (before: number | null) => {
      if (loading.current) return;
      loading.current = true;
      try {
        const page = await device.calls(before, PAGE);
        next.current = page.before;
        setList((old) => merged(old, page.calls));
        setLoaded(true);
        setFailed(false);
      } catch {
        setFailed(true);
      } finally {
        loading.current = false;
      }
    },
    [device],
  );
  useEffect(() => void load(null), [load]);
  useEffect(() => device.onMessage((message) => message.body.kind === "call" && setList((old) => merged(old, [message]))), [device]);

  const older = useCallback(() => void (next.current !== null && load(next.current)), [load]);
  return { list, loaded, failed, older };
}

/** Both, newest first, each call once. */
export function merged(old: Message[], more: Message[]): Message[] {
  const ids = new Set(more.map(({ id }) => id));
  return [...old.filter(({ id }) => !ids.has(id)), ...more].sort((one, other) => beganMs(other) - beganMs(one));
}

export function beganMs({ body, sentAtMs }: Message): number {
  return body.kind === "call" ? body.startedAtMs : sentAtMs;
}
