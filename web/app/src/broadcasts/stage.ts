// Whether the broadcast of this tab fills the screen, and how one is watched from wherever it is offered.
import { createContext, use, useCallback } from "react";
import type { BroadcastId } from "../device/contract";
import { useDevice } from "../session/Session";
import { type Command, useCommand } from "../session/useCommand";

interface Stage {
  large: boolean;
  setLarge(large: boolean): void;
}

export const StageContext = createContext<Stage>({ large: false, setLarge: () => undefined });

export function useStage(): Stage {
  return use(StageContext);
}

export function useWatch(): { watch(broadcast: BroadcastId): void; command: Command } {
  const device = useDevice();
  const command = useCommand("broadcast");
  const { setLarge } = useStage();
  const { run } = command;
  const watch = useCallback(
    (broadcast: BroadcastId) => {
      setLarge(true);
      void run(() => device.joinBroadcast(broadcast));
    },
    [device, run, setLarge],
  );
  return { watch, command };
}
