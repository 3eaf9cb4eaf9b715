// How components reach the device. The view is one immutable object; a component selects what it shows and is drawn again only when that has changed.
import { createContext, useCallback, useContext, useMemo, useSyncExternalStore, type ReactNode } from "react";
import { Confirmations } from "../conversation/confirmations";
import { Drafts } from "../conversation/drafts";
import { Histories } from "../conversation/histories";
import type { Device, View } from "../device/contract";
import { Contents } from "../files/contents";
import type { BroadcastMedia } from "../media/broadcast";
import type { LiveMedia } from "../media/live";

interface Session {
  device: Device;
  histories: Histories;
  drafts: Drafts;
  contents: Contents;
  confirmations: Confirmations;
}

const Context = createContext<Session | null>(null);

export function SessionProvider({ device, children }: { device: Device; children: ReactNode }) {
  const session = useMemo(() => ({ device, histories: new Histories(device), drafts: new Drafts(), contents: new Contents(device), confirmations: new Confirmations(device) }), [device]);
  return <Context value={session}>{children}</Context>;
}

function useSession(): Session {
  const session = useContext(Context);
  if (!session) throw new Error("outside of a SessionProvider");
  return session;
}

export function useDevice(): Device {
  return useSession().device;
}

export function useHistories(): Histories {
  return useSession().histories;
}

export function useDrafts(): Drafts {
  return useSession().drafts;
}

export function useContents(): Contents {
  return useSession().contents;
}

export function useConfirmations(): Confirmations {
  return useSession().confirmations;
}

/** `select` must return a part of the view, or something that compares equal while the part is the same. */
export function useView<T>(select: (view: View) => T): T {
  const { device } = useSession();
  const subscribe = useCallback((changed: () => void) => device.subscribe(changed), [device]);
  return useSyncExternalStore(subscribe, () => select(device.view()));
}

/** Sound and picture of the call in this tab. */
export function useLive(): LiveMedia | null {
  const { device } = useSession();
  const subscribe = useCallback((changed: () => void) => device.subscribe(changed), [device]);
  return useSyncExternalStore(subscribe, () => device.live());
}

/** Sound and picture of the broadcast that this tab sends or watches. */
export function useOnAir(): BroadcastMedia | null {
  const { device } = useSession();
  const subscribe = useCallback((changed: () => void) => device.subscribe(changed), [device]);
  return useSyncExternalStore(subscribe, () => device.onAir());
}
