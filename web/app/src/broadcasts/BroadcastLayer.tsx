// Broadcasts, wherever one is in the page: one that begins is told at the top, the one that is sent or watched here is a stage or a bar, and its end is said.
import { useState } from "react";
import type { Broadcast } from "../device/contract";
import { useOnAir, useView } from "../session/Session";
import { useNavigation } from "../shell/place";
import { Begins } from "./Begins";
import { Interrupted } from "./Interrupted";
import { Over } from "./Over";
import { SenderHere } from "./SenderHere";
import { WatcherHere } from "./WatcherHere";

export function BroadcastLayer() {
  const media = useOnAir();
  const broadcasts = useView((view) => view.broadcasts);
  const device = useView((view) => view.device);
  const here = broadcasts.find((one) => one.here);
  const [lastId, setLastId] = useState<string | null>(null);
  if (here && here.id !== lastId) setLastId(here.id);
  const over = here ? undefined : broadcasts.find(({ id, state }) => id === lastId && state === "ended");
  const interrupted = broadcasts.find((one) => one.state !== "ended" && one.device === device && one.part === null);
  return (
    <>
      {here && media?.kind === "watches" && <WatcherHere key={here.id} broadcast={here} media={media} />}
      {here && media?.kind === "sends" && <SenderHere key={here.id} broadcast={here} media={media} />}
      {over && <Over key={over.id} broadcast={over} close={() => setLastId(null)} />}
      {interrupted && <Interrupted key={interrupted.id} broadcast={interrupted} />}
      <Beginning broadcasts={broadcasts} device={device} />
    </>
  );
}

/** One at a time, and not where its channel is on the screen: there it is said anyway. */
function Beginning({ broadcasts, device }: { broadcasts: Broadcast[]; device: string | null }) {
  const { place } = useNavigation();
  const [put, setPut] = useState<ReadonlySet<string>>(new Set());
  const open = place.main?.kind === "conversation" ? place.main.conversation : null;
  const offered = (one: Broadcast) => one.state !== "ended" && one.part === null && one.device !== device && !put.has(one.id) && one.conversation !== open;
  const first = broadcasts.find(offered);
  return first ? <Begins key={first.id} broadcast={first} later={() => setPut(new Set(put).add(first.id))} /> : null;
}
