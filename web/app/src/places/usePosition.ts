// Where this device is, as well as it knows within a few seconds. Asked only when somebody taps; nothing is watched afterwards.
import { useCallback, useEffect, useRef, useState } from "react";
import type { Position } from "./coordinates";

/** Near enough to find somebody: then it looks no further. */
export const GOOD_M = 15;
/** Longest search. A first fix is often off by a street; satellites need some seconds. */
export const SEARCH_MS = 20_000;

export type Trouble = "denied" | "unavailable" | "timeout";

export type Search =
  | { state: "idle"; position: null }
  | { state: "searching"; position: Position | null }
  | { state: "found"; position: Position }
  | { state: "failed"; position: null; trouble: Trouble };

const IDLE: Search = { state: "idle", position: null };

export function afterFix(search: Search, fix: Position): Search {
  if (search.state !== "searching") return search;
  const best = search.position && search.position.accuracyM <= fix.accuracyM ? search.position : fix;
  return best.accuracyM <= GOOD_M ? { state: "found", position: best } : { state: "searching", position: best };
}

/** Somewhere near is better than nothing. */
export function afterTrouble(search: Search, trouble: Trouble): Search {
  if (search.state !== "searching") return search;
  return search.position ? { state: "found", position: search.position } : { state: "failed", position: null, trouble };
}

function troubleOf({ code }: GeolocationPositionError): Trouble {
  return code === 1 ? "denied" : code === 3 ? "timeout" : "unavailable";
}

export function usePosition(): { search: Search; start(): void; forget(): void } {
  const [search, setSearch] = useState<Search>(IDLE);
  const stop = useRef<() => void>(() => undefined);

  const start = useCallback(() => {
    stop.current();
    setSearch({ state: "searching", position: null });
    const { geolocation } = navigator;
    if (!geolocation) return setSearch((now) => afterTrouble(now, "unavailable"));
    const watch = geolocation.watchPosition(
      ({ coords }) => setSearch((now) => afterFix(now, { latitude: coords.latitude, longitude: coords.longitude, accuracyM: coords.accuracy })),
      (error) => setSearch((now) => afterTrouble(now, troubleOf(error))),
      { enableHighAccuracy: true, maximumAge: 0, timeout: SEARCH_MS },
    );
    const timeout = setTimeout(() => setSearch((now) => afterTrouble(now, "timeout")), SEARCH_MS);
    stop.current = () => {
      geolocation.clearWatch(watch);
      clearTimeout(timeout);
    };
  }, []);
  const forget = useCallback(() => setSearch(IDLE), []);

  const searching = search.state === "searching";
  useEffect(() => {
    if (!searching) stop.current();
  }, [searching]);
  useEffect(() => () => stop.current(), []);
  return { search, start, forget };
}
