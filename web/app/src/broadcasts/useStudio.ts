// The studio of a sheet: opened with it, and closed with it unless it was handed on to a broadcast.
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { Studio, type StudioState } from "../media/studio";

export interface StudioHere {
  studio: Studio;
  state: StudioState;
  /** It is a broadcast's from now on. */
  give(): void;
}

export function useStudio(): StudioHere {
  const [studio] = useState(() => new Studio());
  const given = useRef(false);
  const [subscribe] = useState(() => (changed: () => void) => studio.subscribe(changed));
  const state = useSyncExternalStore(subscribe, () => studio.state());
  useEffect(() => {
    void studio.openMicrophone();
    void studio.show("camera");
    return () => {
      if (!given.current) studio.close();
    };
  }, [studio]);
  return { studio, state, give: () => void (given.current = true) };
}

/** Why something is not there, in words. Who does not choose a screen knows that. */
export function useStudioFailure({ failure }: StudioState): string | null {
  const { t } = useTranslation();
  if (failure === null || (failure.of === "screen" && failure.name === "NotAllowedError")) return null;
  const words = { camera: "noCamera", screen: "noScreen", microphone: "noMicrophone" } as const;
  return t(`broadcast.${words[failure.of]}`);
}
