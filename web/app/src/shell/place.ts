// Where the person is. It is kept in the history's state, so that a phone's back button works, and not in the address: no name or id shows there.
import { createContext, use, useEffect, useMemo, useState } from "react";
import type { AccountId, ConversationId } from "../device/contract";

export interface Place {
  /** What the list's pane shows. */
  side: "list" | "calls" | "new-chat" | "new-group";
  main: { kind: "conversation"; conversation: ConversationId } | { kind: "settings" } | null;
  /** The pane beside the conversation: its details, or one person's. */
  details: { person: AccountId | null } | null;
}

export const HOME: Place = { side: "list", main: null, details: null };

export interface Navigation {
  place: Place;
  /** Goes to another place. `back` leads here again, unless `replace`. */
  go(place: Place, replace?: boolean): void;
  back(): void;
  openConversation(conversation: ConversationId): void;
  openDetails(person: AccountId | null): void;
  openSettings(): void;
}

interface Entry {
  place: Place;
  depth: number;
}

function entry(): Entry {
  const state: unknown = window.history.state;
  if (typeof state === "object" && state !== null && "place" in state && "depth" in state) return state as Entry;
  return { place: HOME, depth: 0 };
}

/** One step towards the list, for when there is no history to go back in. */
export function above(place: Place): Place {
  if (place.details?.person) return { ...place, details: { person: null } };
  if (place.details) return { ...place, details: null };
  if (!isList(place.side)) return { ...place, side: "list" };
  return { ...HOME, side: place.main ? place.side : "list" };
}

/** Whether this side lists what can be opened beside it. */
export function isList(side: Place["side"]): boolean {
  return side === "list" || side === "calls";
}

export function useNavigationRoot(): Navigation {
  const [current, setCurrent] = useState<Entry>(entry);
  useEffect(() => {
    const moved = () => setCurrent(entry());
    window.addEventListener("popstate", moved);
    return () => window.removeEventListener("popstate", moved);
  }, []);
  return useMemo(() => {
    const go = (place: Place, replace = false) => {
      const next = { place, depth: replace ? current.depth : current.depth + 1 };
      if (replace) window.history.replaceState(next, "");
      else window.history.pushState(next, "");
      setCurrent(next);
    };
    const { place, depth } = current;
    return {
      place,
      go,
      back: () => (depth > 0 ? window.history.back() : go(above(place), true)),
      // From one conversation to another is a step aside, not deeper.
      openConversation: (conversation) => go({ side: isList(place.side) ? place.side : "list", main: { kind: "conversation", conversation }, details: null }, place.main !== null),
      openDetails: (person) => go({ ...place, details: { person } }, place.details !== null && person === null),
      openSettings: () => go({ side: isList(place.side) ? place.side : "list", main: { kind: "settings" }, details: null }, place.main !== null),
    };
  }, [current]);
}

export const NavigationContext = createContext<Navigation | null>(null);

export function useNavigation(): Navigation {
  const navigation = use(NavigationContext);
  if (!navigation) throw new Error("outside of the shell");
  return navigation;
}
