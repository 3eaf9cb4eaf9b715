// One command at a time with what a screen needs to show of it: that it runs, and why it failed.
import { useCallback, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { type About, explain } from "./failure";

export interface Command {
  busy: boolean;
  failure: string | null;
  /** Resolves to whether it went well. A second call while the first runs does nothing. */
  run(command: () => Promise<unknown>): Promise<boolean>;
  clear(): void;
}

export function useCommand(about: About = "message"): Command {
  const { t } = useTranslation();
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<unknown>(null);
  const running = useRef(false);
  const run = useCallback(async (command: () => Promise<unknown>) => {
    if (running.current) return false;
    running.current = true;
    setBusy(true);
    setFailure(null);
    try {
      await command();
      return true;
    } catch (error) {
      setFailure(error);
      return false;
    } finally {
      running.current = false;
      setBusy(false);
    }
  }, []);
  const clear = useCallback(() => setFailure(null), []);
  return { busy, failure: failure === null ? null : explain(failure, t, about), run, clear };
}
