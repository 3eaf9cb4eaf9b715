// The studio of a sheet: opened with it, and closed with it unless it was handed on to a broadcast.
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { Studio, type StudioState } from "../media/studio";

export interface StudioHere {
  studio: Studio;
  state: StudioState;
  /** Hands it on while this runs, and for good when it says so; else it is the sheet's again. */
  lend(broadcast: () => Promise<boolean>): Promise<boolean>;
}

export function useStudio(): StudioHere {
  const [studio] = useState(() => new Studio());
  const given = useRef(false);
  const shown = useRef(true);
  const [subscribe] = useState(() => (changed: () => void) => studio.subscribe(changed));
  const state = useSyncExternalStore(subscribe, () => studio.state());
  useEffect(() => {
    shown.current = true;
    void studio.openMicrophone();
    void studio.show("camera");
    return () => {
      shown.current = false;
      if (!given.current) studio.close();
    };
  }, [studio]);
  const lend = async (broadcast: () => Promise<boolean>) => {
    // The sheet may be gone before it is known: what it belongs to has changed.
    given.current = true;
    given.current = await broadcast();
    if (!given.current && !shown.current) studio.close();
    return given.current;
  };
  return { studio, state, lend };
}

/** Why something is not there, in words. Who does not choose a screen knows that. */
export function useStudioFailure({ failure }: StudioState): string | null {
  const { t } = useTranslation();
  if (failure === null || (failure.of === "screen" && failure.name === "NotAllowedError")) return null;
  const words = { camera: "noCamera", screen: "noScreen", microphone: "noMicrophone" } as const;
  return t(`broadcast.${words[failure.of]}`);
}
